"""Recovery, theft and limits where somebody else sits at the same browser, counter or address (identity.md 8; T-20, T-90, T-93, T-94)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tongban import consent
from tongban.identity.actions import sign_in as signing
from tongban.identity.actions import theft, throttle
from tongban.identity.rules import throttle as limits
from tongban.identity.tests.make import PC_AGENT, Browser, MakeNode, Page, citizen, code_for, household, sign_in
from tongban.identity.tests.make_staff import code_of, officer
from tongban.kernel.actor import Assignment
from tongban.kernel.clock import CHINA
from tongban.kernel.errors import NotAllowed
from tongban.kernel.node import Node

HOST = "500000.localhost"


@pytest.fixture(scope="module")
async def home(make_node: MakeNode) -> AsyncIterator[Node]:
    async with household(make_node, "500000") as found:
        yield found["500000"]


async def number_begun(home: Node, browser: Browser, phone: str) -> Page:
    """Signed in, a new number typed and answered."""
    page = await browser.submit(home, await browser.get(home, "/me/phone"), "/me/phone", phone=phone)
    assert page.path == "/recover/confirm", page.body
    return await browser.submit(home, page, "/recover/confirm", code=await code_for(browser, home, phone))


async def test_who_signs_in_next_at_the_same_browser_proves_nothing_for_the_account_before(home: Node) -> None:
    """T-94: a change of hers is under way; somebody else signs in there and shows an own face: her number stays."""
    who, browser = citizen("陈晓雨"), Browser()
    await sign_in(browser, home, who)
    await number_begun(home, browser, "13900008801")
    await browser.submit(home, await browser.get(home, "/me/devices"), "/me/devices/leave-all")
    await sign_in(browser, home, citizen("刘建国"))
    token = (await browser.get(home, "/me/phone")).fields("/me/phone")["tb_token"]
    for form in ({"act": "face", "agree": "yes", "demo": "works"}, {"act": "now"}):
        page = await browser.post(home, "/recover/confirm", {"tb_token": token, **form})
        assert page.status == 410, f"another person's proof was taken: {form}"
    async with home.db.reading() as tx:
        shown = await tx.fetchval("SELECT shown FROM phone_change WHERE state = 'open' ORDER BY made_at DESC LIMIT 1")
    assert shown == ["new"], "another person's proof was taken"
    page = await browser.submit(home, await browser.get(home, "/login?again=1&next=/me/access"), "/login", who=who.phone)
    assert await code_for(browser, home, who.phone), "her number is still hers"


async def test_a_code_that_ran_out_is_sent_again_to_either_number(home: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow people are not stuck: 重新发送 gives both numbers five more minutes, and only so often."""
    who, browser = citizen("周雨桐"), Browser()
    await sign_in(browser, home, who)
    page = await browser.submit(home, await browser.get(home, "/me/phone"), "/me/phone", phone="13900008802")
    first = await code_for(browser, home, "13900008802")

    async def run_out() -> None:
        async with home.db.transaction() as tx:
            await tx.execute("UPDATE phone_change SET code_until = now() - interval '1 second' WHERE state = 'open'")

    await run_out()
    token = page.fields("/recover/confirm")
    late = await browser.post(home, "/recover/confirm", {**token, "code": first})
    assert "点“重新发送”" in late.body
    assert ">重新发送<" in late.body, "the sentence names a button that is there"
    await browser.post(home, "/recover/confirm", {**token, "act": "ask_new"})
    page = await browser.post(home, "/recover/confirm", {**token, "code": await code_for(browser, home, "13900008802")})
    assert "新号码核对好了" in page.body
    await run_out()  # five minutes went by with a face that was not recognised
    await browser.post(home, "/recover/confirm", {**token, "act": "ask_old"})
    page = await browser.post(home, "/recover/confirm", {**token, "act": "old", "code": await code_for(browser, home, who.phone)})
    assert "再核验 1 样" in page.body
    monkeypatch.setattr(limits, "DEMO_FACTOR", 1)
    for _ in range(6):
        page = await browser.post(home, "/recover/confirm", {**token, "act": "ask_old"})
        if page.status == 429:
            break
    assert page.status == 429
    assert int(page.headers["retry-after"]) > 0


