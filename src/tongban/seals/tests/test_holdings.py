"""Documents that waited for a seal go a year after they were decided; one that waits never does (R-804)."""

from __future__ import annotations

from datetime import timedelta

from tongban.kernel.tests.make_holdings import put
from tongban.seals.holdings import HOLDINGS


async def test_a_decided_request_ends_after_its_year(tx, node):
    [holding] = HOLDINGS
    now = node.clock.now()
    for state, age in (("sealed", 366), ("refused", 366), ("sealed", 364), ("asked", 900)):
        at = now - timedelta(days=age)
        await put(tx, "seal_request", {"state": state, "asked_at": at, "decided_at": None if state == "asked" else at, "format": "ofd", "asked_by": "s1"})
    found = await tx.fetch(f"SELECT state FROM seal_request WHERE {holding.term.past}", now - holding.term.kept)
    assert sorted(row["state"] for row in found) == ["refused", "sealed"]
