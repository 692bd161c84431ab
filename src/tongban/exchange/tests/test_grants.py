"""A grant takes two people; the table refuses one person twice."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest

from tongban import exchange
from tongban.exchange.errors import GrantGone
from tongban.exchange.tests.make import steward
from tongban.kernel.errors import NotAllowed


@pytest.fixture(scope="module")
async def node(make_node):
    return await make_node("mps")


async def proposed(tx, node, actor=None, **more):
    return await exchange.propose(
        tx, node, actor or steward("anna"),
        **{
            "resource": "mps.population", "caller": "510000", "purpose": "case.check", "fields": ("name",), "quota_per_day": 5,
            "until": node.clock.now() + timedelta(days=30), "reason": "核对申请人", **more,
        },
    )  # fmt: skip


async def test_two_people(node, tx):
    waiting = await proposed(tx, node)
    assert waiting.state == "proposed"
    alone = await exchange.approve(tx, node, steward("anna"), waiting.id)
    assert alone[0].code == "exchange.four_eyes"
    done = await exchange.approve(tx, node, steward("bo"), waiting.id)
    assert (done.state, done.approved_by) == ("active", "bo")
    with pytest.raises(GrantGone):
        await exchange.approve(tx, node, steward("bo"), waiting.id)


async def test_the_table_holds_it_too(node, tx):
    waiting = await proposed(tx, node)
    with pytest.raises(asyncpg.CheckViolationError):
        async with tx.transaction():
            await tx.execute("UPDATE data_grant SET approved_by = 'anna' WHERE id = $1", waiting.id)


async def test_a_new_grant_replaces_the_old(node, tx):
    first = await exchange.approve(tx, node, steward("bo"), (await proposed(tx, node)).id)
    second = await exchange.approve(tx, node, steward("bo"), (await proposed(tx, node, quota_per_day=9)).id)
    assert (await exchange.grant(tx, first.id)).state == "ended"
    assert second.quota_per_day == 9


async def test_refused_and_ended_need_a_reason(node, tx):
    waiting = await proposed(tx, node)
    assert (await exchange.refuse(tx, node, steward("bo"), waiting.id, reason=" "))[0].field == "reason"
    assert (await exchange.refuse(tx, node, steward("bo"), waiting.id, reason="没有依据")).state == "refused"
    held = await exchange.approve(tx, node, steward("bo"), (await proposed(tx, node)).id)
    assert (await exchange.end(tx, node, steward("bo"), held.id, reason="不用了")).state == "ended"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"resource": "samr.company_name"}, "resource"), ({"fields": ()}, "fields"), ({"fields": ("salary",)}, "fields"),
        ({"quota_per_day": 0}, "quota_per_day"), ({"reason": ""}, "reason"),
    ],
)  # fmt: skip
async def test_a_demand_says_what_is_missing(node, tx, more, field):
    assert (await proposed(tx, node, **more))[0].field == field


async def test_only_stewards(node, tx):
    with pytest.raises(NotAllowed):
        await proposed(tx, node, steward("carl", "cases.see"))


async def test_demo_rows_are_made_once_and_never_on_a_real_node(node, make_node):
    await exchange.set_up(node)
    await exchange.set_up(node)
    async with node.db.reading() as tx:
        rows = await exchange.grants(tx)
    assert len({(one.resource, one.caller, one.purpose) for one in rows}) == len(rows) > 0
    real = await make_node("samr", demo=False)
    await exchange.set_up(real)
    async with real.db.reading() as tx:
        assert await exchange.grants(tx) == ()
