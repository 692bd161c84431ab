"""What a sign-in costs the database (R-301, identity.md 13): statements counted at the pool, at each step of a complete login."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tongban.identity.actions import resolve, sessions
from tongban.identity.tests.make import PC_AGENT, Browser, MakeNode, citizen, code_for, household, sign_in
from tongban.identity.tests.make_clients import Driver, back_of, register_client, suspend_client
from tongban.identity.tests.make_count import Count
from tongban.kernel.node import Node

BUDGET = 14


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Count:
    return Count.of(monkeypatch)


@pytest.fixture(scope="module")
async def node(make_node: MakeNode) -> AsyncIterator[Node]:
    async with household(make_node, "500000") as found:
        yield found["500000"]


@pytest.fixture(scope="module")
async def her(node: Node) -> Browser:
    browser = Browser()
    await sign_in(browser, node, citizen())
    return browser


async def test_a_complete_login_stays_within_its_statements(node: Node, her: Browser, count: Count) -> None:
    """R-301: PAR, authorize, page, code request, code page, code, redirect, token, userinfo on a new device: 14 statements at most."""
    driver, who = Driver(node, await register_client(node)), citizen()
    await driver.tokens(her)  # consented, keys and client read once
    for turn in range(2):  # the first one fills what the process remembers
        browser, before = Browser(PC_AGENT), len(count.sent)
        with count.at_most(1):
            start = await driver.start()
        with count.at_most(1):
            page = await browser.get(node, start, follow=False)
        where = page.headers["location"]
        with count.at_most(0):
            page = await browser.get(node, where)
        fields = page.fields("/login")
        with count.at_most(2 if turn else 3):
            page = await browser.post(node, "/login", {**fields, "who": who.phone}, follow=False)
        with count.at_most(1):
            page = await browser.get(node, page.headers["location"], follow=False)
        cost = len(count.sent) - before
        code = await code_for(browser, node, who.phone)
        before = len(count.sent)
        with count.at_most(2):
            page = await browser.submit(node, page, "/login/code", follow=False, code=code, number=who.number)
        with count.at_most(2):
            page = await browser.get(node, page.headers["location"], follow=False)
        answer = back_of(page)
        with count.at_most(2):
            status, _, told = await driver.redeem(answer["code"])
        assert status == 200, told
        with count.at_most(2):
            assert (await driver.userinfo(told["access_token"]))[0] == 200
        cost += len(count.sent) - before
    assert cost <= BUDGET


async def test_a_browser_not_remembered_is_recognised_by_one_statement(node: Node, her: Browser, count: Count) -> None:
    """identity.md 7, 13: session, name and mandate at once; what is remembered asks nothing."""
    cookies = dict(her.jar[f"{node.id}.localhost"])
    node.bell.ring(sessions.BELL)
    await resolve.resolve(node, cookies)  # the look whether anything ended, every two seconds, is behind us
    node.bell.ring(sessions.BELL)
    with count.at_most(1):
        actor = await resolve.resolve(node, cookies)
    assert (actor.kind, actor.name is not None) == ("citizen", True)
    with count.at_most(0):
        assert await resolve.resolve(node, cookies) == actor


async def test_a_refresh_is_one_statement(node: Node, her: Browser, count: Count) -> None:
    """identity.md 5, 13: turned, judged and written at once, for a native app and for one that keeps its token."""
    for kind in ("native", "service_app"):
        driver = Driver(node, await register_client(node, kind=kind, scopes=("openid", "profile", "offline_access")))
        told = await driver.tokens(her)
        with count.at_most(1):
            status, _, told = await driver.refresh(told["refresh_token"])
        assert status == 200, told
        assert (await driver.userinfo(told["access_token"]))[0] == 200


async def test_what_is_remembered_of_a_client_is_never_believed_longer_than_its_row(node: Node, her: Browser) -> None:
    """T-25: suspended or changed by another process, without any bell; keys taken away and added count at once."""
    driver = Driver(node, await register_client(node, scopes=("openid", "profile", "offline_access")))
    told = await driver.tokens(her)
    code = await driver.code(her)
    start = await driver.start()
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE client SET purpose = '演示另一个用处' WHERE id = $1", driver.app.id)
    assert (await her.get(node, start, follow=False)).headers["location"].startswith("/consent"), "another purpose asks again"
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE client SET status = 'suspended', reason = '演示' WHERE id = $1", driver.app.id)
    assert (await driver.par())[2]["error"] == "invalid_client"
    assert (await driver.redeem(code))[2]["error"] == "invalid_client"
    assert (await driver.refresh(told["refresh_token"]))[2]["error"] == "invalid_client"
    assert (await driver.userinfo(told["access_token"]))[0] == 401
    assert (await her.get(node, start, follow=False)).status == 403


async def test_many_at_once_use_a_code_and_a_proof_once(node: Node, her: Browser) -> None:
    """T-05, T-06: ten at the same moment with the same code, and with the same proof: one is served."""
    driver = Driver(node, await register_client(node))
    code = await driver.code(her)
    served = [told for status, _, told in await asyncio.gather(*(driver.redeem(code) for _ in range(10))) if status == 200]
    assert len(served) == 1
    assert (await driver.userinfo(served[0]["access_token"]))[0] == 401, "the others came with a used code, so what it gave is gone"
    told = await driver.tokens(her)
    proof = driver.proof("GET", "/oidc/userinfo", token=told["access_token"])
    answers = await asyncio.gather(*(driver.userinfo(told["access_token"], proof=proof) for _ in range(10)))
    assert sorted(status for status, _, _ in answers) == [200, *[401] * 9]


async def test_many_guesses_at_once_are_five_guesses(node: Node) -> None:
    """T-16: thirty wrong codes at the same moment end the transaction, and the right one after them is refused."""
    browser, who = Browser(PC_AGENT), citizen()
    page = await browser.submit(node, await browser.get(node, "/login"), "/login", who=who.phone)
    fields, code = page.fields("/login/code"), await code_for(browser, node, who.phone)
    wrong = f"{(int(code) + 1) % 10**len(code):0{len(code)}d}"
    answers = await asyncio.gather(*(browser.post(node, "/login/code", {**fields, "code": wrong, "number": who.number}, follow=False) for _ in range(30)))
    assert {one.status for one in answers} <= {404, 410, 422, 429}
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT step, tries FROM login_tx ORDER BY created_at DESC LIMIT 1")
    assert (row["step"], row["tries"]) == ("dead", 5)
    last = await browser.post(node, "/login/code", {**fields, "code": code, "number": who.number}, follow=False)
    assert last.status != 303


async def test_a_suspended_client_is_asked_of_nobody(node: Node, her: Browser) -> None:
    """T-25: the verb of staff, at every door of a client that was remembered a moment ago."""
    driver = Driver(node, await register_client(node))
    await driver.tokens(her)
    await suspend_client(node, driver.app.id)
    assert (await driver.par())[2]["error"] == "invalid_client"
