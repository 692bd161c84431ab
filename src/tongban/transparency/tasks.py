"""Time's door of the log (定时): the sequencer and the signing of heads."""

from __future__ import annotations

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


CLOCKS: list[Clockwork] = [
    Clockwork("transparency.sequencer", 1.0, run_sequencer, bell="sequencer"),
    Clockwork("transparency.heads", 5.0, run_head),
]
