"""The owner's desk for resources 数据资源登记: a new version takes two persons; stopping takes one and a reason.

Every change is a log leaf and a letter to all nodes, so that each has the same catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tongban import federation, transparency
from tongban.exchange.actions.grants import end_all
from tongban.exchange.actions.post import division, hears
from tongban.exchange.errors import ResourceGone
from tongban.exchange.model import Listed, Resource, ResourceState
from tongban.exchange.queries import listed
from tongban.exchange.queries.catalogue import listed_of
from tongban.exchange.rules import faults
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node

KIND = "resource.published"
SEEDER, SEED_APPROVER = "seed:demo", "seed:demo-2"


class Told(msgspec.Struct, frozen=True):
    """The body of `resource.published` (目录变更): the definition and where it stands now; `rev` orders changes."""

    v: int
    resource: Resource
    version: int
    state: ResourceState
    reason: str
    rev: int
    at: int


async def draft_resource(tx: Tx, node: Node, actor: Actor, wanted: Resource, *, reason: str = "") -> Listed | Refusals:
    """Write down a new resource or its next version (登记或修改资源): nothing counts before a second person agreed.

    A draft that still waits is replaced by the new one.
    """
    actor.require_may("exchange.propose", division=division(node))
    wanted = msgspec.structs.replace(wanted, owner=node.id)
    wrong = faults(wanted, node.id)
    if wrong:
        return wrong
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"data_resource:{wanted.id}")
    now = await listed(tx, wanted.id)
    if now is not None and now.state == "withdrawn":
        return (Refusal("exchange.resource_withdrawn", "这项资源已经撤销，不能再改；要重新提供请用新的编号", "id"),)
    await tx.execute("DELETE FROM data_resource WHERE id = $1 AND state = 'draft'", wanted.id)
    row = await tx.fetchrow(
        """INSERT INTO data_resource (id, version, owner, state, definition, reason, proposed_by, changed_at)
           VALUES ($1, coalesce((SELECT max(version) FROM data_resource WHERE id = $1), 0) + 1, $2, 'draft', $3, $4, $5, $6)
           RETURNING *""",
        wanted.id,
        node.id,
        msgspec.to_builtins(wanted),
        reason,
        actor.staff_id,
        node.clock.now(),
    )
    return listed_of(row)


async def publish_resource(tx: Tx, node: Node, actor: Actor, resource_id: str) -> Listed | Refusals:
    """Let a draft count, here and at every node (发布资源). The second person. Raises ResourceGone."""
    actor.require_may("exchange.approve", division=division(node))
    draft = await _row(tx, node, resource_id, "draft")
    if draft["proposed_by"] == actor.staff_id:
        return (Refusal("exchange.four_eyes", "登记的人不能自己发布，请另一位同事来批"),)
    await tx.execute(
        "UPDATE data_resource SET state = 'replaced', changed_at = $2 WHERE id = $1 AND state IN ('active', 'suspended')",
        resource_id,
        node.clock.now(),
    )
    return await _changed(tx, node, draft, "active", draft["reason"], approved_by=actor.staff_id)


async def turn_down_resource(tx: Tx, node: Node, actor: Actor, resource_id: str, *, reason: str) -> Listed | Refusals:
    """Do not publish a draft, with the reason (不予发布). The second person. Raises ResourceGone."""
    actor.require_may("exchange.approve", division=division(node))
    draft = await _row(tx, node, resource_id, "draft")
    if draft["proposed_by"] == actor.staff_id:
        return (Refusal("exchange.four_eyes", "登记的人不能自己批，请另一位同事来批"),)
    if not reason.strip():
        return (Refusal("exchange.reason", "不发布要写清理由", "reason"),)
    row = await tx.fetchrow(
        "UPDATE data_resource SET state = 'refused', reason = $3, changed_at = $4 WHERE id = $1 AND version = $2 RETURNING *",
        resource_id, draft["version"], reason, node.clock.now(),
    )  # fmt: skip
    return listed_of(row)


async def suspend_resource(tx: Tx, node: Node, actor: Actor, resource_id: str, *, reason: str) -> Listed | Refusals:
    """Stop answering for a while, at once (暂停提供): one person and a reason, because stopping is the safe side."""
    actor.require_may("exchange.approve", division=division(node))
    if not reason.strip():
        return (Refusal("exchange.reason", "暂停要写清理由", "reason"),)
    return await _changed(tx, node, await _row(tx, node, resource_id, "active"), "suspended", reason, stopped_by=actor.staff_id)


async def resume_resource(tx: Tx, node: Node, actor: Actor, resource_id: str) -> Listed | Refusals:
    """Answer again (恢复提供); not by the person who suspended it. Raises ResourceGone."""
    actor.require_may("exchange.approve", division=division(node))
    row = await _row(tx, node, resource_id, "suspended")
    if row["stopped_by"] == actor.staff_id:
        return (Refusal("exchange.four_eyes", "暂停的人不能自己恢复，请另一位同事来办"),)
    return await _changed(tx, node, row, "active", "恢复提供")


async def withdraw_resource(tx: Tx, node: Node, actor: Actor, resource_id: str, *, reason: str) -> Listed | Refusals:
    """End a resource for good (撤销资源): its grants end with it. Raises ResourceGone."""
    actor.require_may("exchange.approve", division=division(node))
    if not reason.strip():
        return (Refusal("exchange.reason", "撤销要写清理由", "reason"),)
    row = await _row(tx, node, resource_id, "active", "suspended")
    await end_all(tx, node, resource_id, f"资源已撤销：{reason}")
    return await _changed(tx, node, row, "withdrawn", reason, stopped_by=actor.staff_id)


async def _row(tx: Tx, node: Node, resource_id: str, *states: str) -> Any:
    row = await tx.fetchrow(
        "SELECT * FROM data_resource WHERE id = $1 AND owner = $2 AND state = ANY($3) FOR UPDATE", resource_id, node.id, list(states)
    )
    if row is None:
        raise ResourceGone
    return row


async def _changed(
    tx: Tx, node: Node, row: Any, state: ResourceState, reason: str, *, approved_by: str = "", stopped_by: str = ""
) -> Listed:
    """One change of state: row, leaf, letter to all."""
    at = node.clock.now()
    fact = jcs({"resource": row["id"], "version": row["version"], "state": state, "at": int(at.timestamp() * 1000), "v": 1})
    leaf = await transparency.append(tx, "data.resource", fact)
    made = await tx.fetchrow(
        """UPDATE data_resource SET state = $3, reason = $4, changed_at = $5, rev = rev + 1, leaf = $6,
           approved_by = CASE WHEN $7 = '' THEN approved_by ELSE $7 END, stopped_by = $8 WHERE id = $1 AND version = $2 RETURNING *""",
        row["id"], row["version"], state, reason, at, str(leaf.id), approved_by, stopped_by,
    )  # fmt: skip
    found = listed_of(made)
    if await federation.own_status(tx, node.id) == "active":
        body = Told(1, found.resource, found.version, state, reason, found.rev, int(at.timestamp() * 1000))
        await federation.send(tx, node, to="*", kind=KIND, about=f"resource:{found.resource.id}", body=body)
    log("exchange.resource_changed", service=found.resource.id, state=state)
    return found


@hears(KIND)
async def resource_told(tx: Tx, _node: Node, origin: str, body: dict[str, Any]) -> None:
    """Keep what an owner says about its own resource (收到目录变更); raises ValueError when it speaks for another's (T-32)."""
    told = msgspec.convert(body, Told)
    found = told.resource
    if found.owner != origin or not found.id.startswith(origin + "."):
        raise ValueError("a resource is told by its owner only")
    if told.state not in {"active", "suspended", "withdrawn"}:
        raise ValueError("not a state that counts")
    newer = await tx.fetchval(
        "SELECT 1 FROM data_resource WHERE id = $1 AND (version > $2 OR (version = $2 AND rev >= $3))", found.id, told.version, told.rev
    )
    if newer:
        return
    await tx.execute(
        "UPDATE data_resource SET state = 'replaced' WHERE id = $1 AND version < $2 AND state IN ('active', 'suspended', 'withdrawn')",
        found.id, told.version,
    )  # fmt: skip
    await tx.execute(
        """INSERT INTO data_resource (id, version, owner, state, definition, reason, proposed_by, changed_at, rev)
           VALUES ($1, $2, $3, $4, $5, $6, '', $7, $8)
           ON CONFLICT (id, version) DO UPDATE SET state = $4, definition = $5, reason = $6, changed_at = $7, rev = $8""",
        found.id, told.version, origin, told.state, msgspec.to_builtins(found), told.reason, datetime.fromtimestamp(told.at / 1000, UTC), told.rev,
    )  # fmt: skip


async def seed_resources(tx: Tx, node: Node, wanted: Sequence[Resource]) -> None:
    """Resources that a demo nation starts with, once (装入演示目录): every node has them from the start."""
    for one in wanted:
        own = one.owner == node.id
        await tx.execute(
            """INSERT INTO data_resource (id, version, owner, state, definition, proposed_by, approved_by, changed_at)
               SELECT $1, 1, $2, 'active', $3, $4, $5, $6 WHERE NOT EXISTS (SELECT 1 FROM data_resource WHERE id = $1)""",
            one.id, one.owner, msgspec.to_builtins(one), SEEDER if own else "", SEED_APPROVER if own else "", node.clock.now(),
        )  # fmt: skip
