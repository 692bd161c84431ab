"""Case numbers (办件编号, D-8): made on the applicant's node from blocks, so that submissions do not wait for one row."""

from __future__ import annotations

import asyncio
from datetime import date

from tongban.kernel.ids import CaseNumber
from tongban.kernel.node import Node

BLOCK = 20
_TAKEN: dict[tuple[str, date], tuple[int, int]] = {}
_LOCKS: dict[str, asyncio.Lock] = {}


async def reserve(node: Node) -> str:
    """A number nobody else gets (取号): 22 digits. Numbers may be skipped, never used twice, also not after a crash.

    Taken before the business transaction opens; a block is taken in a transaction of its own.
    """
    day = node.clock.today()
    lock = _LOCKS.setdefault(node.db.url, asyncio.Lock())
    async with lock:
        here, end = _TAKEN.get((node.db.url, day), (0, 0))
        if here >= end:
            async with node.db.transaction() as tx:
                end = await tx.fetchval(
                    "INSERT INTO case_number_block (day, next) VALUES ($1, 1 + $2)"
                    " ON CONFLICT (day) DO UPDATE SET next = case_number_block.next + $2 RETURNING next",
                    day,
                    BLOCK,
                )
            here = end - BLOCK
        _TAKEN[node.db.url, day] = (here + 1, end)
        for old in [key for key in _TAKEN if key[0] == node.db.url and key[1] < day]:
            del _TAKEN[old]
    return CaseNumber.make(_division(node), day, here).value


def _division(node: Node) -> str:
    """Six digits for this node: its own id where that is a division, else the nation's."""
    return node.id if len(node.id) == 6 and node.id.isdigit() else "000000"
