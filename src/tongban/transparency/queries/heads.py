"""Signed heads: this node's, and those of others as witnessed here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tongban.kernel.db import Tx
from tongban.kernel.gm import b64, unb64
from tongban.transparency.model import CoSignature, Fork, Head, Witnessed, unnamed


async def head(tx: Tx, *, covering: int = 0) -> Head | None:
    """The newest signed head (最新树头) if it covers at least `covering` leaves; None before the first."""
    row = await tx.fetchrow(
        "SELECT size, at_ms, root, kid, key, signature FROM log_head WHERE size >= $1 ORDER BY size DESC, at_ms DESC LIMIT 1",
        covering,
    )
    return None if row is None else as_head(row)


async def root(tx: Tx) -> bytes | None:
    """The hub's root certificate (根证书), DER: it judges the receipts of every node; None before this node was admitted."""
    return await tx.fetchval("SELECT anchor FROM log_certificate ORDER BY since_ms DESC LIMIT 1")  # type: ignore[no-any-return]


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


async def fork_list(tx: Tx, *, untold: bool = False, own: str = "") -> tuple[Fork, ...]:
    """Every log known to have two histories, with both heads, newest first (点名); `untold`: those nobody was told of yet.

    `own`: the log of this node, which cannot join what it lost to what it kept: its own restore explains that, to itself alone.
    """
    rows = await tx.fetch(
        "SELECT f.*, coalesce((SELECT max(r.at_ms) FROM log_restore r WHERE r.node = f.node"
        " AND r.at_ms > least((f.first#>>'{head,at}')::bigint, (f.second#>>'{head,at}')::bigint)"
        " AND r.at_ms <= greatest((f.first#>>'{head,at}')::bigint, (f.second#>>'{head,at}')::bigint)),"
        " (SELECT min(r.at_ms) FROM log_restore r WHERE r.node = f.node AND f.node = $2 AND f.way = 'no_proof'"
        " AND r.at_ms > greatest((f.first#>>'{head,at}')::bigint, (f.second#>>'{head,at}')::bigint))) AS restored_ms"
        " FROM log_fork f WHERE NOT $1 OR told_at IS NULL ORDER BY found_at DESC, mark LIMIT 100", untold, own
    )
    return tuple(
        Fork(
            row["node"], row["mark"], row["way"], _head_of(row["first"]), _head_of(row["second"]), row["first_from"], row["second_from"],
            row["found_at"], row["told_at"], row["seen_by"], row["restored_ms"],
        )
        for row in rows
    )  # fmt: skip


async def unproved(tx: Tx, *, since: datetime) -> tuple[Witnessed, ...]:
    """Heads that their node has not joined to what is held here for long (一直没给证明): wanted before `since`, still open."""
    rows = await tx.fetch(
        "SELECT node, state, size, root FROM log_witnessed WHERE state = 'gap' AND seen_at < $1 ORDER BY node, size DESC LIMIT 100", since
    )
    return tuple(Witnessed(row["node"], row["state"], row["size"], row["root"], row["size"]) for row in rows)


async def cosigners(tx: Tx) -> tuple[tuple[str, int, int], ...]:
    """Who has co-signed this node's heads (联署方): (node, largest size, when that head was signed, Unix ms)."""
    rows = await tx.fetch("SELECT DISTINCT ON (witness) witness, size, at_ms FROM log_cosignature ORDER BY witness, size DESC")
    return tuple((row["witness"], row["size"], row["at_ms"]) for row in rows)


async def cosigned(tx: Tx, *, covering: int) -> tuple[Head, tuple[CoSignature, ...]] | None:
    """Of the newest co-signed heads that cover so many leaves the one most nodes have signed (联署树头), or None."""
    size = await tx.fetchval(
        "SELECT size FROM (SELECT size, witness FROM log_cosignature WHERE size >= $1 ORDER BY size DESC LIMIT 200) AS newest"
        " GROUP BY size ORDER BY count(*) DESC, size DESC LIMIT 1",
        covering,
    )
    if size is None:
        return None
    rows = await tx.fetch(
        "SELECT c.witness, c.kid, c.key, c.certificate, c.signature, h.at_ms FROM log_cosignature c"
        " JOIN log_head h ON h.size = c.size AND h.at_ms = c.at_ms AND h.root = c.root WHERE c.size = $1 ORDER BY h.at_ms DESC, c.witness",
        size,
    )
    if not rows:
        return None
    head = await tx.fetchrow("SELECT size, at_ms, root, kid, key, signature FROM log_head WHERE size = $1 AND at_ms = $2", size, rows[0]["at_ms"])
    found = (
        CoSignature(row["witness"], row["kid"], row["key"], row["certificate"], row["signature"])
        for row in rows if row["at_ms"] == rows[0]["at_ms"]
    )  # fmt: skip
    return as_head(head), tuple(found)


def _head_of(body: dict[str, Any]) -> Head:
    signed, sig = body["head"], body["sig"]
    return Head(signed["log"], signed["size"], signed["at"], unnamed(signed["root"]), sig["kid"], unb64(sig["value"]))


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
