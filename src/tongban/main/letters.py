"""Log heads between nodes 树头互证 (decisions D-2): the log knows no nodes and the post knows no log; they meet here."""

from __future__ import annotations

from tongban import federation, transparency
from tongban.kernel import jobs
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

HEAD = ("log.head", 1)


async def on_head(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """Another node's signed head: check that it continues the one we hold, and countersign it (见证树头).

    A head that needs a longer proof is asked for by a job; one that shows two histories is kept and named.
    """
    signature = letter.body.get("sig")
    kid = str(signature.get("kid", "")) if isinstance(signature, dict) else ""
    key = await federation.signing_key(tx, kid) if kid.startswith(f"{letter.origin}/") else None
    if key is None:
        raise transparency.HeadRefused("unknown_key")
    seen = await transparency.witness(tx, node, origin=letter.origin, key=key, body=letter.body)
    if seen.state == "gap":
        await jobs.enqueue(
            tx, "main.close_log_gap", {"origin": letter.origin, "kid": kid, "held": seen.held, "size": seen.size, "body": letter.body},
            once=f"log-gap-{letter.origin}",
        )  # fmt: skip


LETTERS = {HEAD: on_head}
