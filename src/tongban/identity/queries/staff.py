"""Staff and their assignments 工作人员和任职."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tongban.identity.model import StaffMember
from tongban.identity.queries.persons import current_subject, number_marks
from tongban.identity.rules import roles
from tongban.kernel.actor import Assignment
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

_COLUMNS = "s.subject, s.staff_no, s.name, s.unit, s.org, s.division, s.department, s.demo, s.suspended_at, s.joined_at"


async def staff_member(tx: Tx, node: Node, subject: str) -> StaffMember | None:
    """A member of staff by the id `s…`, None when unknown or gone."""
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM staff s WHERE s.subject = $1 AND s.ended_at IS NULL", subject)
    return None if row is None else await _member(tx, node, row)


async def staff_by_number(tx: Tx, node: Node, staff_no: str) -> StaffMember | None:
    """A member of staff by the number used at the desk."""
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM staff s WHERE s.staff_no = $1 AND s.ended_at IS NULL", staff_no)
    return None if row is None else await _member(tx, node, row)


async def all_staff(tx: Tx, node: Node, *, demo_only: bool = False) -> list[StaffMember]:
    """Everybody who works here, by number; `demo_only` for the demo's choice of a certificate."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} FROM staff s WHERE s.ended_at IS NULL AND (s.demo OR NOT $1) ORDER BY s.staff_no", demo_only)
    return [await _member(tx, node, row) for row in rows]


async def staff_of_role(tx: Tx, node: Node, action: str, *, division: str, org: str = "", item: str | None = None) -> list[StaffMember]:
    """Who may do `action` on an object of that place 谁能办: for queues and notices to staff."""
    found = []
    for one in await all_staff(tx, node):
        if one.suspended:
            continue
        held = roles.in_force(await assignments(tx, one.subject), node.clock.now())
        if any(each.covers(action, division, org, item) for each in held):
            found.append(one)
    return found


async def assignments(tx: Tx, subject: str) -> tuple[Assignment, ...]:
    """The assignments of a member of staff, with the actions of their roles filled in; run-out ones too."""
    rows = await tx.fetch("SELECT role, division, org, items, until FROM assignment WHERE subject = $1 AND ended_at IS NULL ORDER BY id", subject)
    return tuple(
        roles.assignment(row["role"], row["division"], org=row["org"], items=frozenset(row["items"]), until=row["until"])
        for row in rows
    )


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An assignment as /staff/people shows it 任职的一行."""

    id: str
    role: str
    division: str
    org: str
    items: tuple[str, ...]
    until: datetime | None
    proposed_by: str
    approved_by: str


async def held_by(tx: Tx, subject: str) -> tuple[Held, ...]:
    """The assignments of a member of staff that were not taken back, with who proposed and approved them."""
    rows = await tx.fetch(
        "SELECT id, role, division, org, items, until, proposed_by, approved_by FROM assignment"
        " WHERE subject = $1 AND ended_at IS NULL ORDER BY id",
        subject,
    )
    return tuple(msgspec.convert({**row, "items": tuple(row["items"])}, Held) for row in rows)


def role_names(codes: tuple[str, ...]) -> str:
    """Roles in words: 受理岗、审查岗."""
    known = roles.roles()
    return "、".join(known[code].name if code in known else code for code in codes)


async def _member(tx: Tx, node: Node, row: Any) -> StaffMember:
    held = await tx.fetch("SELECT role FROM assignment WHERE subject = $1 AND ended_at IS NULL ORDER BY id", row["subject"])
    return StaffMember(
        subject=row["subject"],
        staff_no=row["staff_no"],
        name=node.cipher.open("staff", "staff.name", row["subject"], row["name"]),
        unit=row["unit"],
        org=row["org"],
        division=row["division"],
        department=row["department"],
        demo=row["demo"],
        roles=tuple(one["role"] for one in held),
        suspended=row["suspended_at"] is not None,
        joined=row["demo"] or row["joined_at"] is not None,
    )


async def linked_subject(tx: Tx, node: Node, subject: str) -> str:
    """The clerk's own citizen subject, for one purpose: refusing own and family cases (T-62); empty when not linked."""
    blob: bytes | None = await tx.fetchval("SELECT linked_subject FROM staff WHERE subject = $1", subject)
    if blob is not None:
        return await current_subject(tx, node, node.cipher.open("staff", "staff.linked_subject", subject, blob).reveal())
    # nobody has linked them by hand: by the number the office gave, as soon as the person is known here
    row = await tx.fetchrow(
        "SELECT s.citizen_number, p.subject AS citizen FROM staff s LEFT JOIN person p ON p.bi_number = s.bi_citizen WHERE s.subject = $1 LIMIT 1", subject
    )
    if row is None or row["citizen"] is not None or row["citizen_number"] is None:
        return (row["citizen"] if row is not None else None) or ""
    # while the index key turns, the two rows may stand under different versions
    number = node.cipher.open("staff", "staff.citizen_number", subject, row["citizen_number"])
    found: str | None = await tx.fetchval("SELECT subject FROM person WHERE bi_number = ANY($1::bytea[])", number_marks(node, number.reveal()))
    return found or ""
