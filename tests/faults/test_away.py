"""A node away for the length of the story (architecture.md 15, promise 5; cases.md 10; federation.md 5.5; identity.md 11).

The hub is one more reader: without it letters go from province to province. An owner away means 正在送往, never a loss. The
register of persons away means that known people go on, and new ones go on at level 1 and are told so.
"""

from __future__ import annotations

from datetime import timedelta

from tongban.kernel.clock import SystemClock
from tongban.main.demo.tour import Story, after, desk, licence, person, walk
from tongban.main.demo.tour.story import one_time_code
from tongban.main.demo.visitor import Page

COMPANY, MEDICAL = "内资公司设立登记", "12500000DEM00003002002099903000"


async def company(story: Story) -> None:
    """The item of 成都, found by name as soon as its app is told here."""
    her, found = story.browser("her"), []

    async def look() -> Page:
        page = await her.get(f"{story.home}/search?q={COMPANY}")
        found[:] = [href for _, href in page.links if href.startswith("/s/11510100")]
        page.text += " FOUND" if found else ""
        return page

    await story.until(look, "FOUND", seconds=30)
    story.kept["item"] = found[0].removeprefix("/s/")


async def medical_case(story: Story) -> str:
    """重庆's own service, from the search to the wallet."""
    today, her = SystemClock().today(), story.browser("her")
    page = await walk.begin(story, "外地看病报销", MEDICAL)
    typed = {
        "insurance": "resident", "kind": "trip", "province": "510000", "city": "510100", "starts": today.isoformat(),
        "ends": (today + timedelta(days=30)).isoformat(), "mobile": story.person.phone, "insured_at": "500103",
    }  # fmt: skip
    case = await walk.hand_in(her, await walk.fill_pages(her, page, walk.only_empty(typed)))
    first, second = ("500000", "CQ-YB-01"), ("500000", "CQ-YB-02")
    await walk.desk_step(story, first, case, "accept", {"complete": "yes"})
    await walk.desk_step(story, second, case, "review", {})
    await walk.desk_step(story, second, case, "opinion", {"favourable": "yes", "opinion": "符合条件（演示）"})
    await walk.desk_step(story, second, case, "grant", {})
    await story.until(lambda: her.get(story.home + "/wallet"), "异地就医备案凭证", seconds=15)
    return case


async def test_without_the_hub_the_provinces_go_on(nation, story):
    her = story.browser("her")
    await company(story)
    await person.find(story)
    await person.sign_in(story)
    await nation.stop("cn")

    await person.fill(story)
    await person.submit(story)
    url = f"{story.home}/cases/{story.kept['case']}"
    # the silence of the hub is noticed after hub_away_seconds (5 here, 120 by default); from then on letters go directly
    await story.until(lambda: her.get(url), "已送达", seconds=40)
    for step in (desk.stranger, desk.ask_correction, desk.correct, desk.decide, licence.in_wallet, licence.bank_registers, licence.shown,
                 licence.records, after.review, after.roam):  # fmt: skip
        await step(story)
    await medical_case(story)

    await nation.start_again("cn")
    page = await her.get(story.addresses["cn"] + "/")
    assert page.status == 200


async def test_the_owner_away_means_on_its_way_and_never_lost(nation, story):
    her = story.browser("her")
    await company(story)
    await person.find(story)
    await person.sign_in(story)
    await person.fill(story)
    await nation.stop("510000")

    await person.submit(story)
    assert "正在送往" in story.kept["submitted_text"] or "正在送往" in her.page.text
    case = story.kept["case"]
    url = f"{story.home}/cases/{case}"
    page = await her.get(url)
    page.must("正在送往")
    assert "已送达" not in page.text, "nothing is promised that the owner has not signed"
    await person.submit_again(story)

    await nation.start_again("510000")
    await story.until(lambda: her.get(url), "已送达", seconds=30)
    await desk.ask_correction(story)


async def test_the_register_of_persons_away(nation, story):
    known = story.person
    page = await walk.begin(story, "外地看病报销", MEDICAL)
    page.must(known.name)
    async with Story(story.addresses, as_json=False, number=2, folder=story.folder) as later:
        new = await later.invent()
        await nation.stop("mps")

        # a known person, in a new browser
        other = later.browser("other")
        page = await person.sign_in_with(other, await other.get(later.home + "/login?next=/cases"), known)
        assert page.url == later.home + "/cases", page.text[:300]
        page.must("异地就医结算备案")

        # a new person: told what happens, kept, signed in at level 1
        her = later.browser("her")
        page = await her.get(later.home + "/login?next=/cases")
        page = await her.submit(page.form(has="who"), {"who": new.phone})
        page = await her.submit(page.form(has="code"), {"code": one_time_code(page), "number": new.number})
        page = await her.submit(page.form(has="name"), {"name": new.name, "number": new.number})
        page.must("现在查不到户籍登记", "你填的都在")
        page = await her.get(later.home + "/cases")
        assert page.url == later.home + "/cases", f"level 1 is enough to look: {page.url} {page.text[:300]}"

        await nation.start_again("mps")
