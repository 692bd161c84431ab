"""Items for natural persons, end to end (R-103, R-203, R-301, R-303, R-406): 异地就医结算备案, 居住证签注 and 养老保险关系转移, as a person meets them."""

from __future__ import annotations

from datetime import timedelta

from tongban.kernel.clock import SystemClock
from tongban.main.demo.tour import walk

MEDICAL, PERMIT = "12500000DEM00003002002099903000", "11500103DEM000022Q4000799902000"
PENSION = "12510100DEM00004963002099907000"
INSURANCE = ("500000", "CQ-YB-01"), ("500000", "CQ-YB-02"), ("500000", "CQ-YB-02")
SOCIAL = ("510000", "CD-SB-01"), ("510000", "CD-SB-02"), ("510000", "CD-SB-02")
POLICE = ("500000", "YZ-GA-01"), ("500000", "YZ-GA-02"), ("500000", "YZ-GA-03")


async def decide(story, officers, case):
    """Three officers: accept, review with an opinion, grant."""
    acceptor, examiner, approver = officers
    await walk.desk_step(story, acceptor, case, "accept", {"complete": "yes"})
    await walk.desk_step(story, examiner, case, "review", {})
    await walk.desk_step(story, examiner, case, "opinion", {"favourable": "yes", "opinion": "材料齐全，符合条件（演示）"})
    await walk.desk_step(story, approver, case, "grant", {})


async def card(story, name, *, besides=()):
    """The page of the newest card of that name that is not among `besides`, as soon as it is in the wallet, everything shown."""
    her = story.browser("her")

    def cards():
        return [href for text, href in her.page.links if name in text and href.startswith("/wallet/") and not href.endswith("/show")]

    async def look():
        page = await her.get(story.home + "/wallet")
        page.text += " NEW-CARD" if set(cards()) - set(besides) else ""
        return page

    await story.until(look, "NEW-CARD", seconds=15)
    chosen = next(href for href in cards() if href not in besides)
    return chosen, await her.get(f"{chosen}?all=1")


def medical(who):
    today = SystemClock().today()
    return {
        "insurance": "resident", "kind": "trip", "province": "510000", "city": "510100", "starts": today.isoformat(),
        "ends": (today + timedelta(days=30)).isoformat(), "mobile": who.phone, "insured_at": "500103",
    }  # fmt: skip


async def test_medical_care_in_another_place(story):
    her = story.browser("her")
    page = await walk.begin(story, "外地看病报销", MEDICAL)
    page.must("来自公安部人口登记", story.person.name)
    check = await walk.fill_pages(her, page, walk.only_empty(medical(story.person)))
    check.must("成都市", "临时外出", "你只要交 0 份")
    assert story.person.number not in check.text, "the whole number is not needed on this page"
    case = await walk.hand_in(her, check)
    await decide(story, INSURANCE, case)
    _, page = await card(story, "异地就医备案凭证")
    page.must("有效", story.person.name, story.person.number, "成都市", "临时外出")
    page = await her.get(f"{story.home}/cases/{case}")
    page.must("已办结", "准予决定书", "异地就医备案凭证")


async def test_the_place_where_she_is_insured_needs_no_filing_and_what_she_typed_stays(story):
    her = story.browser("her")
    page = await walk.begin(story, "异地医保备案", MEDICAL)
    typed = medical(story.person)
    while "/where" not in page.url:
        form = next(one for one in page.forms if ("_act", "next") in one.buttons)
        page = await her.submit(form, dict(walk.only_empty(typed)(form)), button=("_act", "next"))
        assert page.status == 200, page.text[:500]
    form = page.form(has="city")
    insured = next(value for name, value in page.form(has="city").fields if name == "city") or "500103"
    page = await her.submit(form, {**{name: typed[name] for name in ("province", "starts", "ends")}, "province": "500000", "city": insured},
                            button=("_act", "next"))  # fmt: skip
    assert page.status == 422
    page.must("去的地方就是参保地，不用备案")
    assert dict(page.form(has="city").fields)["ends"] == typed["ends"]


def permit(who):
    return {
        "permit_number": "演示500103000001", "mobile": who.phone, "address": "重庆市渝中区演示路 8 号", "moved": "false",
        "reason": "work", "last_endorsed": "2025-11-30",
    }  # fmt: skip


async def endorse(story):
    """From the search to the decision; the check page and the case."""
    her = story.browser("her")
    page = await walk.begin(story, "居住证快过期了", PERMIT)
    check = await walk.fill_pages(her, page, walk.only_empty(permit(story.person)))
    case = await walk.hand_in(her, check)
    await decide(story, POLICE, case)
    return check, case


async def test_a_residence_permit_is_endorsed_and_next_year_the_form_knows_it(story):
    check, _ = await endorse(story)
    check.must("演示500103000001", "在这里上班", "你只要交 1 份")  # no permit is known of her, so the paper is taken
    first, page = await card(story, "居住证")
    page.must("有效", story.person.name, story.person.number, "演示500103000001")
    # a year later she has it in her wallet: nothing to hand in, the number comes from the permit, the new one replaces it
    check, case = await endorse(story)
    check.must("你只要交 0 份", "居住证")
    second, page = await card(story, "居住证", besides=[first])
    page.must("有效", "演示500103000001")
    her = story.browser("her")
    await story.until(lambda: her.get(first), "已换新", seconds=15)
    assert second != first
    page = await story.browser("her").get(f"{story.home}/cases/{case}")
    page.must("已办结")


async def test_a_service_where_nothing_is_typed(story):
    """R-406: the share of fields typed by hand is 0, no paper is handed in, and every filled field names its source."""
    her = story.browser("her")
    page = await walk.begin(story, "社保怎么转到外地", PENSION)
    asked, typed = set(), []

    def nothing(form):
        values = dict(form.fields)
        names = {name for name in form.names() if not name.startswith("_")} - {"declared"}
        asked.update(names)
        typed.extend(name for name in names if not values.get(name))
        return {}

    check = await walk.fill_pages(her, page, nothing)
    assert not typed, f"{typed} of {sorted(asked)} would have to be typed"
    assert {"mobile", "address", "from_place", "from_kind", "from_months", "to_place", "to_unit"} <= asked
    check.must("你只要交 0 份", "重庆市社会保险经办", "四川省社会保险经办", "公安部人口登记", "你的账号")
    case = await walk.hand_in(her, check)
    await decide(story, SOCIAL, case)
    await story.until(lambda: her.get(f"{story.home}/cases/{case}"), "已办结", seconds=15)
    her.page.must("准予决定书")
