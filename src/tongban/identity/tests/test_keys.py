"""Token keys turn without one failed sign-in (identity.md 5): published a day before, believed two days after, at once on command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tongban import federation
from tongban.identity import tokens
from tongban.identity.actions import keys
from tongban.identity.errors import TokenRefused
from tongban.identity.tests.make import MakeNode, household
from tongban.kernel.node import Node


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, "500000") as found:
        yield found


class Moved:
    """The real clock, moved: signatures between nodes stay fresh, days pass."""

    def __init__(self, node: Node) -> None:
        self.real, self.by = node.clock, timedelta(0)

    def now(self) -> Any:
        return self.real.now() + self.by

    def ms(self) -> int:
        return int(self.now().timestamp() * 1000)

    def today(self) -> Any:
        return self.real.today()


@pytest.fixture
async def clocks(nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> list[Moved]:
    for node in nodes.values():
        async with node.db.transaction() as tx:
            await tx.execute("DELETE FROM jwks_cache")
            await tx.execute("UPDATE jose_key SET retired_at = $1, use_from = $1 WHERE use_from > $2 OR retired_at IS NOT NULL", node.clock.now() - timedelta(days=3), node.clock.now())
    made = [Moved(node) for node in nodes.values()]
    for node, clock in zip(nodes.values(), made, strict=True):
        monkeypatch.setattr(node, "clock", clock)
    return made


async def believed(signer: Node, reader: Node) -> bool:
    """Whether a token signed now is believed by the other node now, with whatever it has cached."""
    ok = True
    for alg in tokens.ALGORITHMS:
        async with signer.db.transaction() as tx:
            token = (await keys.signing_key(tx, signer, alg)).sign({"sub": "x"}, typ="JWT")
        try:
            tokens.read(token, await keys.keys_of(reader, signer.id, token), typ="JWT")
        except TokenRefused:
            ok = False
    return ok


async def turned(node: Node, **how: bool) -> int:
    async with node.db.transaction() as tx:
        return await keys.rotate(tx, node, **how)


def move(clocks: list[Moved], by: timedelta) -> None:
    for clock in clocks:
        clock.by += by


async def test_a_turn_by_command_fails_no_sign_in(nodes: dict[str, Node], clocks: list[Moved]) -> None:
    """Every second of the first minutes, with a reader that fetched the keys just before."""
    home, away = nodes["500000"], nodes["mps"]
    assert await believed(home, away)
    async with home.db.transaction() as tx:
        before = await keys.signing_key(tx, home, "ES256")
    move(clocks, timedelta(seconds=301))
    assert await believed(home, away), "just fetched"
    assert await turned(home, at_once=True) == 2
    for _ in range(90):
        move(clocks, timedelta(seconds=1))
        assert await believed(home, away)
    async with home.db.transaction() as tx:
        after = await keys.signing_key(tx, home, "ES256")
        held = {one["kid"] for one in (await keys.jwks(tx, home))["keys"]}
    assert after.kid != before.kid
    assert {before.kid, after.kid} <= held, "what was signed before is still believed"


async def test_turns_in_a_row_never_leave_a_sign_in_to_an_unknown_key(nodes: dict[str, Node], clocks: list[Moved]) -> None:
    """A command repeated before its key signs: that key is dropped, and the one before goes on until the last one's time."""
    home, away = nodes["500000"], nodes["mps"]
    assert await believed(home, away)
    for _ in range(8):
        assert await turned(home, at_once=True) == 2
        for _ in range(3):
            move(clocks, timedelta(seconds=4))
            assert await believed(home, away)
    move(clocks, keys.TURN_OVER)
    assert await believed(home, away)


async def test_a_turn_by_the_clock_is_published_a_day_before_and_kept_two_days(nodes: dict[str, Node], clocks: list[Moved], monkeypatch: pytest.MonkeyPatch) -> None:
    home, calls = nodes["500000"], []

    async def held() -> set[str]:
        async with home.db.transaction() as tx:
            return {one["kid"] for one in (await keys.jwks(tx, home))["keys"] if one["alg"] == "Ed25519"}

    async def signs() -> str:
        async with home.db.transaction() as tx:
            return (await keys.signing_key(tx, home, "Ed25519")).kid

    monkeypatch.setattr(federation, "call", calls.append)
    move(clocks, timedelta(days=10))
    await turned(home)
    old, known = await signs(), await held()
    move(clocks, keys.ROTATE_EVERY - timedelta(days=10, hours=26))
    assert await turned(home) == 0
    move(clocks, timedelta(hours=4))
    assert await turned(home) == 2
    new = next(iter(await held() - known))
    assert await signs() == old, "published, not used for a day"
    assert await turned(home) == 0, "once"
    move(clocks, timedelta(hours=24, seconds=1))
    assert await signs() == new
    await turned(home)
    move(clocks, timedelta(hours=47))
    assert old in await held()
    move(clocks, timedelta(hours=2))
    assert old not in await held()


async def test_a_stolen_key_is_gone_at_once(nodes: dict[str, Node], clocks: list[Moved]) -> None:
    home, away = nodes["500000"], nodes["mps"]
    async with home.db.transaction() as tx:
        stolen = await keys.signing_key(tx, home, "Ed25519")
    assert await turned(home, compromised=True) == 2
    async with home.db.transaction() as tx:
        held = {one["kid"] for one in (await keys.jwks(tx, home))["keys"]}
        assert (await keys.signing_key(tx, home, "Ed25519")).kid != stolen.kid
    assert stolen.kid not in held
    move(clocks, timedelta(seconds=301))
    forged = stolen.sign({"sub": "x"}, typ="JWT")
    with pytest.raises(TokenRefused):
        tokens.read(forged, await keys.keys_of(away, home.id, forged), typ="JWT")


async def test_an_unknown_key_id_causes_one_question_in_thirty_seconds(nodes: dict[str, Node], clocks: list[Moved], monkeypatch: pytest.MonkeyPatch) -> None:
    """T-03, T-36: somebody who sends forged key ids cannot make us call around."""
    home, away, asked = nodes["500000"], nodes["mps"], []
    call = federation.call

    async def counted(*given: Any, **more: Any) -> Any:
        asked.append(given[1])
        return await call(*given, **more)

    await keys.keys_of(away, home.id, "e30.e30.e30")
    move(clocks, timedelta(seconds=31))
    monkeypatch.setattr(federation, "call", counted)
    import asyncio

    forged = tokens.TokenKey(f"{home.id}/j999", "Ed25519", b"\x01" * 32).sign({"sub": "x"}, typ="JWT")
    await asyncio.gather(*(keys.keys_of(away, home.id, forged) for _ in range(20)))
    assert len(asked) == 1


