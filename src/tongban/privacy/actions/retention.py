"""The retention clock 到期清理 (privacy.md 4, R-804): every table's rows past their term go, counted, with one leaf a run.

Table by table, in batches of one transaction each that count themselves into the run's row: cut off anywhere, the next turn
goes on with the same run. What is under legal hold stays and is counted; what should be gone and is not is an alert.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tongban import identity, transparency
from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs
from tongban.kernel.holdings import Holding, Term
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node
from tongban.privacy.actions import holds as hold_verbs
from tongban.privacy.queries.holds import not_held
from tongban.privacy.queries.known import holdings
from tongban.privacy.rules.times import times

SEE = "privacy.retention_see"
_MOST_CALLS = 10_000


class HeldRowsEnded(Exception):
    """An `end` of a room took rows that a legal hold keeps: its transaction is undone."""


async def run(node: Node) -> None:
    """The clock: the run of today, begun or gone on with; nothing when it is through 每天一次."""
    async with node.db.transaction() as tx:
        await hold_verbs.end_due(tx, node)
        found = await _begin(tx, node)
    if found is None:
        return
    for one in holdings():
        if one.term is not None:
            await _table(node, found, one, one.term)
    await _finish(node, found)


async def _begin(tx: Tx, node: Node) -> str | None:
    today = node.clock.today()
    row = await tx.fetchrow(
        "INSERT INTO retention_day (id, day, started_at) VALUES ($1, $2, $3) ON CONFLICT (day) DO UPDATE SET day = excluded.day"
        " RETURNING id, ended_at", uuid7(), today, node.clock.now(),
    )  # fmt: skip
    return None if row is None or row["ended_at"] is not None else str(row["id"])


async def _table(node: Node, run_id: str, one: Holding, term: Term) -> None:
    """End one table's rows, and count what is held and what is left over. A table that fails does not hold up the others."""
    try:
        for _ in range(_MOST_CALLS):
            if not await _batch(node, run_id, one.table, term):
                break
        await _count_rest(node, run_id, one.table, term)
    except Exception as error:  # noqa: BLE001  whatever a room's statement met, the other tables go on; it is logged and told
        log_failure("privacy.retention_failed", error, kind=one.table)
        async with node.db.transaction() as tx:
            await _note(tx, run_id, "failed", one.table, type(error).__name__)


async def _batch(node: Node, run_id: str, table: str, term: Term) -> int:
    before, limit = node.clock.now() - term.kept, times().retention.batch
    async with node.db.transaction() as tx:
        await tx.fetchval("SELECT id FROM retention_day WHERE id = $1 FOR UPDATE", run_id)  # two processes take turns
        await tx.execute("SET LOCAL tongban.retention = 'on'")
        gone = await _ended(tx, node, table, term, before) if term.end else await _deleted(tx, table, term, before, limit)
        if gone:
            await tx.execute(
                "UPDATE retention_day SET counts = counts || jsonb_build_object($2::text, coalesce((counts->>$2)::bigint, 0) + $3) WHERE id = $1",
                run_id, table, gone,
            )  # fmt: skip
    return gone


async def _deleted(tx: Tx, table: str, term: Term, before: datetime, limit: int) -> int:
    # written by the rooms, never by a person: table, condition and columns are code
    rows = await tx.fetch(
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE ({term.past}) AND {not_held(term)}"
        f" LIMIT {limit} FOR UPDATE SKIP LOCKED)) RETURNING 1", before,
    )  # fmt: skip
    return len(rows)


async def _ended(tx: Tx, node: Node, table: str, term: Term, before: datetime) -> int:
    assert term.end is not None
    held = await _held(tx, table, term, before)
    gone = await term.end(tx, node, before)
    if await _held(tx, table, term, before) < held:
        raise HeldRowsEnded
    return gone


async def _held(tx: Tx, table: str, term: Term, before: datetime) -> int:
    if not term.subject and not term.case:
        return 0
    return int(await tx.fetchval(f"SELECT count(*) FROM {table} WHERE ({term.past}) AND NOT ({not_held(term)})", before))


async def _count_rest(node: Node, run_id: str, table: str, term: Term) -> None:
    now = node.clock.now()
    async with node.db.transaction() as tx:
        held = await _held(tx, table, term, now - term.kept)
        late = now - term.kept - timedelta(days=times().retention.grace_days)
        left = int(await tx.fetchval(f"SELECT count(*) FROM {table} WHERE ({term.past}) AND {not_held(term)}", late))
        if held:
            await _note(tx, run_id, "held", table, held)
        if left:
            await _note(tx, run_id, "leftovers", table, left)


async def _note(tx: Tx, run_id: str, column: str, table: str, value: int | str) -> None:
    await tx.execute(f"UPDATE retention_day SET {column} = {column} || $2::jsonb WHERE id = $1", run_id, {table: value})


async def _finish(node: Node, run_id: str) -> None:
    """The run is through: its leaf with the counts, the alert if something is left over, and the run's own old rows."""
    now = node.clock.now()
    async with node.db.transaction() as tx:
        row = await tx.fetchrow("SELECT * FROM retention_day WHERE id = $1 AND ended_at IS NULL FOR UPDATE", run_id)
        if row is None:
            return
        fact = {"run": run_id, "day": row["day"].isoformat(), "counts": row["counts"], "held": row["held"], "leftovers": row["leftovers"], "v": 1}
        leaf = await transparency.append(tx, "privacy.retained", jcs(fact))
        await tx.execute("UPDATE retention_day SET ended_at = $2, leaf = $3 WHERE id = $1", run_id, now, transparency.named(leaf.commitment))
        count = sum(row["counts"].values())
        left, failed = sum(row["leftovers"].values()), len(row["failed"])
        if left or failed:
            log("privacy.retention_leftovers", count=left, attempts=failed)
            words = f"到期清理：{left} 条该删没删，{failed} 张表没清完" if failed else f"到期清理：{left} 条该删没删"
            await identity.tell_holders(
                tx, node, action=SEE, division=hold_verbs.division_of(node), kind="alert.retention", words=words, link="/staff/retention"
            )
        await _own(tx, node)
    log("privacy.retained", count=count)


async def _own(tx: Tx, node: Node) -> None:
    """Pages of receipts whose year is over, and old runs: they name nobody, so no holding lists them."""
    now, kept = node.clock.now(), timedelta(days=times().retention.runs_kept_days)
    gone = await tx.fetch("DELETE FROM closing_page WHERE until < $1 RETURNING id", now)
    await tx.execute("DELETE FROM closing_receipt WHERE closing = ANY($1::uuid[])", [row["id"] for row in gone])
    await tx.execute("DELETE FROM left_behind WHERE done_at < $1", now - kept)
    await tx.execute("DELETE FROM retention_day WHERE started_at < $1", now - kept)
