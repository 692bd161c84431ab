"""Ends and turns of sessions (identity.md 7): the line before the end, the daily turn, levels of old values, kiosk, away, three tabs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tongban import identity
from tongban.identity.actions import resolve as resolving
from tongban.identity.actions import sessions
from tongban.identity.queries.sessions import by_cookie
from tongban.identity.rules import levels
from tongban.identity.tests.make import PC_AGENT, Browser, MakeNode, citizen, household, sign_in, step_up
from tongban.kernel.node import Node

HOST = "500000.localhost"
COOKIE = "__Host-tb_s"


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, "500000") as found:
        yield found


async def shift(home: Node, browser: Browser, **columns: str) -> None:
    """Move times of this browser's session by intervals."""
    async with home.db.transaction() as tx:
        found = await by_cookie(tx, home, browser.jar[HOST][COOKIE], staff=False)
        assert found is not None
        for column, interval in columns.items():
            await tx.execute(f"UPDATE session SET {column} = {column} + interval '{interval}' WHERE id = $1", found.id)
    home.bell.ring(sessions.BELL)


def test_the_table_of_lives() -> None:
    """identity.md 7: own phone, PC or unknown, kiosk, staff; doubled in elder mode for level 2 and less on the own phone only."""
    days = timedelta(days=1)
    assert levels.limits("citizen", own_phone=True, acr=1) == (30 * days, 180 * days)
    assert levels.limits("citizen", own_phone=True, acr=2) == (30 * days, 30 * days)
    assert levels.limits("citizen", own_phone=False, acr=2) == (timedelta(hours=2), timedelta(hours=12))
    assert levels.limits("kiosk", own_phone=True, acr=2, elder=True) == (timedelta(seconds=60), timedelta(minutes=15))
    assert levels.limits("staff", own_phone=False, acr=4) == (timedelta(minutes=30), timedelta(hours=10))
    assert levels.limits("citizen", own_phone=True, acr=2, elder=True) == (60 * days, 60 * days)
    assert levels.limits("citizen", own_phone=True, acr=3, elder=True) == (30 * days, 30 * days)
    assert levels.limits("citizen", own_phone=False, acr=2, elder=True) == (timedelta(hours=2), timedelta(hours=12))


async def test_a_phone_is_the_own_one_from_its_second_sign_in(nodes: dict[str, Node]) -> None:
    home, who, phone = nodes["500000"], citizen(), Browser()
    await sign_in(phone, home, who)
    async with home.db.reading() as tx:
        first = await by_cookie(tx, home, phone.jar[HOST][COOKIE], staff=False)
    assert first is not None
    assert first.ends_at - first.raised_at <= timedelta(hours=12)
    await phone.submit(home, await phone.get(home, "/me/devices"), "/me/devices/leave-all")
    phone.jar[HOST]["tb_mode"] = "elder"
    await sign_in(phone, home, who)
    async with home.db.reading() as tx:
        second = await by_cookie(tx, home, phone.jar[HOST][COOKIE], staff=False)
    assert second is not None
    assert second.ends_at - second.raised_at == timedelta(days=60)


async def test_two_minutes_before_the_end_it_says_so_and_goes_on(nodes: dict[str, Node]) -> None:
    """WCAG 2.2.1: one line with 继续用; without JavaScript a page with that button, whose opening is no sign of life."""
    home, browser = nodes["500000"], Browser(PC_AGENT)
    await sign_in(browser, home, citizen("刘建国"))
    page = await browser.get(home, "/me/access")
    assert '<noscript><meta http-equiv="refresh"' in page.body
    assert "/session/ending?next=/me/access" in page.body
    assert "继续用" in page.body
    await shift(home, browser, seen_at="-7100 seconds", idle_until="-7100 seconds")
    page = await browser.get(home, "/session/ending?next=/me/access")
    assert "继续用" in page.body
    async with home.db.reading() as tx:
        found = await by_cookie(tx, home, browser.jar[HOST][COOKIE], staff=False)
    assert found is not None
    assert found.idle_until - home.clock.now() < timedelta(seconds=120), "looking is no sign of life"
    page = await browser.submit(home, page, "/session/keep")
    assert page.path == "/me/access"
    async with home.db.reading() as tx:
        found = await by_cookie(tx, home, browser.jar[HOST][COOKIE], staff=False)
    assert found is not None
    assert found.idle_until - home.clock.now() > timedelta(minutes=110)
    await shift(home, browser, idle_until="-3 hours")
    page = await browser.get(home, "/login?next=/me/access")
    assert "登录时间到了。再登一次，刚才填的都在" in page.body


async def test_the_absolute_end_is_put_off_ten_times_and_no_more(nodes: dict[str, Node]) -> None:
    now, idle = nodes["500000"].clock.now(), timedelta(hours=2)
    ends, extended = now + timedelta(minutes=1), 0
    for _ in range(12):
        until, ends, extended = levels.kept_on("citizen", now=now, idle=idle, ends_at=ends, acr=2, extended=extended)
        now = ends - timedelta(minutes=1)
    assert extended == 10
    assert levels.kept_on("kiosk", now=now, idle=idle, ends_at=now, acr=2, extended=0)[2] == 0
    assert levels.kept_on("citizen", now=now, idle=idle, ends_at=now, acr=3, extended=0)[2] == 0
    assert until <= ends


