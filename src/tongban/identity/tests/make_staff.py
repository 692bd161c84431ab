"""Builders for tests of staff: a node with invented officers and one resident, an officer as an actor."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tongban import identity
from tongban.identity.actions import joining
from tongban.identity.actions.subjects import put_person
from tongban.identity.queries import staff as queries
from tongban.kernel.actor import Actor
from tongban.kernel.clock import SetClock
from tongban.kernel.errors import Failure
from tongban.kernel.node import Node

HER, HER_NAME, HER_NUMBER = "n1" + "h" * 32, "演示何小雨", "500199199106120024"
NEW = joining.Newcomer(staff_no="CQ-XR-01", name="演示新同事", unit="重庆市政务服务局（演示）受理岗", org="11500000MB0DEM041F", division="500000",
                       department="政务", citizen_number="")  # fmt: skip


@pytest.fixture(scope="module")
async def node(make_node: Callable[..., Awaitable[Node]]) -> Node:
    """重庆 with its invented staff and one resident."""
    made = await make_node("500000", clock=SetClock(dt.datetime(2026, 11, 18, 2, 0, tzinfo=dt.UTC)))
    await identity.set_up(made)
    async with made.db.transaction() as tx:
        await put_person(tx, made, HER, home="500000", proof=3, name=HER_NAME, number=HER_NUMBER, photo_held=True, matched=True)
    return made


async def officer(tx: Any, node: Node, staff_no: str, acr: int = 3) -> Actor:
    """The demo's member of staff as an actor, as `resolve` makes one."""
    member = await queries.staff_by_number(tx, node, staff_no)
    assert member is not None, staff_no
    return Actor(
        kind="staff", subject=member.subject, staff_id=staff_no, unit=member.unit, acr=acr, home=node.id,
        assignments=await queries.assignments(tx, member.subject), linked_subject=await queries.linked_subject(tx, node, member.subject),
    )  # fmt: skip


async def code_of(failing: Awaitable[Any]) -> str:
    """The code of the failure an act ends with, empty when it does not fail."""
    try:
        await failing
    except Failure as no:
        return no.failure_code
    return ""


