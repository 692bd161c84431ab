"""Removing copies whose time is over 到点删除副本: files after 24 hours, parts nobody fetched, rows of long ago."""

from __future__ import annotations

from datetime import timedelta

from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.privacy.actions.desk import forget_papers
from tongban.privacy.actions.pieces import drop_pieces
from tongban.privacy.rules.limits import COPIES


async def tidy(node: Node) -> None:
    """End what is over (清理), and give the space of removed pieces back, so that nothing of them stays in the table's file."""
    now = node.clock.now()
    async with node.db.transaction() as tx:
        over = await tx.fetch(
            "UPDATE copy_request SET state = 'expired', word = NULL WHERE state = 'ready' AND ends_at <= $1 RETURNING subject, id", now
        )
        shares = await tx.fetch("DELETE FROM copy_share WHERE ends_at <= $1 RETURNING subject, request AS id", now)
        for row in (*over, *shares):
            await drop_pieces(tx, row["subject"], str(row["id"]))
        # what a process that was killed while it removed or made something has left behind
        await tx.execute(
            "DELETE FROM copy_chunk c WHERE NOT EXISTS (SELECT FROM copy_request r WHERE r.id = c.request AND r.state IN ('gathering', 'ready'))"
            " AND NOT EXISTS (SELECT FROM copy_share s WHERE s.request = c.request)"
        )
        old = now - timedelta(days=COPIES.history_days)
        await tx.execute("DELETE FROM copy_part p USING copy_request r WHERE r.subject = p.subject AND r.id = p.request AND r.asked_at < $1", old)
        await tx.execute("DELETE FROM copy_request WHERE asked_at < $1 AND state NOT IN ('gathering', 'ready')", old)
        await forget_papers(tx, node)
    if over or shares:
        log("privacy.copies_removed", count=len(over) + len(shares))
    async with node.db.alone() as tx:
        if await tx.fetchval("SELECT pg_relation_size(reltoastrelid) > 0 AND NOT EXISTS (SELECT FROM copy_chunk) FROM pg_class WHERE oid = 'copy_chunk'::regclass"):
            await tx.execute("VACUUM (TRUNCATE) copy_chunk")
