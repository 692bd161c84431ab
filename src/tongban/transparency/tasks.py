"""Time's door of the log (定时): the sequencer and the signing of heads."""

from __future__ import annotations

from datetime import timedelta

from tongban.kernel.gm import jcs
from tongban.kernel.jobs import Clockwork
from tongban.kernel.node import Node
from tongban.transparency import actions


async def run_sequencer(node: Node) -> None:
    """Empties the waiting leaves into the tree, batch by batch, one transaction each (入树)."""
    while True:
        async with node.db.transaction() as tx:
            if await actions.sequence(tx) < actions.BATCH:
                return


async def run_head(node: Node) -> None:
    """Signs a head if the tree grew (签发树头)."""
    async with node.db.transaction() as tx:
        await actions.sign_head(tx, node)


_WITNESSED_KEPT, _COSIGNED_KEPT = timedelta(days=30), timedelta(days=7)
"""Every head of others and every co-signature so long; then the largest of each day, for ever. Forks are never thinned."""


async def run_thinning(node: Node) -> int:
    """Keep one head a day of what was witnessed long ago (每日留一); how many rows went, with their count in the log.

    A head that is compared with one no longer here is joined by the log's own proof instead, so nothing is harder to catch.
    """
    now = node.clock.now()
    async with node.db.transaction() as tx:
        witnessed = await tx.execute(
            "DELETE FROM log_witnessed w WHERE state = 'consistent' AND seen_at < $1 AND EXISTS (SELECT FROM log_witnessed o"
            " WHERE o.node = w.node AND o.state = 'consistent' AND o.size > w.size"
            " AND date_trunc('day', o.seen_at) = date_trunc('day', w.seen_at))",
            now - _WITNESSED_KEPT,
        )
        cosigned = await tx.execute(
            "DELETE FROM log_cosignature c WHERE seen_at < $1 AND EXISTS (SELECT FROM log_cosignature o WHERE o.witness = c.witness"
            " AND o.size > c.size AND date_trunc('day', o.seen_at) = date_trunc('day', c.seen_at))",
            now - _COSIGNED_KEPT,
        )
        gone = int(witnessed.split()[-1]) + int(cosigned.split()[-1])
        if gone:
            await actions.append(tx, "transparency.thinned", jcs({"rows": gone, "day": str(node.clock.today()), "v": 1}))
    return gone


async def thin(node: Node) -> None:
    """Once a day."""
    await run_thinning(node)


_TOGETHER = 0.1
"""Leaves of one tenth of a second enter the tree together: a batch costs the database as much as one leaf."""

CLOCKS: list[Clockwork] = [
    Clockwork("transparency.sequencer", 1.0, run_sequencer, bell="sequencer", rest_seconds=_TOGETHER),
    Clockwork("transparency.heads", 5.0, run_head),
    Clockwork("transparency.thin", 86_400, thin),
]
