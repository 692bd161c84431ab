"""The catalogue: two persons to publish, one to stop, told to every node, believed only of its owner (R-401, T-32)."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import msgspec
import pytest

from tongban import exchange
from tongban.exchange.actions import publish_resource, resume_resource, turn_down_resource
from tongban.exchange.actions.catalogue import Told, resource_told
from tongban.exchange.model import Field, Resource
from tongban.exchange.queries import versions
from tongban.exchange.rules import faults
from tongban.exchange.tests.make import steward
from tongban.kernel.errors import NotAllowed
from tongban.kernel.ids import uuid7


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("510000")
    await exchange.set_up(made)
    return made


def wanted(**more):
    return Resource(
        **{
            "id": "510000.permit", "name": "停车许可（演示）", "owner": "510000", "owner_name": "四川省交管登记（演示）", "sharing": "conditional",
            "sharing_reason": "凭事项取用", "basis": "演示条例第三条", "update_cycle": "每天", "fields": (Field("plate", "号牌", True), Field("until", "到期日")),
            "key": "subject", "demo": True, **more,
        }
    )  # fmt: skip


async def drafted(tx, node, **more):
    made = await exchange.draft_resource(tx, node, steward("anna"), wanted(**more), reason="第一版")
    assert isinstance(made, exchange.Listed), made
    return made


async def test_a_demo_node_knows_the_catalogue_of_the_nation_once(node):
    await exchange.set_up(node)
    async with node.db.reading() as tx:
        found = await exchange.whole(tx)
    assert len({one.resource.id for one in found}) == len(found) >= 14
    kinds = {one.resource.id.partition(".")[2] for one in found}
    assert {"population", "household", "legal_person", "marriage", "social_insurance", "real_estate", "education", "vehicle"} <= kinds
    assert {one.resource.owner for one in found} == {"mps", "samr", "cn", "500000", "510000"}


async def test_two_people_publish_and_the_table_holds_it_too(node, tx):
    draft = await drafted(tx, node)
    assert (draft.state, draft.version) == ("draft", 1)
    assert await exchange.definition(tx, "510000.permit") is None, "a draft counts already"
    alone = await publish_resource(tx, node, steward("anna"), "510000.permit")
    assert alone[0].code == "exchange.four_eyes", "published by one person"
    with pytest.raises(asyncpg.CheckViolationError):
        async with tx.transaction():
            await tx.execute("UPDATE data_resource SET approved_by = 'anna' WHERE id = '510000.permit'")
    done = await publish_resource(tx, node, steward("bo"), "510000.permit")
    assert (done.state, done.approved_by) == ("active", "bo")
    assert (await exchange.definition(tx, "510000.permit")).name == "停车许可（演示）"


async def test_a_new_version_replaces_the_old_and_both_stay(node, tx):
    await drafted(tx, node)
    await publish_resource(tx, node, steward("bo"), "510000.permit")
    second = await drafted(tx, node, update_cycle="实时")
    assert second.version == 2
    assert (await exchange.definition(tx, "510000.permit")).update_cycle == "每天"
    await publish_resource(tx, node, steward("bo"), "510000.permit")
    assert (await exchange.definition(tx, "510000.permit")).update_cycle == "实时"
    assert [one.state for one in await versions(tx, "510000.permit")] == ["active", "replaced"]


async def test_stopping_takes_one_and_a_reason_going_on_takes_another(node, tx):
    await drafted(tx, node)
    await publish_resource(tx, node, steward("bo"), "510000.permit")
    assert (await exchange.suspend_resource(tx, node, steward("bo"), "510000.permit", reason=" "))[0].field == "reason"
    await exchange.suspend_resource(tx, node, steward("bo"), "510000.permit", reason="登记库检修")
    assert await exchange.definition(tx, "510000.permit") is None
    assert (await exchange.listed(tx, "510000.permit")).reason == "登记库检修"
    assert (await resume_resource(tx, node, steward("bo"), "510000.permit"))[0].code == "exchange.four_eyes"
    assert (await resume_resource(tx, node, steward("cy"), "510000.permit")).state == "active"


async def test_withdrawn_for_good_with_its_grants(node, tx):
    until = node.clock.now() + timedelta(days=365)
    asked = await exchange.propose(
        tx, node, steward("anna"), resource="510000.marriage", caller="500000", purpose="case.check", fields=("status",), quota_per_day=5,
        until=until, reason="核对",
    )  # fmt: skip
    held = await exchange.approve(tx, node, steward("bo"), asked.id)
    await exchange.withdraw_resource(tx, node, steward("bo"), "510000.marriage", reason="改由民政部提供")
    assert (await exchange.grant(tx, held.id)).state == "ended", "a grant outlived its resource"
    assert (await exchange.draft_resource(tx, node, steward("anna"), wanted(id="510000.marriage")))[0].code == "exchange.resource_withdrawn"


async def test_a_draft_may_be_turned_down(node, tx):
    await drafted(tx, node)
    assert (await turn_down_resource(tx, node, steward("bo"), "510000.permit", reason=""))[0].field == "reason"
    assert (await turn_down_resource(tx, node, steward("bo"), "510000.permit", reason="没有依据")).state == "refused"


async def test_only_stewards_and_only_our_own(node, tx):
    with pytest.raises(NotAllowed):
        await exchange.draft_resource(tx, node, steward("carl", "cases.see"), wanted())
    assert (await exchange.draft_resource(tx, node, steward("anna"), wanted(id="mps.permit")))[0].field == "id"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"id": "510000.Permit"}, "id"), ({"name": " "}, "name"), ({"sharing": "maybe"}, "sharing"), ({"sharing_reason": ""}, "sharing_reason"),
        ({"sharing": "refused", "sharing_reason": ""}, "sharing_reason"), ({"basis": ""}, "basis"), ({"update_cycle": ""}, "update_cycle"),
        ({"fields": ()}, "fields"), ({"fields": (Field("a", "甲"), Field("a", "乙"))}, "fields"), ({"fields": (Field("甲", "甲"),)}, "fields"),
        ({"per_day": 0}, "per_day"),
    ],
)  # fmt: skip
def test_what_a_definition_must_have(more, field):
    assert faults(wanted(), "510000") == ()
    assert [one.field for one in faults(wanted(**more), "510000")] == [field]


def told(**more):
    return msgspec.to_builtins(Told(**{
        "v": 1, "resource": wanted(id="500000.permit", owner="500000"), "version": 3, "state": "active", "reason": "", "rev": 2, "at": 1_795_170_000_000, **more,
    }))  # fmt: skip


async def test_another_nodes_word_is_kept_and_an_old_one_changes_nothing(node, tx):
    await resource_told(tx, node, "500000", told())
    assert (await exchange.listed(tx, "500000.permit")).version == 3
    await resource_told(tx, node, "500000", told(rev=1, state="withdrawn"))
    await resource_told(tx, node, "500000", told(version=2, rev=9, state="suspended"))
    assert (await exchange.listed(tx, "500000.permit")).state == "active"
    await resource_told(tx, node, "500000", told(rev=3, state="suspended", reason="检修"))
    assert await exchange.definition(tx, "500000.permit") is None


async def test_t32_nobody_speaks_for_anothers_resource(node, tx):
    for origin, body in (
        ("mps", told()), ("500000", told(resource=wanted(id="510000.permit", owner="500000"))), ("500000", told(state="draft")),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            await resource_told(tx, node, origin, body)
    assert await exchange.listed(tx, "500000.permit") is None, "foreign fact applied"


async def test_a_search_finds_by_name_owner_and_field(node):
    async with node.db.reading() as tx:
        assert [one.resource.id for one in await exchange.whole(tx, words="缴费月数")] == ["500000.social_insurance", "510000.social_insurance"]
        assert await exchange.whole(tx, words="%") == ()
        assert await exchange.listed(tx, uuid7()) is None
