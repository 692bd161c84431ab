"""After its term a row goes; before, it stays (R-804). The clock that ends them, with counts and a leaf, is `privacy`'s."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tongban import consent
from tongban.consent.holdings import HOLDINGS
from tongban.consent.tests.make import XIAOYU, access, citizen, wanted
from tongban.kernel.tests.make_holdings import end_terms


@pytest.fixture
async def node(make_node, set_clock):
    return await make_node("500000", clock=set_clock)


async def left(node):
    async with node.db.reading() as tx:
        return [
            await tx.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("access_record", "consent", "consent_withdrawal", "consent_ask")
        ]


async def retain(node):
    async with node.db.transaction() as tx:
        await end_terms(tx, node, HOLDINGS)


async def test_terms(node, set_clock):
    async with node.db.transaction() as tx:
        await consent.record_access(tx, node, access())
        ended = await consent.give(tx, node, citizen(), wanted(node), channel="h5")
        await consent.withdraw(tx, node, citizen(), ended.id, channel="h5")
        await consent.ask(tx, node, XIAOYU, wanted(node), back="/")
    await retain(node)
    assert await left(node) == [1, 1, 1, 1]
    set_clock.move(timedelta(days=91))
    await retain(node)
    assert await left(node) == [1, 1, 1, 0]
    set_clock.move(timedelta(days=365))
    await retain(node)
    assert await left(node) == [1, 1, 1, 0]
    set_clock.move(timedelta(days=3 * 366))
    await retain(node)
    assert await left(node) == [0, 0, 0, 0]
