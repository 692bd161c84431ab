"""Clocks five minutes off, a register that is slow or wrong, a node cut off, a browser without memory (identity.md 6, 12; R-301, R-303).

Real nodes in one process; what fails is the clock, the wire or the other side, never a function of ours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from tongban import identity
from tongban.federation.actions import way
from tongban.federation.actions.office import office
from tongban.identity.letters import CALLS
from tongban.identity.tests.make import Browser, MakeNode, citizen, go_on, household, sign_in, step_up
from tongban.kernel.clock import SystemClock
from tongban.kernel.node import Node

HOME, AWAY, REGISTER = "500000", "510000", "mps"


class OffClock(SystemClock):
    """The computer's clock, so much off."""

    def __init__(self, off: timedelta) -> None:
        self.off = off

    def now(self) -> datetime:
        return super().now() + self.off

    def ms(self) -> int:
        return super().ms() + int(self.off.total_seconds() * 1000)


class Weather:
    """What the register does with the next question: works, slow, garbage, other."""

    mode = "works"
    asked = 0


async def _match(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    Weather.asked += 1
    if Weather.mode == "slow":
        await asyncio.sleep(30)  # the fault that is tried
    if Weather.mode == "garbage":
        return {"matched": "maybe", "subject": 7}
    told = await CALLS["population.match"](node, caller, body)
    return {**told, "subject": "x" + "9" * 10} if Weather.mode == "other" else told


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, HOME, AWAY, calls={"population.match": _match}) as found:
        yield found


@pytest.fixture(autouse=True)
def _fair(nodes: dict[str, Node]) -> Any:
    yield
    Weather.mode = "works"
    for node in nodes.values():
        node.clock = SystemClock()
        office(node).breakers.clear()


async def who_is(node: Node, browser: Browser) -> Any:
    return await identity.resolve(node, browser.jar.get(node.settings.host, {}), path="/me")


@pytest.mark.parametrize("minutes", [5, -5])
async def test_a_visited_node_whose_clock_is_off_signs_nobody_in_and_says_so(nodes: dict[str, Node], minutes: int) -> None:
    """T-50: assertions, proofs and tokens are out of their time; a sentence, not an error, and all goes on when the clock is right."""
    home, away, browser = nodes[HOME], nodes[AWAY], Browser()
    await sign_in(browser, home, citizen())
    away.clock = OffClock(timedelta(minutes=minutes))
    page = await browser.get(away, f"/login/go?home={HOME}&next=/me/access")
    assert page.status in (403, 503)
    assert (await who_is(away, browser)).kind == "nobody", "signed in with a wrong clock"
    assert (await who_is(home, browser)).kind == "citizen", "the home goes on"
    away.clock = SystemClock()
    office(away).breakers.clear()
    page = await browser.get(away, f"/login/go?home={HOME}&next=/me/access")
    assert page.path == "/me/access", page.body[:300]


async def test_a_browser_without_memory_does_not_loop(nodes: dict[str, Node]) -> None:
    """identity.md 6.2: cookies are thrown away at every step; it ends in a page with a sentence."""

    class Forgetful(Browser):
        def _keep(self, cookies: dict[str, str], line: str) -> None:
            cookies.clear()

    away, browser = nodes[AWAY], Forgetful()
    page = await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    assert page.status in (200, 508)
    assert len(page.trail) <= 6, page.trail
    page = await browser.get(away, f"/login/go?home={HOME}&next=/me")
    assert page.status in (200, 508), page.trail
    assert len(page.trail) <= 7, page.trail


@pytest.mark.parametrize("mode", ["slow", "garbage", "other"])
async def test_a_register_that_is_slow_or_wrong_costs_a_sentence_and_no_page(nodes: dict[str, Node], mode: str) -> None:
    """T-36: first sign-ins wait no longer than a call's budget; known people sign in at once meanwhile; nobody gets a false subject."""
    home = nodes[HOME]
    names = {"slow": "刘建国", "garbage": "周雨桐", "other": "何志远"}
    known = Browser()
    await sign_in(known, home, citizen())
    Weather.mode = mode
    who, browser = citizen(names[mode]), Browser()

    async def first_time() -> Any:
        page = await browser.get(home, "/login?next=/me/access")
        return await go_on(browser, home, page, who)

    async def meanwhile() -> float:
        started = time.monotonic()
        assert (await known.get(home, "/me/access")).status == 200
        assert (await Browser().get(home, "/login")).status == 200
        return time.monotonic() - started

    started = time.monotonic()
    page, spent = await asyncio.gather(first_time(), meanwhile())
    assert page.status < 500, f"an error page: {page.body[:300]}"
    assert time.monotonic() - started < 15
    assert spent < 5, "home page over its time"
    here = await who_is(home, browser)
    assert not here.subject.startswith(("x", "n")), "a subject nobody vouched for"
    if mode == "slow":
        assert here.kind == "citizen", "signed in at level 1"
        assert here.acr == 1


async def test_a_node_cut_off_goes_on_at_level_two_and_not_at_three(nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    """T-13, R-303: no news of the home for 15 minutes; then the home is heard again, and says that she left."""
    home, away, browser = nodes[HOME], nodes[AWAY], Browser()
    await sign_in(browser, home, citizen())
    await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    page = await browser.get(away, "/step-up?level=3&next=/me/access")
    if page.path == "/step-up":
        await step_up(browser, home, page)
    there = await who_is(away, browser)
    assert there.acr == 3
    real = way.transport

    async def cut(node: Node, *more: Any, **other: Any) -> Any:
        if node.id == AWAY:
            raise way.NoAnswer("transport")
        return await real(node, *more, **other)

    monkeypatch.setattr(way, "transport", cut)
    async with away.db.transaction() as tx:
        await tx.execute("UPDATE session SET home_news_at = home_news_at - interval '16 minutes' WHERE id = $1", there.sid)
    here = await who_is(home, browser)
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE session SET revoked_at = now(), reason = 'logout' WHERE id = $1", here.sid)
    now = await who_is(away, browser)
    assert (now.kind, now.acr) == ("citizen", 2), "revoked session did level-3 act"
    monkeypatch.setattr(way, "transport", real)
    office(away).breakers.clear()
    async with away.db.transaction() as tx:
        await tx.execute("UPDATE session SET acr = 3 WHERE id = $1", there.sid)
    away.bell.ring("identity.session_ended")
    assert (await who_is(away, browser)).kind == "nobody", "revoked session did level-3 act"
