"""Limits that cannot be turned against the owner, recovery and theft (identity.md 8), through the real pages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tongban import identity
from tongban.identity import tasks
from tongban.identity.actions import phone_waiting, plans, throttle
from tongban.identity.actions.sign_in import no_longer_theirs
from tongban.identity.providers.phone_status import DemoPhoneStatus
from tongban.identity.providers.phone_status import ask as ask_status
from tongban.identity.queries.persons import recovered_until
from tongban.identity.rules import throttle as limits
from tongban.identity.rules.throttle import spread_guessing
from tongban.identity.tests.make import PC_AGENT, Browser, MakeNode, Page, citizen, code_for, household, sign_in
from tongban.kernel.node import Node

HOST = "500000.localhost"


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, "500000") as found:
        yield found


async def begun(browser: Browser, home: Node, phone: str) -> Page:
    return await browser.submit(home, await browser.get(home, "/login?next=/me/access"), "/login", who=phone)


async def owner(home: Node, name: str) -> Browser:
    """Somebody on a device seen before, signed out."""
    browser = Browser()
    await sign_in(browser, home, citizen(name))
    await browser.submit(home, await browser.get(home, "/me/devices"), "/me/devices/leave-all")
    return browser


async def test_brute_force_is_locked_out_and_the_owner_gets_in(nodes: dict[str, Node]) -> None:
    """T-16, T-20: fifteen wrong codes pause unknown devices; the owner's own device signs in meanwhile."""
    home, who = nodes["500000"], citizen("刘建国")
    known = await owner(home, "刘建国")
    for _ in range(3):
        thief = Browser(PC_AGENT)
        page = await begun(thief, home, who.phone)
        right = await code_for(thief, home, who.phone)
        wrong = f"{(int(right) + 1) % 10**6:06d}"
        for _ in range(5):
            page = await thief.post(home, "/login/code", {**page.fields("/login/code"), "code": wrong, "number": who.number})
    assert page.status == 410
    thief = Browser(PC_AGENT)
    page = await begun(thief, home, who.phone)
    right = await code_for(thief, home, who.phone)
    page = await thief.submit(home, page, "/login/code", code=right, number=who.number)
    assert page.status == 429, "even the right code waits on an unknown device"
    assert 0 < int(page.headers["retry-after"]) <= 1800
    assert re.search(r"\d+ 分钟后再试", page.body)
    page = await begun(known, home, who.phone)
    page = await known.submit(home, page, "/login/code", code=await code_for(known, home, who.phone))
    assert page.path == "/me/access"
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE login_pause SET until = until - interval '3 minutes'")
    page = await begun(thief, home, who.phone)
    page = await thief.submit(home, page, "/login/code", code=await code_for(thief, home, who.phone), number=who.number)
    assert page.path == "/me/access", "after the pause the new device may go on"


async def test_wrong_codes_of_a_known_device_pause_nobody(nodes: dict[str, Node]) -> None:
    home, who = nodes["500000"], citizen("周雨桐")
    known = await owner(home, "周雨桐")
    for _ in range(4):
        page = await begun(known, home, who.phone)
        for _ in range(5):
            page = await known.post(home, "/login/code", {**page.fields("/login/code"), "code": "000000"})
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM login_pause WHERE until > now() + interval '100 days'") == 0
    page = await begun(known, home, who.phone)
    page = await known.submit(home, page, "/login/code", code=await code_for(known, home, who.phone))
    assert page.path == "/me/access"


async def test_emptying_the_purse_of_unknown_devices_leaves_the_owners_own(nodes: dict[str, Node]) -> None:
    """T-20: codes asked for by strangers are counted apart from the owner's own devices."""
    home, who = nodes["500000"], citizen("陈晓雨")
    known = await owner(home, "陈晓雨")
    refused = None
    for _ in range(3 * limits.DEMO_FACTOR + 1):
        refused = await begun(Browser(PC_AGENT), home, who.phone)
        if refused.status == 429:
            break
    assert refused is not None
    assert refused.status == 429
    assert 0 < int(refused.headers["retry-after"]) <= 86400, "identity.md 8: a sentence and Retry-After"
    assert "通行密钥或扫码" in refused.body
    page = await begun(known, home, who.phone)
    page = await known.submit(home, page, "/login/code", code=await code_for(known, home, who.phone))
    assert page.path == "/me/access"
    async with home.db.transaction() as tx:
        await tx.execute("DELETE FROM throttle")  # the tests that follow begin afresh


