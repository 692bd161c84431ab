"""Deleting the log of readings by staff past its time 删除到期的查看记录: proposed by one, approved by another.

Who read whom and why (`access_reason`, `break_glass`) is what a clerk would most like to see gone, so no clock deletes it and no
single person does. The leaves of the log stay. Source: privacy.md 4, three years [K]; identity.md 9.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from tongban import transparency
from tongban.identity.actions import proposals
from tongban.identity.model import Proposal
from tongban.identity.queries import readings
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.node import Node

KEPT = timedelta(days=3 * 366)


async def propose_deletion(tx: Tx, node: Node, actor: Actor, before: date) -> Proposal | Refusals:
    """Propose to delete what is older than a day 提议删除; a day younger than three years is refused."""
    if _moment(before) > node.clock.now() - KEPT:
        return (Refusal("identity.log_young", "查看记录至少留 3 年，这一天还太近", "before"),)
    division = (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")
    return await proposals.propose(
        tx, node, actor, "readings.delete", division=division, words=f"{before:%Y-%m-%d} 以前的查看记录", body=before.isoformat().encode()
    )


async def _deleted(tx: Tx, node: Node, approver: Actor, found: Proposal, body: bytes) -> str:
    before = _moment(date.fromisoformat(body.decode()))
    count = 0
    for statement in (
        "DELETE FROM access_reason WHERE at < $1",
        "DELETE FROM break_glass_person p USING break_glass g WHERE g.id = p.glass AND g.opened_at < $1",
        "DELETE FROM break_glass WHERE opened_at < $1",
    ):
        count += int((await tx.execute(statement, min(before, node.clock.now() - KEPT))).split()[-1])
    await transparency.append(
        tx, "readings.deleted", jcs({"before": before.date().isoformat(), "count": count, "by": [found.proposed_by, approver.subject], "v": 1})
    )
    return f"删了 {count} 条到期的查看记录"


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


proposals.carries_out("readings.delete", _deleted)
transparency.recorded(readings.READ, "access_reason", "id", readings.in_log, kept=KEPT - timedelta(days=1))
