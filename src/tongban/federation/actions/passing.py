"""Passing on 转告: a self-revocation goes from node to node, also when the hub is away (federation.md 3)."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban.federation.actions.directory import issue, take_self_revocation
from tongban.federation.actions.office import BEHIND_BELL, DIRECTORY_BELL, office
from tongban.federation.actions.way import NoAnswer, transport
from tongban.federation.errors import CallFailed
from tongban.federation.model import Directory, ListedNode, Revoked
from tongban.federation.queries.directory import unlisted_revocations
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
    node.bell.ring(BEHIND_BELL)  # the hub lists it at once
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
    """Tell every active node (转告各节点); how many heard it. Those that are away learn it from the hub's next directory."""
    heard = 0
    found = await office(node).need(node)
    async with node.db.reading() as tx:
        raw = await tx.fetchval("SELECT signed FROM key_revocation WHERE kid = $1", payload["kid"])
    for peer in found.active():
        if peer.id == node.id or raw is None:
            continue
        heard += await _tell(node, peer, raw)
    return heard


async def _tell(node: Node, peer: ListedNode, raw: bytes) -> bool:
    try:
        status, _, _ = await transport(
            node, "POST", peer.base_url, peer.connect, "/federation/revoke",
            headers={"content-type": "application/json"}, body=raw, seconds=3,
        )  # fmt: skip
    except (NoAnswer, CallFailed) as error:
        log("federation.not_passed_on", peer=peer.id, code=getattr(error, "code", ""))
        return False
    return status == 200


async def have_listed(node: Node) -> int:
    """See that every self-revocation heard here stands in the hub's directory (列入目录): whoever was away then learns it so; how many did not.

    The hub writes the next directory; another node tells the hub, again and again until the directory says it: the hub may have been away.
    """
    found = await office(node).look(node)
    if found is None:
        return 0
    async with node.db.reading() as tx:
        rows = await unlisted_revocations(tx)
    hub = found.node(found.hub)
    if rows and node.id == found.hub:

        def change(before: Directory) -> Directory:
            listed = {one.kid for one in before.revoked}
            fresh = [Revoked(row["kid"], row["at"], row["reason"]) for row in rows if row["kid"] not in listed]
            return msgspec.structs.replace(before, revoked=(*before.revoked, *fresh))

        async with node.db.transaction() as tx:
            await issue(tx, node, change)
        node.bell.ring(DIRECTORY_BELL)
    elif hub is not None:
        for row in rows:
            await _tell(node, hub, row["signed"])
    return len(rows)


async def pass_on_job(node: Node, payload: dict[str, Any]) -> None:
    """As `pass_on`, from the queue."""
    await pass_on(node, payload)