async def test_addresses_have_a_purse_for_known_and_one_for_new_devices(nodes: dict[str, Node]) -> None:
    home = nodes["500000"]
    assert limits.addresses(60, "203.0.113.9", known_device=False) == ((3600, 20),)
    assert limits.addresses(60, "203.0.113.9", known_device=True) == ((3600, 60),)
    assert limits.addresses(60, "100.64.0.1", known_device=False) == ((3600, 400),), "a shared gateway, by data"
    async with home.db.transaction() as tx:
        waits = [await throttle.take(tx, home, "login:new:x", limits.addresses(3, "203.0.113.9", known_device=False)) for _ in range(2)]
    assert waits[0] == 0
    assert waits[1] > 0


async def test_spread_guessing_switches_codes_to_eight_digits(nodes: dict[str, Node]) -> None:
    """T-17: many accounts, few tries each: the share of wrong codes raises the alarm and the plan; it can be switched off again."""
    home, who = nodes["500000"], citizen("郑浩然")
    assert not spread_guessing(1000, 50, [0.05] * 20)
    for number in range(100):
        plans.note_code(home, wrong=number % 2 == 0)
    await tasks.weigh_codes(home)
    async with home.db.reading() as tx:
        row = await tx.fetchrow("SELECT plan, by_whom, why FROM login_plan WHERE ended_at IS NULL")
    assert (row["plan"], row["by_whom"]) == ("identity.spread_guessing", "clock")
    browser = Browser()
    page = await begun(browser, home, who.phone)
    code = await code_for(browser, home, who.phone)
    assert len(code) == 8
    assert "8 位数字" in page.body
    page = await browser.submit(home, page, "/login/code", code=code, number=who.number)
    assert page.path == "/login/name"
    desk = Browser(PC_AGENT)
    page = await desk.submit(home, await desk.get(home, "/staff/login?next=/staff/login-plan"), "/staff/login", key="YZ-DT-01")
    page = await desk.get(home, "/staff/login-plan")
    assert "现在启用着" in page.body
    assert 'name="act"' not in page.body, "only who operates the node switches it"
    first, second = Browser(PC_AGENT), Browser(PC_AGENT)
    for one, key in ((first, "CQ-JD-01"), (second, "CQ-JD-02")):
        await one.submit(home, await one.get(home, "/staff/login?next=/staff/login-plan"), "/staff/login", key=key)
    proposed = await first.submit(home, await first.get(home, "/staff/login-plan"), "/staff/login-plan", why="演练结束")
    assert proposed.path.startswith("/staff/proposals/"), proposed.body

    async def is_on() -> bool:
        async with home.db.reading() as tx:
            return bool(await tx.fetchval("SELECT count(*) FROM login_plan WHERE ended_at IS NULL"))

    assert await is_on(), "one alone switches nothing (identity.md 9)"
    seen = await second.get(home, proposed.path)
    token = (await first.get(home, "/staff/login-plan")).fields("/staff/login-plan")["tb_token"]
    own = await first.post(home, proposed.path, {**seen.fields(proposed.path), "tb_token": token, "act": "approve"})
    assert own.status == 403
    assert await is_on()
    await second.submit(home, seen, proposed.path, act="approve")
    assert not await is_on()
    browser = Browser()
    await begun(browser, home, who.phone)
    assert len(await code_for(browser, home, who.phone)) == 6


