"""Proposals and notices of staff 提议和通知: what waits for another pair of eyes."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban.identity.model import Proposal, StaffNotice
from tongban.kernel.db import Tx


def proposal_of(row: Any) -> Proposal:
    """A row as a Proposal; the body stays sealed."""
    return msgspec.convert({key: value for key, value in row.items() if key != "body"}, Proposal)


async def proposal(tx: Tx, proposal_id: str, *, lock: bool = False) -> Proposal | None:
    """One proposal; `lock` holds the row for the decision."""
    row = await tx.fetchrow("SELECT * FROM proposal WHERE id = $1" + (" FOR UPDATE" if lock else ""), proposal_id)
    return None if row is None else proposal_of(row)


async def proposals(tx: Tx, *, open_only: bool) -> tuple[Proposal, ...]:
    """The newest proposals: those that wait, or all that were decided (提议清单)."""
    rows = await tx.fetch(
        "SELECT * FROM proposal WHERE (state = 'open') = $1 ORDER BY proposed_at DESC LIMIT 100", open_only
    )
    return tuple(proposal_of(row) for row in rows)


async def notices_of(tx: Tx, staff: str) -> tuple[StaffNotice, ...]:
    """What this member of staff was told, newest first (我的通知)."""
    rows = await tx.fetch("SELECT id, kind, words, link, at, seen_at FROM staff_notice WHERE staff = $1 ORDER BY at DESC, id DESC LIMIT 50", staff)
    return tuple(msgspec.convert(dict(row), StaffNotice) for row in rows)
