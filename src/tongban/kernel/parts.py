"""Parts 合成一句: several writes that go to the database as one statement, so that a verb costs one way there and back.

A room offers a part (a row of the log, a message, a line of the ledger) and whoever has a statement on its way takes it
along. PostgreSQL runs every part exactly once, whole or not at all; all parts see the rows as they were before the
statement, and one learns of another only by naming it. Source: PostgreSQL 7.8.4, data-modifying WITH.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

from tongban.kernel.db import Tx

_PLACE = re.compile(r"\$(\d+)")


@lru_cache(maxsize=2000)
def _moved(sql: str, by: int) -> str:
    """`$1` of a part as it is numbered in the whole."""
    return _PLACE.sub(lambda found: f"${int(found[1]) + by}", sql)


def column(values: Iterable[str | None]) -> str:
    r"""Texts or ids as one argument, for `$1::text::text[]` or `$1::text::uuid[]` in SQL (一列作一个参数): an array argument is looked
    through element by element by the library, which for a hundred rows takes longer than the rows. Source: PostgreSQL 8.15.2.

    >>> column(["a", 'say "b"', None])
    '{"a","say \\"b\\"",NULL}'
    """
    texts = list(values)
    if None not in texts:
        whole = '","'.join(cast("list[str]", texts))
        if "\\" not in whole and whole.count('"') == 2 * len(texts) - 2:
            return f'{{"{whole}"}}'
    quoted = ("NULL" if one is None else '"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in texts)
    return f"{{{','.join(quoted)}}}"


class Parts:
    """A statement under way (合成中的语句). Each part counts its own arguments from `$1` on.

    >>> parts = Parts()
    >>> parts.add("made", "INSERT INTO a VALUES ($1) RETURNING id", 7)
    >>> parts.add("told", "INSERT INTO b SELECT id, $1 FROM made", "x")
    >>> parts.whole("SELECT id FROM made WHERE id = $1", 9)
    ('WITH made AS (INSERT INTO a VALUES ($1) RETURNING id), told AS (INSERT INTO b SELECT id, $2 FROM made) SELECT id FROM made WHERE id = $3', [7, 'x', 9])
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._values: list[Any] = []

    def add(self, name: str, sql: str, *values: Any) -> None:
        """Take a part along under a name by which later parts may speak of it."""
        self._texts.append(f"{name} AS ({_moved(sql, len(self._values))})")
        self._values.extend(values)

    def whole(self, last: str, *values: Any) -> tuple[str, list[Any]]:
        """The statement and its arguments; `last` is what it answers."""
        moved = _moved(last, len(self._values))
        return (f"WITH {', '.join(self._texts)} {moved}" if self._texts else moved), [*self._values, *values]

    async def run(self, tx: Tx, last: str = "SELECT true", *values: Any) -> Any:
        """Send it; the first row that `last` answers, or None."""
        sql, all_values = self.whole(last, *values)
        return await tx.fetchrow(sql, *all_values)
