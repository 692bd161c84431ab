"""Complaints about a use of one's data 投诉: the person's own, and the desk of the owner."""

from __future__ import annotations

from typing import Any

from tongban.exchange.model import Complaint
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

TOLD, WORDS, ANSWER = "use_complaint.told", "use_complaint.words", "use_complaint.answer"


async def of_line(tx: Tx, node: Node, subject: str, line: str) -> Complaint | None:
    """The person's complaint about one line (这一行的投诉), None when there is none."""
    row = await tx.fetchrow("SELECT * FROM use_complaint WHERE subject = $1 AND line = $2 AND side = 'person'", subject, line)
    return None if row is None else complaint_of(node, row)


async def complained(tx: Tx, subject: str) -> frozenset[str]:
    """The lines this person complained about (投诉过的行)."""
    rows = await tx.fetch("SELECT line FROM use_complaint WHERE subject = $1 AND side = 'person'", subject)
    return frozenset(str(row["line"]) for row in rows)


async def complaints(tx: Tx, node: Node) -> tuple[Complaint, ...]:
    """What the owner's stewards have to answer, the first due at the top (待答复的投诉)."""
    rows = await tx.fetch("SELECT * FROM use_complaint WHERE side = 'owner' ORDER BY state = 'answered', due_on, id DESC LIMIT 200")
    return tuple(complaint_of(node, row) for row in rows)


async def complaint(tx: Tx, node: Node, complaint_id: str, *, side: str, lock: bool = False) -> Complaint | None:
    """One complaint at one end (一件投诉)."""
    statement = "SELECT * FROM use_complaint WHERE id = $1 AND side = $2" + (" FOR UPDATE" if lock else "")
    row = await tx.fetchrow(statement, complaint_id, side)
    return None if row is None else complaint_of(node, row)


def complaint_of(node: Node, row: Any) -> Complaint:
    """A row as its noun, opened."""
    key = f"{row['id']}.{row['side']}"
    return Complaint(
        subject=row["subject"], id=row["id"], side=row["side"], peer=row["peer"], line=row["line"], told=node.cipher.open("case", TOLD, key, row["told"]),
        words=node.cipher.open("case", WORDS, key, row["words"]), state=row["state"], due_on=row["due_on"], sent_at=row["sent_at"],
        answer=node.cipher.open("case", ANSWER, key, row["answer"]) if row["answer"] is not None else None, answered_at=row["answered_at"],
    )  # fmt: skip
