"""Deleting ledger lines past their time 删除到期的台账: proposed by one, approved by another, never younger than three years."""

from __future__ import annotations

from datetime import UTC, date, datetime

from tongban import consent
from tongban.identity.actions import proposals
from tongban.identity.model import Proposal
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.node import Node


async def propose_deletion(tx: Tx, node: Node, actor: Actor, before: date) -> Proposal | Refusals:
    """Propose to delete the lines before a day 提议删除; the day is refused when the law keeps them still."""
    moment = datetime(before.year, before.month, before.day, tzinfo=UTC)
    if moment > node.clock.now() - consent.KEPT:
        return (Refusal("identity.ledger_young", "台账至少留 3 年，这一天还太近", "before"),)
    division = (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")
    return await proposals.propose(
        tx, node, actor, "ledger.delete", division=division, words=f"{before:%Y-%m-%d} 以前的使用记录", body=before.isoformat().encode()
    )


async def _deleted(tx: Tx, node: Node, approver: Actor, found: Proposal, body: bytes) -> str:  # noqa: ARG001  every handler takes the same
    day = date.fromisoformat(body.decode())
    count = await consent.forget_lines(tx, node, datetime(day.year, day.month, day.day, tzinfo=UTC))
    return f"删了 {count} 条到期的使用记录"


proposals.carries_out("ledger.delete", _deleted)
