"""Looking at seals, their uses, and whom to trust (查印章)."""

from __future__ import annotations

import asyncpg

from tongban.kernel.db import Tx
from tongban.seals.errors import NoSeal
from tongban.seals.model import Anchors, Seal, SealUse

_COLUMNS = (
    "id, es_id, org_code, org_name, name, kind, key_name, der, certificate, picture, state, made_at, valid_from, valid_until, "
    "revoked_at, revoke_reason"
)


def _seal(row: asyncpg.Record) -> Seal:
    return Seal(**dict(row))


async def seal(tx: Tx, seal_id: str) -> Seal | None:
    """The seal of that id, or None (一枚印章)."""
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM seal WHERE id = $1", seal_id)
    return _seal(row) if row else None


async def seal_of(tx: Tx, org_code: str, kind: str = "approval") -> Seal:
    """The live seal of a department (部门的印章): one for all its approvals. Raises NoSeal."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM seal WHERE org_code = $1 AND kind = $2 AND state = 'active' ORDER BY made_at DESC LIMIT 1",
        org_code,
        kind,
    )
    if row is None:
        raise NoSeal
    return _seal(row)


async def seals_of(tx: Tx, org_code: str = "") -> tuple[Seal, ...]:
    """All seals kept here, or one department's, newest first (印章清单)."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM seal WHERE $1 = '' OR org_code = $1 ORDER BY state, made_at DESC LIMIT 500", org_code
    )
    return tuple(_seal(row) for row in rows)


async def uses(tx: Tx, seal_id: str, limit: int = 200) -> tuple[SealUse, ...]:
    """The newest uses of a seal (用印记录)."""
    rows = await tx.fetch(
        "SELECT id, seal_id, purpose, about, officer, digest, used_at, leaf FROM seal_use "
        "WHERE seal_id = $1 ORDER BY id DESC LIMIT $2",
        seal_id,
        limit,
    )
    return tuple(SealUse(**dict(row)) for row in rows)


async def anchors(tx: Tx) -> Anchors:
    """What this node trusts when it verifies a document (信任锚): roots and revoked seals of all nodes."""
    roots = await tx.fetch("SELECT certificate FROM seal_anchor ORDER BY node, told_at")
    gone = await tx.fetch("SELECT es_id, min(revoked_at) AS at FROM seal_revoked GROUP BY es_id")
    return Anchors(tuple(row["certificate"] for row in roots), {row["es_id"]: row["at"] for row in gone})
