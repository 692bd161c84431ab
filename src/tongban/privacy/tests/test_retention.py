"""Rows past their term go, counted, with one leaf a day; what is held stays; what is left over is an alert (R-804, privacy.md 4)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tongban import consent, privacy
from tongban.kernel.holdings import Holding, Term
from tongban.main import rooms
from tongban.privacy.actions import retention
from tongban.privacy.queries.runs import runs

DAY = timedelta(days=1)
SUBJECT = "n1" + "a" * 32


@pytest.fixture(scope="module", autouse=True)
def everything():
    privacy.use_holdings(rooms.holdings())
    yield
    privacy.use_holdings(())


@pytest.fixture
async def node(make_node, set_clock):
    return await make_node("500000", clock=set_clock)


async def last(node):
    async with node.db.reading() as tx:
        return (await runs(tx))[0]


async def leaves(node):
    async with node.db.reading() as tx:
        return await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'privacy.retained'")


async def test_a_run_a_day_with_counts_and_one_leaf(node, set_clock):
    """R-804: the run's row says which table, how many; a second turn the same day does nothing."""
    await retention.run(node)
    await retention.run(node)
    found = await last(node)
    assert (found.failed, found.leftovers) == ({}, {}), found
    assert found.ended_at is not None
    assert found.leaf.startswith("sm3:")
    assert await leaves(node) == 1
    set_clock.move(DAY)
    await retention.run(node)
    assert await leaves(node) == 2
