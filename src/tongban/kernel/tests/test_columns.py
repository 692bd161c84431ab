"""A column of texts as one argument arrives as it was, whatever stands in it (R-402, T-43)."""

from __future__ import annotations

import random

from tongban.kernel.ids import uuid7
from tongban.kernel.parts import column

HARD = ('"', "\\", ",", "{", "}", "NULL", "null", "", " ", '","', '\\"', "\\\\", "'", "\x1f", "\n", "四川", "$1", "),(", '"},{"')


async def test_a_column_arrives_as_it_was(make_node):
    node, chance = await make_node("510000"), random.Random(1)
    cases: list[list[str | None]] = [[], [""], [None], ['"'], ["a"], ["NULL"], list(HARD)]
    cases += [[chance.choice((None, "".join(chance.choices(HARD, k=3)))) for _ in range(chance.randint(1, 5))] for _ in range(200)]
    async with node.db.reading() as tx:
        for case in cases:
            assert await tx.fetchval("SELECT $1::text::text[]", column(case)) == case
        ids = [uuid7(), None, uuid7()]
        assert await tx.fetchval("SELECT $1::text::uuid[]", column(ids)) == ids
