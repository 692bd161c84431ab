"""注销 over real nodes (R-409, privacy.md 7, T-32, T-48): asked in a browser, told by letter, erased everywhere, one page of receipts."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tongban import identity, notifications, privacy
from tongban.federation.tests.make import deliver
from tongban.identity import tasks as identity_tasks
from tongban.identity.tests.make import Browser, MakeNode, citizen, household, sign_in, step_up
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.main import rooms
from tongban.privacy import letters, pages
from tongban.privacy.actions import closing, leaving

HOME, AWAY, REGISTER = "500000", "510000", "mps"
WHO = citizen()


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    privacy.use_holdings(rooms.holdings())
    async with household(make_node, HOME, AWAY, routes=tuple(pages.routes), letters_too=letters.LETTERS, calls=letters.CALLS) as found:
        yield found
    privacy.use_holdings(())


async def roam(browser: Browser, node: Node) -> None:
    page = await browser.get(node, f"/login/go?home={HOME}&next=/me/access")
    assert page.url == f"{node.settings.base_url}/me/access", page.url


async def signed_in(browser: Browser, node: Node) -> bool:
    actor = await identity.resolve(node, browser.jar.get(node.settings.host, {}), path="/me")
    return actor.kind == "citizen"


async def subject_at(node: Node) -> str:
    async with node.db.reading() as tx:
        person = await identity.person_by_number(tx, node, WHO.number)
    assert person is not None
    return person.subject


async def asked(browser: Browser, node: Node) -> tuple[str, str]:
    """Ask in the browser; address and code of the paper."""
    page = await browser.get(node, "/me/closing")
    page = await browser.submit(node, page, "/me/closing")
    if page.path == "/step-up":
        page = await step_up(browser, node, page)
        assert page.path == "/me/closing", page.url
        page = await browser.submit(node, page, "/me/closing")
    link = re.search(r"/closed/([a-z2-7]+)", page.body)
    code = re.search(r"(\d{4}) (\d{4})", page.body)
    assert link, page.body
    assert code
    return f"/closed/{link.group(1)}", code.group(1) + code.group(2)


async def due(node: Node) -> None:
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE closing SET due_at = $1 WHERE state = 'waiting'", node.clock.now())


async def told(nodes: dict[str, Node], *ids: str) -> None:
    """What the clocks do after the seven days: letters, erasing, receipts."""
    await closing.close_due(nodes[HOME])
    await deliver(nodes)
    for one in ids or nodes:
        await identity_tasks.client_logout.tell_clients(nodes[one])
        await leaving.advance(nodes[one])
    await deliver(nodes)


async def counted(node: Node, table: str, where: str, *args: Any) -> int:
    async with node.db.reading() as tx:
        return int(await tx.fetchval(f"SELECT count(*) FROM {table} WHERE {where}", *args))


async def test_the_whole_way_from_the_button_to_the_last_receipt(nodes: dict[str, Node]) -> None:
    """R-409: ≤ 3 steps, level 3; sessions end everywhere within 5 s; all nodes erase and answer; the hub's index row is gone."""
    home, away, hub = nodes[HOME], nodes[AWAY], nodes["cn"]
    browser, other = Browser(), Browser()
    await sign_in(browser, home, WHO)
    await sign_in(other, home, WHO)
    await roam(browser, away)
    await deliver(nodes)
    subject = await subject_at(home)
    async with away.db.transaction() as tx:
        await notifications.notify(
            tx, away, subject=subject, kind="test", title="演示消息", text="在四川留下的", link="/me", about="test:1"
        )
    assert await counted(hub, "home_index", "home = $1", HOME) == 2
    address, code = await asked(browser, home)
    page = await browser.get(home, "/me/closing")
    assert "等着注销" in page.body
    assert WHO.name not in page.body.split("<main")[1]
    assert await signed_in(browser, home), "for seven days everything goes on"

    await due(home)
    began = time.monotonic()
    await closing.close_due(home)
    assert not await signed_in(browser, home)
    assert not await signed_in(other, home)
    await deliver(nodes)
    await leaving.advance(away)
    assert not await signed_in(browser, away)
    assert time.monotonic() - began < 5
    await told(nodes)
    for node in (home, away):
        for table in ("account", "person", "session", "device", "authenticator", "message", "signin_record", "closing", "leaving"):
            assert await counted(node, table, "subject = $1", subject) == 0, (node.id, table)
    assert await counted(hub, "home_index", "home = $1", HOME) == 0
    assert await counted(nodes[REGISTER], "register_entry", "subject = $1 AND home IS NULL", subject) == 1
    for node in nodes.values():
        assert await counted(node, "log_leaf", "kind = 'privacy.erased'") == 1, node.id

    stranger = Browser()
    page = await stranger.get(home, address)
    assert "四川" not in page.body
    assert (await stranger.submit(home, page, address, code="00000000")).status == 422
    page = await stranger.submit(home, page, address, code=code)
    assert page.body.count("删完了") == len(nodes), page.body
    assert WHO.name not in page.body
    assert subject not in page.body


