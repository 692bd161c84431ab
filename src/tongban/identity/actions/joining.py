"""Joining and leaving 入职和离岗 (identity.md 9): invited by one administrator, confirmed by another, a key of one's own.

What takes rights away is done at once by one person and told to the others; what gives rights needs two. The first
administrators of a node come from its command line, and only until two are there.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta

import msgspec

from tongban import transparency
from tongban.identity.actions import notices, proposals, sessions
from tongban.identity.actions.staff import Proposed, assign, open_for, put_assignment
from tongban.identity.errors import failure, refusal
from tongban.identity.model import OpenedSession, Proposal, StaffMember
from tongban.identity.queries import staff as queries
from tongban.identity.queries.persons import number_index
from tongban.identity.rules import paper, typed
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.roles import roles
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import Failure, Refusal, Refusals
from tongban.kernel.gm import hmac_sm3, jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

CODE_LIFE = timedelta(days=FACTORS.joining.code_days)
CODE_DIGITS = paper.digits(CODE_LIFE)
ENOUGH_ADMINISTRATORS = 2
HOST = "host"


class Newcomer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody to be invited 新同事: `citizen_number` is kept only until the register has named the subject (T-62)."""

    staff_no: str
    name: str
    unit: str
    org: str
    division: str
    department: str
    citizen_number: str = ""


async def invite(tx: Tx, node: Node, actor: Actor, who: Newcomer) -> Proposal | Refusals:
    """Propose to invite somebody 邀请: another administrator confirms, then a code is shown once."""
    if wrong := await _wrong(tx, who):
        return wrong
    return await proposals.propose(
        tx, node, actor, "staff.join", division=who.division, org=who.org, words=f"{who.unit}，工号 {who.staff_no}", body=msgspec.json.encode(who)
    )


async def propose_role(tx: Tx, node: Node, actor: Actor, wanted: Proposed) -> Proposal | Refusals:
    """Propose a role for somebody 提议任职, never for oneself (T-63)."""
    member = await queries.staff_member(tx, node, wanted.subject)
    if member is None:
        raise failure("identity.staff_gone")
    if wanted.role not in roles():
        return (refusal("identity.role_unknown", "role"),)
    if wanted.subject == actor.subject:
        raise failure("identity.four_eyes")
    until = f"，到 {wanted.until:%Y-%m-%d}" if wanted.until else ""
    words = f"工号 {member.staff_no}：{roles()[wanted.role].name}，地区 {wanted.division}{until}"
    wanted = msgspec.structs.replace(wanted, proposed_by=actor.subject)
    return await proposals.propose(
        tx, node, actor, "staff.assign", division=wanted.division, org=wanted.org, words=words, body=msgspec.json.encode(wanted)
    )


async def propose_for(tx: Tx, node: Node, actor: Actor, kind: str, subject: str) -> Proposal:
    """Propose a new joining code (`staff.key`) or the end of a suspension (`staff.restore`) 重发加入码、解除停用."""
    member = await _member(tx, node, subject)
    return await proposals.propose(
        tx, node, actor, kind, division=member.division, org=member.org, words=f"工号 {member.staff_no}", body=subject.encode()
    )


async def first_administrator(tx: Tx, node: Node, who: Newcomer, role: str = "node_administrator") -> str | Refusals:
    """Invite an administrator from the node's own host 第一位管理员: the joining code, as long as fewer than two are there.

    Raises Failure `identity.four_eyes` when two administrators can do it between them.
    """
    held = await tx.fetchval(
        "SELECT count(DISTINCT a.subject) FROM assignment a JOIN staff s ON s.subject = a.subject"
        " WHERE a.role = $1 AND a.ended_at IS NULL AND s.ended_at IS NULL AND s.suspended_at IS NULL AND NOT s.demo",
        role,
    )
    if held >= ENOUGH_ADMINISTRATORS:
        raise failure("identity.four_eyes")
    if wrong := await _wrong(tx, who):
        return wrong
    subject = await _enter(tx, node, who)
    await put_assignment(tx, Proposed(subject=subject, role=role, division=who.division, proposed_by="setup"), "setup")
    return await _code(tx, node, subject, HOST, HOST)


