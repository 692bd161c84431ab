"""Are the rows what the log says of them 逐行核对 (R-408, R-802): each row against its leaf, and each leaf against its row.

Whoever edits the database leaves the log alone, since that is found at once; here the rows are compared that the log speaks of.
A room whose rows can be computed again says so with `recorded`; what it may delete, and when, is `kept`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import msgspec

from tongban.kernel.db import Tx
from tongban.kernel.gm import sm3
from tongban.kernel.ids import is_uuid
from tongban.transparency.model import Finding

_PART = 1000
_MOST = 100


class Row(msgspec.Struct, frozen=True):
    """A row that has a leaf (有存证的行): where it stands, the leaf's id, and the fact as the row tells it now, where it may be either of two."""

    place: str
    leaf: str
    fact: bytes
    other: bytes | None = None


class _Recorded(msgspec.Struct, frozen=True):
    kind: str
    table: str
    column: str
    rows: Callable[[Tx], AsyncIterator[Row]]
    kept: timedelta | None


_recorded: list[_Recorded] = []


def recorded(kind: str, table: str, column: str, rows: Callable[[Tx], AsyncIterator[Row]], *, kept: timedelta | None) -> None:
    """A room above says which rows stand for leaves of a kind (登记有存证的表).

    `column`: where the leaf's id stands in that table; `kept`: how long no row may be gone, None for ever.
    """
    _recorded.append(_Recorded(kind, table, column, rows, kept))


async def verify_records(tx: Tx, now: datetime) -> tuple[int, tuple[Finding, ...]]:
    """How many rows were compared, and every one that was edited, put in or deleted (核对台账). Memory stays small."""
    found: list[Finding] = []
    count = 0
    for one in _recorded:
        part: list[Row] = []
        async for row in one.rows(tx):
            part.append(row)
            if len(part) == _PART:
                count += len(part)
                found += await _compared(tx, one, part)
                part = []
        count += len(part)
        found += await _compared(tx, one, part)
        gone = await tx.fetch(
            f"SELECT l.id FROM log_leaf l WHERE l.kind = $1 AND l.at_ms > $2 AND NOT EXISTS (SELECT FROM {one.table} r WHERE {_id_of(one.column)} = l.id) LIMIT 10",
            one.kind, 0 if one.kept is None else int((now - one.kept).timestamp() * 1000),
        )  # fmt: skip
        found += [Finding("deleted", f"{one.table} of leaf {row['id']}", f"the log knows a {one.kind} whose row is gone") for row in gone]
    return count, tuple(found[:_MOST])


def _id_of(column: str) -> str:
    """The id as SQL; what is none finds no leaf."""
    return f"CASE WHEN r.{column}::text ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$' THEN r.{column}::text::uuid END"


async def _compared(tx: Tx, one: _Recorded, rows: list[Row]) -> list[Finding]:
    leaves = await tx.fetch("SELECT id, kind, fact FROM log_leaf WHERE id = ANY($1::uuid[])", [row.leaf for row in rows if is_uuid(row.leaf)])
    known = {row["id"]: (row["kind"], row["fact"]) for row in leaves}
    found = []
    for row in rows:
        kind, fact = known.get(row.leaf, ("", None))
        if kind != one.kind:
            found.append(Finding("inserted", row.place, "the log knows nothing of it"))
        elif fact is not None and fact != sm3(row.fact) and (row.other is None or fact != sm3(row.other)):
            found.append(Finding("edited", row.place, "not what was logged"))
    return found
