"""Data-key rotation 数据密钥轮换: new values under a new key at once, old rows sealed anew while the node works (R-801).

The job finds its work by looking: a sealed value carries its key version in front and opens only for its own table, row and
column, so no list of columns can be forgotten. Old keys stay for backups; a row is readable at every moment; each row is
changed only if it still holds what was read; a run that was cut off is simply run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations
from typing import Any, Final

import msgspec

from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import GROUPS as _GROUPS
from tongban.kernel.gm import CannotOpen, FieldCipher
from tongban.kernel.log import log
from tongban.kernel.node import Node

GROUPS: Final = tuple(sorted(_GROUPS))
BELL: Final = "data-keys"
LIFE: Final = timedelta(days=90)
CUT_OFF: Final = timedelta(minutes=10)
"""After so long an unfinished rotation is nobody's any more and is taken up again."""
_BATCH: Final = 200
_LEAST: Final = 30
_PASSES: Final = 20
_FROM_THE_START: Final = "(0,0)"


class Column(msgspec.Struct, frozen=True):
    """A column of bytes that may hold sealed values, and the other columns of its table."""

    table: str
    name: str
    others: tuple[str, ...]
    as_hex: frozenset[str] = frozenset()


class Done(msgspec.Struct):
    """What a rotation did: rows sealed anew, rows that did not open (left as they are), and passes over the tables."""

    group: str
    version: int
    rows: int = 0
    failed: int = 0
    passes: int = 0


async def rotate(node: Node, group: str) -> Done:
    """A new data key for `group`, and every row under it (轮换). Goes on with an unfinished rotation if there is one."""
    async with node.db.transaction() as tx:
        await _one_at_a_time(tx)
        version = await tx.fetchval(
            "SELECT max(version) FROM key_rotation WHERE group_name = $1 AND ended_at IS NULL", group
        )
        if version is None:
            version = node.cipher.rotate(group)
            await tx.execute("INSERT INTO key_rotation (group_name, version) VALUES ($1, $2)", group, version)
        await ring(tx, BELL)  # every process of this node takes the new key before it writes the next row
    node.cipher.refresh()
    return await reseal(node, group, version)


async def _one_at_a_time(tx: Tx) -> None:
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('main.data_keys', 0))")


async def reseal(node: Node, group: str, version: int) -> Done:
    """Seal anew what is under an older key of `group`, pass after pass, until a pass finds nothing more (重新封存)."""
    done = Done(group, version)
    async with node.db.reading() as tx:
        columns = await sealed_columns(tx)
    known: dict[str, _Way] = {}
    while done.passes < _PASSES:
        done.passes += 1
        done.failed, changed = 0, 0
        for column in columns:
            changed += await _column(node, column, done, known)
        done.rows += changed
        if not changed:
            break
    async with node.db.transaction() as tx:
        await tx.execute(
            "UPDATE key_rotation SET rows_done = rows_done + $3, rows_failed = $4::bigint, ended_at = CASE WHEN $4::bigint = 0 THEN now() END"
            " WHERE group_name = $1 AND version = $2",
            group, version, done.rows, done.failed,
        )  # fmt: skip
    log("main.data_key_rotated", kind=group, version=version, count=done.rows, status=done.failed)
    return done


async def sealed_columns(tx: Tx) -> list[Column]:
    """Every column of bytes that is labelled personal or secret (privacy.md 1)."""
    rows = await tx.fetch(
        """SELECT c.relname AS table_name, a.attname AS name, o.attname AS other, format_type(o.atttypid, NULL) = 'bytea' AS as_hex
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
           JOIN pg_attribute o ON o.attrelid = c.oid AND o.attnum > 0 AND NOT o.attisdropped AND o.attnum <> a.attnum
                AND format_type(o.atttypid, NULL) IN ('text', 'uuid', 'integer', 'smallint', 'bigint', 'bytea')
           WHERE n.nspname = 'public' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
                 AND format_type(a.atttypid, NULL) = 'bytea'
                 AND col_description(c.oid, a.attnum) ~ '[|] *(personal|personal sensitive|secret)$'
           ORDER BY 1, 2, (o.attname NOT IN ('id', 'subject')), o.attnum"""
    )
    found: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        found.setdefault((row["table_name"], row["name"]), []).append(row)
    return [
        Column(table, name, tuple(one["other"] for one in others), frozenset(one["other"] for one in others if one["as_hex"]))
        for (table, name), others in found.items()
    ]


class _Way(msgspec.Struct):
    """How the values of one column open: their key group, and which columns make the row they are tied to."""

    group: str
    names: tuple[str, ...]
    joint: str


