"""Staff accounts 工作人员账号 (identity.md 9): own cookie, certificate or passkey, roles by assignment with four eyes."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tongban import transparency
from tongban.identity.actions import passkey, sessions
from tongban.identity.errors import refusal
from tongban.identity.model import OpenedSession, StaffMember
from tongban.identity.providers import certificates
from tongban.identity.queries import staff as queries
from tongban.identity.rules.roles import roles
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """An assignment one person proposes and another approves 拟任职."""

    subject: str
    role: str
    division: str
    org: str = ""
    items: tuple[str, ...] = ("*",)
    until: datetime | None = None
    proposed_by: str


async def by_certificate(tx: Tx, node: Node, presented: str, agent: str) -> OpenedSession | Refusals:
    """A staff session by certificate 用工作证书登录, level 4."""
    member = await certificates(node).holder(tx, node, presented)
    if member is None:
        return (refusal("identity.staff_unknown", "key"),)
    return await _open(tx, node, member, 4, ("sc",), agent)


async def by_passkey(tx: Tx, node: Node, answer: str, agent: str) -> OpenedSession | Refusals:
    """A staff session by a staff member's passkey, at most level 3."""
    found = await passkey.answered(tx, node, answer)
    member = await queries.staff_member(tx, node, found.subject) if found is not None else None
    if member is None or found is None:
        return (refusal("identity.passkey_failed", "key"),)
    return await _open(tx, node, member, min(3, found.bound_acr), ("hwk", "user"), agent)


async def _open(tx: Tx, node: Node, member: StaffMember, acr: int, amr: tuple[str, ...], agent: str) -> OpenedSession:
    return await sessions.open_session(tx, node, sessions.Opening(
        subject=member.subject, kind="staff", proof=4, acr=acr, amr=amr, agent=agent
    ))  # fmt: skip


async def assign(tx: Tx, approver: Actor, proposed: Proposed) -> str:
    """Give a role 任职, approved by another person than the one who proposed or receives it (T-63). Its id.

    Raises NotAllowed without `identity.assign`, Failure `identity.four_eyes` for oneself.
    """
    approver.require_may("identity.assign", division=proposed.division)
    if approver.subject in (proposed.proposed_by, proposed.subject):
        raise Failure(
            "identity.four_eyes", status=403, sentence="要另一位同事批准，自己提的自己不能批",
            todo="请另一位管理员来批", ask="没有第二位管理员请找上级",
        )  # fmt: skip
    return await put_assignment(tx, proposed, approver.subject)


async def put_assignment(tx: Tx, proposed: Proposed, approved_by: str) -> str:
    """Write an assignment that was approved; a leaf keeps that it happened."""
    if proposed.role not in roles():
        message = f"no role {proposed.role} in roles.toml"
        raise ValueError(message)
    row = uuid7()
    await tx.execute(
        "INSERT INTO assignment (subject, id, role, division, org, items, until, proposed_by, approved_by)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        proposed.subject, row, proposed.role, proposed.division, proposed.org, list(proposed.items), proposed.until,
        proposed.proposed_by, approved_by,
    )  # fmt: skip
    await transparency.append(tx, "identity.assigned", jcs({"id": row, "role": proposed.role, "division": proposed.division, "by": approved_by}))
    return row
