"""Holdings 个人信息清单: what a room keeps of people, table by table: how it is copied, erased, and how long it stays (R-409, R-804).

A room says it once, in `holdings.py` beside its front door, as `HOLDINGS`. tests/house knows every table with a personal
label and fails on one that nobody answered for, or that two rooms did. The folder `privacy` asks all of them; no room asks
another's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from tongban.kernel.db import Tx
from tongban.kernel.node import Node

Copier = Callable[[Tx, Node, str], Awaitable[list[Mapping[str, object]]]]
"""`async (tx, node, subject) -> rows` a person may read: plain JSON values under Chinese headings, others' data masked.

A time is an ISO text with its zone (`at.isoformat()`), a `Personal` is revealed, bytes never appear; newest row first.
"""
Eraser = Callable[[Tx, Node, str], Awaitable[int]]
"""`async (tx, node, subject) -> count` of rows deleted or cut loose in the caller's transaction; twice is as good as once."""
Ender = Callable[[Tx, Node, datetime], Awaitable[int]]
"""`async (tx, node, before) -> count` of rows ended: for rows whose end is more than one DELETE."""


class KeptFile(msgspec.Struct, frozen=True):
    """One file of a person that lies here 一个文件: `id` opens it, `name` is what the person called it, `size` in bytes."""

    id: str
    name: str
    media_type: str
    size: int


class Files(msgspec.Struct, frozen=True):
    """How the files of a holding go along with its rows 随副本带走的文件."""

    listed: Callable[[Tx, Node, str], Awaitable[list[KeptFile]]]
    """`async (tx, node, subject) -> files`, without opening any."""
    opened: Callable[[Tx, Node, str, str], Awaitable[bytes | None]]
    """`async (tx, node, subject, id) -> plain content`; None when it is another's, gone, or cannot be had now."""


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """How long a row is kept 保存期限, as data with its source; never law in code."""

    kept: timedelta
    past: str
    """SQL condition on a row, `$1` = now − kept: true when the row's time is over, e.g. `ended_at < $1`."""
    source: str
    verified: bool = False
    subject: str = "subject"
    """The column a legal hold 法定保留 is looked up by; empty when rows name nobody."""
    case: str = ""
    """The column with the case number, when a hold may name a case."""
    end: Ender | None = None
    """How rows past their time go, when it is more than deleting them (files, children)."""


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One table's answer 一张表的交代. Exactly one of `copy`/`not_copied`, `erase`/`not_erased`, `term`/`no_term`."""

    table: str
    title: str
    """What the person calls it 给人看的名字: 登录记录, 办件."""
    copy: Copier | None = None
    files: Files | None = None
    """The files that belong to the rows (materials, OFD documents), beside `copy`."""
    sensitive: frozenset[str] = frozenset()
    """Headings whose values a copy at level 2 leaves out (privacy.md 1 `personal sensitive`); `{"*"}`: all rows and files."""
    not_copied: str = ""
    """Why its rows are in no copy: derived from what is, another person's, a secret, unreadable here."""
    erase: Eraser | None = None
    not_erased: str = ""
    """Why closing the account leaves it."""
    stays: str = ""
    """The sentence the closing page shows of what stays and why 依法保留的说明; empty when nothing of the person stays."""
    term: Term | None = None
    no_term: str = ""
    """Why no clock ends its rows."""
    case: str = ""
    """The column with the case number, of rows that have no term and belong to a case: a legal hold may name it."""

    def __post_init__(self) -> None:
        """Refuse an answer that is missing or given twice, at import.

        Raises:
            ValueError: with the table and the pair that is not answered once.

        """
        pairs = ((self.copy, self.not_copied, "copy"), (self.erase, self.not_erased, "erase"), (self.term, self.no_term, "term"))
        for way, reason, name in pairs:
            if (way is None) == (not reason):
                raise ValueError(f"{self.table}: answer `{name}` once: a way or a reason")
        if self.files is not None and self.copy is None:
            raise ValueError(f"{self.table}: files go along with a copy of the rows")


def rows_of(table: str, column: str = "subject") -> Eraser:
    """The plainest eraser 按人删行: delete the person's rows of one table."""

    async def erase(tx: Tx, _: Node, subject: str) -> int:
        gone = await tx.fetch(f"DELETE FROM {table} WHERE {column} = $1 RETURNING 1", subject)
        return len(gone)

    return erase
