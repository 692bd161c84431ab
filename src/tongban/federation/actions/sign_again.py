"""Signing again 重签: after a key of this node is revoked, the same heads under its present key (federation.md 3).

Digests do not cover the signature, so chains and ends stand; readers that hold letters as `revoked_key` can take them then.
"""

from __future__ import annotations

import asyncio

from tongban.federation.actions.office import LETTERS_BELL
from tongban.federation.model import Directory
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import Signer, b64, jcs, parse_json
from tongban.kernel.log import log
from tongban.kernel.node import Node

_BATCH = 500


async def sign_again(node: Node, found: Directory, signer: Signer) -> int:
    """Letters and epoch letters of ours that a revoked key signed, signed by the present one (重签); how many."""
    revoked = [entry.kid for entry in found.revoked if entry.kid.startswith(f"{node.id}/") and entry.kid != signer.kid]
    if not revoked:
        return 0
    total = 0
    while True:
        async with node.db.transaction() as tx:
            rows = await tx.fetch("SELECT id, head FROM outbox WHERE kid = ANY($1::text[]) LIMIT $2 FOR UPDATE", revoked, _BATCH)
            fresh = await asyncio.to_thread(_signatures, signer, [row["head"] for row in rows])
            await tx.execute(
                "UPDATE outbox o SET kid = $1, sig = n.sig FROM unnest($2::uuid[], $3::text[]) AS n(id, sig) WHERE o.id = n.id",
                signer.kid, [row["id"] for row in rows], fresh,
            )  # fmt: skip
            if not rows:
                await _epoch_letters(tx, node, signer, revoked)
                break
            await ring(tx, LETTERS_BELL)
        total += len(rows)
    if total:
        log("federation.signed_again", kid=signer.kid, count=total)
    return total


def _signatures(signer: Signer, heads: list[bytes]) -> list[str]:
    return [b64(signer.sign(head)) for head in heads]


async def _epoch_letters(tx: Tx, node: Node, signer: Signer, revoked: list[str]) -> None:
    for row in await tx.fetch("SELECT epoch, previous, signed FROM epoch_letter WHERE origin = $1", node.id):
        whole = parse_json(row["signed"])
        if isinstance(whole, dict) and whole["sig"]["kid"] in revoked:
            told = whole["epoch_letter"]
            sig = {"kid": signer.kid, "value": b64(signer.sign(jcs(told)))}
            await tx.execute(
                "UPDATE epoch_letter SET signed = $4 WHERE origin = $1 AND epoch = $2 AND previous = $3",
                node.id, row["epoch"], row["previous"], jcs({"epoch_letter": told, "sig": sig}),
            )  # fmt: skip
