"""Passing on 转告: a self-revocation goes from node to node, also when the hub is away (federation.md 3)."""

from __future__ import annotations

from typing import Any

from tongban.federation.actions.directory import take_self_revocation
from tongban.federation.actions.office import DIRECTORY_BELL, office
from tongban.federation.actions.way import NoAnswer, transport
from tongban.federation.errors import CallFailed
from tongban.kernel import jobs
from tongban.kernel.gm import b64, jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node

JOB = "federation.pass_on"


async def hear_revocation(node: Node, raw: bytes) -> bool:
    """Believe a revocation that the key itself signed, and pass it on once (收密钥撤销); False if it is not to be believed."""
    async with node.db.transaction() as tx:
        kid = await take_self_revocation(tx, raw)
        if kid is None:
            known = await tx.fetchval("SELECT EXISTS (SELECT FROM key_revocation WHERE signed = $1)", raw)
            return bool(known)
        await jobs.enqueue(tx, JOB, {"kid": kid})
    node.bell.ring(DIRECTORY_BELL)
    return True


async def revoke_own_key(node: Node, name: str, reason: str) -> int:
    """This node revokes a signing key of its own with the key itself (自行撤销密钥), without the hub; how many nodes heard it.

    There is no way back. Afterwards the node signs with its next key, or must be admitted anew.
    """
    signer = node.keys.signer(name)
    told = {"node": node.id, "kid": signer.kid, "at": node.clock.ms(), "reason": reason[:40]}
    raw = jcs({"revoke": told, "sig": {"kid": signer.kid, "value": b64(signer.sign(jcs(told)))}})
    if not await hear_revocation(node, raw):
        return 0
    return await pass_on(node, {"kid": signer.kid})


async def pass_on(node: Node, payload: dict[str, Any]) -> int:
    """Tell every active node (转告各节点); how many heard it. Those that are away learn it from others, or when they ask again."""
    heard = 0
    found = await office(node).need(node)
    async with node.db.reading() as tx:
        raw = await tx.fetchval("SELECT signed FROM key_revocation WHERE kid = $1", payload["kid"])
    for peer in found.active():
        if peer.id == node.id or raw is None:
            continue
        try:
            await transport(
                node, "POST", peer.base_url, peer.connect, "/federation/revoke",
                headers={"content-type": "application/json"}, body=raw, seconds=3,
            )  # fmt: skip
            heard += 1
        except (NoAnswer, CallFailed) as error:
            log("federation.not_passed_on", peer=peer.id, code=getattr(error, "code", ""))
    return heard


async def pass_on_job(node: Node, payload: dict[str, Any]) -> None:
    """As `pass_on`, from the queue."""
    await pass_on(node, payload)
