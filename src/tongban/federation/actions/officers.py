"""What takes two officers 两人决定: revoking a key, a node's status, opening the doors before a recovery is complete, loading a snapshot.

One asks with a reason, another agrees or refuses; what is decided happens in that same transaction, with a leaf (federation.md 3, 6.2).
"""

from __future__ import annotations

from typing import Final

import msgspec

from tongban import transparency
from tongban.federation.actions.directory import issue, set_status
from tongban.federation.actions.office import RECOVERY_BELL, area, office
from tongban.federation.model import Directory, Revoked
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import Refusal
from tongban.kernel.gm import jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

ROLES: Final = {"revoke_key": "federation.revoke", "node_status": "federation.revoke", "open_doors": "federation.operate", "load_snapshot": "federation.operate"}
STATUSES: Final = ("active", "suspended", "leaving", "gone")
_SHORTEST: Final = 4


async def propose(tx: Tx, node: Node, actor: Actor, kind: str, about: str, reason: str, value: str = "") -> Refusal | None:
    """The first officer asks (提出): `about` is a key id, a node id, or the recovery. Raises NotAllowed without the role."""
    actor.require_may(ROLES[kind], division=area(node))
    if len(reason.strip()) < _SHORTEST:
        return Refusal("federation.reason_missing", "请写明原因，至少 4 个字", "reason")
    wrong = await _wrong(tx, node, kind, about, value)
    if wrong is not None:
        return wrong
    if await tx.fetchval(
        "SELECT EXISTS (SELECT FROM node_proposal WHERE kind = $1 AND about = $2 AND decided_at IS NULL)", kind, about
    ):
        return Refusal("federation.asked_already", "这件事已经有人提出，等另一位同事决定")
    await tx.execute(
        "INSERT INTO node_proposal (id, kind, about, value, reason, asked_by) VALUES ($1, $2, $3, $4, $5, $6)",
        uuid7(), kind, about, value, reason.strip()[:200], actor.staff_id,
    )  # fmt: skip
    return None


async def _wrong(tx: Tx, node: Node, kind: str, about: str, value: str) -> Refusal | None:
    found = await office(node).need(node)
    if kind == "open_doors":
        waits = await tx.fetchval("SELECT EXISTS (SELECT FROM node_recovery WHERE id::text = $1 AND ended_at IS NULL)", about)
        return None if waits else Refusal("federation.not_recovering", "现在没有在恢复")
    if kind == "load_snapshot":
        stopped = await tx.fetchrow("SELECT stopped FROM letter_cursor WHERE origin = $1", about)
        if about == node.id or found.node(about) is None or stopped is None:
            return Refusal("federation.origin_unknown", "目录里没有这个节点，或者还没有收过它的信，请核对编号", "node")
        if stopped["stopped"] in ("fork", "rolled_back"):
            return Refusal("federation.snapshot_covers", "它的历史对不上，快照盖不过去：先在“断点”里报告对方", "node")
        return None
    if node.id != found.hub:
        return Refusal("federation.hub_only", "只有枢纽能做这件事；本节点自己的密钥可以用命令自行撤销")
    if kind == "revoke_key":
        listed = found.listed_key(about)
        if listed is None:
            return Refusal("federation.key_unknown", "目录里没有这把密钥，请核对编号", "kid")
        return None if found.revoked_since(about) is None else Refusal("federation.key_revoked", "这把密钥已经撤销", "kid")
    if found.node(about) is None or value not in STATUSES or about == found.hub:
        return Refusal("federation.status", "请选目录里的节点和它的新状态", "node")
    return None


async def decide(tx: Tx, node: Node, actor: Actor, proposal: str, *, agree: bool) -> Refusal | None:
    """The second officer agrees and it is done, or refuses (决定); the one who asked may only take it back."""
    row = await tx.fetchrow("SELECT * FROM node_proposal WHERE id::text = $1 AND decided_at IS NULL FOR UPDATE", proposal)
    if row is None:
        return Refusal("federation.decided_already", "这件事已经决定过了")
    actor.require_may(ROLES[row["kind"]], division=area(node))
    if agree and row["asked_by"] == actor.staff_id:
        return Refusal("federation.same_officer", "要两个人：请另一位同事决定")
    if agree:
        wrong = await _wrong(tx, node, row["kind"], row["about"], row["value"])
        if wrong is not None:
            return wrong
    await tx.execute(
        "UPDATE node_proposal SET decided_by = $2, decided_at = now(), agreed = $3 WHERE id = $1", row["id"], actor.staff_id, agree
    )
    if not agree:
        return None
    officers = sorted([row["asked_by"], actor.staff_id])
    if row["kind"] == "revoke_key":
        await revoke(tx, node, row["about"], "compromise")
    elif row["kind"] == "node_status":
        await set_status(tx, node, row["about"], row["value"])
    elif row["kind"] == "open_doors":
        await tx.execute("UPDATE node_recovery SET decided_by = $2 WHERE id::text = $1", row["about"], officers)
        await ring(tx, RECOVERY_BELL)
    fact = {"kind": row["kind"], "about": row["about"], "value": row["value"], "officers": officers, "reason": row["reason"]}
    await transparency.append(tx, f"federation.{row['kind']}", jcs(fact))
    return None


async def revoke(tx: Tx, node: Node, kid: str, reason: str) -> Directory:
    """Emergency revocation at the hub 紧急撤销密钥: the directory, the letter and the CRL go out together."""
    entry = Revoked(kid, node.clock.ms(), reason)

    def change(found: Directory) -> Directory:
        return msgspec.structs.replace(found, revoked=(*found.revoked, entry))

    return await issue(tx, node, change)
