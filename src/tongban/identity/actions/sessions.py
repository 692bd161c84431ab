"""Opening, raising and ending sessions 会话的开始、提升和结束 (identity.md 7). Cookie values exist only in the browser."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import msgspec

from tongban import notifications
from tongban.identity.model import OpenedSession, Session
from tongban.identity.queries.sessions import COLUMNS, hashed, session_of
from tongban.identity.rules import levels, typed
from tongban.identity.rules.factors import FACTORS
from tongban.kernel.db import Tx, ring
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

_ALWAYS = "(SELECT true) AS one"
BELL = "identity.session_ended"
OLD_VALUE_SECONDS = FACTORS.sessions.old_value_seconds
TURN = timedelta(hours=FACTORS.sessions.turn_hours)


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
    elder: bool = False
    away: bool = False


async def open_session(
    tx: Tx, node: Node, start: Opening, parts: Parts | None = None, *, source: str = _ALWAYS, tell: bool = False
) -> OpenedSession:
    """A new session with a new cookie value, whatever the browser held before (T-09), and a line in the sign-in record.

    All in one statement, the caller's `parts` with it; `source` names the one without whose row nothing is opened: then
    LookupError. With `tell` the person gets a message when the device was not seen before.
    """
    now, row, parts = node.clock.now(), uuid7(), parts or Parts()
    auth_time = start.auth_time or now
    device, device_cookie, known = await _device(tx, node, start, parts, source) if start.kind == "citizen" else (None, None, False)
    idle, absolute = levels.limits(start.kind, own_phone=known and typed.is_phone(start.agent), acr=start.acr, elder=start.elder)
    value, new_device = secrets.token_urlsafe(32), start.kind == "citizen" and not known
    parts.add(
        "opened",
        "INSERT INTO session (subject, id, cookie_hash, account, kind, acr, proof, amr, auth_time, raised_at, started_at, seen_at,"
        " idle_until, ends_at, rotated_at, device, home, home_sid, home_news_at, elder, away, new_device)"
        " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22"
        f" FROM {source} RETURNING {COLUMNS}",
        start.subject, row, hashed(value), start.account, start.kind, start.acr, start.proof, list(start.amr), auth_time, auth_time, now, now,
        now + idle, now + absolute, now, device, start.home, start.home_sid, now if start.home else None, start.elder, start.away, new_device,
    )  # fmt: skip
    recording(parts, node, start.subject, "signed_in" if start.home is None else "roamed_in", start.acr, start.agent, source=source)
    if tell and new_device:
        notifications.telling(
            parts, node, subject=start.subject, kind="identity.new_device", about=f"session:{row}", title="在新设备上登录了",
            text=f"{typed.browser_words(start.agent)}刚登录了你的账号。不是你，就点进去退出所有设备。", link="/me/devices", source=source,
        )  # fmt: skip
    made = await parts.run(tx, "SELECT * FROM opened")
    if made is None:
        message = "what the session rests on is not there"
        raise LookupError(message)
    return OpenedSession(session=session_of(made), cookie=value, device_cookie=device_cookie)


async def raise_level(
    tx: Tx, node: Node, session: Session, *, acr: int, way: str, agent: str, proof: int | None = None, at: datetime | None = None
) -> OpenedSession:
    """The session at a new level with a new cookie value 提升级别; the old value is good for 30 seconds, at its old worth."""
    now = node.clock.now()
    at = at or now
    value = secrets.token_urlsafe(32)
    row = await tx.fetchrow(
        "UPDATE session SET previous_hash = cookie_hash, previous_until = $3, previous_acr = acr, cookie_hash = $4,"
        " rotated_at = $5::timestamptz, acr = $6,"
        " proof = greatest(proof, $7), amr = (SELECT array_agg(DISTINCT one) FROM unnest(amr || $8::text) AS one),"
        " auth_time = $9, raised_at = $9, seen_at = $5, home_news_at = CASE WHEN home IS NULL THEN NULL ELSE $5::timestamptz END"
        f" WHERE subject = $1 AND id = $2 AND revoked_at IS NULL RETURNING {COLUMNS}",
        session.subject, session.id, now + timedelta(seconds=OLD_VALUE_SECONDS), hashed(value), now, acr, proof or acr, way, at,
    )  # fmt: skip
    if row is None:
        message = "session ended meanwhile"
        raise LookupError(message)
    await record(tx, node, session.subject, "stepped_up", acr, agent)
    await ring(tx, BELL)
    return OpenedSession(session=session_of(row), cookie=value)


async def turn(tx: Tx, node: Node, session: Session) -> str | None:
    """A new cookie value once a day 每天换一次; None when it is not due or another tab was quicker.

    The answer may be lost on the way, so the old value is taken until the new one is first seen (`seen_new`), and then
    for 30 seconds more; a day at most.
    """
    now = node.clock.now()
    if now - session.rotated_at < TURN or not session.current:
        return None
    value = secrets.token_urlsafe(32)
    turned = await tx.fetchval(
        "UPDATE session SET previous_hash = cookie_hash, previous_until = $3, previous_acr = acr, cookie_hash = $4, rotated_at = $5"
        " WHERE subject = $1 AND id = $2 AND rotated_at = $6 AND revoked_at IS NULL RETURNING true",
        session.subject, session.id, now + TURN, hashed(value), now, session.rotated_at,
    )  # fmt: skip
    return value if turned else None


async def touch(tx: Tx, node: Node, session: Session, *, acr: int) -> None:
    """The person is there 有人在用: idle time anew, the level as it decayed, and the value before ends soon once the new one is seen."""
    now = node.clock.now()
    idle = session.idle_until - session.seen_at
    await tx.execute(
        "UPDATE session SET seen_at = $3, idle_until = least($4, ends_at), acr = least(acr, $5),"
        " previous_until = least(previous_until, $6) WHERE subject = $1 AND id = $2 AND revoked_at IS NULL",
        session.subject, session.id, now, now + idle, acr, now + timedelta(seconds=OLD_VALUE_SECONDS),
    )  # fmt: skip


async def keep_on(tx: Tx, node: Node, session: Session) -> None:
    """继续用: the end is put off (identity.md 7)."""
    now = node.clock.now()
    until, absolute, extended = levels.kept_on(
        session.kind, now=now, idle=session.idle_until - session.seen_at, ends_at=session.ends_at, acr=session.acr, extended=session.extended
    )
    await tx.execute(
        "UPDATE session SET seen_at = $3, idle_until = $4, ends_at = $5, extended = $6 WHERE subject = $1 AND id = $2 AND revoked_at IS NULL",
        session.subject, session.id, now, until, absolute, extended,
    )  # fmt: skip
    await ring(tx, BELL)


async def lock(tx: Tx, node: Node, session: Session) -> None:
    """The session waits for the gesture of its device 锁上, or for staff to sign in again."""
    await tx.execute(
        "UPDATE session SET locked_at = coalesce(locked_at, $3) WHERE subject = $1 AND id = $2", session.subject, session.id, node.clock.now()
    )
    await ring(tx, BELL)


async def unlock(tx: Tx, node: Node, session: Session) -> OpenedSession:
    """The locked session goes on at the level it had, with a new cookie value 解锁. LookupError when it ended meanwhile."""
    now, value = node.clock.now(), secrets.token_urlsafe(32)
    row = await tx.fetchrow(
        "UPDATE session SET locked_at = NULL, seen_at = $3::timestamptz, idle_until = least($3::timestamptz + (idle_until - seen_at), ends_at),"
        " cookie_hash = $4, previous_hash = NULL, previous_until = NULL, rotated_at = $3::timestamptz, acr = least(acr, $5::smallint)"
        f" WHERE subject = $1 AND id = $2 AND revoked_at IS NULL RETURNING {COLUMNS}",
        session.subject, session.id, now, hashed(value),
        levels.decayed(session.acr, raised_at=session.raised_at, seen_at=session.seen_at, now=now),
    )  # fmt: skip
    if row is None:
        message = "session ended meanwhile"
        raise LookupError(message)
    await ring(tx, BELL)
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
    parts = Parts()
    recording(parts, node, subject, what, acr, agent, place=place)
    await parts.run(tx)


def recording(
    parts: Parts, node: Node, subject: str, what: str, acr: int, agent: str, *, place: str = "", source: str = _ALWAYS
) -> None:
    """As `record`, as a part of a statement that is on its way anyway; `source` is the part it depends on."""
    row = uuid7()
    words = node.cipher.seal("identity", "signin_record.device", row, typed.browser_words(agent))
    parts.add(
        "recorded",
        f"INSERT INTO signin_record (subject, id, at, what, place, acr, device) SELECT $1, $2, $3, $4, $5, $6, $7 FROM {source}",
        subject, row, node.clock.now(), what, place or node.id, acr, words,
    )  # fmt: skip


async def _device(tx: Tx, node: Node, start: Opening, parts: Parts, source: str) -> tuple[str, str | None, bool]:
    """(device row of this browser, cookie value when it is new, whether it was seen before with this account)."""
    now = node.clock.now()
    if start.device_cookie:
        before = await tx.fetchrow(
            "UPDATE device d SET last_seen = $3, ended_at = NULL, first_seen = CASE WHEN d.ended_at IS NULL THEN d.first_seen ELSE $3 END"
            " FROM (SELECT id, ended_at FROM device WHERE secret_hash = $1 AND subject = $2) AS old"
            " WHERE d.id = old.id AND d.subject = $2 RETURNING d.id, old.ended_at",
            hashed(start.device_cookie), start.subject, now,
        )  # fmt: skip
        if before is not None:
            return before["id"], None, before["ended_at"] is None
    value, row = start.device_cookie or secrets.token_urlsafe(32), uuid7()
    label = node.cipher.seal("identity", "device.label", row, typed.browser_words(start.agent))
    parts.add(
        "device_made",
        f"INSERT INTO device (subject, id, secret_hash, label, first_seen, last_seen, own_phone) SELECT $1, $2, $3, $4, $5, $6, $7 FROM {source}",
        start.subject, row, hashed(value), label, now, now, typed.is_phone(start.agent),
    )  # fmt: skip
    return row, value, False