async def join(tx: Tx, node: Node, staff_no: str, code: str, agent: str) -> OpenedSession | Refusals:
    """The newcomer types number and code 加入: a session that can bind a key of one's own and nothing else.

    An unknown number and a wrong code get the same words. Wrong codes are not counted: a 工号 is no secret, and a count could
    be used up for its owner; the code is too long to be guessed (`rules.paper`).
    """
    row = await tx.fetchrow(
        "SELECT i.subject, i.id, i.code_hash FROM staff_invitation i JOIN staff s ON s.subject = i.subject"
        " WHERE s.staff_no = $1 AND s.ended_at IS NULL AND s.suspended_at IS NULL AND i.used_at IS NULL AND i.expires_at > $2"
        " ORDER BY i.made_at DESC LIMIT 1",
        staff_no, node.clock.now(),
    )  # fmt: skip
    if row is None or not hmac.compare_digest(row["code_hash"], _hash(node, row["subject"], typed.normal(code))):
        return (refusal("identity.join_code", "code"),)
    if not await tx.fetchval(
        "UPDATE staff_invitation SET used_at = $3 WHERE subject = $1 AND id = $2 AND used_at IS NULL RETURNING true",
        row["subject"], row["id"], node.clock.now(),
    ):  # fmt: skip
        return (refusal("identity.join_code", "code"),)
    return await open_for(tx, node, await _member(tx, node, row["subject"]), 2, ("join",), agent)


async def suspend(tx: Tx, node: Node, actor: Actor, subject: str, reason: str) -> None:
    """Stop somebody at once 停用: sessions end now; two others lift it again. Raises NotAllowed, `identity.staff_gone`."""
    member = await _member(tx, node, subject)
    actor.require_may("identity.staff_suspend", division=member.division, org=member.org)
    await tx.execute("UPDATE staff SET suspended_at = $2 WHERE subject = $1 AND suspended_at IS NULL", subject, node.clock.now())
    await _out(tx, node, actor, member, "staff.suspended", "停用了", reason)


async def leave(tx: Tx, node: Node, actor: Actor, subject: str, reason: str) -> None:
    """Somebody left the unit 离岗: account, keys, roles and sessions end now, and do not come back."""
    member, now = await _member(tx, node, subject), node.clock.now()
    actor.require_may("identity.staff_suspend", division=member.division, org=member.org)
    await tx.execute("UPDATE staff SET ended_at = $2, citizen_number = NULL, linked_subject = NULL, bi_citizen = NULL WHERE subject = $1", subject, now)
    await tx.execute("UPDATE assignment SET ended_at = $2 WHERE subject = $1 AND ended_at IS NULL", subject, now)
    await tx.execute("UPDATE authenticator SET ended_at = $2 WHERE subject = $1 AND ended_at IS NULL", subject, now)
    await _out(tx, node, actor, member, "staff.left", "离岗了", reason)


async def take_back(tx: Tx, node: Node, actor: Actor, subject: str, assignment_id: str) -> None:
    """End one assignment now 收回岗位; running sessions lose it with their next request."""
    row = await tx.fetchrow(
        "SELECT role, division, org FROM assignment WHERE subject = $1 AND id = $2 AND ended_at IS NULL FOR UPDATE", subject, assignment_id
    )
    if row is None:
        raise failure("identity.staff_gone")
    actor.require_may("identity.assign", division=row["division"], org=row["org"])
    await tx.execute("UPDATE assignment SET ended_at = $3 WHERE subject = $1 AND id = $2", subject, assignment_id, node.clock.now())
    await transparency.append(tx, "identity.unassigned", jcs({"id": assignment_id, "role": row["role"], "by": actor.subject}))
    await notices.tell(tx, node, subject, kind="staff.unassigned", words=f"你的岗位“{_role_words(row['role'])}”收回了")
    await ring(tx, sessions.BELL)


def _role_words(role: str) -> str:
    return roles()[role].name if role in roles() else role


async def _out(tx: Tx, node: Node, actor: Actor, member: StaffMember, kind: str, words: str, reason: str) -> None:
    await sessions.end_before(tx, member.subject, node.clock.now() + timedelta(seconds=1), kind, node.clock.now())
    await transparency.append(tx, kind, jcs({"staff": member.subject, "by": actor.subject, "at": node.clock.ms()}))
    await notices.tell_holders(
        tx, node, action="identity.staff_suspend", division=member.division, org=member.org, kind=kind,
        words=f"工号 {member.staff_no} {words}，经办 {actor.staff_id}：{reason.strip()[:100] or '没写理由'}",
        link=f"/staff/people/{member.subject}", besides=(actor.subject, member.subject),
    )  # fmt: skip


async def _wrong(tx: Tx, who: Newcomer) -> Refusals:
    found: list[Refusal] = []
    if not 3 <= len(who.staff_no) <= 30 or not who.staff_no.replace("-", "").isalnum():
        found.append(Refusal("identity.staff_no", "工号用 3 到 30 位字母、数字和横线", "staff_no"))
    elif await tx.fetchval("SELECT 1 FROM staff WHERE staff_no = $1", who.staff_no):
        found.append(refusal("identity.staff_no_taken", "staff_no"))
    if not who.name.strip():
        found.append(refusal("identity.name_needed", "name"))
    if len(who.unit.strip()) < 4:
        found.append(Refusal("identity.unit", "写清单位和岗位，办事人会在使用记录里看到", "unit"))
    if len(who.division) != 6 or not who.division.isdigit():
        found.append(Refusal("identity.division", "地区代码是 6 位数字", "division"))
    if who.citizen_number and (number := typed.check_number(typed.normal(who.citizen_number), "citizen_number")):
        found.append(number)
    return tuple(found)


