"""Requests received at a desk 窗口受理的请求, and what a person said for the time after death 身后安排."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban.kernel.db import Tx
from tongban.kernel.node import Node
from tongban.privacy.model.closing import Paper
from tongban.privacy.model.desk import DeskRight, Told
from tongban.privacy.rules.relatives import Choice, choice_of

GROUP = "sensitive"
PAPER, TOLD = "desk_right.paper", "desk_right.told"


async def one(tx: Tx, node: Node, right: str, *, lock: bool = False) -> DeskRight | None:
    """One request by its number."""
    row = await tx.fetchrow("SELECT * FROM desk_right WHERE id = $1" + (" FOR UPDATE" if lock else ""), right)
    return None if row is None else _right(node, row)


async def of_clerk(tx: Tx, node: Node, staff: str, *, most: int = 20) -> tuple[DeskRight, ...]:
    """What this clerk received, newest first (我受理的)."""
    rows = await tx.fetch("SELECT * FROM desk_right WHERE proposed_by = $1 ORDER BY asked_at DESC LIMIT $2", staff, most)
    return tuple(_right(node, row) for row in rows)


def _right(node: Node, row: Any) -> DeskRight:
    right = str(row["id"])
    paper = None
    if row["paper"] is not None and row["paper_until"] > node.clock.now():
        paper = msgspec.json.decode(node.cipher.open("identity", PAPER, right, row["paper"]).reveal(), type=Paper)
    return DeskRight(
        subject=row["subject"], id=right, way=row["way"], kind=row["kind"], asker_subject=row["asker_subject"],
        told=msgspec.json.decode(node.cipher.open(GROUP, TOLD, right, row["told"]).reveal(), type=Told), unit=row["unit"],
        proposed_by=row["proposed_by"], proposal=str(row["proposal"] or ""), approved_by=row["approved_by"] or "", state=row["state"],
        result=row["result"], paper=paper, asked_at=row["asked_at"], done_at=row["done_at"],
    )  # fmt: skip


async def choice(tx: Tx, subject: str) -> Choice:
    """What this person said for the time after death; the law's when nothing (现在的安排)."""
    return choice_of(await tx.fetchval("SELECT choice FROM after_me WHERE subject = $1 AND ended_at IS NULL", subject) or "")
