"""Opening, raising and ending sessions 会话的开始、提升和结束 (identity.md 7). Cookie values exist only in the browser."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import msgspec

from tongban.identity.model import OpenedSession, Session
from tongban.identity.queries.sessions import COLUMNS, hashed, session_of
from tongban.identity.rules import levels, typed
from tongban.kernel.db import Tx, ring
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

BELL = "identity.session_ended"
OLD_VALUE_SECONDS = 30


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What a new session starts from."""

    subject: str
    kind: str
    proof: int
    acr: int
    amr: tuple[str, ...]
    agent: str
    account: str | None = None
    device_cookie: str | None = None
    home: str | None = None
    home_sid: str | None = None
    auth_time: datetime | None = None


async def open_session(tx: Tx, node: Node, start: Opening) -> OpenedSession:
    """A new session with a new cookie value, whatever the browser held before (T-09), and a line in the sign-in record."""
    now = node.clock.now()
    auth_time = start.auth_time or now
    device, device_cookie = await _device(tx, node, start) if start.kind == "citizen" else (None, None)
    idle, absolute = levels.limits(start.kind, own_phone=typed.is_phone(start.agent), acr=start.acr)
    value = secrets.token_urlsafe(32)
    row = await tx.fetchrow(
        "INSERT INTO session (subject, id, cookie_hash, account, kind, acr, proof, amr, auth_time, raised_at, started_at, seen_at,"
        " idle_until, ends_at, rotated_at, device, home, home_sid, home_news_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $10, $11, $12, $10, $13, $14, $15, $16)"
        f" RETURNING {COLUMNS}",
        start.subject, uuid7(), hashed(value), start.account, start.kind, start.acr, start.proof, list(start.amr), auth_time, now,
        now + idle, now + absolute, device, start.home, start.home_sid, now if start.home else None,
    )  # fmt: skip
    await record(tx, node, start.subject, "signed_in" if start.home is None else "roamed_in", start.acr, start.agent)
    return OpenedSession(session=session_of(row), cookie=value, device_cookie=device_cookie)


async def raise_level(
    tx: Tx, node: Node, session: Session, *, acr: int, way: str, agent: str, proof: int | None = None, at: datetime | None = None
) -> OpenedSession:
    """The session at a new level with a new cookie value 提升级别; the old value is good for 30 seconds, at its old worth."""
    now = node.clock.now()
    at = at or now
    value = secrets.token_urlsafe(32)
    row = await tx.fetchrow(
        "UPDATE session SET previous_hash = cookie_hash, previous_until = $3, cookie_hash = $4, rotated_at = $5::timestamptz, acr = $6,"
        " proof = greatest(proof, $7), amr = (SELECT array_agg(DISTINCT one) FROM unnest(amr || $8::text) AS one),"
        " auth_time = $9, raised_at = $9, seen_at = $5, home_news_at = CASE WHEN home IS NULL THEN NULL ELSE $5::timestamptz END"
        f" WHERE subject = $1 AND id = $2 AND revoked_at IS NULL RETURNING {COLUMNS}",
        session.subject, session.id, now + timedelta(seconds=OLD_VALUE_SECONDS), hashed(value), now, acr, proof or acr, way, at,
    )  # fmt: skip
    if row is None:
        message = "session ended meanwhile"
        raise LookupError(message)
    await record(tx, node, session.subject, "stepped_up", acr, agent)
    return OpenedSession(session=session_of(row), cookie=value)


async def act_for(tx: Tx, node: Node, session: Session, *, person: str | None, mandate: str | None) -> OpenedSession:
    """The session acting for somebody, or for oneself with None 切换身份, with a new cookie value (identity.md 7).

    Whether the mandate allows it is the caller's to judge first. LookupError when the session ended meanwhile.
    """
    value = secrets.token_urlsafe(32)
    now = node.clock.now()
    row = await tx.fetchrow(
        "UPDATE session SET previous_hash = NULL, previous_until = NULL, cookie_hash = $3, rotated_at = $4, acting_for = $5, mandate = $6"
        f" WHERE subject = $1 AND id = $2 AND revoked_at IS NULL RETURNING {COLUMNS}",
        session.subject, session.id, hashed(value), now, person, mandate,
    )  # fmt: skip
    if row is None:
        message = "session ended meanwhile"
        raise LookupError(message)
    await ring(tx, BELL)
    return OpenedSession(session=session_of(row), cookie=value)


async def end(tx: Tx, sid: str, reason: str, now: datetime) -> Session | None:
    """End one session 退出; the row as it was, None when it had ended before."""
    row = await tx.fetchrow(
        f"UPDATE session SET revoked_at = $2, reason = $3 WHERE id = $1 AND revoked_at IS NULL RETURNING {COLUMNS}", sid, now, reason
    )
    await ring(tx, BELL)
    return None if row is None else session_of(row)


async def end_children(tx: Tx, home: str, home_sid: str, reason: str, now: datetime) -> int:
    """End every session here that came from a session of another node; how many."""
    rows = await tx.fetch(
        "UPDATE session SET revoked_at = $3, reason = $4 WHERE home = $1 AND home_sid = $2 AND revoked_at IS NULL RETURNING id",
        home, home_sid, now, reason,
    )  # fmt: skip
    await ring(tx, BELL)
    return len(rows)


async def end_before(tx: Tx, subject: str, before: datetime, reason: str, now: datetime) -> list[Session]:
    """End every session of a subject started before a moment (退出所有设备); the rows as they were."""
    rows = await tx.fetch(
        "UPDATE session SET revoked_at = $3, reason = $4 WHERE subject = $1 AND started_at < $2 AND revoked_at IS NULL"
        f" RETURNING {COLUMNS}",
        subject, before, now, reason,
    )  # fmt: skip
    await ring(tx, BELL)
    return [session_of(row) for row in rows]


async def record(tx: Tx, node: Node, subject: str, what: str, acr: int, agent: str, place: str = "") -> None:
    """One line of the sign-in record 登录记录 the person can read at /me/access."""
    row = uuid7()
    words = node.cipher.seal("identity", "signin_record.device", row, typed.browser_words(agent))
    await tx.execute(
        "INSERT INTO signin_record (subject, id, at, what, place, acr, device) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        subject, row, node.clock.now(), what, place or node.id, acr, words,
    )  # fmt: skip


async def _device(tx: Tx, node: Node, start: Opening) -> tuple[str, str | None]:
    """The device row of this browser, made at the first sign-in; the cookie value only when it is new."""
    now = node.clock.now()
    if start.device_cookie:
        known: str | None = await tx.fetchval(
            "UPDATE device SET last_seen = $3 WHERE secret_hash = $1 AND subject = $2 RETURNING id",
            hashed(start.device_cookie), start.subject, now,
        )  # fmt: skip
        if known is not None:
            return known, None
    value, row = start.device_cookie or secrets.token_urlsafe(32), uuid7()
    label = node.cipher.seal("identity", "device.label", row, typed.browser_words(start.agent))
    await tx.execute(
        "INSERT INTO device (subject, id, secret_hash, label, first_seen, last_seen, own_phone) VALUES ($1, $2, $3, $4, $5, $5, $6)",
        start.subject, row, hashed(value), label, now, typed.is_phone(start.agent),
    )  # fmt: skip
    return row, value
