"""What the tests of restores share: letters that write one fact at their sender and one effect at their reader, and the clocks by hand."""

from __future__ import annotations

import contextlib

from tongban import federation
from tongban.federation.actions import recover, report, send_back
from tongban.federation.actions.office import office
from tongban.federation.actions.pull import pull_once
from tongban.federation.actions.stamp import stamp, state_head
from tongban.federation.queries.mail import cursors, outbox
from tongban.federation.queries.mending import to_return

A, B = "500000", "510000"


async def effect(tx, node, letter):
    await tx.execute("INSERT INTO effect (n, by) VALUES ($1, $2)", letter.body["n"], letter.origin)


async def reinstate(tx, node, letter):
    if letter.body["n"] >= 900:
        raise federation.Contradicts("demo.decided_otherwise")
    await tx.execute("INSERT INTO fact (n) VALUES ($1) ON CONFLICT DO NOTHING", letter.body["n"])


def federation_letters():
    from tongban.federation import letters

    return letters.LETTERS


async def write(node, *numbers, to=B, about=None):
    for n in numbers:
        async with node.db.transaction() as tx:
            await tx.execute("INSERT INTO fact (n) VALUES ($1)", n)
            await federation.send(tx, node, to=to, kind="demo.note", about=about or f"demo:{n % 3}", body={"n": n})


async def turn(nodes, *, without=()):
    """What the clocks do, once: stamp, say, fetch, mend."""
    up = [node for name, node in nodes.items() if name not in without]
    for node in up:
        await stamp(node)
        await state_head(node)
    hub = nodes["cn"]
    for node in up:
        if node is not hub and "cn" not in without:
            await quietly(pull_once(hub, node.id, [node.id], wait=0))
    for node in up:
        if node is not hub:
            await quietly(pull_once(node, "cn", wait=0))
    for node in up:
        await report.report_again(node)
        await send_back.send_back(node)
        await recover.recover(node)


async def quietly(work):
    from tongban.federation.actions.way import NoAnswer

    with contextlib.suppress(NoAnswer):
        await work


async def settle(nodes, turns=10):
    """Turns until nobody has anything left to do."""
    for _ in range(turns):
        for node in nodes.values():
            office(node).rolled_back.clear()
        await turn(nodes)
        if all([await calm(nodes, node) for node in nodes.values()]):
            return


async def calm(nodes, node):
    if await federation.recovering(node):
        return False
    async with node.db.reading() as tx:
        mine = await outbox(tx)
        waits = await tx.fetchval("SELECT count(*) FROM letter_returned WHERE state = 'kept'") or await to_return(tx)
        read = {one.origin: (one.epoch, one.seq) for one in await cursors(tx) if not one.stopped}
    for name, other in nodes.items():
        async with other.db.reading() as tx:
            end = await outbox(tx)
        if other is not node and read.get(name) != (end.epoch, end.seq):
            return False
    return not waits and not mine.unstamped


async def facts(node):
    async with node.db.reading() as tx:
        return sorted(row["n"] for row in await tx.fetch("SELECT n FROM fact"))


async def effects(node):
    async with node.db.reading() as tx:
        return sorted(row["n"] for row in await tx.fetch("SELECT n FROM effect"))


async def agree(nodes, *wanted):
    """Both sides hold the same facts, each once, and everybody has read everybody to the end."""
    assert await facts(nodes[A]) == sorted(wanted)
    assert await effects(nodes[B]) == sorted(wanted)
    for node in nodes.values():
        async with node.db.reading() as tx:
            for cursor in await cursors(tx):
                if cursor.origin not in nodes:
                    continue
                async with nodes[cursor.origin].db.reading() as other:
                    end = await outbox(other)
                assert cursor.stopped is None
                assert (cursor.epoch, cursor.seq) == (end.epoch, end.seq), f"{node.id} reads {cursor.origin}"
            assert await to_return(tx) == {}
            assert await tx.fetchval("SELECT count(*) FROM letter_parked") == 0


async def the_outbox(node):
    async with node.db.reading() as tx:
        return await outbox(tx)