async def test_the_value_turns_daily_and_three_tabs_live_on(nodes: dict[str, Node]) -> None:
    """A stolen value is worth a day; an answer lost on the way signs nobody out."""
    home, browser = nodes["500000"], Browser()
    await sign_in(browser, home, citizen())
    old = browser.jar[HOST][COOKIE]
    await shift(home, browser, rotated_at="-25 hours")
    tabs = [Browser() for _ in range(3)]
    for tab in tabs:
        tab.jar = {HOST: dict(browser.jar[HOST])}
    pages = [await tab.get(home, "/me/access") for tab in tabs]
    assert [page.status for page in pages] == [200, 200, 200]
    values = {tab.jar[HOST][COOKIE] for tab in tabs}
    assert len(values - {old}) == 1, "one tab turned it, once"
    new = (values - {old}).pop()
    browser.jar[HOST][COOKIE] = new
    page = await browser.get(home, "/me/devices")
    page = await browser.submit(home, page, "/logout") if 'action="/logout"' in page.body else page
    assert page.status == 200
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE session SET previous_until = now() - interval '1 second' WHERE previous_until IS NOT NULL")
        assert await by_cookie(tx, home, old, staff=False) is None, "the value before is dead once the new one was seen"


async def test_a_form_of_the_turning_answer_can_be_sent(nodes: dict[str, Node]) -> None:
    home, browser = nodes["500000"], Browser()
    await sign_in(browser, home, citizen())
    await shift(home, browser, rotated_at="-25 hours")
    page = await browser.get(home, "/me/devices")
    page = await browser.submit(home, page, "/me/devices/leave-all")
    assert page.path == "/logout"


async def test_the_value_before_a_level_change_is_worth_the_old_level(nodes: dict[str, Node]) -> None:
    """T-09: whoever holds the old value for 30 seconds more does not rise with the person."""
    home, browser = nodes["500000"], Browser()
    await sign_in(browser, home, citizen())
    old = browser.jar[HOST][COOKIE]
    page = await step_up(browser, home, await browser.get(home, "/step-up?level=3&next=/me/access"))
    assert "3 级" in page.body
    assert (await identity.resolve(home, {COOKIE: old})).acr == 2
    assert (await identity.resolve(home, {COOKIE: browser.jar[HOST][COOKIE]})).acr == 3
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT max(acr) FROM session WHERE revoked_at IS NULL") == 3, "looking with the old value lowers nothing"


async def test_an_end_is_heard_within_two_seconds_without_the_bell(nodes: dict[str, Node]) -> None:
    """identity.md 6.5: should NOTIFY not arrive, the table is asked; 5 s of cache are never 5 s of access."""
    home, browser = nodes["500000"], Browser()
    await sign_in(browser, home, citizen())
    cookies = {COOKIE: browser.jar[HOST][COOKIE]}
    assert (await identity.resolve(home, cookies)).kind == "citizen"
    async with home.db.transaction() as tx:  # no ring: as if the message were lost
        await tx.execute("UPDATE session SET revoked_at = $1, reason = 'logout' WHERE revoked_at IS NULL", home.clock.now())
    memory = resolving._memories[home]
    memory.looked_at = time.monotonic() - 2.01
    assert (await identity.resolve(home, cookies)).kind == "nobody"


async def test_a_kiosk_session_is_short_and_known_as_one(nodes: dict[str, Node]) -> None:
    home, kiosk = nodes["500000"], Browser(PC_AGENT)
    kiosk.jar[HOST] = {"tb_channel": "kiosk", "tb_mode": "elder"}
    await sign_in(kiosk, home, citizen())
    async with home.db.reading() as tx:
        row = await tx.fetchrow("SELECT kind, ends_at - started_at AS life, device FROM session ORDER BY started_at DESC LIMIT 1")
    assert (row["kind"], row["life"], row["device"]) == ("kiosk", timedelta(minutes=15), None)
    page = await kiosk.submit(home, await kiosk.get(home, "/me/devices"), "/logout")
    assert page.headers["clear-site-data"] == '"cookies", "storage"'
    assert "这台机器上没有留下您的信息" in page.body


async def test_login_csrf_a_foreign_page_cannot_sign_a_browser_in(nodes: dict[str, Node]) -> None:
    """T-10: the code of a transaction works only in the browser that began it, and no form without its token."""
    home, attacker, victim = nodes["500000"], Browser(), Browser()
    page = await attacker.submit(home, await attacker.get(home, "/login"), "/login", who=citizen("何志远").phone)
    fields = {**page.fields("/login/code"), "code": "123456", "number": citizen("何志远").number}
    answer = await victim.post(home, "/login/code", fields)
    assert answer.status == 403
    victim_fields = (await victim.get(home, "/login")).fields("/login")
    answer = await victim.post(home, "/login/code", {**fields, "tb_token": victim_fields["tb_token"]})
    assert answer.status == 410
    for path in ("/scan/finish", "/session/keep", "/unlock", "/recover/confirm", "/me/lock/now", "/me/devices/theft"):
        assert (await victim.post(home, path, {})).status == 403, path
