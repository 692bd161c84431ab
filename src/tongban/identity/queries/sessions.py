"""Sessions 会话: found by the hash of their cookie, counted, listed for the person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tongban.identity.model import Device, Session, SignIn
from tongban.identity.rules import levels
from tongban.kernel.db import Tx
from tongban.kernel.gm import sm3
from tongban.kernel.node import Node

COLUMNS = (
    "id, subject, kind, acr, proof, amr, auth_time, raised_at, seen_at, idle_until, ends_at, rotated_at, account, device,"
    " home, home_sid, home_news_at, visited, revoked_at, reason, acting_for, mandate, elder, extended, locked_at, away, new_device,"
    " started_at"
)


_NAMES = tuple(COLUMNS.split(", "))
JOINED = ", ".join(f"s.{one} AS s_{one}" for one in _NAMES)
"""The columns of a session `s` in a statement that asks for more besides; `joined` reads them."""


def living(value: str, now: str, staff: str, or_locked: str = "") -> str:
    """The SQL condition of a living, unlocked session `s` of a cookie hash; the arguments are SQL, `or_locked` lets others in."""
    return (
        f"(s.cookie_hash = {value} OR (s.previous_hash = {value} AND s.previous_until > {now})) AND s.revoked_at IS NULL"
        f" AND s.idle_until > {now} AND s.ends_at > {now} AND (s.kind = 'staff') = {staff} AND (s.locked_at IS NULL {or_locked})"
    )


def joined(row: Any) -> Session | None:
    """The session of a statement with `JOINED`, None when no row was joined. With `s_current` as `by_cookie` judges it."""
    if row["s_id"] is None:
        return None
    found = session_of({one: row[f"s_{one}"] for one in _NAMES})
    if row.get("s_current") is False:
        worth = found.acr if row["s_previous_acr"] is None else min(found.acr, row["s_previous_acr"])
        return msgspec.structs.replace(found, current=False, acr=worth)
    return found


def hashed(value: str) -> bytes:
    """SM3 of a cookie, code or handle: the only form in which they are stored (T-26)."""
    return sm3(value.encode("utf-8"))


def session_of(row: Any) -> Session:
    """A row as a Session."""
    return msgspec.convert({**row, "amr": tuple(row["amr"]), "visited": tuple(row["visited"])}, Session)


_LOCK_AFTER = "(SELECT k.lock_after FROM device_lock k WHERE k.subject = s.subject AND k.device = s.device AND k.ended_at IS NULL) AS lock_after"
_OF_COOKIE = f"{', '.join(f's.{one}' for one in _NAMES)}, s.cookie_hash = $1 AS current, s.previous_acr, {_LOCK_AFTER}"


def of_cookie(row: Any) -> Session:
    """The session of a statement with the columns of `arriving` or `by_cookie`; the value before is worth what it was worth."""
    found = msgspec.convert({
        **{one: row[one] for one in _NAMES}, "amr": tuple(row["amr"]), "visited": tuple(row["visited"]), "current": row["current"],
        "lock_after": row["lock_after"],
    }, Session)  # fmt: skip
    if found.current or row["previous_acr"] is None:
        return found
    return msgspec.structs.replace(found, acr=min(found.acr, row["previous_acr"]))


async def by_cookie(tx: Tx, node: Node, value: str, *, staff: bool, locked: bool = False) -> Session | None:
    """The living session of a cookie value, also of the value before while it is taken; else None.

    The value before is worth what it was worth before the level was raised; its `current` is False. A locked session is
    found only when `locked` asks for it.
    """
    row = await tx.fetchrow(
        f"SELECT {_OF_COOKIE} FROM session s WHERE {living('$1', '$2', '$3', 'OR $4')}", hashed(value), node.clock.now(), staff, locked
    )
    return None if row is None else of_cookie(row)


async def arriving(tx: Tx, node: Node, value: str, *, staff: bool, more: str, join: str) -> Any:
    """The row of the living session of a cookie value with `more` columns of rows joined to `s`, for who asks that on every page."""
    return await tx.fetchrow(
        f"SELECT {_OF_COOKIE}, {more} FROM session s {join} WHERE {living('$1', '$2', '$3')}", hashed(value), node.clock.now(), staff
    )


async def by_id(tx: Tx, sid: str) -> Session | None:
    """A session by its id, ended ones too."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM session WHERE id = $1", sid)
    return None if row is None else session_of(row)


