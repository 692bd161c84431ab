"""What grows with the years: documents that waited for a seal go a year after they were decided (R-804), and ended seals fill no letter (R-410)."""

from __future__ import annotations

import json
from datetime import timedelta

from tongban import seals
from tongban.kernel.actor import SYSTEM
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


async def test_a_node_that_ended_thousands_of_seals_ends_one_more_and_all_learn_it(make_node):
    """Each department's seal ends once a year: the letter that tells of the next must not be too large to be sent."""
    node = await make_node("510000")
    await seals.set_up(node)
    async with node.db.transaction() as tx:
        for table, columns, more in (("seal_revoked", "revoked_at", ""), ("seal_status", "begins, state", ", 'revoked'")):
            await tx.execute(
                f"INSERT INTO {table} (node, es_id, {columns}) SELECT $1, $1 || '-' || md5(n::text), now() - n * interval '1 hour'{more}"
                " FROM generate_series(1, 5000) AS n", node.id,
            )  # fmt: skip
        seal = await seals.ensure_seal(tx, node, "11500112MB0DEM09X2", "演示局")
        await seals.revoke_seal(tx, node, SYSTEM, seal.id, "机构撤销")
        body = json.loads(await tx.fetchval("SELECT body FROM outbox WHERE kind = 'seals.anchor' ORDER BY ticket DESC LIMIT 1"))
        shelf = await tx.fetchval("SELECT count(*) FROM seal_revoked WHERE right(es_id, 2) = $1", seal.es_id[-2:])
    assert seal.es_id in {one["seal"] for one in body["revoked"]}
    assert {one["state"] for one in body["states"] if one["seal"] == seal.es_id} == {"revoked"}
    assert len(body["revoked"]) == shelf > 1, "what stood on its shelf before is said again"
