"""Time and chance tidy up (清理): uploads nobody uses, ciphertext without a row, exports of what was handed over (privacy.md 4)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from tongban import transparency
from tongban.evidence import queries
from tongban.evidence.actions.materials import DROP
from tongban.evidence.rules.limits import LIMITS
from tongban.kernel import jobs
from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node

UNUSED = (
    "origin = 'upload' AND made_at < $1 AND NOT EXISTS"
    " (SELECT FROM material_use u WHERE u.subject = material.subject AND u.material = material.id)"
)


async def retain(node: Node) -> int:
    """Delete uploads no case has used for a year (到期删除), with their count in the log; how many."""
    before = node.clock.now() - timedelta(days=LIMITS.unused_days)
    async with node.db.transaction() as tx:
        gone = await end_unused(tx, node, before)
        if gone:
            await transparency.append(tx, "evidence.retained", jcs({"uploads": gone, "day": str(node.clock.today()), "v": 1}))
    return gone


async def end_unused(tx: Tx, node: Node, before: datetime) -> int:  # noqa: ARG001  the shape of an Ender
    """Delete uploads older than that which nothing uses, with their ciphertext by jobs (删没用过的); how many."""
    gone = await tx.fetch(f"DELETE FROM material WHERE {UNUSED} AND NOT on_hold(subject, '') RETURNING address", before)
    for row in gone:
        await jobs.enqueue(tx, DROP, {"address": row["address"]})
    if gone:
        log("evidence.retained", count=len(gone))
    return len(gone)


async def sweep(node: Node) -> int:
    """Remove ciphertext that no row names (清扫孤儿): of a rollback, a kill between file and row, a write that was cut off; how many.

    Only what is a day old: a file is written before its row commits.
    """
    before = node.clock.now() - timedelta(hours=LIMITS.orphan_hours)
    found = await asyncio.to_thread(_old, node, before)
    gone = 0
    for start in range(0, len(found), 500):
        part = found[start : start + 500]
        async with node.db.reading() as tx:
            rows = await tx.fetch(
                "SELECT address FROM material WHERE address = ANY($1::text[]) UNION SELECT address FROM archive WHERE address = ANY($1::text[])",
                [address for address, _ in part if address],
            )
        named = {row["address"] for row in rows}
        for address, path in part:
            if address not in named:
                await asyncio.to_thread(queries.content_store(node).sweep, path)
                gone += 1
    gone += await asyncio.to_thread(_begun, node, before)
    if gone:
        log("evidence.swept", count=gone)
    return gone


def _begun(node: Node, before: datetime) -> int:
    """Beginnings of files from other nodes that nobody goes on with (没收全的文件); how many."""
    count, folder = 0, queries.content_store(node).incoming
    for one in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):
            if datetime.fromtimestamp(one.stat().st_mtime, UTC) < before:
                one.unlink()
                count += 1
    return count


async def tidy(node: Node) -> None:
    """Both, once a day (每日清理)."""
    await retain(node)
    await sweep(node)


def _old(node: Node, before: datetime) -> list[tuple[str, str]]:
    return [(one.address, one.path) for one in queries.content_store(node).listed() if one.at < before]
