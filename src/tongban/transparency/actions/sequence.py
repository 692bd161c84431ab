"""Leaves get their places, and the tree its signed heads."""

from __future__ import annotations

from typing import Final

from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs
from tongban.kernel.node import Node
from tongban.transparency.model import Head, entry
from tongban.transparency.queries import head as newest_head
from tongban.transparency.queries import prove, signing_name
from tongban.transparency.rules import fold, frontier, grow, leaf_hash

BATCH: Final = 10_000


async def sequence(tx: Tx, *, limit: int = BATCH) -> int:
    """Gives up to `limit` committed leaves their places in the tree (入树); how many it were.

    One at a time by the lock on `log_tree`; places, hashes and size change together or not at all.
    """
    size: int = await tx.fetchval("SELECT size FROM log_tree FOR UPDATE")
    rows = await tx.fetch(
        "WITH taken AS (DELETE FROM log_pending WHERE leaf_id IN (SELECT leaf_id FROM log_pending ORDER BY leaf_id LIMIT $1)"
        " RETURNING leaf_id) SELECT l.id, l.kind, l.at_ms, l.commitment FROM taken t JOIN log_leaf l ON l.id = t.leaf_id ORDER BY l.id",
        limit,
    )
    if not rows:
        return 0
    places = frontier(size)
    edge = dict(zip([level for level, _ in places], await prove(tx, [_leaves(place) for place in places]), strict=True))
    leaves = [leaf_hash(entry(*row)) for row in rows]  # id, kind, at_ms, commitment
    made = list(grow(size, edge, leaves))
    ids = [row["id"] for row in rows]
    await tx.copy_records_to_table("log_node", columns=("level", "index", "hash"), records=made)
    await tx.execute(
        "INSERT INTO log_entry (index, leaf_id) SELECT $1 + place - 1, id FROM unnest($2::uuid[]) WITH ORDINALITY AS u (id, place)",
        size,
        ids,
    )
    await tx.execute("UPDATE log_tree SET size = $1", size + len(rows))
    return len(rows)


def _leaves(place: tuple[int, int]) -> tuple[int, int]:
    """The range of leaves under a complete subtree."""
    level, index = place
    return index << level, (index + 1) << level


async def sign_head(tx: Tx, node: Node, *, anew_after_ms: int = 3_600_000) -> Head | None:
    """Signs the tree as it is (签发树头) if it grew since the last head, or the last is an hour old; else None.

    The row lock makes sure that no two heads of different trees are signed at once. A clock that was set back never
    makes a head older than the one before.
    """
    size: int = await tx.fetchval("SELECT size FROM log_tree FOR UPDATE")
    last, now = await newest_head(tx), node.clock.ms()
    if last is not None and last.size == size and now - last.at_ms < anew_after_ms:
        return None
    root = fold(await prove(tx, [_leaves(place) for place in frontier(size)]))
    signer = node.keys.signer(await signing_name(tx))
    at_ms = max(now, last.at_ms + 1) if last is not None else now
    unsigned = Head(node.keys.node, size, at_ms, root, signer.kid, b"")
    head = Head(unsigned.log, size, at_ms, root, signer.kid, signer.sign(jcs(unsigned.signed)), signer.public.spki)
    await tx.execute(
        "INSERT INTO log_head (size, at_ms, root, kid, key, signature) VALUES ($1, $2, $3, $4, $5, $6)",
        head.size,
        head.at_ms,
        head.root,
        head.kid,
        head.key,
        head.signature,
    )
    return head


async def certify(tx: Tx, *, kid: str, certificate: bytes, anchor: bytes, since_ms: int) -> None:
    """Tells the log which certificate a signing key of this node has (登记签名证书); the newest signs from now on.

    `certificate` and `anchor` (the hub root) are DER. Called when a certificate is received; again changes nothing.
    """
    await tx.execute(
        "INSERT INTO log_certificate (kid, certificate, anchor, since_ms) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (kid) DO UPDATE SET certificate = $2, anchor = $3, since_ms = $4",
        kid,
        certificate,
        anchor,
        since_ms,
    )