def alive(session: Session, now: datetime) -> bool:
    """Whether it was not ended and its time is not over 还在登录 (pure)."""
    return session.revoked_at is None and session.idle_until > now and session.ends_at > now


async def visits(tx: Tx, node: Node, subject: str, caller: str, *, level: int = 1) -> bool:
    """Whether a session of this person, signed in here at home, is alive, went to `caller` and is worth `level` now (在那边登录着)."""
    now = node.clock.now()
    rows = await tx.fetch(
        f"SELECT {COLUMNS} FROM session WHERE subject = $1 AND kind = 'citizen' AND home IS NULL AND revoked_at IS NULL"
        " AND idle_until > $2 AND ends_at > $2 AND $3 = ANY(visited)",
        subject, now, caller,
    )  # fmt: skip
    return any(levels.decayed(row["acr"], raised_at=row["raised_at"], seen_at=row["seen_at"], now=now) >= level for row in rows)


async def why_ended(tx: Tx, node: Node, value: str) -> str | None:
    """Why the session of a cookie is over: a reason (`logout`, `logout_elsewhere`, …), `time`, or None when it is not."""
    row = await tx.fetchrow("SELECT reason, revoked_at, least(idle_until, ends_at) AS until FROM session WHERE cookie_hash = $1", hashed(value))
    if row is None:
        return None
    if row["revoked_at"] is not None:
        return str(row["reason"])
    return "time" if row["until"] <= node.clock.now() else None


async def devices(tx: Tx, node: Node, subject: str, current: str | None) -> list[Device]:
    """The browsers a person signed in with, newest first."""
    rows = await tx.fetch("SELECT id, label, first_seen, last_seen FROM device WHERE subject = $1 AND ended_at IS NULL ORDER BY last_seen DESC LIMIT 30", subject)
    return [
        Device(
            id=row["id"],
            label=node.cipher.open("identity", "device.label", row["id"], row["label"]).reveal(),
            first_seen=row["first_seen"],
            last_seen=row["last_seen"],
            current=row["id"] == current,
        )
        for row in rows
    ]


async def seen_before(tx: Tx, device_cookie: str) -> bool:
    """Whether somebody signed in with the browser of this device cookie, and has not removed it 这台设备登录过吗."""
    found: bool = await tx.fetchval("SELECT EXISTS (SELECT FROM device WHERE secret_hash = $1 AND ended_at IS NULL)", hashed(device_cookie))
    return found


async def open_on_devices(tx: Tx, node: Node, subject: str) -> dict[str, int]:
    """How many living sessions each device of a person has."""
    rows = await tx.fetch(
        "SELECT device, count(*) AS open FROM session WHERE subject = $1 AND revoked_at IS NULL AND idle_until > $2 AND ends_at > $2"
        " AND device IS NOT NULL GROUP BY device",
        subject, node.clock.now(),
    )  # fmt: skip
    return {row["device"]: row["open"] for row in rows}


async def sign_ins(tx: Tx, node: Node, subject: str, most: int = 50) -> list[SignIn]:
    """The sign-in record of a person, newest first."""
    rows = await tx.fetch(
        "SELECT id, at, what, place, acr, device FROM signin_record WHERE subject = $1 ORDER BY at DESC, id DESC LIMIT $2", subject, most
    )
    return [
        SignIn(
            at=row["at"],
            what=row["what"],
            place=row["place"],
            acr=row["acr"],
            device=node.cipher.open("identity", "signin_record.device", row["id"], row["device"]).reveal(),
        )
        for row in rows
    ]
