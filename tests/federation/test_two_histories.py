"""A genuine node that lies: its key is good, its letters are signed, its history is another for one neighbour (R-408, T-40).

510000 shows mps a tree that its own database never had. Its next true head does not continue that one; asked by a signed
call, its own answer says so. mps names it, shows everybody both heads, and 500000 and the hub come to the same by asking
510000 themselves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tongban import federation, transparency
from tongban.kernel.node import Node
from tongban.main import tasks
from tongban.main.demo.nation import Nation

pytestmark = [pytest.mark.nation, pytest.mark.xdist_group("nation")]
LIAR = "510000"


class Undo(Exception):
    """The false leaf never stays in the liar's own database."""


@pytest.fixture
async def desks(nation: Nation) -> AsyncIterator[dict[str, Node]]:
    async with AsyncExitStack() as stack:
        yield {one: await stack.enter_async_context(Node.open(nation.settings(one))) for one in ("cn", "mps", "500000", LIAR)}


async def held(node: Node) -> int:
    async with node.db.reading() as tx:
        return next((one.size for one in await transparency.witnessed(tx) if one.node == LIAR), 0)


async def reached(node: Node, size: int, seconds: float = 60) -> None:
    """The node has witnessed that size of the liar's log."""
    until = time.monotonic() + seconds
    while await held(node) < size:
        assert time.monotonic() < until, "the head did not arrive"
        await asyncio.sleep(0.2)


async def grow(liar: Node) -> int:
    """A true leaf, placed and signed; the size of the head over it."""
    async with liar.db.transaction() as tx:
        await transparency.append(tx, "demo.leaf", b"true")
    async with liar.db.transaction() as tx:
        await transparency.sequence(tx)
    async with liar.db.transaction() as tx:
        await transparency.sign_head(tx, liar)
        head = await transparency.head(tx)
    assert head is not None
    await tasks.send_head(liar)
    return head.size


async def lie(liar: Node, since: int) -> dict[str, object]:
    """The body of a head over a leaf that is taken back: whole in itself, continuing what mps holds."""
    told: dict[str, object] = {}
    try:
        async with liar.db.transaction() as tx:
            await transparency.sequence(tx)
            await transparency.append(tx, "demo.leaf", b"a history for mps alone")
            await transparency.sequence(tx)
            head = await transparency.sign_head(tx, liar)
            assert head is not None
            proof = await transparency.consistency(tx, since, head.size)
            told = {**head.to_json(), "since": since, "proof": [transparency.named(one) for one in proof]}
            raise Undo
    except Undo:
        return told


async def named_by(node: Node, seconds: float = 60) -> transparency.Fork:
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        async with node.db.reading() as tx:
            found = [one for one in await transparency.fork_list(tx) if one.node == LIAR]
        if found:
            return found[0]
        await asyncio.sleep(0.2)
    raise AssertionError("split view not named")


async def test_t40_a_genuine_node_that_lies_is_named_by_all(desks: dict[str, Node]) -> None:
    liar, mps = desks[LIAR], desks["mps"]
    true = await grow(liar)
    await reached(mps, true)
    since = await held(mps)
    body = await lie(liar, since)
    async with liar.db.transaction() as tx:
        await federation.send(tx, liar, to="mps", kind="log.head", about=f"log:{LIAR}", body=body, open=True)
    false = body["head"]
    assert isinstance(false, dict)
    await reached(mps, int(false["size"]))  # it believes the lie: nothing in it is wrong, unless the true log outran it on the way
    await grow(liar)
    fork = await named_by(mps)
    assert false["root"] in {transparency.named(one.root) for one in (fork.first, fork.second)}
    await tasks.tell_forks(mps)
    for name in ("500000", "cn"):
        theirs = await named_by(desks[name])
        assert theirs.second_from == "mps" or theirs.first_from == "mps"
    async with desks["500000"].db.reading() as tx:
        assert {one.node for one in await transparency.fork_list(tx)} == {LIAR}
