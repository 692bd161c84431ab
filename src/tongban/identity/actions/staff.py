"""Staff accounts 工作人员账号 (identity.md 9): own cookie, certificate or passkey, roles by assignment with four eyes."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tongban import transparency
from tongban.identity.actions import passkey, sessions
from tongban.identity.errors import failure, refusal
from tongban.identity.model import OpenedSession, Session, StaffMember
from tongban.identity.providers import certificates
from tongban.identity.queries import staff as queries
from tongban.identity.rules.roles import clash, roles
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import Refusals
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
    if member is None or member.suspended:
        return (refusal("identity.staff_unknown", "key"),)
    return await open_for(tx, node, member, 4, ("sc",), agent)


async def by_passkey(tx: Tx, node: Node, answer: str, agent: str) -> OpenedSession | Refusals:
    """A staff session by a staff member's passkey, at most level 3."""
    found = await passkey.answered(tx, node, answer)
    member = await queries.staff_member(tx, node, found.subject) if found is not None else None
    if member is None or found is None or member.suspended:
        return (refusal("identity.passkey_failed", "key"),)
    return await open_for(tx, node, member, min(3, found.bound_acr), ("hwk", "user"), agent)


async def open_for(tx: Tx, node: Node, member: StaffMember, acr: int, amr: tuple[str, ...], agent: str) -> OpenedSession:
    """A new session of this member of staff."""
    return await sessions.open_session(tx, node, sessions.Opening(
        subject=member.subject, kind="staff", proof=4, acr=acr, amr=amr, agent=agent
    ))  # fmt: skip


async def unlock(tx: Tx, node: Node, locked: Session, opened: OpenedSession, agent: str) -> OpenedSession | None:
    """The locked session of the same person goes on 解锁: same session, same end after ten hours, a new cookie value.

    `opened` is the session the key just gave; None when the locked one is somebody else's or has ended, then the new one counts.
    """
    if locked.subject != opened.session.subject or locked.id == opened.session.id or locked.revoked_at is not None:
        return None
    await sessions.end(tx, opened.session.id, "unlocked", node.clock.now())
    raised = await sessions.raise_level(tx, node, locked, acr=opened.session.acr, way=opened.session.amr[0], agent=agent, proof=4)
    now = node.clock.now()
    await tx.execute(
        "UPDATE session SET idle_until = least($3, ends_at) WHERE subject = $1 AND id = $2",
        locked.subject, locked.id, now + (opened.session.idle_until - opened.session.seen_at),
    )  # fmt: skip
    return raised


async def assign(tx: Tx, approver: Actor, proposed: Proposed) -> str:
    """Give a role 任职, approved by another person than the one who proposed or receives it (T-63). Its id.

    Raises NotAllowed without `identity.assign` over that area, Failure `identity.four_eyes` for oneself,
    `identity.roles_apart` when persons and administration would meet in one hand.
    """
    approver.require_may("identity.assign", division=proposed.division, org=proposed.org)
    if approver.subject in (proposed.proposed_by, proposed.subject) or proposed.proposed_by == proposed.subject:
        raise failure("identity.four_eyes")
    return await put_assignment(tx, proposed, approver.subject)


async def put_assignment(tx: Tx, proposed: Proposed, approved_by: str) -> str:
    """Write an assignment that was approved; a leaf keeps that it happened, running sessions hear of it."""
    if proposed.role not in roles():
        message = f"no role {proposed.role} in roles.toml"
        raise ValueError(message)
    held = [one["role"] for one in await tx.fetch("SELECT role FROM assignment WHERE subject = $1 AND ended_at IS NULL", proposed.subject)]
    if against := clash(held, proposed.role):
        raise failure("identity.roles_apart", role=roles()[against].name)
    row = uuid7()
    await tx.execute(
        "INSERT INTO assignment (subject, id, role, division, org, items, until, proposed_by, approved_by)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        proposed.subject, row, proposed.role, proposed.division, proposed.org, list(proposed.items), proposed.until,
        proposed.proposed_by, approved_by,
    )  # fmt: skip
    await transparency.append(tx, "identity.assigned", jcs({"id": row, "role": proposed.role, "division": proposed.division, "by": approved_by}))
    await ring(tx, sessions.BELL)
    return row