async def _column(node: Node, column: Column, done: Done, known: dict[str, _Way]) -> int:
    """One pass over one column, a batch a transaction; how many rows changed. Rows that do not open are counted once a pass."""
    changed, last = 0, _FROM_THE_START
    older = [one.to_bytes(2, "big") for one in node.keys.data_keys(done.group) if one < done.version]
    while True:
        async with node.db.transaction() as tx:
            await tx.execute("SET LOCAL tongban.resealing = 'on'")
            rows = await tx.fetch(
                f"SELECT ctid::text AS _ctid, {_quoted(column.name)} AS _sealed,"
                f" {', '.join(_as_text(column, one) for one in column.others)} FROM {_quoted(column.table)}"
                f" WHERE ctid > $1::text::tid AND octet_length({_quoted(column.name)}) >= $2"
                f" AND substring({_quoted(column.name)} FROM 1 FOR 2) = ANY($3::bytea[]) ORDER BY ctid LIMIT $4",
                last, _LEAST, older, _BATCH,
            )  # fmt: skip
            for row in rows:
                changed += await _row(tx, node, column, row, done, known)
        if len(rows) < _BATCH:
            return changed
        last = rows[-1]["_ctid"]


async def _row(tx: Tx, node: Node, column: Column, row: Any, done: Done, known: dict[str, _Way]) -> int:
    name = f"{column.table}.{column.name}"
    way = known.get(name)
    if way is not None and way.group != done.group and _opens(node.cipher, way, column, row) is not None:
        return 0  # a column of another group, whose old version has the same number
    found = _opened(node.cipher, column, row, way, done.group)
    if found is None:
        done.failed += 1
        return 0
    known[name], place, plain = found
    if known[name].group != done.group:
        return 0
    fresh = node.cipher.seal_bytes(done.group, name, place, plain)
    if FieldCipher.version(fresh) < done.version:
        return 0
    told = await tx.execute(
        f"UPDATE {_quoted(column.table)} SET {_quoted(column.name)} = $1 WHERE ctid = $2::text::tid AND {_quoted(column.name)} = $3",
        fresh, row["_ctid"], row["_sealed"],
    )  # fmt: skip
    return int(told.split()[-1])


def _opened(cipher: FieldCipher, column: Column, row: Any, way: _Way | None, wanted: str) -> tuple[_Way, str, bytes] | None:
    """The way that opens the value, the row it is tied to, and what it says; None when nothing opens it."""
    for one in _ways(column, way, wanted):
        plain = _opens(cipher, one, column, row)
        if plain is not None:
            return one, _place(one, row), plain
    return None


def _ways(column: Column, first: _Way | None, wanted: str) -> Iterator[_Way]:
    """What to try: the way that opened the last value of this column, then each column and each pair of them."""
    if first is not None:
        yield first
    groups = (wanted, *(one for one in GROUPS if one != wanted))
    for group in groups:
        for one in column.others:
            yield _Way(group, (one,), "")
    for group in groups:
        for pair in permutations(column.others[:12], 2):
            for joint in (":", ".", ""):
                yield _Way(group, pair, joint)


def _place(way: _Way, row: Any) -> str:
    return way.joint.join(row[one] or "" for one in way.names)


def _opens(cipher: FieldCipher, way: _Way, column: Column, row: Any) -> bytes | None:
    try:
        return cipher.open_bytes(way.group, f"{column.table}.{column.name}", _place(way, row), row["_sealed"])
    except CannotOpen:
        return None


def _as_text(column: Column, name: str) -> str:
    """Bytes as hex digits, everything else as PostgreSQL writes it."""
    text = f"encode({_quoted(name)}, 'hex')" if name in column.as_hex else f"{_quoted(name)}::text"
    return f"{text} AS {_quoted(name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def turn(node: Node) -> None:
    """By the clock and its bell: take keys that another process made, finish what was cut off, renew after 90 days (按时轮换)."""
    node.cipher.refresh()
    async with node.db.transaction() as tx:
        for group in GROUPS:  # the first key's 90 days begin when it is first seen here
            await tx.execute(
                "INSERT INTO key_rotation (group_name, version, ended_at) SELECT $1, $2, now()"
                " WHERE NOT EXISTS (SELECT FROM key_rotation WHERE group_name = $1)",
                group, node.cipher.current(group),
            )  # fmt: skip
        unfinished = await tx.fetch(
            "SELECT group_name, version FROM key_rotation WHERE ended_at IS NULL AND begun_at < now() - $1::interval ORDER BY version",
            CUT_OFF,
        )
        old = await tx.fetch("SELECT group_name FROM key_rotation GROUP BY 1 HAVING max(begun_at) < $1 ORDER BY 1", node.clock.now() - LIFE)
    for row in unfinished:
        await reseal(node, row["group_name"], row["version"])
    for row in old:
        await rotate(node, row["group_name"])
