"""Disputes looked at 纠错查询: the person's own at this node, and the desk of the register's owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tongban.identity.model import DeskDispute, Dispute, UsedBefore
from tongban.identity.providers import register
from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node


async def disputes(tx: Tx, node: Node, subject: str) -> list[Dispute]:
    """A person's disputes opened at this node, newest first 我的纠错."""
    rows = await tx.fetch("SELECT * FROM dispute WHERE subject = $1 ORDER BY opened_at DESC LIMIT 50", subject)
    return [_dispute(node, row) for row in rows]


async def dispute(tx: Tx, node: Node, subject: str, dispute_id: str) -> Dispute | None:
    """One dispute of this person, None for anybody else's (T-42)."""
    row = await tx.fetchrow("SELECT * FROM dispute WHERE subject = $1 AND id = $2", subject, dispute_id)
    return None if row is None else _dispute(node, row)


async def disputed(tx: Tx, subject: str) -> frozenset[str]:
    """The attributes of a person that are disputed now 正在纠错的项, as this node knows: the owner, or where it was opened.

    Whatever shows such a value marks it 待核验; nothing waits for it.
    """
    return (await disputed_of(tx, (subject,))).get(subject, frozenset())


async def disputed_of(tx: Tx, subjects: Sequence[str]) -> dict[str, frozenset[str]]:
    """As `disputed`, for many at once: those who dispute something, each with what.

    At the owner only what a matched person disputes: below level 2 whoever knows the number says so, and would mark a stranger's name.
    """
    rows = await tx.fetch(
        "SELECT subject, attribute FROM dispute WHERE subject = ANY($1::text[]) AND state = 'open'"
        " UNION SELECT subject, attribute FROM dispute_desk WHERE subject = ANY($1::text[]) AND state IN ('open', 'proposed') AND level >= 2",
        list(subjects),
    )
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["subject"], set()).add(row["attribute"])
    return {subject: frozenset(names) for subject, names in found.items()}


async def used_before(tx: Tx, node: Node, subject: str) -> list[UsedBefore]:
    """What at this node used a value before its correction 用过旧信息的事项, newest first."""
    rows = await tx.fetch("SELECT id, kind, ref, title, link FROM corrected_use WHERE subject = $1 ORDER BY at DESC, id LIMIT 100", subject)
    return [
        UsedBefore(
            kind=row["kind"], ref=row["ref"], link=row["link"],
            title=node.cipher.open("identity", "corrected_use.title", row["id"], row["title"]).reveal(),
        )
        for row in rows
    ]  # fmt: skip


async def waiting_disputes(tx: Tx, node: Node) -> list[DeskDispute]:
    """What waits on the desk, the earliest due first 待办纠错; register values are not read for a list."""
    rows = await tx.fetch(f"{_DESK} WHERE d.state IN ('open', 'proposed') ORDER BY d.due_on, d.opened_at LIMIT 200")
    return [_desk(node, row, None) for row in rows]


async def handled_disputes(tx: Tx, node: Node, staff: str) -> list[DeskDispute]:
    """What this member of staff decided or confirmed and is ended now, the newest first 经手过的纠错."""
    rows = await tx.fetch(
        f"{_DESK} WHERE d.state IN ('upheld', 'refused') AND $1 IN (d.proposed_by, d.decided_by) ORDER BY d.decided_at DESC LIMIT 20", staff
    )
    return [_desk(node, row, None) for row in rows]


async def desk_dispute(tx: Tx, node: Node, dispute_id: str) -> DeskDispute | None:
    """One dispute with the value the register has now; None when there is none."""
    row = await tx.fetchrow(f"{_DESK} WHERE d.id = $1", dispute_id)
    if row is None:
        return None
    current = await register(node).value(tx, node, row["subject"], row["attribute"])
    return _desk(node, row, None if current is None else Personal(current))


_DESK = """
    SELECT d.*, e.division, e.home FROM dispute_desk d LEFT JOIN register_entry e ON e.subject = d.subject
"""


def _dispute(node: Node, row: Any) -> Dispute:
    def opened(column: str) -> Personal | None:
        return None if row[column] is None else node.cipher.open("identity", f"dispute.{column}", row["id"], row[column])

    return Dispute(
        id=row["id"], number=row["number"], attribute=row["attribute"], state=row["state"], register=row["register"], unit=row["unit"],
        claimed=node.cipher.open("sensitive", "dispute.claimed", row["id"], row["claimed"]), note=opened("note") or Personal(""),
        evidence=tuple(str(one) for one in row["evidence"]), opened_at=row["opened_at"], due_on=row["due_on"], visit_on=row["visit_on"],
        decided_at=row["decided_at"], first_reason=opened("first_reason"), second_reason=opened("second_reason"),
    )  # fmt: skip


def _desk(node: Node, row: Any, current: Personal | None) -> DeskDispute:
    def opened(column: str, group: str = "identity") -> Personal:
        return node.cipher.open(group, f"dispute_desk.{column}", row["id"], row[column]) if row[column] is not None else Personal("")

    return DeskDispute(
        subject=row["subject"], id=row["id"], number=row["number"], origin=row["origin"], attribute=row["attribute"],
        claimed=opened("claimed", "sensitive"), note=opened("note"), document=opened("document", "sensitive"),
        evidence=tuple(msgspec.json.decode(opened("evidence").reveal(), type=list[str])), level=row["level"], opened_at=row["opened_at"],
        due_on=row["due_on"], state=row["state"], visit_on=row["visit_on"], division=row["division"] or "000000", current=current,
        home=row["home"] or "", proposed_by=row["proposed_by"] or "", proposed_uphold=bool(row["proposed_uphold"]),
        proposed_reason=opened("proposed_reason") if row["proposed_reason"] is not None else None,
        decided_reason=opened("decided_reason") if row["decided_reason"] is not None else None, decided_by=row["decided_by"] or "",
        returned=row["returned"],
    )  # fmt: skip
