"""Letters between nodes that are processes of their own: killed in the middle, the hub away, all at speed.

Promise attacked: one fact, one effect, in order, nothing lost (architecture.md 15, items 1, 2 and 5). The letters are of a
kind that no release knows, so that each leaves exactly one row that can be counted: parked, never dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tongban import federation
from tongban.kernel.node import Node
from tongban.main.demo.nation import Nation

pytestmark = [pytest.mark.nation, pytest.mark.xdist_group("nation")]
KIND = "demo.uncounted"


@pytest.fixture
async def desks(nation: Nation) -> AsyncIterator[dict[str, Node]]:
    """A second opening of each node's database and keys, beside its running process."""
    async with AsyncExitStack() as stack:
        yield {one: await stack.enter_async_context(Node.open(nation.settings(one))) for one in ("cn", "500000", "510000")}


async def write(node: Node, about: str, n: int, to: str = "510000") -> str:
    async with node.db.transaction() as tx:
        return await federation.send(tx, node, to=to, kind=KIND, about=about, body={"n": n})


async def taken(node: Node, about: str) -> list[str]:
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT p.id FROM letter_parked p JOIN letter_applied a ON a.id = p.id WHERE p.about = $1 ORDER BY a.epoch, a.seq", about
        )
    return [row["id"] for row in rows]


async def until(node: Node, about: str, wanted: list[str], seconds: float) -> float:
    """Seconds until the node has exactly these letters about the thing, in this order."""
    started = time.monotonic()
    found: list[str] = []
    while time.monotonic() - started < seconds:
        found = await taken(node, about)
        if found == wanted:
            return time.monotonic() - started
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(found)} of {len(wanted)} letters after {seconds} s")


async def test_a_letter_is_there_in_less_than_two_seconds(desks: dict[str, Node]) -> None:
    await until(desks["510000"], "demo:warm", [await write(desks["500000"], "demo:warm", 0)], 30)
    spent = [await until(desks["510000"], f"demo:fast{n}", [await write(desks["500000"], f"demo:fast{n}", n)], 10) for n in range(5)]
    assert sorted(spent)[2] < 2


async def test_killed_in_the_middle_nothing_is_lost_or_doubled(nation: Nation, desks: dict[str, Node]) -> None:
    wanted: list[str] = []
    for round_, victim in enumerate(("510000", "cn", "500000")):
        for n in range(10):
            wanted.append(await write(desks["500000"], "demo:kill", round_ * 10 + n))
            if n == 5:
                await nation.kill(victim, again=False)
        await nation.start_again(victim)
    await until(desks["510000"], "demo:kill", wanted, 90)
    async with desks["510000"].db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM letter_applied WHERE about = 'demo:kill'") == len(wanted)


async def test_with_the_hub_away_letters_still_arrive_and_the_hub_brings_nothing_twice(
    nation: Nation, desks: dict[str, Node]
) -> None:
    await nation.kill("cn", again=False)
    try:
        wanted = [await write(desks["500000"], "demo:hubless", n) for n in range(5)]
        await until(desks["510000"], "demo:hubless", wanted, nation.settings("510000").hub_away_seconds + 60)
    finally:
        await nation.start_again("cn")
    after = await write(desks["500000"], "demo:hubless", 5)
    await until(desks["510000"], "demo:hubless", [*wanted, after], 60)


async def test_the_hubs_tables_hold_no_word_of_a_letter_for_another(desks: dict[str, Node]) -> None:
    async with desks["500000"].db.transaction() as tx:
        letter = await federation.send(
            tx, desks["500000"], to="510000", kind=KIND, about="demo:secret", body={"name": "演示秘密姓名"}
        )
    await until(desks["510000"], "demo:secret", [letter], 30)
    body = None
    for _ in range(120):  # the reader may have had it directly before the hub did
        async with desks["cn"].db.reading() as tx:
            body = await tx.fetchval("SELECT body FROM relay WHERE id = $1", letter)
        if body is not None:
            break
        await asyncio.sleep(0.25)
    assert body is not None
    assert "演示秘密姓名" not in body.decode()
    assert b"name" not in body
