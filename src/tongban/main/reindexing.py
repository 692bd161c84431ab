"""Index-key rotation 索引密钥轮换: numbers and phones stay found at every moment while their marks go over to a new key (R-801, T-46).

Four steps, each taken by the clock or by `tongban keys index`, and taken up again after an interruption by what the tables say:
1 announced: every process searches the new key beside the old; 2 written: half a minute later new rows stand under it, and one
pass after another takes the old rows over; 3 done: no row is left under an older key, the database takes none any more and
nobody searches it; 4 narrowed: after the term of backups the older key is wiped but for the columns that lead on from it.
Source: privacy.md 2, docs/adr/0015.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from tongban import transparency
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import BadKey, CannotOpen, jcs
from tongban.kernel.indexes import Index
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node
from tongban.main import rooms

BELL: Final = "index-keys"
SETTLED: Final = timedelta(seconds=30)
"""How long a step stands before the next builds on it: longer than any statement that was made before it, as token keys do."""
LIFE: Final = timedelta(days=365)
BACKUPS: Final = timedelta(days=35)
"""How long a backup may come back whose rows stand under an older key. Source: privacy.md 4, backups."""
_REST: Final = timedelta(minutes=10)
"""How long to wait before the tables are gone through again when only rows are left that pass by themselves."""
_FENCE: Final = 8011
_BATCH: Final = 200
_STRETCH: Final = 64
"""Pages of a table that are looked through at once."""
_PASSES: Final = 20


class Left(msgspec.Struct, frozen=True):
    """How many rows of one column still stand under an older key, and whether they go over or pass."""

    name: str
    rows: int
    passes: bool


class Standing(msgspec.Struct, frozen=True):
    """Where the rotation stands 轮换状态. `settles` is when the next step may be taken, None when it waits for rows or for nothing."""

    version: int
    step: str
    searched: tuple[int, ...]
    done_rows: int
    failed: int
    left: tuple[Left, ...] = ()
    settles: datetime | None = None

    @property
    def over(self) -> bool:
        """Whether one key alone is in use."""
        return self.step == "done"


async def begin(node: Node) -> int:
    """Announce a new index key (开始轮换); goes on with an unfinished rotation if there is one. The version."""
    await _agree(node)
    async with node.db.transaction() as tx:
        row = await _newest(tx)
        if row["done_at"] is None:
            return int(row["version"])
        version = row["version"] + 1
        keys, before = node.keys.indexes, node.keys.indexes.in_use()
        keys.make(version)
        keys.use(before.write, (*before.search, version))
        await tx.execute("INSERT INTO index_key (version, begun_at) VALUES ($1, $2)", version, node.clock.now())
        await ring(tx, BELL)
    log("main.index_key_begun", version=version)
    return int(version)


async def go_on(node: Node) -> Standing:
    """Take the steps whose time has come (继续轮换). Any number of processes may; each step is taken once."""
    await _agree(node)
    async with node.db.transaction() as tx:
        row, now = await _newest(tx), node.clock.now()
        if row["writing_at"] is None and row["begun_at"] <= now - SETTLED:
            node.keys.indexes.use(row["version"], node.keys.indexes.in_use().search)
            await tx.execute("UPDATE index_key SET writing_at = $2 WHERE version = $1", row["version"], now)
            row = await _newest(tx)
    if row["writing_at"] is not None and row["done_at"] is None and (row["looked_at"] is None or row["looked_at"] <= now - _REST):
        await _take_over(node, row["version"])
        if row["writing_at"] <= now - SETTLED:
            await _put_away(node, row["version"])
    return await standing(node)


async def standing(node: Node) -> Standing:
    """Where it stands now (轮换状态)."""
    await _agree(node)
    async with node.db.transaction() as tx:
        row = await _newest(tx)
        left = () if row["done_at"] is not None else tuple(one for one in await _left(tx, row["version"]) if one.rows)
    step = "done" if row["done_at"] else "written" if row["writing_at"] else "announced"
    since = row["writing_at"] or row["begun_at"]
    return Standing(
        version=row["version"], step=step, searched=node.keys.indexes.in_use().search, done_rows=row["rows_done"], failed=row["rows_failed"],
        left=left, settles=since + SETTLED if step == "announced" or (step == "written" and not left) else None,
    )  # fmt: skip


async def _newest(tx: Tx) -> Any:
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('main.index_keys', 0))")
    return await tx.fetchrow("SELECT * FROM index_key ORDER BY version DESC LIMIT 1")


async def _agree(node: Node) -> None:
    """Let folder and database say the same (对齐): after a start, a step that was cut off, or a database put back from a backup."""
    keys, now = node.keys.indexes, node.clock.now()
    async with node.db.transaction() as tx:
        row, used = await _newest(tx), keys.in_use()
        known = row["version"] if row is not None else 0
        if known < used.write:  # first start, or rows from before came back under keys that were put away since
            await tx.execute(
                "INSERT INTO index_key (version, begun_at, writing_at, done_at) VALUES ($1, $2, $2, $3)", used.write, now, now if used.write == 1 else None
            )
            row = await _newest(tx)
        if row["done_at"] is not None:
            wanted = {row["version"]}
        else:
            closed = await tx.fetchval("SELECT coalesce(max(version), 1) FROM index_key WHERE done_at IS NOT NULL")
            wanted = {one for one in range(closed, row["version"] + 1) if keys.held(one)}
        write = row["version"] if row["writing_at"] is not None else max(used.write, 1)
        if used.write != write or set(used.search) != wanted | {write}:
            keys.use(write, wanted)


async def _take_over(node: Node, version: int) -> None:
    """Pass after pass over all columns until a pass changes nothing (改写旧行)."""
    rows = failed = 0
    for _ in range(_PASSES):
        changed = failed = 0
        for index in rooms.indexes():
            if index.passes is None:
                more, wrong = await _column(node, index)
                changed, failed = changed + more, failed + wrong
        rows += changed
        if not changed:
            break
    async with node.db.transaction() as tx:
        left = [one for one in await _left(tx, version) if one.rows]
        await tx.execute(
            "UPDATE index_key SET rows_done = rows_done + $2, rows_failed = $3, rows_left = $4, looked_at = $5 WHERE version = $1",
            version, rows, failed, sum(one.rows for one in left), node.clock.now() if left and all(one.passes for one in left) else None,
        )  # fmt: skip


async def _column(node: Node, index: Index) -> tuple[int, int]:
    """One pass over one column, a stretch of pages at a time; how many rows went over, and how many did not open.

    Stretches and not an order: sorting what is left for each batch would cost the square of the rows.
    """
    changed = failed = start = 0
    version = node.keys.indexes.in_use().write
    async with node.db.reading() as tx:
        pages: int = await tx.fetchval("SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::int", index.table)
    while start < pages:
        async with node.db.reading() as tx:
            places = await tx.fetchval(
                f"SELECT array_agg(ctid::text) FROM {index.table} WHERE ctid >= $1::text::tid AND ctid < $2::text::tid"
                f" AND {index.column} IS NOT NULL AND mark_version({index.column}) < $3",
                f"({start},0)", f"({start + _STRETCH},0)", version,
            )  # fmt: skip
        for first in range(0, len(places or ()), _BATCH):
            good, bad = await _batch(node, index, places[first : first + _BATCH], version)
            changed, failed = changed + good, failed + bad
        start += _STRETCH
    return changed, failed


async def _batch(node: Node, index: Index, places: list[str], version: int) -> tuple[int, int]:
    """A few rows in one transaction, without waiting for anybody: who is at work on a row has it turned in the next pass."""
    failed, found = 0, []
    columns = ", ".join(dict.fromkeys((index.column, *index.reads)))
    async with node.db.transaction() as tx:
        rows = await tx.fetch(
            f"SELECT ctid::text AS _ctid, {columns} FROM {index.table} WHERE ctid = ANY($1::text[]::tid[]) AND {index.column} IS NOT NULL"
            f" AND mark_version({index.column}) < $2 FOR UPDATE SKIP LOCKED", places, version,
        )  # fmt: skip
        for row in rows:
            try:
                found.append(_Change(row["_ctid"], await _fresh(tx, node, index, row), row[index.column]))
            except (CannotOpen, BadKey) as error:
                failed += 1
                log_failure("main.index_row_failed", error, kind=index.table)
        changed, doubles = await _write(tx, index, [one for one in found if one.fresh != one.mark])
    return changed, failed + doubles


class _Change(msgspec.Struct, frozen=True):
    at: str
    fresh: bytes | None
    mark: bytes


async def _fresh(tx: Tx, node: Node, index: Index, row: Any) -> bytes | None:
    if index.linked is not None:
        return node.cipher.led_on(index.linked(row), row[index.column])
    assert index.fresh is not None
    return await index.fresh(tx, node, row)


async def _write(tx: Tx, index: Index, changes: list[_Change]) -> tuple[int, int]:
    """Write the new marks where the old ones still stand; how many rows changed, and how many a unique constraint refused."""
    if not changes:
        return 0, 0
    try:
        async with tx.transaction():
            told = await tx.execute(
                f"UPDATE {index.table} t SET {index.column} = v.fresh FROM unnest($1::text[]::tid[], $2::bytea[], $3::bytea[]) AS v (at, fresh, mark)"
                f" WHERE t.ctid = v.at AND t.{index.column} = v.mark",
                [one.at for one in changes], [one.fresh for one in changes], [one.mark for one in changes],
            )  # fmt: skip
    except asyncpg.UniqueViolationError as error:
        if len(changes) == 1:  # two rows with one value: left as it is, and said
            log_failure("main.index_row_double", error, kind=index.table)
            return 0, 1
        some = [await _write(tx, index, [one]) for one in changes]
        return sum(one for one, _ in some), sum(one for _, one in some)
    return int(told.split()[-1]), 0


async def _left(tx: Tx, version: int) -> list[Left]:
    """Rows under a key older than `version`, column by column."""
    return [
        Left(f"{one.table}.{one.column}", await tx.fetchval(
            f"SELECT count(*) FROM {one.table} WHERE {one.column} IS NOT NULL AND mark_version({one.column}) < $1", version
        ), one.passes is not None)
        for one in rooms.indexes()
    ]  # fmt: skip


async def _put_away(node: Node, version: int) -> None:
    """No older key is written or searched from now on (停用旧密钥), if really nobody has a row under one: writers are waited for."""
    async with node.db.transaction() as tx:
        row = await _newest(tx)
        if row["version"] != version or row["done_at"] is not None:
            return
        for older in sorted(set(node.keys.indexes.in_use().search) - {version}):
            await tx.execute("SELECT pg_advisory_xact_lock($1, $2)", _FENCE, older)
        if sum(one.rows for one in await _left(tx, version)):
            return
        await tx.execute("UPDATE index_key SET done_at = $2, rows_left = 0 WHERE version = $1", version, node.clock.now())
        await transparency.append(tx, "keys.index_turned", jcs({"v": 1, "version": version, "rows": row["rows_done"], "at": node.clock.ms()}))
    node.keys.indexes.use(version, (version,))
    log("main.index_key_turned", version=version, count=row["rows_done"])


async def narrow(node: Node) -> list[int]:
    """Wipe keys put away longer ago than a backup is kept, but for the columns that lead on from them (销毁旧密钥). Which ones."""
    labels = [label for one in rooms.indexes() if one.linked is not None for label in one.labels]
    done: list[int] = []
    async with node.db.transaction() as tx:
        await _newest(tx)
        rows = await tx.fetch(
            "SELECT version FROM index_key k WHERE version > 1 AND narrowed_at IS NULL"
            " AND EXISTS (SELECT FROM index_key n WHERE n.version > k.version AND n.done_at <= $1) ORDER BY version",
            node.clock.now() - BACKUPS,
        )  # fmt: skip
        for row in rows:
            node.keys.indexes.narrow(row["version"], labels)
            await tx.execute("UPDATE index_key SET narrowed_at = $2 WHERE version = $1", row["version"], node.clock.now())
            await transparency.append(tx, "keys.index_wiped", jcs({"v": 1, "version": row["version"], "at": node.clock.ms()}))
            done.append(row["version"])
    for version in done:
        log("main.index_key_wiped", version=version)
    return done


async def turn(node: Node) -> None:
    """By the clock and its bell: take the next step, wipe what is past, begin again after a year (按时轮换)."""
    found = await go_on(node)
    if not found.over:
        return
    await narrow(node)
    async with node.db.reading() as tx:
        since = await tx.fetchval("SELECT max(begun_at) FROM index_key")
    if since <= node.clock.now() - LIFE:
        await begin(node)
