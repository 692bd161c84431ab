"""Every Term of every room, on a clock moved 1, 3 and 10 years (R-804, privacy.md 9): nothing goes before its time, all goes after.

Each table is copied empty into a temporary one of the same name, so that its own condition runs against its own columns
without the rest of the house; its row is filled with what the condition asks for.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from datetime import timedelta
from typing import Any

import pytest

from tongban.kernel.holdings import Holding
from tongban.main import rooms
from tongban.privacy.actions import retention

TERMS = {one.table: one for one in rooms.holdings() if one.term is not None}
SUBJECT = "n1" + "a" * 32
YEARS = (1, 3, 10)


class Undo(Exception):
    """Ends a test's transaction without a trace."""


def fillings(one: Holding, columns: dict[str, str], at: Any) -> list[dict[str, Any]]:
    """What a row of this table may hold in the columns its condition names: every moment `at` or missing, every word it asks for."""
    assert one.term is not None
    named = [name for name in columns if re.search(rf"\b{name}\b", one.term.past) and name != one.term.subject]
    words = ["", *re.findall(r"'([a-z_]+)'", one.term.past)]
    choices: list[list[Any]] = []
    for name in named:
        kind = columns[name]
        if kind.startswith("timestamp"):
            choices.append([at, None])
        elif kind == "date":
            choices.append([at.date()])
        elif kind == "boolean":
            choices.append([True, False])
        elif kind == "bytea":
            choices.append([b"x" * 60, b"", None])
        elif kind == "text":
            choices.append([*dict.fromkeys(words), None])
        else:
            choices.append([None])
    return [dict(zip(named, chosen, strict=True)) for chosen in itertools.product(*choices)]


async def put(tx: Any, one: Holding, row: dict[str, Any]) -> None:
    assert one.term is not None
    held = {one.term.subject: SUBJECT} if one.term.subject else {}
    await tx.execute(f"DELETE FROM {one.table}")
    names = ", ".join({**row, **held})
    marks = ", ".join(f"${number}" for number in range(1, len(row) + len(held) + 1))
    await tx.execute(f"INSERT INTO {one.table} ({names}) VALUES ({marks})", *row.values(), *held.values())


async def past(tx: Any, one: Holding, before: Any) -> bool:
    assert one.term is not None
    return bool(await tx.fetchval(f"SELECT count(*) FROM {one.table} WHERE {one.term.past}", before))


@pytest.mark.parametrize("table", sorted(TERMS))
async def test_nothing_before_its_time_and_everything_after(node, set_clock, table):
    one, start = TERMS[table], set_clock.now()
    with contextlib.suppress(Undo):
        async with node.db.transaction() as tx:
            await _tried(tx, one, start)
            raise Undo


async def _tried(tx: Any, one: Holding, start: Any) -> None:
    table, term = one.table, one.term
    assert term is not None
    rows = await tx.fetch(
        "SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull FROM pg_attribute"
        " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped", table,
    )  # fmt: skip
    await tx.execute(f"CREATE TEMP TABLE {table} (LIKE public.{table}) ON COMMIT DROP")
    for row in rows:
        if row["attnotnull"]:
            await tx.execute(f"ALTER TABLE pg_temp.{table} ALTER COLUMN {row['attname']} DROP NOT NULL")
    chosen = None
    for filling in fillings(one, {row["attname"]: row["type"] for row in rows}, start):
        await put(tx, one, filling)
        # days are days in China: the last one may count for hours longer, never for shorter
        assert not await past(tx, one, start - timedelta(minutes=1)), f"{filling} goes before its time"
        if chosen is None and await past(tx, one, start + timedelta(days=2)):
            chosen = filling
    assert chosen is not None, f"no row of {table} would ever go"
    for years in YEARS:
        now = start + timedelta(days=365 * years)
        await put(tx, one, chosen)
        due = now - term.kept > start + timedelta(days=1)
        if term.end is None:
            assert await retention._deleted(tx, table, term, now - term.kept, 10) == int(due), years
        else:
            assert await past(tx, one, now - term.kept) is due, years
