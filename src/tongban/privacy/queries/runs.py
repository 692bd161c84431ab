"""Runs of the retention clock 到期清理的记录."""

from __future__ import annotations

from tongban.kernel.db import Tx
from tongban.privacy.model.closing import Run


async def runs(tx: Tx, *, most: int = 31) -> tuple[Run, ...]:
    """The last runs, newest first (最近几次)."""
    rows = await tx.fetch("SELECT * FROM retention_day ORDER BY day DESC LIMIT $1", most)
    return tuple(
        Run(
            id=str(row["id"]), day=row["day"], started_at=row["started_at"], ended_at=row["ended_at"], counts=dict(row["counts"]),
            held=dict(row["held"]), leftovers=dict(row["leftovers"]), failed=dict(row["failed"]), leaf=row["leaf"],
        )
        for row in rows
    )  # fmt: skip