async def test_the_same_letter_twice_and_a_liar_have_no_effect(nodes: dict[str, Node]) -> None:
    """T-32: only the person's home may say it; what was done is not done again, also when the person came back meanwhile."""
    home, away = nodes[HOME], nodes[AWAY]
    browser = Browser()
    await sign_in(browser, home, WHO)  # a fresh account, after the first was closed
    await roam(browser, away)
    subject = await subject_at(home)
    async with home.db.reading() as tx:
        before = str(await tx.fetchval("SELECT id FROM left_behind LIMIT 1"))
    again = leaving.Told(id=before, subject=subject, at=home.clock.ms())
    lie = leaving.Told(id=uuid7(), subject=subject, at=home.clock.ms())
    for origin, said in ((HOME, again), (REGISTER, lie)):
        async with away.db.transaction() as tx:
            await leaving.keep(tx, away, origin, said, state="heard")
    await leaving.advance(away)
    assert await signed_in(browser, away)
    assert await signed_in(browser, home)
    assert await counted(away, "left_behind", "result = 'refused' AND origin = $1", REGISTER) == 1


async def test_one_tap_stops_it_and_a_node_that_was_down_erases_later(nodes: dict[str, Node]) -> None:
    """Seven days to change one's mind; a silent node is named on the page until its receipt comes."""
    home, away = nodes[HOME], nodes[AWAY]
    browser = Browser()
    await sign_in(browser, home, WHO)
    await roam(browser, away)
    subject = await subject_at(home)
    stopped, _ = await asked(browser, home)
    page = await browser.get(home, "/me/closing")
    page = await browser.submit(home, page, "/me/closing/stop")
    assert "不注销了" in page.body
    await due(home)
    await closing.close_due(home)
    assert await signed_in(browser, home)
    address, code = await asked(browser, home)
    assert address != stopped
    await due(home)
    await told(nodes, HOME, "cn", REGISTER)  # 510000 does not get to it
    assert await counted(away, "person", "subject = $1", subject) == 1
    page = await browser.get(home, address)
    page = await browser.submit(home, page, address, code=code)
    assert page.body.count("还没答复") == 1
    await identity_tasks.client_logout.tell_clients(away)
    await leaving.advance(away)
    await deliver(nodes)
    assert await counted(away, "person", "subject = $1", subject) == 0
    page = await browser.submit(home, await browser.get(home, address), address, code=code)
    assert page.body.count("还没答复") == 0


async def test_killed_between_two_steps_nothing_is_lost_or_done_twice(nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9 at each step: a transaction that does not commit leaves the state before it, and the next turn goes on."""
    home = nodes[HOME]
    browser = Browser()
    await sign_in(browser, home, WHO)
    subject = await subject_at(home)
    await asked(browser, home)
    await due(home)

    async def killed(*_: Any, **__: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(closing, "keep", killed)
        await closing.close_due(home)
    assert await signed_in(browser, home), "half closed is not closed"
    assert await counted(home, "closing", "subject = $1", subject) == 1
    await closing.close_due(home)
    await identity_tasks.client_logout.tell_clients(home)
    leaves = await counted(home, "log_leaf", "kind = 'privacy.erased'")
    with monkeypatch.context() as patch:
        patch.setattr(leaving, "_done", killed)
        await leaving.advance(home)
    assert await counted(home, "person", "subject = $1", subject) == 1
    assert await counted(home, "log_leaf", "kind = 'privacy.erased'") == leaves
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE leaving SET next_at = $1", home.clock.now())
    await leaving.advance(home)
    assert await counted(home, "person", "subject = $1", subject) == 0
    assert await counted(home, "log_leaf", "kind = 'privacy.erased'") == leaves + 1
