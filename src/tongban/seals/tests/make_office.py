"""A node with invented seal officers, and the acts of a seal's life as they do them 造印章管理的人和事."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from tongban.kernel.actor import Actor
from tongban.kernel.ids import CreditCode
from tongban.kernel.node import Node
from tongban.seals import actions
from tongban.seals.model import Application, Placement, Seal, UseRequest

AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
FIRST, SECOND = "CQ-YZ-01", "CQ-YZ-02"
PLACE = Placement(0, 135, 235)
_made = 0


def org() -> str:
    """A new invented department."""
    global _made
    _made += 1
    return CreditCode.make("11", "500100", f"MA{_made:07d}").value


def elsewhere(actor: Actor, staff_no: str, unit: str = "重庆市演示局印章岗") -> Actor:
    """Another officer with the same rights."""
    return msgspec.structs.replace(actor, subject="s" + staff_no, staff_id=staff_no, unit=unit)


async def applied(tx: Any, node: Node, by: Actor, keeper: str, **more: Any) -> Application:
    """An application for a seal of a new department."""
    found = await actions.apply(tx, node, by, **{
        "org_code": org(), "org_name": "重庆市演示工作局", "kind": "approval", "purpose": "本局各事项的审批决定", "basis": "渝演示〔2026〕1 号",
        "keeper": keeper, **more,
    })  # fmt: skip
    assert isinstance(found, Application), found
    return found


async def made(tx: Any, node: Node, by: Actor, reviewer: Actor, maker: Actor, keeper: str, **more: Any) -> Seal:
    """A seal that was applied for, reviewed and made, not yet received."""
    one = await applied(tx, node, by, keeper, **more)
    await actions.review(tx, node, reviewer, one.id, one.digest, agree=True)
    return await actions.make_applied(tx, node, maker, one.id)


async def asked(tx: Any, node: Node, by: Actor, seal: Seal, document: bytes, **more: Any) -> UseRequest:
    """A document put forward to be sealed."""
    found = await actions.ask_use(tx, node, by, seal.id, **{
        "document": document, "title": "通知书（演示）", "purpose": "对外发文", "about": "渝演示函 1 号", "placement": PLACE, **more,
    })  # fmt: skip
    assert isinstance(found, UseRequest), found
    return found