async def test_12345_and_a_counter_report_when_the_web_takes_no_more(home: Node) -> None:
    """T-90: who burnt the web's reports of a week stops the owner nowhere; the clerk learns nothing, the person which unit it was."""
    who, web, browser = citizen("郑浩然"), Browser(PC_AGENT), Browser()
    await sign_in(browser, home, who)
    async with home.db.reading() as tx:
        subject: str = await tx.fetchval("SELECT subject FROM account ORDER BY opened_at DESC LIMIT 1")

    async def restricted() -> bool:
        async with home.db.reading() as tx:
            return bool(await tx.fetchval("SELECT restricted_until > now() FROM account WHERE subject = $1", subject))

    for _ in range(3):
        said = await web.submit(home, await web.get(home, "/theft"), "/theft", name=who.name, number=who.number)
        async with home.db.transaction() as tx:
            if await tx.fetchval("SELECT count(*) FROM theft_report WHERE subject = $1", subject) == 2:
                await tx.execute("UPDATE account SET restricted_until = NULL, status = 'open' WHERE subject = $1", subject)
    assert not await restricted()
    assert "已经报过 2 次的，或者这一个月在大厅恢复过的，这次不算，要打 12345" in said.body, "the page says what did not happen"
    clerk, desk = "YZ-DT-01", Browser(PC_AGENT)
    page = await desk.submit(home, await desk.get(home, "/staff/login?next=/staff/recovery"), "/staff/login", key=clerk)
    nobody = await desk.submit(home, page, "/staff/recovery/theft", lost_name="某某某", lost_number="11010519491231002X")
    assert not await restricted()
    found = await desk.submit(home, page, "/staff/recovery/theft", lost_name=who.name, lost_number=who.number)
    strip = re.compile(r'name="tb_token" value="[^"]+"')
    assert strip.sub("", nobody.body) == strip.sub("", found.body), "the clerk is told who is known"
    assert await restricted()
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT way FROM theft_report WHERE subject = $1 ORDER BY at DESC LIMIT 1", subject) == "hotline"
        line = next(one for one in await consent.lines(tx, home.id, subject) if one.purpose == "代你报手机丢失")
    assert "政务大厅" in line.who
    wrong = await desk.submit(home, page, "/staff/recovery/theft", lost_name="", lost_number="1")
    assert wrong.status == 422
    assert wrong.body.count("请填姓名和 18 位身份证号") >= 1


async def test_a_report_by_staff_needs_the_role_and_is_not_for_the_own_family(home: Node) -> None:
    """T-61, T-62: deny by default; one's own people are for a colleague; many in an hour are told."""
    who = citizen("罗桂兰")
    browser = Browser()
    await sign_in(browser, home, who)
    async with home.db.transaction() as tx:
        subject: str = await tx.fetchval("SELECT subject FROM account ORDER BY opened_at DESC LIMIT 1")
        stranger = await officer(tx, home, "CQ-YB-01")
        with pytest.raises(NotAllowed):
            await theft.by_staff(tx, home, stranger, name=who.name, number=who.number)
        agent = await officer(tx, home, "YZ-DT-02")
        hotline = type(agent)(
            kind="staff", subject=agent.subject, staff_id=agent.staff_id, unit=agent.unit, linked_subject=subject,
            assignments=(Assignment("hotline", frozenset({theft.REPORT}), "500000", "", frozenset({"*"}), None),),
        )  # fmt: skip
        assert await code_of(theft.by_staff(tx, home, hotline, name=who.name, number=who.number)) == "identity.own_case"
        for _ in range(40):
            refused = await theft.by_staff(tx, home, hotline, name="某某某", number="11010519491231002X")
        assert refused[0].code == "identity.too_many"
        assert await tx.fetchval("SELECT count(*) FROM staff_alert WHERE kind = 'many_thefts'") >= 1, "no alert"


