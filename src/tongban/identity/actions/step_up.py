"""Raising the level of a session 提升核验: only the difference is asked (identity.md 4).

2 = name and number at the register (for an account that never had it); 3 = a live face or a passkey; 4 = in person at a
counter, where a clerk has seen person and document and gave a word on paper.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from typing import Literal

import msgspec

from tongban import consent, federation
from tongban.identity.actions import passkey, sessions, subjects
from tongban.identity.actions.reasons import open_visit
from tongban.identity.errors import failure, not_matched, refusal
from tongban.identity.model import Match, OpenedSession, Person, Session
from tongban.identity.providers.face import FaceResult
from tongban.identity.rules import paper
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusals
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

WORD_LIFE = timedelta(minutes=FACTORS.recovery.word_minutes)
WORD_DIGITS = paper.digits(WORD_LIFE)
FACE_AGREED = timedelta(minutes=1)
Way = Literal["register", "face", "passkey", "certificate", "counter", "hall"]


class Ways(msgspec.Struct, frozen=True):
    """What this person can do to reach a level 可用的方式: in the order the page offers them."""

    level: int
    ways: tuple[Way, ...]


def ways(person: Person | None, level: int, *, passkeys: int) -> Ways:
    """Only the difference, and never a face check as the only way: the hall always stands beside it (pure)."""
    if person is None or person.matched_at is None:
        return Ways(level, ("register", "hall"))
    found: list[Way] = []
    if level <= 3:
        if passkeys:
            found.append("passkey")
        if person.photo_held:
            found.append("face")
    found.append("certificate")
    found += ["counter", "hall"]
    return Ways(level, tuple(found))


async def by_face(tx: Tx, node: Node, session: Session, result: FaceResult, agent: str) -> OpenedSession | Refusals:
    """The session after a face check 刷脸之后: level 3 and proof 3, with the consent given kept; or why not."""
    if result.verdict == "away":
        return (refusal("identity.face_away", "way"),)
    agreed = await _face_agreed(tx, node, session)
    if result.verdict == "other":
        await sessions.record(tx, node, session.subject, "face_refused", session.acr, agent)
        return (refusal("identity.face_failed", "way"),)
    await _prove(tx, node, session.subject, 3, "face")
    await consent.record_access(tx, node, consent.Access(
        subject=session.subject, kind="check", who=f"{node.settings.name}人脸核验", fields=("人脸照片比对结果",), purpose="提升核验级别",
        source=node.id, receiver=node.id, basis="本人单独同意（个人信息保护法第二十九条）", consent_id=agreed.id,
    ))  # fmt: skip
    await passkey.rise(tx, session)
    return await sessions.raise_level(tx, node, session, acr=max(3, session.acr), way="face", agent=agent, proof=3)


async def _face_agreed(tx: Tx, node: Node, session: Session) -> consent.Consent:
    """The separate consent that was ticked before the picture was taken (privacy.md 5), kept as any other: for this check alone."""
    own = Actor(kind="citizen", subject=session.subject, acr=session.acr, sid=session.id)
    return await consent.give(tx, node, own, consent.Ask(
        purpose="identity.face", why="这一次核验是不是本人", giver=node.id, giver_name=node.settings.name, receiver=node.id,
        receiver_name=f"{node.settings.name}人脸核验", fields=("人脸照片",), until=node.clock.now() + FACE_AGREED,
    ), channel="h5")  # fmt: skip


async def by_register(tx: Tx, node: Node, session: Session, answer: Match, name: str, number: str, agent: str) -> OpenedSession | Refusals:
    """A level-1 account matched after all 补核对: the subject becomes the nation's, proof 2.

    Raises Failure `identity.account_exists` when the person has an account already, there or here under another phone.
    """
    if not answer.matched or answer.subject is None:
        return (not_matched(answer.why),)
    if answer.home not in (None, node.id):
        raise failure("identity.account_exists", place=federation.name_of(node, str(answer.home)))
    if await tx.fetchval("SELECT true FROM account WHERE subject = $1 AND subject <> $2", answer.subject, session.subject):
        raise failure("identity.account_exists", place=node.settings.name)
    await matched(tx, node, session.subject, answer, name, number)
    moved = msgspec.structs.replace(session, subject=answer.subject)
    return await sessions.raise_level(tx, node, moved, acr=2, way="otp", agent=agent, proof=2)


async def matched(tx: Tx, node: Node, old: str, answer: Match, name: str, number: str) -> None:
    """Turn a local account into a matched one; shared with the clock that asks again."""
    new = str(answer.subject)
    await subjects.replace(tx, node, old, new)
    await tx.execute(
        "UPDATE account SET proof = 2, proof_method = 'register', proof_at = $2 WHERE subject = $1", new, node.clock.now()
    )
    await subjects.put_statement(tx, node, new, answer.statement)
    await subjects.put_person(tx, node, new, home=node.id, proof=2, name=name, number=number, photo_held=answer.photo_held, matched=True)


async def see_in_person(tx: Tx, node: Node, clerk: Actor, number: str, name: str, hall: str) -> str | Refusals:
    """A clerk saw person and document 窗口见到本人: a word of 12 digits and 15 minutes for the person's own phone.

    The reading of the person is written to the ledger (reason: counter visit now), before anything is answered.
    """
    clerk.require_staff()
    if not holds(clerk, "identity.counter_check"):
        raise NotAllowed
    visit = await open_visit(tx, node, clerk, number, name)
    if isinstance(visit, tuple):
        return visit
    word = f"{secrets.randbelow(10**WORD_DIGITS):0{WORD_DIGITS}d}"
    now = node.clock.now()
    await tx.execute(
        "INSERT INTO counter_check (subject, id, word_hash, staff, hall, at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        visit.subject, uuid7(), _word(node, visit.subject, word), clerk.subject, hall, now, now + WORD_LIFE,
    )  # fmt: skip
    return word


async def by_word(tx: Tx, node: Node, session: Session, word: str, agent: str) -> OpenedSession | Refusals:
    """The word from the counter typed on the person's own phone 现场核验码: level 4 and proof 4, once; it lifts a report of theft.

    Wrong words are not counted: a thief at the stolen phone could use a count up; the word is too long to be guessed (`rules.paper`).
    """
    row = await tx.fetchrow(
        "SELECT id, word_hash FROM counter_check WHERE subject = $1 AND used_at IS NULL AND expires_at > $2 ORDER BY at DESC LIMIT 1",
        session.subject, node.clock.now(),
    )  # fmt: skip
    if row is None or not hmac.compare_digest(row["word_hash"], _word(node, session.subject, word)):
        return (refusal("identity.counter_word", "word"),)
    if not await tx.fetchval(
        "UPDATE counter_check SET used_at = $3 WHERE subject = $1 AND id = $2 AND used_at IS NULL RETURNING true",
        session.subject, row["id"], node.clock.now(),
    ):  # fmt: skip
        return (refusal("identity.counter_word", "word"),)
    await _prove(tx, node, session.subject, 4, "inperson")
    await passkey.lift_theft(tx, node, session.subject, "hall")
    await passkey.rise(tx, session)
    return await sessions.raise_level(tx, node, session, acr=4, way="inperson", agent=agent, proof=4)


async def by_certificate(tx: Tx, node: Node, session: Session, agent: str) -> OpenedSession:
    """The session after the person's own certificate signed 用数字证书: level 4 and proof 4 (judged by `certificates.asked`)."""
    await _prove(tx, node, session.subject, 4, "certificate")
    return await sessions.raise_level(tx, node, session, acr=4, way="sc", agent=agent, proof=4)


async def _prove(tx: Tx, node: Node, subject: str, proof: int, method: str) -> None:
    await tx.execute(
        "UPDATE account SET proof = $2, proof_method = $3, proof_at = $4 WHERE subject = $1 AND proof <= $2",
        subject, proof, method, node.clock.now(),
    )  # fmt: skip
    await tx.execute("UPDATE person SET proof = greatest(proof, $2) WHERE subject = $1", subject, proof)


def _word(node: Node, subject: str, word: str) -> bytes:
    return hmac_sm3(node.keys.secret("otp"), f"counter\x00{subject}\x00{word}".encode())