async def test_a_number_given_to_somebody_else_signs_nobody_in(nodes: dict[str, Node]) -> None:
    """T-19 二次放号: the right code and even the right number are not enough on a new device; unknown counts as yes after 180 days."""
    home, who = nodes["500000"], citizen("何志远")
    known = await owner(home, "何志远")
    browser = Browser(PC_AGENT)
    page = await browser.get(home, "/demo/providers")
    ways = dict.fromkeys(("face", "voice", "cosigner", "city"), "works")
    await browser.submit(home, page, "/demo/providers", **ways, phone_status="fails")
    page = await begun(browser, home, who.phone)
    page = await browser.submit(home, page, "/login/code", code=await code_for(browser, home, who.phone), number=who.number)
    assert page.status == 403
    assert "可能换了人用" in page.body
    assert "找回账号" in page.body
    assert "__Host-tb_s" not in browser.jar[HOST]
    page = await begun(known, home, who.phone)
    page = await known.submit(home, page, "/login/code", code=await code_for(known, home, who.phone))
    assert page.path == "/me/access", "a device of the account is a second thing the new owner of the number lacks"
    await browser.submit(home, await browser.get(home, "/demo/providers"), "/demo/providers", **ways, phone_status="works")
    now = home.clock.now()
    assert await ask_status(DemoPhoneStatus("slow"), who.phone, now, seconds=0.05) == "unknown"
    assert not no_longer_theirs("unknown", now - timedelta(days=179), now)
    assert no_longer_theirs("unknown", now - timedelta(days=181), now)
    assert not no_longer_theirs("same", now - timedelta(days=900), now)


# ---- theft --------------------------------------------------------------------------------------------------------


async def restricted(home: Node, name: str) -> bool:
    async with home.db.reading() as tx:
        return bool(await tx.fetchval(
            "SELECT a.restricted_until > now() FROM account a JOIN person p ON p.subject = a.subject WHERE p.bi_number = $1",
            home.cipher.index("person.number", citizen(name).number),
        ))  # fmt: skip


async def test_a_report_of_theft_ends_sessions_lowers_the_level_and_tells_nobody_who_exists(nodes: dict[str, Node]) -> None:
    """手机丢了: from any browser with name and number; the answer is the same for an account and for none (T-18)."""
    home, who, phone, anybody = nodes["500000"], citizen("周雨桐"), Browser(), Browser(PC_AGENT)
    await sign_in(phone, home, who)
    page = await anybody.get(home, "/theft")
    nobody = await anybody.submit(home, page, "/theft", name="某某某", number="11010519491231002X")
    found = await anybody.submit(home, page, "/theft", name=who.name, number=who.number)
    strip = re.compile(r'name="tb_token" value="[^"]+"')
    assert strip.sub("", nobody.body) == strip.sub("", found.body)
    assert await restricted(home, "周雨桐")
    assert (await phone.get(home, "/me/access")).status == 401, "every session ended"
    page = await sign_in(phone, home, who)
    assert "核验级别是 1 级" in page.body
    assert (await phone.get(home, "/me/phone")).path in ("/step-up", "/me/phone")
    page = await phone.get(home, "/step-up?level=3&next=/me/access")
    refused = await phone.submit(home, page, "/step-up", way="certificate", level="3", next="/me/access")
    assert refused.status == 403
    assert "报了手机丢失" in refused.body
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE account SET restricted_until = now() - interval '1 second' WHERE status = 'restricted'")
    await tasks.recovery_due(home)
    assert not await restricted(home, "周雨桐")
    await phone.submit(home, await phone.get(home, "/me/devices"), "/me/devices/leave-all")
    assert "核验级别是 2 级" in (await sign_in(phone, home, who)).body, "signed in again as before"
    for _ in range(5):
        await anybody.submit(home, await anybody.get(home, "/theft"), "/theft", name=who.name, number=who.number)
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM theft_report WHERE way = 'page'") == 2, "a third from the web in a week needs the hotline"


# ---- recovery -----------------------------------------------------------------------------------------------------


async def code_on(page: Page) -> str:
    found = re.search(r"验证码 (\d{6})", page.body)
    assert found, page.body
    return found[1]


