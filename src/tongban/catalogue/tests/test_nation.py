"""Two real nodes: what one publishes the other has, with the same digest, and loses as fast."""

from __future__ import annotations

import asyncio
import time

from tongban import catalogue
from tongban.catalogue import letters
from tongban.catalogue.tests.make import ACTOR, COMPANY
from tongban.federation.tests.make import nation

LIMIT_SECONDS = 5.0
START_SECONDS = 30.0


async def state_of(node):
    async with node.db.reading() as tx:
        found = await catalogue.listing(tx, COMPANY)
    return (found.status, found.digest, found.channels) if found else None


async def until(node, wanted) -> float:
    """Seconds until `node` knows the item in the wanted state."""
    started = time.monotonic()
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            since = node.bell.generation(catalogue.BELL)
            if await state_of(node) == wanted:
                return time.monotonic() - started
            await node.bell.wait(catalogue.BELL, seconds=0.2, since=since)


async def test_publish_and_withdraw_reach_the_other_province_and_the_hub(make_node) -> None:
    async with nation(make_node, "500000", "510000", letters_too=letters.LETTERS, clocks=True) as nodes:
        for node in nodes.values():
            await catalogue.set_up(node)
        owner = nodes["510000"]
        async with owner.db.transaction() as tx:
            item = await catalogue.publish(tx, owner, ACTOR, COMPANY, 1, channels=("h5", "pc"))
        opened = ("published", item.digest, ("h5", "pc"))
        for other in ("cn", "500000"):
            assert await until(nodes[other], opened) < LIMIT_SECONDS
        async with nodes["500000"].db.reading() as tx:
            assert await catalogue.item(tx, COMPANY) == item
        async with owner.db.transaction() as tx:
            await catalogue.withdraw(tx, owner, ACTOR, COMPANY, reason="演示")
        for other in ("cn", "500000"):
            assert await until(nodes[other], ("withdrawn", item.digest, ())) < LIMIT_SECONDS
