"""The register of readings 查看记录 for auditors (R-802, T-65): who read, why and when, and a mark for whom.

A person stands here as a mark that holds for one month at this node: enough to see one clerk read one person forty times,
not enough to know who it was or to follow anybody through the years. Whom a row was of is asked of `actions.audit.whom`, for a reason.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tongban import transparency
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.gm import hmac_sm3, jcs
from tongban.kernel.node import Node

PAGE = 50
MOST = 5000
"""Rows of one export."""
READ = "staff.read"
"""Kind of the leaf over one reading."""
SECRET = "audit-mark"  # noqa: S105  the name of a secret


class Filter(msgspec.Struct, frozen=True):
    """What the auditor wants to see 筛选. `same`: a row's id, for all readings of the same person; `row`: that row alone; empty fields bind nothing."""

    unit: str = ""
    staff_no: str = ""
    kind: str = ""
    since: datetime | None = None
    until: datetime | None = None
    same: str = ""
    row: str = ""


class Reading(msgspec.Struct, frozen=True):
    """One reading of a person by a member of staff 一次查看. `mark` stands for the person, for a month."""

    id: str
    at: datetime
    unit: str
    staff_no: str
    kind: str
    ref: str
    mark: str


class StaffAlert(msgspec.Struct, frozen=True):
    """A deed that raised an alert 一次报警."""

    id: str
    at: datetime
    unit: str
    staff_no: str
    kind: str


async def readings(
    tx: Tx, node: Node, areas: Sequence[tuple[str, str]], wanted: Filter, *, before: tuple[datetime, str] | None = None, most: int = PAGE + 1
) -> tuple[Reading, ...]:
    """Readings by staff of these areas, newest first. `before`: time and id of the row the page before ended with."""
    rows = await tx.fetch(
        "SELECT r.subject, r.id, r.at, r.kind, r.ref, s.unit, s.staff_no FROM access_reason r JOIN staff s ON s.subject = r.staff"
        " WHERE EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS a (division, org)"
        " WHERE s.division LIKE a.division || '%' AND (a.org = '' OR a.org = s.org))"
        " AND ($3 = '' OR s.unit ILIKE '%' || $3 || '%') AND ($4 = '' OR s.staff_no = $4) AND ($5 = '' OR r.kind = $5)"
        " AND ($6::timestamptz IS NULL OR r.at >= $6) AND ($7::timestamptz IS NULL OR r.at < $7)"
        " AND ($8::uuid IS NULL OR r.subject = (SELECT subject FROM access_reason WHERE id = $8))"
        " AND ($9::timestamptz IS NULL OR (r.at, r.id) < ($9, $10::uuid)) AND ($12::uuid IS NULL OR r.id = $12)"
        " ORDER BY r.at DESC, r.id DESC LIMIT $11",
        [division for division, _ in areas], [org for _, org in areas], _like(wanted.unit), wanted.staff_no, wanted.kind, wanted.since,
        wanted.until, wanted.same or None, before[0] if before else None, before[1] if before else None, most, wanted.row or None,
    )  # fmt: skip
    return tuple(
        Reading(row["id"], row["at"], row["unit"], row["staff_no"], row["kind"], row["ref"], mark(node, row["subject"], row["at"]))
        for row in rows
    )


async def by_staff(tx: Tx, areas: Sequence[tuple[str, str]], since: datetime) -> tuple[tuple[str, str, int, int], ...]:
    """Who read most since then 谁看得最多: (number, unit, readings, persons), at most ten."""
    rows = await tx.fetch(
        "SELECT s.staff_no, s.unit, count(*) AS readings, count(DISTINCT r.subject) AS persons FROM access_reason r"
        " JOIN staff s ON s.subject = r.staff WHERE r.at >= $3 AND EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS a (division, org)"
        " WHERE s.division LIKE a.division || '%' AND (a.org = '' OR a.org = s.org))"
        " GROUP BY s.staff_no, s.unit ORDER BY count(DISTINCT r.subject) DESC, s.staff_no LIMIT 10",
        [division for division, _ in areas], [org for _, org in areas], since,
    )  # fmt: skip
    return tuple((row["staff_no"], row["unit"], row["readings"], row["persons"]) for row in rows)


async def staff_alerts(tx: Tx, areas: Sequence[tuple[str, str]]) -> tuple[StaffAlert, ...]:
    """The newest alerts of these areas 报警: a reading without a reason is one."""
    rows = await tx.fetch(
        "SELECT a.id, a.at, a.unit, a.kind, coalesce(s.staff_no, '') AS staff_no FROM staff_alert a LEFT JOIN staff s ON s.subject = a.staff"
        " WHERE EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS x (division, org) WHERE a.division LIKE x.division || '%'"
        " AND (x.org = '' OR x.org = s.org)) ORDER BY a.at DESC, a.id DESC LIMIT 50",
        [division for division, _ in areas], [org for _, org in areas],
    )  # fmt: skip
    return tuple(StaffAlert(row["id"], row["at"], row["unit"], row["staff_no"], row["kind"]) for row in rows)


def reading_fact(staff: str, kind: str, ref: str, at: datetime) -> bytes:
    """What the log keeps of a reading, as a salted hash (查看的存证): who of the staff, why, when. Whom, the ledger's own leaf says."""
    return jcs({"staff": staff, "kind": kind, "ref": ref, "at": int(at.timestamp() * 1000), "v": 1})


async def in_log(tx: Tx) -> AsyncIterator[transparency.Row]:
    """Every row of the register as the log should know it (逐行核对); rows from before each had a leaf are left out."""
    first: int | None = await tx.fetchval("SELECT min(at_ms) FROM log_leaf WHERE kind = $1", READ)
    after = ("", "00000000-0000-0000-0000-000000000000")
    while first is not None:
        rows = await tx.fetch(
            "SELECT subject, id, staff, kind, ref, at, EXISTS (SELECT FROM log_leaf l WHERE l.id = access_reason.id) AS has_leaf"
            " FROM access_reason WHERE (subject, id) > ($1, $2::uuid) ORDER BY subject, id LIMIT 1000", *after
        )
        for row in rows:
            if row["has_leaf"] or row["at"].timestamp() * 1000 >= first:
                yield transparency.Row(f"access_reason {row['id']}", row["id"], reading_fact(row["staff"], row["kind"], row["ref"], row["at"]))
        if len(rows) < 1000:
            return
        after = (rows[-1]["subject"], rows[-1]["id"])


def mark(node: Node, subject: str, at: datetime) -> str:
    """What stands for a person in the register for a month 代号: eight signs nobody outside this node can make."""
    month = at.astimezone(CHINA).strftime("%Y-%m")
    return hmac_sm3(node.keys.secret(SECRET), f"{month}\0{subject}".encode()).hex()[:8]


def _like(text: str) -> str:
    return "".join("\\" + sign if sign in "%_\\" else sign for sign in text)


def export_rows(found: Sequence[Reading]) -> list[list[Any]]:
    """Readings as rows of an export 导出的行."""
    return [[one.at.astimezone(CHINA).isoformat(timespec="seconds"), one.unit, one.staff_no, one.kind, one.ref, one.mark] for one in found]
