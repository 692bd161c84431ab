"""Recovery at a hall 大厅找回 (identity.md 8): document and live face, or two clerks; a word of 12 digits for 15 minutes.

Never by telephone. When it is confirmed the old authenticators are revoked and every session ends; the word signs in at
level 4 once, so that a new passkey and number can be set there and then. Wrong words are not counted: whoever knows the
number could use a count up for the owner; the word is too long to be guessed instead (`rules.paper`).
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta

import msgspec

from tongban.identity.actions import ending, passkey, phone_waiting, sign_in
from tongban.identity.actions.reasons import open_visit
from tongban.identity.errors import failure, refusal
from tongban.identity.model import OpenedSession
from tongban.identity.providers.face import FaceResult
from tongban.identity.queries.persons import number_marks, person
from tongban.identity.rules import paper, typed
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusals
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

WORD_LIFE = timedelta(minutes=FACTORS.recovery.word_minutes)
WORD_DIGITS = paper.digits(WORD_LIFE)
PROPOSAL_LIFE = timedelta(hours=2)


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """A recovery a first clerk proposed 等第二位确认."""

    subject: str
    id: str
    name: str
    by: str
    at: str


def _may(clerk: Actor) -> None:
    clerk.require_staff()
    if not holds(clerk, "identity.counter_check"):
        raise NotAllowed


async def propose(tx: Tx, node: Node, clerk: Actor, number: str, name: str, hall: str) -> tuple[str, str] | Refusals:
    """A clerk saw person and document 窗口见到本人: (subject, id) of the proposal; the reading is in the ledger."""
    _may(clerk)
    visit = await open_visit(tx, node, clerk, number, name)
    if isinstance(visit, tuple):
        return visit
    if not await tx.fetchval("SELECT true FROM account WHERE subject = $1 AND status IN ('open', 'restricted')", visit.subject):
        return (refusal("identity.visit_unknown", "number"),)
    row, now = uuid7(), node.clock.now()
    await tx.execute(
        "INSERT INTO hall_recovery (subject, id, hall, proposed_by, at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        visit.subject, row, hall, clerk.subject, now, now + PROPOSAL_LIFE,
    )  # fmt: skip
    return visit.subject, row


async def by_face(tx: Tx, node: Node, clerk: Actor, subject: str, row: str, result: FaceResult) -> str | Refusals:
    """The live face agrees with the register's photo: the word at once; else a second clerk is needed."""
    _may(clerk)
    if result.verdict != "same":
        return (refusal("identity.face_away" if result.verdict == "away" else "identity.face_failed", "picture"),)
    return await _confirm(tx, node, clerk, subject, row, "face")


async def by_second(tx: Tx, node: Node, clerk: Actor, row: str) -> str | Refusals:
    """A second clerk of the same hall saw the person too 第二位确认. Raises Failure `identity.second_clerk` for the first one."""
    _may(clerk)
    found = await tx.fetchrow("SELECT subject, proposed_by FROM hall_recovery WHERE id::text = $1 AND hall = $2", row, clerk.unit)
    if found is None:
        return (refusal("identity.tx_gone"),)
    if found["proposed_by"] == clerk.subject:
        raise failure("identity.second_clerk")
    if clerk.own_or_family(found["subject"]):
        raise failure("identity.own_case")
    return await _confirm(tx, node, clerk, found["subject"], row, "clerk")