async def test_a_counter_that_saw_the_person_lifts_a_report_of_theft(home: Node) -> None:
    """用通行密钥登录，或带身份证到大厅: the word of the counter lifts it, as the page says."""
    who, browser = citizen("何志远"), Browser()
    await sign_in(browser, home, who)
    await browser.submit(home, await browser.get(home, "/me/devices"), "/me/devices/theft")
    page = await sign_in(browser, home, who)
    assert "核验级别是 1 级" in page.body
    refused = await browser.get(home, "/me/phone")
    assert refused.path != "/me/phone" or refused.status == 403
    desk = Browser(PC_AGENT)
    page = await desk.submit(home, await desk.get(home, "/staff/login?next=/staff/counter"), "/staff/login", key="YZ-DT-01")
    page = await desk.submit(home, page, "/staff/counter", name=who.name, number=who.number)
    word = re.search(r"(\d{4}) (\d{4}) (\d{4})", page.body[page.body.index("<main") :])
    assert word, page.body
    page = await browser.get(home, "/step-up?level=4&next=/me/phone")
    page = await browser.submit(home, page, "/step-up", way="counter", word="".join(word.groups()), level="4", next="/me/phone")
    assert (page.path, page.status) == ("/me/phone", 200), "seen in person, and still restricted"
    anybody = Browser(PC_AGENT)
    said = await anybody.submit(home, await anybody.get(home, "/theft"), "/theft", name=who.name, number=who.number)
    assert "这一个月在大厅恢复过的，这次不算" in said.body
    assert (await browser.get(home, "/me/phone")).status == 200, "a stranger sends the owner to the hall again and again"
    page = await desk.submit(home, await desk.get(home, "/staff/recovery"), "/staff/recovery/theft", lost_name=who.name, lost_number=who.number)
    assert (await browser.get(home, "/me/phone")).status == 401, "12345 and the hall take one at any time"


async def test_a_made_up_device_cookie_is_no_known_device(home: Node) -> None:
    """T-20: with cookies nobody here gave, a neighbour behind the same address cannot empty the purse of known devices."""
    mine, robot = Browser(), signing.Browser(agent="x", address="203.0.113.5", device_cookie="made-up-by-somebody")
    await sign_in(mine, home, citizen("邓春梅"))
    known = signing.Browser(agent="x", address="203.0.113.6", device_cookie=mine.jar[HOST]["__Host-tb_dev"])
    async with home.db.transaction() as tx:
        await throttle.take(tx, home, "login:new:203.0.113", ((3600, 10**9),))
        await tx.execute("UPDATE throttle SET count = 1000000 WHERE seconds = 3600 AND count = 1")
        assert await signing.address_wait(tx, home, robot) > 0, "a made-up cookie takes from the purse of known devices"
        assert await signing.address_wait(tx, home, known) == 0
        await tx.execute("DELETE FROM throttle")


async def test_a_hall_sees_its_own_recoveries_at_the_time_of_its_wall_clock(home: Node) -> None:
    """T-93: the second clerk stands in the same hall; a clerk elsewhere neither sees nor confirms it."""
    who, one, two = citizen("吴思涵"), Browser(PC_AGENT), Browser(PC_AGENT)
    await sign_in(Browser(), home, who)
    for browser, key in ((one, "YZ-DT-01"), (two, "YZ-DT-02")):
        await browser.submit(home, await browser.get(home, "/staff/login?next=/staff/recovery"), "/staff/login", key=key)
    await one.submit(home, await one.get(home, "/staff/recovery"), "/staff/recovery", name=who.name, number=who.number, how="clerk")
    page = await two.get(home, "/staff/recovery")
    now = home.clock.now().astimezone(CHINA)
    assert any(f"{now - timedelta(minutes=late):%H:%M}" in page.body for late in (0, 1)), "the time of another part of the world"
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE hall_recovery SET hall = '万州区政务大厅（演示）' WHERE confirmed_by IS NULL")
    assert "等第二位确认" not in (await two.get(home, "/staff/recovery")).body
    page = await two.submit(home, page, "/staff/recovery/confirm")
    assert not re.search(r"绑定码 \d{4} \d{4} \d{4}", page.body), "confirmed from another hall"
