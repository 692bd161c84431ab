"""Shelves 上架: before a nation says `ready`, what one node offers can be found on every other (R-104, R-703).

No looking again and again: each node rings when its search index has taken in what its catalogue holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from tongban import catalogue, search
from tongban.kernel.node import Node
from tongban.kernel.settings import Settings


async def filled(members: Sequence[Settings], *, seconds: float) -> bool:
    """Wait until each node's search knows all that the nation's nodes have published (货架齐了); False when time is over.

    The nodes run; each publishes its own items while it starts, so what is to be waited for is known at once.
    """
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(Node.open(one)) for one in members]
        stop = asyncio.Event()
        listening = [asyncio.create_task(one.db.listen("tongban_bell", one.bell.ring, stop)) for one in nodes]
        try:
            offered = {code: rev for node in nodes for code, rev in (await _own(node)).items()}
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(_known(node, offered) for node in nodes))
            return True
        except TimeoutError:
            return False
        finally:
            stop.set()
            await asyncio.gather(*listening, return_exceptions=True)


async def _own(node: Node) -> dict[str, int]:
    async with node.db.reading() as tx:
        found = await catalogue.changed_since(tx, None)
    return {one.task_code: one.rev for one in found if one.owner_node == node.id and one.status == "published"}


async def _known(node: Node, offered: dict[str, int]) -> None:
    while True:
        since = node.bell.generation(search.BELL)
        if search.covers(node, offered):
            return
        await node.bell.wait(search.BELL, seconds=5, since=since)
