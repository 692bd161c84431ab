"""Reading a person needs a reason 查看要有理由 (identity.md 9, T-60): a case, a queue, a counter visit, a dispute."""

from __future__ import annotations

from typing import Literal

from tongban import consent
from tongban.identity.errors import failure
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

ReasonKind = Literal["case", "queue", "visit", "dispute", "none"]
_WORDS = {"case": "办理这个办件", "queue": "分派本单位的办件", "visit": "窗口现场办理", "dispute": "处理纠错申请"}


async def reading_reason(
    tx: Tx, node: Node, staff: Actor, subject: str, kind: ReasonKind, ref: str, *, fields: tuple[str, ...], basis: str = "行政许可法第三十四条"
) -> None:
    """Write down why this member of staff reads this person 记下查看理由; ledger line and leaf in the caller's transaction.

    `kind` is `none` when the caller found no open case, queue, visit or dispute. Raises Failure `identity.reason_needed`
    then, also for the clerk's own person (T-62), and logs an alert. Nothing may be shown before this returned.
    """
    staff.require_staff()
    if kind == "none" or not ref or (staff.linked_subject and staff.linked_subject == subject):
        log("identity.read_without_reason", kind=kind, node=node.id)
        raise failure("identity.reason_needed")
    await tx.execute(
        "INSERT INTO access_reason (subject, id, staff, kind, ref, at) VALUES ($1, $2, $3, $4, $5, $6)",
        subject, uuid7(), staff.subject, kind, ref, node.clock.now(),
    )  # fmt: skip
    await consent.record_access(tx, node, consent.Access(
        subject=subject, kind="view", who=staff.unit, fields=fields, purpose=_WORDS[kind], source=node.id, receiver=node.id,
        basis=basis, about=f"case:{ref}" if kind in ("case", "queue") else "",
    ))  # fmt: skip
