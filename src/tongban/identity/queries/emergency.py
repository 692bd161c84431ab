"""Break-glass accesses 紧急访问: one, and the list a reviewer goes through."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban.identity.model import Glass, GlassPerson
from tongban.kernel.db import Tx


def glass_of(row: Any) -> Glass:
    """A row as a Glass; what was said stays sealed."""
    return msgspec.convert({key: value for key, value in row.items() if key not in {"said", "overdue_told"}}, Glass)


async def glass(tx: Tx, glass_id: str, *, lock: bool = False) -> Glass | None:
    """One access; `lock` holds the row."""
    row = await tx.fetchrow("SELECT * FROM break_glass WHERE id = $1" + (" FOR UPDATE" if lock else ""), glass_id)
    return None if row is None else glass_of(row)


async def glasses(tx: Tx, *, staff: str = "") -> tuple[Glass, ...]:
    """The newest accesses: of one member of staff (opened by or told to), or all; those without review first."""
    rows = await tx.fetch(
        "SELECT * FROM break_glass WHERE $1 = '' OR staff = $1 OR told = $1 ORDER BY reviewed_at IS NOT NULL, opened_at DESC LIMIT 100", staff
    )
    return tuple(glass_of(row) for row in rows)


async def glass_persons(tx: Tx, glass_id: str) -> tuple[GlassPerson, ...]:
    """Whom an access names, in the order they were named."""
    rows = await tx.fetch("SELECT subject, way, named_at FROM break_glass_person WHERE glass = $1 ORDER BY named_at, subject", glass_id)
    return tuple(GlassPerson(place=place, subject=row["subject"], way=row["way"], named_at=row["named_at"]) for place, row in enumerate(rows, 1))


async def readings(tx: Tx, glass_id: str) -> int:
    """How often something was read in an access."""
    count: int = await tx.fetchval("SELECT count(*) FROM access_reason WHERE kind = 'emergency' AND ref = $1", glass_id)
    return count
