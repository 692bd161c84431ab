"""Corrections and demo registers are copied whole for their person and stay with the register; logs end after three years (R-409, R-804)."""

from __future__ import annotations

import pytest

from tongban.exchange.holdings import HOLDINGS
from tongban.exchange.providers.records import Records
from tongban.exchange.tests.make_holdings import SAMPLES
from tongban.kernel.ids import uuid7
from tongban.kernel.tests.make_holdings import MINE, judge


@pytest.mark.parametrize("holding", HOLDINGS, ids=lambda one: one.table)
async def test_what_is_kept_of_a_person(tx, node, holding):
    await judge(tx, node, holding, SAMPLES)


async def test_an_open_correction_never_ends(tx, node):
    """What was not answered yet is in no term's past, however old (R-804)."""
    term = HOLDINGS[0].term
    await tx.execute(
        "INSERT INTO data_correction (subject, id, side, peer, resource, field, claimed, grounds, state, due_on, sent_at, changed_at)"
        " VALUES ($1, $2, 'asker', 'cn', 'r', 'f', '', '', 'sent', '2020-01-01', '2020-01-01', '2020-01-01')", MINE, uuid7(),
    )  # fmt: skip
    assert await tx.fetchval(f"SELECT count(*) FROM data_correction WHERE {term.past}", node.clock.now()) == 0


async def test_a_demo_register_reads_as_it_writes(node):
    """Made up by the register itself, opened by the copy (R-409)."""
    register = Records("cn.education")
    for number in range(50):
        who = f"n1{number:032d}"
        if (told := await register.read(node, who, {})) is not None:
            break
    async with node.db.reading() as tx:
        copied = await next(one for one in HOLDINGS if one.table == "demo_record").copy(tx, node, who)
    assert told is not None
    assert copied[0]["内容"] == dict(told.values)
