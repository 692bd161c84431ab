"""Copying rows for the person they are about 给本人的副本: from columns to plain JSON under Chinese headings (R-409, privacy.md 7).

A room's `holdings.py` names the columns a person may read; what is not named is in no copy. Values without content are left out.

    copier("device", sealed("设备", "identity", "device.label"), time("第一次用", "first_seen"), words("个人手机", "own_phone", {True: "是"}))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import msgspec

from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.gm import CannotOpen
from tongban.kernel.holdings import Copier
from tongban.kernel.log import log
from tongban.kernel.node import Node

Row = Any
UNREADABLE = "（这一项打不开）"
"""What stands in a copy for a sealed value whose key is gone or whose row was tampered with."""


class Field(msgspec.Struct, frozen=True):
    """One heading of a copied row 一项: `read(node, row)` answers a plain JSON value; None leaves it out."""

    heading: str
    read: Callable[[Node, Row], object]


def plain(heading: str, column: str) -> Field:
    """The column as it stands 原样; days as ISO dates, empty texts and lists left out."""
    return Field(heading, lambda _, row: _json(row[column]))


def time(heading: str, column: str) -> Field:
    """A moment as ISO 8601 in China time 时间."""
    return Field(heading, lambda _, row: _json(row[column]))


def words(heading: str, column: str, said: Mapping[Any, str]) -> Field:
    """A code in words 代码换成话; one that nobody put into words stands as it is, a missing truth value is left out."""

    def read(_: Node, row: Row) -> object:
        code = row[column]
        return said.get(code) if isinstance(code, bool) else said.get(code, code)

    return Field(heading, read)


def says(heading: str, said: str) -> Field:
    """The same words in every row 每行都一样的话: which part the person has in it."""
    return Field(heading, lambda _, __: said)


def count(heading: str, column: str) -> Field:
    """How many entries a list has 几项."""
    return Field(heading, lambda _, row: len(row[column] or ()))


def sealed(
    heading: str, group: str, name: str, *row_id: str, joint: str = "", show: Callable[[str], object] | None = None
) -> Field:
    """A sealed column opened for the person 解密后的值; `name` is table.column, `row_id` the columns it is bound to (`id`).

    `show` turns the text into what is copied: a mask for somebody else's name, a parser for sealed JSON.
    """
    column, keys = name.partition(".")[2], row_id or ("id",)

    def read(node: Node, row: Row) -> object:
        blob = row[column]
        if blob is None:
            return None
        try:
            text = node.cipher.open(group, name, joint.join(str(row[one]) for one in keys), bytes(blob)).reveal()
        except CannotOpen:
            log("kernel.copy_unreadable", kind=name)
            return UNREADABLE
        return (show(text) if show else text) or None

    return Field(heading, read)


def copier(table: str, *fields: Field, order: str, where: str = "subject = $1") -> Copier:
    """The copier of one table's rows of one person 一张表的副本; `where` names the person as `$1`, `order` is SQL, newest first."""

    async def copy(tx: Tx, node: Node, subject: str) -> list[Mapping[str, object]]:
        rows = await tx.fetch(f"SELECT * FROM {table} WHERE {where} ORDER BY {order}", subject)
        return [_row(node, row, fields) for row in rows]

    return copy


def several(*copiers: Copier) -> Copier:
    """One copy out of several, when a person stands in a table in more than one part 几种身份各抄各的: represented, or acting."""

    async def copy(tx: Tx, node: Node, subject: str) -> list[Mapping[str, object]]:
        return [row for one in copiers for row in await one(tx, node, subject)]

    return copy


def _row(node: Node, row: Row, fields: tuple[Field, ...]) -> Mapping[str, object]:
    values = {field.heading: field.read(node, row) for field in fields}
    return {heading: value for heading, value in values.items() if value not in (None, "", [], ())}


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(CHINA).isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return value


__all__ = ["UNREADABLE", "Field", "copier", "count", "plain", "says", "sealed", "several", "time", "words"]