async def test_waiting_72_hours_changes_the_number_and_every_old_channel_can_stop_it(nodes: dict[str, Node]) -> None:
    home, who, lost = nodes["500000"], citizen("罗桂兰"), Browser(PC_AGENT)
    old = Browser()
    await sign_in(old, home, who)
    new = "13900009901"

    async def begin() -> Page:
        page = await lost.get(home, "/recover/wait")
        page = await lost.submit(home, page, "/recover/wait", name=who.name, number=who.number, phone=new)
        assert page.path == "/recover/confirm"
        page = await lost.submit(home, page, "/recover/confirm", code=await code_on(page))
        assert "马上换" not in page.body, "nobody is signed in: only waiting"
        form = {**page.fields("/recover/confirm"), "act": "wait"}
        return await lost.post(home, "/recover/confirm", form)

    page = await begin()
    assert "要等一等" in page.body
    texts = await old.get(home, f"/demo/sms?phone={who.phone}")
    link = re.search(r"/recover/stop/[\w-]+", texts.body)
    assert link, "the old number is told with 停止"
    assert "停止" in (await old.get(home, "/me/devices")).body
    page = await Browser().get(home, link[0])
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM phone_change WHERE state = 'waiting'") == 1, "a preview stops nothing"
    somebody = Browser()
    page = await somebody.get(home, link[0])
    page = await somebody.submit(home, page, link[0])
    assert "停下了" in page.body
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE phone_change SET due_at = now() - interval '1 minute'")
    assert await phone_waiting.finish_due(home) == 0
    await begin()
    assert await phone_waiting.finish_due(home) == 0, "not before its time"
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE phone_change SET due_at = now() - interval '1 minute' WHERE state = 'waiting'")
    await tasks.recovery_due(home)
    assert (await old.get(home, "/me/access")).status == 401, "old sessions ended"
    page = await begun(lost, home, new)
    page = await lost.submit(home, page, "/login/code", code=await code_for(lost, home, new), number=who.number)
    assert page.path == "/me/access"
    async with home.db.reading() as tx:
        subject = await tx.fetchval("SELECT subject FROM phone_change WHERE state = 'done'")
        until = await recovered_until(tx, subject)
    assert until is not None
    assert until > home.clock.now() + timedelta(hours=23)


async def test_waiting_for_nobody_looks_the_same_and_changes_nothing(nodes: dict[str, Node]) -> None:
    """T-18: who has an account shows in no answer."""
    home, browser = nodes["500000"], Browser()
    page = await browser.get(home, "/recover/wait")
    page = await browser.submit(home, page, "/recover/wait", name="某某某", number="11010519491231002X", phone="13900009902")
    assert page.path == "/recover/confirm"
    page = await browser.submit(home, page, "/recover/confirm", code=await code_on(page))
    page = await browser.post(home, "/recover/confirm", {**page.fields("/recover/confirm"), "act": "wait"})
    assert "如果有这个账号" in page.body
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE phone_change SET due_at = now() - interval '1 minute' WHERE state = 'waiting'")
        before = await tx.fetchval("SELECT count(*) FROM account")
    await tasks.recovery_due(home)
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM account") == before


async def test_a_new_number_at_once_needs_two_of_three(nodes: dict[str, Node]) -> None:
    home, who, browser = nodes["500000"], citizen("郑浩然"), Browser()
    await sign_in(browser, home, who)
    page = await browser.submit(home, await browser.get(home, "/me/phone"), "/me/phone", phone="13900009903")
    wrong = await browser.submit(home, page, "/recover/confirm", act="new", code="000001")
    assert "还能试" in wrong.body
    page = await browser.submit(home, page, "/recover/confirm", act="new", code=await code_on(page))
    token = page.fields("/recover/confirm")
    refused = await browser.post(home, "/recover/confirm", {**token, "act": "now"})
    assert "还要再核验一样" in refused.body
    await browser.post(home, "/recover/confirm", {**token, "act": "ask_old"})
    page = await browser.post(home, "/recover/confirm", {**token, "act": "old", "code": await code_for(browser, home, who.phone)})
    assert "再核验 1 样" in page.body
    page = await browser.post(home, "/recover/confirm", {**token, "act": "face", "agree": "yes", "demo": "works"})
    assert "马上换号" in page.body
    page = await browser.post(home, "/recover/confirm", {**token, "act": "now"})
    assert "手机号换好了" in page.body
    assert "换好了" in (await browser.get(home, f"/demo/sms?phone={who.phone}")).body, "the old number is told"
    page = await begun(Browser(), home, "13900009903")
    assert page.path == "/login/code"


async def at_desk(home: Node, key: str) -> Browser:
    desk = Browser(PC_AGENT)
    page = await desk.submit(home, await desk.get(home, "/staff/login?next=/staff/recovery"), "/staff/login", key=key)
    assert page.path == "/staff/recovery", page.body
    return desk


