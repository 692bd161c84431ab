"""内资企业变更登记 on the whole nation (R-403, R-405, R-406): she founded a company in 成都 from 重庆, and renames and moves it.

As herself she is led to the switch; acting for the company its licence fills the form by the credit code alone; three officers
of 成都 decide; the new licence is the company's own and names the one before, which is over, and the register knows the new name.
"""

from __future__ import annotations

import pytest
from tests.nation.test_agents import act_for, banner, founded

from tongban.kernel.clock import SystemClock
from tongban.main.demo.tour import walk
from tongban.main.demo.tour.person import sign_in_with
from tongban.main.demo.tour.story import Story

pytestmark = pytest.mark.nation
CHANGE = "11510100DEM000014N3000199908000"
OFFICERS = ("510000", "CD-SJ-01"), ("510000", "CD-SJ-02"), ("510000", "CD-SJ-03")


def licences(page):
    """The 营业执照 a wallet lists, by the address of each."""
    return [href for text, href in page.links if "营业执照" in text and href.startswith("/wallet/") and not href.endswith("/show")]


def moved(story, new_name):
    return {
        "changes": ["name", "address"], "resolved_on": SystemClock().today().isoformat(), "by_resolution": "true", "amends_articles": "true",
        "new_name": new_name, "new_district": "510107", "new_address": "演示路 30 号 2 幢 101 室", "premises": "promise",
        "mobile": story.person.phone, "delivery": "electronic",
    }  # fmt: skip


async def accepted(story, case):
    """The first of three officers of 成都 takes it; the page of the case."""
    return await walk.desk_step(story, OFFICERS[0], case, "accept", {"complete": "yes"})


async def granted(story, case):
    """The second reviews it, the third grants it."""
    await walk.desk_step(story, OFFICERS[1], case, "review", {})
    await walk.desk_step(story, OFFICERS[1], case, "opinion", {"favourable": "yes", "opinion": "材料齐全，符合登记条件（演示）"})
    await walk.desk_step(story, OFFICERS[2], case, "grant", {})


async def represented(story, company):
    """The register was asked, so that the switch offers the company."""
    her = story.browser("her")

    async def asked():
        page = await her.get(story.home + "/me/switch")
        return await her.submit(page.form(action="/me/switch/ask"))

    await story.until(asked, company, seconds=20)


async def test_a_company_is_renamed_and_moved_with_its_licence(story):
    company = await founded(story)
    her, home = story.browser("her"), story.home
    await story.until(lambda: her.get(home + "/wallet"), company, seconds=15)
    (old,) = licences(her.page)
    await represented(story, company)

    # as herself: everyday words find it, the guide and the door say that it is done for a company
    page = await her.get(f"{home}/search?q=公司改名字")
    assert CHANGE in next(href for _, href in page.links if href.startswith("/s/"))
    page = await her.get(f"{home}/s/{CHANGE}")
    page.must("内资企业变更登记", "替企业办", "切换到企业再办", "3 个")
    assert f"/me/switch?next=/s/{CHANGE}" in {href for _, href in page.links}

    # as the company: the licence lies with her, fills the form, and nothing is to be handed in
    await act_for(her, home, company)
    page = await her.get(home + "/wallet")
    page.must("企业的证照", "放在申请人那里的", "营业执照")
    assert licences(page) == []
    page = await her.get(f"{home}/s/{CHANGE}")
    page = await her.submit(page.form(action="/apply"))
    page.must("来自电子证照：营业执照", company)
    page = await her.get(page.url.rsplit("/", 1)[0] + "/found")
    page.must("按信用代码查的", "统一社会信用代码", "用得上的证照", "时的状态", "有效")
    page = await her.get(page.url.rsplit("/", 1)[0] + "/company")
    new_name = company.replace("演示科技", "演示文化")
    check = await walk.fill_pages(her, page, walk.only_empty(moved(story, new_name)))
    check.must("你只要交 0 份", "用你的电子证照：营业执照", new_name)
    case = await walk.hand_in(her, check)
    page = await accepted(story, case)
    page.must(f"由{story.person.name}代{company}提交", new_name)
    await granted(story, case)

    # the company's own wallet has the new one; the one before has left hers and says that it is over
    await story.until(lambda: her.get(home + "/wallet"), new_name, seconds=15)
    (new,) = licences(her.page)
    page = await her.get(f"{home}{new}?all=1")
    page.must("有效", new_name, "武侯区演示路 30 号 2 幢 101 室", story.person.name)
    assert banner(page)
    await story.until(lambda: her.get(f"{home}/cases/{case}"), "已办结", seconds=15)
    her.page.must("准予决定书")

    await represented(story, new_name)  # 法人登记 has the new name by letter, and the same representative
    await her.submit((await her.get(home + "/me/switch")).form(has="mandate"))
    assert licences(await her.get(home + "/wallet")) == []
    await story.until(lambda: her.get(home + old), "已换新", seconds=15)
    assert old != new


async def test_a_new_representative_takes_over_and_the_former_one_is_out(story):
    """R-301, T-87: the change is told to 法人登记, which ends her power everywhere; the new one finds company and licence."""
    company = await founded(story)
    her, home = story.browser("her"), story.home
    await represented(story, company)
    page = await act_for(her, home, company)
    async with Story(story.addresses, as_json=False, number=2, folder=story.folder) as other:
        heir = await other.invent()
        page = await her.get(f"{home}/s/{CHANGE}")
        page = await her.submit(page.form(action="/apply"))
        typed = moved(story, "") | {"changes": ["legal"], "new_legal_name": heir.name, "new_legal_number": heir.number}
        check = await walk.fill_pages(her, page, walk.only_empty(typed))
        check.must("网上签名就行", heir.name)
        case = await walk.hand_in(her, check)
        await accepted(story, case)
        await granted(story, case)
        await story.until(lambda: her.get(home + "/me"), "代办授权已经停了", seconds=20)
        assert company not in (await her.get(home + "/wallet")).text, "the licence stayed with the former representative"
        his = other.browser("her")
        await his.get(home + "/me/switch")
        await sign_in_with(his, await his.get(home + "/login?next=/me/switch"), heir)
        await represented(other, company)
        await act_for(his, home, company)
        await story.until(lambda: his.get(home + "/wallet"), company, seconds=15)
        (card,) = licences(his.page)
        (await his.get(f"{home}{card}?all=1")).must("有效", heir.name, company)