async def _enter(tx: Tx, node: Node, who: Newcomer) -> str:
    subject, number = "s" + secrets.token_hex(13), typed.normal(who.citizen_number)
    await tx.execute(
        "INSERT INTO staff (subject, staff_no, name, unit, org, division, department, bi_citizen, citizen_number, demo)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, false)",
        subject, who.staff_no, node.cipher.seal("staff", "staff.name", subject, typed.normal_name(who.name)), who.unit.strip(), who.org,
        who.division, who.department, number_index(node, number) if number else None,
        node.cipher.seal("staff", "staff.citizen_number", subject, number) if number else None,
    )  # fmt: skip
    return subject


async def _code(tx: Tx, node: Node, subject: str, invited_by: str, confirmed_by: str) -> str:
    code, now = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}", node.clock.now()
    await tx.execute("UPDATE staff_invitation SET used_at = $2 WHERE subject = $1 AND used_at IS NULL", subject, now)
    await tx.execute(
        "INSERT INTO staff_invitation (subject, id, code_hash, made_at, expires_at, invited_by, confirmed_by) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        subject, uuid7(), _hash(node, subject, code), now, now + CODE_LIFE, invited_by, confirmed_by,
    )  # fmt: skip
    await transparency.append(tx, "staff.invited", jcs({"staff": subject, "by": [invited_by, confirmed_by]}))
    return code


def _hash(node: Node, subject: str, code: str) -> bytes:
    return hmac_sm3(node.keys.secret("otp"), f"join\x00{subject}\x00{code}".encode())


async def _member(tx: Tx, node: Node, subject: str) -> StaffMember:
    member = await queries.staff_member(tx, node, subject)
    if member is None:
        raise failure("identity.staff_gone")
    return member


# ---- what an approval does ------------------------------------------------------------------------------------------


async def _joined(tx: Tx, node: Node, approver: Actor, found: Proposal, body: bytes) -> str:
    who = msgspec.json.decode(body, type=Newcomer)
    if wrong := await _wrong(tx, who):
        raise Failure(wrong[0].code, status=409, sentence=wrong[0].sentence, todo="请提议人重新提")
    code = await _code(tx, node, await _enter(tx, node, who), found.proposed_by, approver.subject)
    return f"加入码 {paper.grouped(code)}，工号 {who.staff_no}，{CODE_LIFE.days} 天内用一次。请当面交给本人。"


async def _new_key(tx: Tx, node: Node, approver: Actor, found: Proposal, body: bytes) -> str:
    member, now = await _member(tx, node, body.decode()), node.clock.now()
    if member.subject in (approver.subject, found.proposed_by):
        raise failure("identity.four_eyes")
    await tx.execute("UPDATE authenticator SET ended_at = $2 WHERE subject = $1 AND ended_at IS NULL", member.subject, now)
    await sessions.end_before(tx, member.subject, now + timedelta(seconds=1), "key_replaced", now)
    code = await _code(tx, node, member.subject, found.proposed_by, approver.subject)
    return f"加入码 {paper.grouped(code)}，工号 {member.staff_no}，{CODE_LIFE.days} 天内用一次。原来的密钥都停了。"


async def _assigned(tx: Tx, node: Node, approver: Actor, found: Proposal, body: bytes) -> str:
    wanted = msgspec.structs.replace(msgspec.json.decode(body, type=Proposed), proposed_by=found.proposed_by)
    if wanted.until is not None and wanted.until <= node.clock.now():
        raise failure("identity.proposal_gone")
    await assign(tx, approver, wanted)
    await notices.tell(tx, node, wanted.subject, kind="staff.assigned", words=f"你有了岗位“{_role_words(wanted.role)}”，重新打开页面就能用")
    return f"给了岗位“{_role_words(wanted.role)}”"


async def _restored(tx: Tx, node: Node, approver: Actor, found: Proposal, body: bytes) -> str:
    member = await _member(tx, node, body.decode())
    if member.subject in (approver.subject, found.proposed_by):
        raise failure("identity.four_eyes")
    await tx.execute("UPDATE staff SET suspended_at = NULL WHERE subject = $1", member.subject)
    await transparency.append(tx, "staff.restored", jcs({"staff": member.subject, "by": [found.proposed_by, approver.subject]}))
    return f"工号 {member.staff_no} 可以登录了"




for _kind, _handler in {"staff.join": _joined, "staff.key": _new_key, "staff.assign": _assigned, "staff.restore": _restored}.items():
    proposals.carries_out(_kind, _handler)