async def test_a_hall_recovers_with_a_live_face_and_everything_old_is_dead(nodes: dict[str, Node]) -> None:
    home, who, phone = nodes["500000"], citizen("陈晓雨"), Browser()
    await sign_in(phone, home, who)
    desk = await at_desk(home, "YZ-DT-01")
    page = await desk.get(home, "/staff/recovery")
    failed = await desk.submit(home, page, "/staff/recovery", name=who.name, number=who.number, how="face", demo="fails")
    assert not re.search(r"绑定码 \d{4} \d{4} \d{4}", failed.body)
    page = await desk.submit(home, page, "/staff/recovery", name=who.name, number=who.number, how="face", demo="works")
    word = re.search(r"绑定码 (\d{4}) (\d{4}) (\d{4})", page.body)
    assert word, page.body
    assert (await phone.get(home, "/me/access")).status == 401, "all sessions ended"
    fresh = Browser()
    page = await fresh.get(home, "/recover/hall")
    wrong = await fresh.submit(home, page, "/recover/hall", number=who.number, word="0" * 12)
    assert "绑定码不对" in wrong.body
    page = await fresh.submit(home, page, "/recover/hall", number=who.number, word="".join(word.groups()))
    assert page.path == "/me/devices"
    again = Browser()
    refused = await again.submit(home, await again.get(home, "/recover/hall"), "/recover/hall", number=who.number, word="".join(word.groups()))
    assert refused.status == 422, "once"
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT acr FROM session WHERE 'inperson' = ANY(amr) AND revoked_at IS NULL") == 4
    page = await fresh.submit(home, await fresh.get(home, "/me/phone"), "/me/phone", phone="13900009904")
    page = await fresh.submit(home, page, "/recover/confirm", code=await code_on(page))
    page = await fresh.post(home, "/recover/confirm", {**page.fields("/recover/confirm"), "act": "now"})
    assert "手机号换好了" in page.body, "the hall counts for both proofs"


async def test_a_hall_without_a_face_needs_two_clerks(nodes: dict[str, Node]) -> None:
    """T-93: the first clerk alone gets nothing, the second one's word is the word."""
    home, who, old = nodes["500000"], citizen("刘建国"), Browser()
    await sign_in(old, home, who)
    desk = await at_desk(home, "YZ-DT-01")
    page = await desk.submit(home, await desk.get(home, "/staff/recovery"), "/staff/recovery", name=who.name, number=who.number, how="clerk")
    assert "请另一位同事" in page.body
    assert "等第二位确认" not in page.body, "not offered to the first one"
    async with home.db.reading() as tx:
        row = await tx.fetchval("SELECT id FROM hall_recovery WHERE confirmed_by IS NULL ORDER BY at DESC LIMIT 1")
    token = page.fields("/staff/recovery")["tb_token"]
    refused = await desk.post(home, "/staff/recovery/confirm", {"tb_token": token, "id": row})
    assert refused.status == 403
    assert "要另一位同事确认" in refused.body
    other = await at_desk(home, "YZ-DT-02")
    waiting = await other.get(home, "/staff/recovery")
    assert "等第二位确认" in waiting.body
    assert who.name not in waiting.body, "masked until the person stands there"
    page = await other.submit(home, waiting, "/staff/recovery/confirm", id=row)
    word = re.search(r"绑定码 (\d{4}) (\d{4}) (\d{4})", page.body)
    assert word, page.body
    assert not await alive(home, old), "all sessions ended, all factors revoked"
    again = await other.post(home, "/staff/recovery/confirm", {**waiting.fields("/staff/recovery/confirm"), "id": row})
    assert not re.search(r"绑定码 \d{4} \d{4} \d{4}", again.body), "confirmed once"
    fresh = Browser()
    page = await fresh.submit(home, await fresh.get(home, "/recover/hall"), "/recover/hall", number=who.number, word="".join(word.groups()))
    assert page.path == "/me/devices"
    async with home.db.reading() as tx:
        done = await tx.fetchrow("SELECT proposed_by, confirmed_by, confirmed_how FROM hall_recovery WHERE id = $1", row)
        until = await tx.fetchval("SELECT recovered_until > now() + interval '23 hours' FROM account a JOIN hall_recovery r USING (subject) WHERE r.id = $1", row)
    assert done["confirmed_how"] == "clerk"
    assert done["proposed_by"] != done["confirmed_by"]
    assert until, "no mandate, no move for 24 h"


async def alive(home: Node, browser: Browser) -> bool:
    return (await identity.resolve(home, browser.jar[HOST], path="/me")).kind == "citizen"
