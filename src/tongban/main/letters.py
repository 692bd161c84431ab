"""Log heads between nodes 树头互证 (decisions D-2): the log knows no nodes and the post knows no log; they meet here.

`log.head` tells one's own head; `log.witnessed` tells what one has been shown of others, so that two histories meet (T-40);
`log.fork` shows both heads of a log that has two. The call `log.proof` joins two sizes of one's own log, in a signed answer.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tongban import federation, transparency
from tongban.kernel import jobs
from tongban.kernel.db import Tx
from tongban.kernel.gm import Sm2PublicKey, unb64
from tongban.kernel.log import log
from tongban.kernel.node import Node

HEAD, WITNESSED, FORK = ("log.head", 1), ("log.witnessed", 1), ("log.fork", 1)
CLOSE_GAP = "main.close_log_gap"
_MOST = 200


async def on_head(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """Another node's signed head: check that it continues the one we hold, and countersign it (见证树头).

    A head that needs a longer proof is asked for by a job; one that shows two histories is kept and named.
    """
    kid = _kid(letter.body)
    key = await federation.signing_key(tx, kid) if kid.startswith(f"{letter.origin}/") else None
    if key is None:
        raise transparency.HeadRefused("unknown_key")
    seen = await transparency.witness(tx, node, origin=letter.origin, key=key, body=letter.body)
    if seen.state == "gap":
        await _ask(tx, transparency.Gap(letter.origin, seen.size, seen.root, seen.held, letter.origin))


async def on_witnessed(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """What another node has been shown of every log (互相对照).

    Its signature under our own heads is kept for receipts; heads of third nodes are compared with what was shown here. One
    bad statement does not spoil the others.
    """
    statements = letter.body.get("witnessed")
    for body in statements[:_MOST] if isinstance(statements, list) else ():
        try:
            await _compare(tx, node, letter.origin, body)
        except (transparency.HeadRefused, AttributeError, TypeError):
            log("main.statement_refused", origin=letter.origin)


async def on_fork(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """Another node shows two heads of one log (通告两份历史): both signatures are checked here, its word counts for nothing."""
    heads = letter.body.get("heads")
    if not isinstance(heads, list) or len(heads) != 2:
        raise transparency.HeadRefused("not two heads")
    keys = [await federation.signing_key(tx, _kid(one)) for one in heads]
    if not all(keys):
        raise transparency.HeadRefused("unknown_key")
    for gap in await transparency.accused(tx, node, told_by=letter.origin, keys=[one for one in keys if one], heads=heads):
        await _ask(tx, gap)


async def give_proof(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001  open to every node
    """`log.proof {from, to}` → `{proof}`: this log's tree of `to` continues that of `from`. The answer is signed by the post."""
    first, second = body.get("from"), body.get("to")
    if not isinstance(first, int) or not isinstance(second, int):
        raise federation.CallRefused(422, "refused", ("log.sizes",))
    try:
        async with node.db.reading() as tx:
            proof = await transparency.consistency(tx, first, second)
    except transparency.NoSuchProof:
        raise federation.CallRefused(404, "not_found", ("log.no_such_proof",)) from None
    return {"from": first, "to": second, "proof": [transparency.named(one) for one in proof]}


async def _compare(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    log_of = str(body["head"]["log"]) if isinstance(body.get("head"), dict) else ""
    if log_of == node.id:
        kid = str(body["witness"]["kid"])
        found = await _listed_key(tx, origin, kid)
        if found is not None:
            await transparency.take_cosignature(tx, node, witness=origin, key=found[0], certificate=found[1], body=body)
        return
    kid = _kid(body)
    key = await federation.signing_key(tx, kid) if kid.startswith(f"{log_of}/") else None
    if key is None or log_of == origin:
        return
    gap = await transparency.overheard(tx, node, told_by=origin, key=key, body=body)
    if gap is not None:
        await _ask(tx, gap)


async def _listed_key(tx: Tx, origin: str, kid: str) -> tuple[Sm2PublicKey, bytes] | None:
    key = await federation.signing_key(tx, kid) if kid.startswith(f"{origin}/") else None
    listed = (await federation.directory(tx)).node(origin)
    held = next((one for one in listed.keys if one.kid == kid), None) if listed else None
    return (key, unb64(held.cert)) if key is not None and held is not None else None


async def _ask(tx: Tx, gap: transparency.Gap) -> None:
    payload = msgspec.to_builtins(msgspec.structs.replace(gap, root=b"")) | {"root": transparency.named(gap.root)}
    await jobs.enqueue(tx, CLOSE_GAP, payload, once=f"log-gap-{gap.node}-{gap.size}")


def _kid(body: dict[str, Any]) -> str:
    signature = body.get("sig") if isinstance(body, dict) else None
    return str(signature.get("kid", "")) if isinstance(signature, dict) else ""


LETTERS = {HEAD: on_head, WITNESSED: on_witnessed, FORK: on_fork}
CALLS = {"log.proof": give_proof}