async def _confirm(tx: Tx, node: Node, clerk: Actor, subject: str, row: str, how: str) -> str | Refusals:
    word = f"{secrets.randbelow(10**WORD_DIGITS):0{WORD_DIGITS}d}"
    now = node.clock.now()
    done = await tx.fetchval(
        "UPDATE hall_recovery SET confirmed_by = $3, confirmed_how = $4, word_hash = $5, expires_at = $6"
        " WHERE subject = $1 AND id = $2 AND confirmed_by IS NULL AND expires_at > $7 RETURNING true",
        subject, row, clerk.subject, how, _word(node, row, word), now + WORD_LIFE, now,
    )  # fmt: skip
    if not done:
        return (refusal("identity.tx_gone"),)
    await tx.execute("UPDATE authenticator SET ended_at = $2 WHERE subject = $1 AND ended_at IS NULL", subject, now)
    await tx.execute("UPDATE device_lock SET ended_at = $2 WHERE subject = $1 AND ended_at IS NULL", subject, now)
    await tx.execute("UPDATE device SET ended_at = $2 WHERE subject = $1 AND ended_at IS NULL", subject, now)
    await tx.execute("UPDATE voice_print SET ended_at = $2 WHERE subject = $1 AND ended_at IS NULL", subject, now)
    await phone_waiting.stop(tx, node, subject=subject)
    await tx.execute(
        "UPDATE account SET recovered_until = $2 WHERE subject = $1", subject, now + timedelta(hours=FACTORS.recovery.limits_hours)
    )
    await ending.leave_everywhere(tx, node, subject, "recovered")
    await passkey.tell_everywhere(
        tx, node, subject, "recovered", row, "账号在大厅找回了", "原来的通行密钥和设备都不能再登录。不是你办的，马上打 12345。"
    )
    return word


async def waiting(tx: Tx, node: Node, hall: str) -> list[Proposed]:
    """Proposals of this hall that wait for a second clerk, the oldest first; names masked."""
    rows = await tx.fetch(
        "SELECT r.subject, r.id, r.proposed_by, r.at, s.staff_no FROM hall_recovery r LEFT JOIN staff s ON s.subject = r.proposed_by"
        " WHERE r.confirmed_by IS NULL AND r.expires_at > $1 AND r.hall = $2 ORDER BY r.at LIMIT 20",
        node.clock.now(), hall,
    )  # fmt: skip
    found = []
    for row in rows:
        known = await person(tx, node, row["subject"])
        masked = known.name_masked.reveal() if known is not None and known.name_masked is not None else "*"
        found.append(Proposed(subject=row["subject"], id=row["id"], name=masked, by=row["staff_no"] or "", at=f"{row['at'].astimezone(CHINA):%H:%M}"))
    return found


async def sign_in_by(tx: Tx, node: Node, number: str, word: str, browser: sign_in.Browser) -> OpenedSession | Refusals:
    """The binding word on a phone 绑定码: level 4 once, proof 4. However many wrong ones came before (T-20)."""
    if wrong := typed.check_number(number):
        return (wrong,)
    row = await tx.fetchrow(
        "SELECT r.subject, r.id, r.word_hash FROM hall_recovery r JOIN person p ON p.subject = r.subject WHERE p.bi_number = ANY($1::bytea[])"
        " AND r.word_hash IS NOT NULL AND r.used_at IS NULL AND r.expires_at > $2 ORDER BY r.at DESC LIMIT 1",
        number_marks(node, typed.normal(number)), node.clock.now(),
    )  # fmt: skip
    if row is None or not hmac.compare_digest(row["word_hash"], _word(node, row["id"], typed.normal(word))):
        return (refusal("identity.hall_word", "word"),)
    if not await tx.fetchval(
        "UPDATE hall_recovery SET used_at = $3 WHERE subject = $1 AND id = $2 AND used_at IS NULL RETURNING true",
        row["subject"], row["id"], node.clock.now(),
    ):  # fmt: skip
        return (refusal("identity.hall_word", "word"),)
    await tx.execute(
        "UPDATE account SET proof = 4, proof_method = 'inperson', proof_at = $2 WHERE subject = $1", row["subject"], node.clock.now()
    )
    await passkey.lift_theft(tx, node, row["subject"], "hall")
    return await sign_in.signed_in(tx, node, row["subject"], "inperson", ("inperson",), browser, first=True)


def _word(node: Node, row: str, word: str) -> bytes:
    return hmac_sm3(node.keys.secret("otp"), f"hall\x00{row}\x00{word}".encode())
