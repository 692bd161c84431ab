"""The whole way of a letter over real nodes: written, stamped, relayed, applied once."""

from __future__ import annotations

import asyncio
import time

from tongban import federation
from tongban.federation.tests.make import deliver, nation


async def test_a_letter_reaches_the_other_node_through_the_hub(make_node):
    heard = []

    async def note(tx, node, letter):
        heard.append((node.id, letter.origin, letter.body))

    async with nation(make_node, "500000", "510000", letters_too={("demo.note", 1): note}) as nodes:
        async with nodes["500000"].db.transaction() as tx:
            await federation.send(
                tx, nodes["500000"], to="510000", kind="demo.note", about="demo:1", body={"text": "演示"}
            )
        await deliver(nodes)
        assert heard == [("510000", "500000", {"text": "演示"})]
        await deliver(nodes)
        assert len(heard) == 1


async def test_with_its_clocks_running_a_letter_takes_less_than_two_seconds(make_node):
    arrived = asyncio.Event()

    async def note(tx, node, letter):
        arrived.set()

    async with nation(make_node, "500000", "510000", letters_too={("demo.note", 1): note}, clocks=True) as nodes:
        async with nodes["500000"].db.transaction() as tx:
            await federation.send(
                tx, nodes["500000"], to="510000", kind="demo.note", about="demo:1", body={"text": "演示"}
            )
        started = time.monotonic()
        async with asyncio.timeout(10):
            await arrived.wait()
        assert time.monotonic() - started < 2
