"""Rows that go with a person 跟着人走的行: every column with a pseudonym is listed here, to follow or to stay (identity.md 1).

A room says once, beside its door, what becomes of its columns when a document number changes: `follow_rows` for rows sealed
under their own ids, `follow_subject` for a verb of its own, `rows_stay` with a reason. tests/house knows the tables of the
database and fails on one that nobody listed. Rows that only grow (ledger, consents, history) follow too: the database lets
the pseudonym change and nothing else, and a ledger line keeps the one it was written under, which its leaf names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import asyncpg

from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node

Follower = Callable[[Tx, Node, str, str], Awaitable[None]]
Column = tuple[str, str]
_SUBJECT = ("subject",)
_rows: dict[Column, None] = {}
_own: dict[Column, None] = {}
_stay: dict[Column, str] = {}
_followers: list[Follower] = []


def follow_rows(*tables: str, columns: Iterable[str] = _SUBJECT) -> None:
    """Register tables whose pseudonym columns follow when a document number changed 换号后跟着改的表; sealed under their own ids."""
    _rows.update({(table, column): None for table in tables for column in columns})


def follow_subject(follower: Follower, /) -> Follower:
    """Register `async (tx, node, old, new)` to take a room's own rows along when a subject changes 跟着换标识.

    The columns it moves are named by `rows_followed`.
    """
    _followers.append(follower)
    return follower


def rows_followed(*tables: str, columns: Iterable[str] = _SUBJECT) -> None:
    """Name the columns that a room's follower, or a verb of identity, takes along itself 自己改的列."""
    _own.update({(table, column): None for table in tables for column in columns})


def rows_stay(*tables: str, because: str, columns: Iterable[str] = _SUBJECT) -> None:
    """Name the columns that stay as they are, with the reason 不改的列."""
    _stay.update({(table, column): because for table in tables for column in columns})


def listed() -> dict[Column, str]:
    """Every column somebody answered for, with how: `rows`, `own`, or why it stays (跟随总表)."""
    return {**_stay, **dict.fromkeys(_own, "own"), **dict.fromkeys(_rows, "rows")}


async def call_followers(tx: Tx, node: Node, old: str, new: str) -> None:
    """Each room's own verb, in the order of registering."""
    for follower in _followers:
        await follower(tx, node, old, new)


async def rewrite_rows(tx: Tx, old: str, new: str) -> None:
    """The listed columns of one person, in the caller's transaction 改写登记过的列.

    Where the person has the same thing under both (a message, a habit) the newer one stands and the old row stays behind.
    """
    await tx.execute("SELECT set_config('tongban.follow', 'on', true)")
    for table, column in tuple(_rows):
        change = f"UPDATE {table} SET {column} = $2 WHERE {column} = $1"
        try:
            async with tx.transaction():
                await tx.execute(change, old, new)
        except asyncpg.UniqueViolationError:
            await _one_by_one(tx, table, column, old, new)
    await tx.execute("SELECT set_config('tongban.follow', 'off', true)")


async def _one_by_one(tx: Tx, table: str, column: str, old: str, new: str) -> None:
    left = 0
    for row in await tx.fetch(f"SELECT ctid FROM {table} WHERE {column} = $1", old):
        try:
            async with tx.transaction():
                await tx.execute(f"UPDATE {table} SET {column} = $3 WHERE {column} = $1 AND ctid = $2", old, row["ctid"], new)
        except asyncpg.UniqueViolationError:
            left += 1
    log("identity.rows_left", kind=table, count=left)


async def holds(tx: Tx, subject: str) -> bool:
    """Whether any listed column of this node names that person 这里有没有这个人的东西; for a node that never met the person itself."""
    named = (*_rows, *_own)
    return bool(await tx.fetchval("SELECT " + " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {column} = $1)" for table, column in named), subject))


# rooms below cannot register themselves
follow_rows("message", "consent_ask", "consent", "consent_withdrawal", "access_record", "person_key")
rows_stay("access_record", columns=("written_subject",), because="the pseudonym of the day the line was written; digest and leaf name it")
