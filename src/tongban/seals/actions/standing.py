"""Suspending, resuming, losing and revoking a seal (停用、恢复、报失、注销), and telling every node at once."""

from __future__ import annotations

from datetime import datetime

from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.seals.actions.noted import noted, officer
from tongban.seals.actions.trust import tell
from tongban.seals.errors import FourEyes, Over
from tongban.seals.model import Seal
from tongban.seals.queries import seal as find
from tongban.seals.rules.rights import allowed_for, require_for


async def suspend(tx: Tx, node: Node, actor: Actor, seal_id: str, reason: str) -> Seal:
    """Stop a seal for the time being (停用), by its keeper or whoever holds `seals.suspend`. Raises NotAllowed, Over."""
    found = await _locked(tx, seal_id)
    if not (found.keeper == officer(actor) and allowed_for(node, actor, "seals.keep", found.org_code)):
        require_for(node, actor, "seals.suspend", found.org_code)
    if found.state != "active":
        raise Over
    now = _whole(node)
    await tx.execute(
        "UPDATE seal SET state = 'suspended', suspended_at = $3, suspended_by = $4 WHERE org_code = $1 AND id = $2",
        found.org_code, seal_id, now, officer(actor),
    )  # fmt: skip
    await tx.execute("INSERT INTO seal_status (node, es_id, begins, state) VALUES ($1,$2,$3,'suspended')", node.id, found.es_id, now)
    await noted(tx, node, actor, seal_id, "suspended", reason.strip(), es_id=found.es_id, at=_ms(now))
    await tell(tx, node, found.es_id)
    return await _again(tx, seal_id)


async def resume(tx: Tx, node: Node, actor: Actor, seal_id: str, reason: str) -> Seal:
    """Let a suspended seal be used again (恢复), by another officer than who stopped it. Raises NotAllowed, FourEyes, Over."""
    found = await _locked(tx, seal_id)
    require_for(node, actor, "seals.suspend", found.org_code)
    if found.state != "suspended":
        raise Over
    if found.suspended_by == officer(actor):
        raise FourEyes("谁停用的，要由另一位同事恢复")
    now = _whole(node)
    await tx.execute(
        "UPDATE seal SET state = 'active', suspended_at = NULL, suspended_by = '' WHERE org_code = $1 AND id = $2",
        found.org_code, seal_id,
    )  # fmt: skip
    await _end_suspension(tx, node, found, now)
    await noted(tx, node, actor, seal_id, "resumed", reason.strip(), es_id=found.es_id, at=_ms(now))
    await tell(tx, node, found.es_id)
    return await _again(tx, seal_id)


async def lose(tx: Tx, node: Node, actor: Actor, seal_id: str, since: datetime, reason: str) -> Seal:
    """Report the key of a seal lost or stolen since `since` (报失), by its keeper or whoever holds `seals.revoke`.

    It ends at once and for ever; a document without a time stamp from before counts no more anywhere. Raises NotAllowed, Over.
    """
    found = await _locked(tx, seal_id)
    if not (found.keeper == officer(actor) and allowed_for(node, actor, "seals.keep", found.org_code)):
        require_for(node, actor, "seals.revoke", found.org_code)
    await _end(tx, node, actor, found, "lost", min(since, node.clock.now()).replace(microsecond=0), reason.strip())
    return await _again(tx, seal_id)


async def revoke_seal(tx: Tx, node: Node, actor: Actor, seal_id: str, reason: str) -> Seal | None:
    """End a seal now and tell every node (注销印章). Documents sealed from now on are refused; earlier ones stand.

    Who may is asked at the door. None when there is no such seal; doing it twice changes nothing.
    """
    await tx.execute("SELECT 1 FROM seal WHERE id = $1 FOR UPDATE", seal_id)
    found = await find(tx, seal_id)
    if found is not None and found.state != "revoked":
        await _end(tx, node, actor, found, "revoked", _whole(node), reason)
    return await find(tx, seal_id)


async def _end(tx: Tx, node: Node, actor: Actor, found: Seal, kind: str, at: datetime, reason: str) -> None:
    if found.state == "revoked":
        raise Over
    await tx.execute(
        "UPDATE seal SET state = 'revoked', revoked_at = $3, revoked_by = $4, revoke_reason = $5, end_kind = $6 "
        "WHERE org_code = $1 AND id = $2",
        found.org_code, found.id, at, officer(actor), reason, kind,
    )  # fmt: skip
    if found.state == "suspended":
        await _end_suspension(tx, node, found, _whole(node))
    # an open hand-over of a seal that is no more is over too
    await tx.execute(
        "UPDATE seal_custody SET state = 'declined', ended_at = $2 WHERE seal_id = $1 AND state IN ('to_review', 'offered')",
        found.id, node.clock.now(),
    )  # fmt: skip
    await tx.execute(
        "INSERT INTO seal_revoked (node, es_id, revoked_at) VALUES ($1,$2,$3) ON CONFLICT DO NOTHING", node.id, found.es_id, at
    )
    await tx.execute(
        "INSERT INTO seal_status (node, es_id, begins, state) VALUES ($1,$2,$3,$4) ON CONFLICT DO NOTHING", node.id, found.es_id, at, kind
    )
    leaf = await noted(tx, node, actor, found.id, kind, reason, es_id=found.es_id, at=_ms(at))
    await tell(tx, node, found.es_id)
    log("seals.ended", leaf=leaf, kind=kind)


async def _end_suspension(tx: Tx, node: Node, found: Seal, now: datetime) -> None:
    await tx.execute(
        "UPDATE seal_status SET ends = $3 WHERE node = $1 AND es_id = $2 AND state = 'suspended' AND ends IS NULL", node.id, found.es_id, now
    )


async def _locked(tx: Tx, seal_id: str) -> Seal:
    await tx.execute("SELECT 1 FROM seal WHERE id = $1 FOR UPDATE", seal_id)
    return await _again(tx, seal_id)


async def _again(tx: Tx, seal_id: str) -> Seal:
    found = await find(tx, seal_id)
    if found is None:
        raise Over
    return found


def _whole(node: Node) -> datetime:
    return node.clock.now().replace(microsecond=0)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
