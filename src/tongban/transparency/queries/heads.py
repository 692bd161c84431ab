"""Signed heads: this node's, and those of others as witnessed here."""

from __future__ import annotations

from typing import Any

from tongban.kernel.db import Tx
from tongban.kernel.gm import b64
from tongban.transparency.model import Head, Witnessed


async def head(tx: Tx, *, covering: int = 0) -> Head | None:
    """The newest signed head (最新树头) if it covers at least `covering` leaves; None before the first."""
    row = await tx.fetchrow(
        "SELECT size, at_ms, root, kid, key, signature FROM log_head WHERE size >= $1 ORDER BY size DESC, at_ms DESC LIMIT 1",
        covering,
    )
    return None if row is None else as_head(row)


async def heads(tx: Tx, *, limit: int = 20) -> tuple[Head, ...]:
    """The newest signed heads, newest first."""
    rows = await tx.fetch(
        "SELECT size, at_ms, root, kid, key, signature FROM log_head ORDER BY size DESC, at_ms DESC LIMIT $1", limit
    )
    return tuple(as_head(row) for row in rows)


async def witnessed(tx: Tx) -> tuple[Witnessed, ...]:
    """For each other node the largest head that this node has found consistent (已见证的树头)."""
    rows = await tx.fetch(
        "SELECT DISTINCT ON (node) node, state, size, root FROM log_witnessed"
        " WHERE state IN ('first', 'consistent') ORDER BY node, size DESC"
    )
    return tuple(Witnessed(row["node"], row["state"], row["size"], row["root"], row["size"]) for row in rows)


async def forks(tx: Tx) -> tuple[Witnessed, ...]:
    """Every head that contradicts another of the same log (分叉). Must be empty; never deleted."""
    rows = await tx.fetch(
        "SELECT node, state, size, root FROM log_witnessed WHERE state = 'fork' ORDER BY seen_at DESC"
    )
    return tuple(Witnessed(row["node"], row["state"], row["size"], row["root"], row["size"]) for row in rows)


async def signing_name(tx: Tx) -> str:
    """The name of the key that signs heads now: the newest certified one, `s1` before the first certificate."""
    kid = await tx.fetchval("SELECT kid FROM log_certificate ORDER BY since_ms DESC, kid DESC LIMIT 1")
    return "s1" if kid is None else str(kid).partition("/")[2]


def as_head(row: Any) -> Head:
    """A row of log_head as a Head."""
    log = row["kid"].partition("/")[0]
    return Head(log, row["size"], row["at_ms"], row["root"], row["kid"], row["signature"], row["key"])


async def witness_statements(tx: Tx) -> tuple[tuple[dict[str, object], ...], tuple[dict[str, object], ...]]:
    """The heads witnessed here with this node's countersignatures, and the forks, as JSON for outside watchers."""
    rows = await tx.fetch(
        "SELECT DISTINCT ON (node) head, kid, countersignature FROM log_witnessed"
        " WHERE state IN ('first', 'consistent') ORDER BY node, size DESC"
    )
    good = tuple({**row["head"], "witness": {"kid": row["kid"], "value": b64(row["countersignature"])}} for row in rows)
    forked = await tx.fetch("SELECT head FROM log_witnessed WHERE state = 'fork' ORDER BY seen_at DESC LIMIT 100")
    return good, tuple(row["head"] for row in forked)
