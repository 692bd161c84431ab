"""Blind-index columns 盲索引列: what each room is found by, and how its rows go over to a new index key (R-801, T-46).

A room says it once, as `INDEXES` in its `tasks.py`, of every column that holds marks of `FieldCipher.marks` or `linked_marks`.
`main.reindexing` turns the key by these; tests/house knows every such column and fails on one that nobody answered for.
Source: privacy.md 2, docs/adr/0015.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from tongban.kernel.db import Tx
from tongban.kernel.node import Node

Fresh = Callable[[Tx, Node, Any], Awaitable[bytes | None]]
"""`async (tx, node, row) -> mark` of the row's own value under the newest key; None when nothing will look for it any more.
The old mark again lets the row wait for the next pass.

`row` has the columns of `reads` and the index column itself. Raises CannotOpen when the value does not open.
"""


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """One column of marks 一列盲索引, and in exactly one way how it turns: `fresh`, `linked` or `passes`."""

    table: str
    column: str
    labels: tuple[str, ...]
    """What `marks` are asked for, e.g. `person.number`: equal values of one label have equal marks."""
    reads: tuple[str, ...] = ()
    """Columns that `fresh` and `linked` need."""
    fresh: Fresh | None = None
    """The value stands sealed beside it: opened and indexed anew."""
    linked: Callable[[Any], str] | None = None
    """The value is not kept, on purpose: the new mark is made of the old one; this names the label of a row."""
    passes: timedelta | None = None
    """Rows go by themselves within this time: both versions are searched until they have."""

    def __post_init__(self) -> None:
        if [self.fresh, self.linked, self.passes].count(None) != 2:
            raise ValueError(f"{self.table}.{self.column}: say in one way how it turns")


async def one_alone(tx: Tx, table: str, column: str, marks: Sequence[bytes]) -> None:
    """Before a value is written that may stand once only: let its row, if there is one, stand under the mark that is written now.

    A unique constraint sees equal values only under one key. While two are in use, writers of one value wait for each other
    here, and a row from before goes over first, so that the constraint judges as always. With one key in use: nothing to do.
    """
    if len(marks) < 2:
        return
    for mark in sorted(marks):
        await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{table}.{column}:{mark.hex()}")
    await tx.execute(f"UPDATE {table} SET {column} = $1 WHERE {column} = ANY($2::bytea[])", marks[0], list(marks[1:]))
