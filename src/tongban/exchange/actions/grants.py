"""The life of a grant 共享授权: proposal on our own initiative or from a demand, a second person, warnings, the end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from tongban import federation, transparency
from tongban.exchange.actions.post import division, hears, tell
from tongban.exchange.errors import GrantGone
from tongban.exchange.model import Grant
from tongban.exchange.queries import definition, grant, grant_of
from tongban.exchange.rules import known, terms
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

KIND = "grant.told"


class Told(msgspec.Struct, frozen=True):
    """The body of `grant.told` (授权告知): what the holder may call, until when, and whether it still may."""

    v: int
    id: str
    resource: str
    purpose: str
    fields: tuple[str, ...]
    quota_per_day: int
    until: int
    state: Literal["active", "ended"]
    reason: str = ""
    days_left: int | None = None


async def propose(
    tx: Tx,
    node: Node,
    actor: Actor,
    *,
    resource: str,
    caller: str,
    purpose: str,
    fields: tuple[str, ...],
    quota_per_day: int,
    until: datetime,
    reason: str,
) -> Grant | Refusals:
    """Write down a demand for data (提出共享需求): nothing may be called before a second person approves it."""
    actor.require_may("exchange.propose", division=division(node))
    found = await definition(tx, resource)
    if found is None or found.owner != node.id:
        return (Refusal("exchange.not_ours", "这项数据不归本单位，请向数据所有单位提出", "resource"),)
    if not fields or known(found, fields) != fields:
        return (Refusal("exchange.fields", "至少选一项数据，只能从目录里选", "fields"),)
    if quota_per_day < 1:
        return (Refusal("exchange.quota", "每天的次数至少是 1", "quota_per_day"),)
    if not reason.strip():
        return (Refusal("exchange.reason", "写清用来办什么事、凭哪一条规定", "reason"),)
    if until <= node.clock.now():
        return (Refusal("exchange.until", "到期日要在今天以后", "until"),)
    row = await tx.fetchrow(
        """INSERT INTO data_grant (resource, id, caller, purpose, fields, quota_per_day, starts_at, until, state, reason,
           proposed_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'proposed', $9, $10) RETURNING *""",
        resource,
        uuid7(),
        caller,
        purpose,
        list(fields),
        quota_per_day,
        node.clock.now(),
        until,
        reason,
        actor.staff_id,
    )
    return grant_of(row)


async def approve(tx: Tx, node: Node, actor: Actor, grant_id: str) -> Grant | Refusals:
    """Let a demand become a grant (同意共享). The second person; an older grant for the same purpose ends.

    Four eyes: whoever proposed cannot approve (the table holds it too). Raises GrantGone.
    """
    actor.require_may("exchange.approve", division=division(node))
    found = await _waiting(tx, grant_id)
    if found.proposed_by == actor.staff_id:
        return (Refusal("exchange.four_eyes", "提出的人不能自己同意，请另一位同事来批"),)
    await _replace(tx, node, found.resource, found.caller, found.purpose)
    return await _decide(tx, node, found, "active", actor.staff_id, found.reason)


async def refuse(tx: Tx, node: Node, actor: Actor, grant_id: str, *, reason: str) -> Grant | Refusals:
    """Turn a demand down with its reason (不同意共享). Raises GrantGone."""
    actor.require_may("exchange.approve", division=division(node))
    found = await _waiting(tx, grant_id)
    if found.proposed_by == actor.staff_id:
        return (Refusal("exchange.four_eyes", "提出的人不能自己批，请另一位同事来批"),)
    if not reason.strip():
        return (Refusal("exchange.reason", "不同意要写清理由", "reason"),)
    return await _decide(tx, node, found, "refused", actor.staff_id, reason)


async def end(tx: Tx, node: Node, actor: Actor, grant_id: str, *, reason: str) -> Grant | Refusals:
    """Stop a grant; the next call is refused (停止共享). Raises GrantGone."""
    actor.require_may("exchange.approve", division=division(node))
    found = await grant(tx, grant_id)
    if found is None or found.state != "active":
        raise GrantGone
    if not reason.strip():
        return (Refusal("exchange.reason", "停止要写清理由", "reason"),)
    return await _decide(tx, node, found, "ended", found.approved_by, reason)


async def give(
    tx: Tx, node: Node, *, demand: str, resource: str, caller: str, purpose: str, fields: tuple[str, ...], quota_per_day: int,
    until: datetime, reason: str, people: tuple[str, str],
) -> Grant:  # fmt: skip
    """The grant that answers a demand, agreed by two persons (由需求成立授权); an older one for the same purpose ends."""
    await _replace(tx, node, resource, caller, purpose)
    row = await tx.fetchrow(
        """INSERT INTO data_grant (resource, id, caller, purpose, fields, quota_per_day, starts_at, until, state, reason,
           proposed_by, demand) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'proposed', $9, $10, $11) RETURNING *""",
        resource, uuid7(), caller, purpose, list(fields), quota_per_day, node.clock.now(), until, reason, people[0], demand,
    )  # fmt: skip
    return await _decide(tx, node, grant_of(row), "active", people[1], reason)


async def end_all(tx: Tx, node: Node, resource: str, reason: str) -> int:
    """End every grant of a resource that is withdrawn (资源撤销，授权随之停止); the number ended."""
    rows = await tx.fetch("SELECT * FROM data_grant WHERE resource = $1 AND state = 'active' FOR UPDATE", resource)
    for row in rows:
        await _decide(tx, node, grant_of(row), "ended", row["approved_by"], reason)
    return len(rows)


async def watch_expiry(tx: Tx, node: Node) -> int:
    """Tell holders whose grant ends soon, once at each number of days of terms.toml (到期提醒), and end those past their end."""
    now, told = node.clock.now(), 0
    for row in await tx.fetch("SELECT * FROM data_grant WHERE state = 'active' AND until <= $1 FOR UPDATE", now):
        await _decide(tx, node, grant_of(row), "ended", row["approved_by"], "到期")
        told += 1
    for days in sorted(terms().expiry_warnings.days):
        rows = await tx.fetch(
            """UPDATE data_grant SET warned_days = $2 WHERE state = 'active' AND until > $1 AND until <= $1 + make_interval(days => $2)
               AND (warned_days IS NULL OR warned_days > $2) RETURNING *""",
            now, days,
        )  # fmt: skip
        for row in rows:
            await _tell(tx, node, grant_of(row), days_left=days)
        told += len(rows)
    return told


@hears(KIND)
async def grant_told(tx: Tx, _node: Node, origin: str, body: dict[str, Any]) -> None:
    """Keep what an owner says we may call (收到授权告知). The owner judges each call; this is for our own desk."""
    told = msgspec.convert(body, Told)
    if not told.resource.startswith(origin + "."):
        raise ValueError("a grant is told by the owner of the resource only")
    await tx.execute(
        """INSERT INTO data_grant_held (owner, id, resource, purpose, fields, quota_per_day, until, state, reason, days_left, told_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now())
           ON CONFLICT (owner, id) DO UPDATE SET fields = $5, quota_per_day = $6, until = $7, state = $8, reason = $9,
           days_left = $10, told_at = now()""",
        origin, told.id, told.resource, told.purpose, list(told.fields), told.quota_per_day,
        datetime.fromtimestamp(told.until / 1000, UTC), told.state, told.reason, told.days_left,
    )  # fmt: skip


async def _replace(tx: Tx, node: Node, resource: str, caller: str, purpose: str) -> None:
    rows = await tx.fetch(
        "SELECT * FROM data_grant WHERE resource = $1 AND caller = $2 AND purpose = $3 AND state = 'active' FOR UPDATE",
        resource, caller, purpose,
    )  # fmt: skip
    for row in rows:
        await _decide(tx, node, grant_of(row), "ended", row["approved_by"], "由新的授权代替")


async def _waiting(tx: Tx, grant_id: str) -> Grant:
    row = await tx.fetchrow("SELECT * FROM data_grant WHERE id = $1 AND state = 'proposed' FOR UPDATE", grant_id)
    if row is None:
        raise GrantGone
    return grant_of(row)


async def _decide(tx: Tx, node: Node, found: Grant, state: str, by: str, reason: str) -> Grant:
    fact = jcs({"grant": found.id, "resource": found.resource, "caller": found.caller, "state": state, "v": 1})
    leaf = await transparency.append(tx, "data.grant", fact)
    row = await tx.fetchrow(
        """UPDATE data_grant SET state = $3, approved_by = $4, reason = $5, decided_at = $6, leaf = $7
           WHERE resource = $1 AND id = $2 RETURNING *""",
        found.resource,
        found.id,
        state,
        by,
        reason,
        node.clock.now(),
        str(leaf.id),
    )
    made = grant_of(row)
    if state in {"active", "ended"}:
        await _tell(tx, node, made)
    log("exchange.grant_decided", peer=made.caller, service=made.resource, state=state)
    return made


async def _tell(tx: Tx, node: Node, made: Grant, *, days_left: int | None = None) -> None:
    """The holder hears of its grant, if there is a network and it is in it."""
    if made.caller != node.id and not await _listed(tx, made.caller):
        return
    state: Literal["active", "ended"] = "active" if made.state == "active" else "ended"
    body = Told(
        1, made.id, made.resource, made.purpose, made.fields, made.quota_per_day, int(made.until.timestamp() * 1000), state,
        made.reason if state == "ended" else "", days_left,
    )  # fmt: skip
    await tell(tx, node, made.caller, KIND, f"grant:{made.id}", body)


async def _listed(tx: Tx, name: str) -> bool:
    try:
        found = (await federation.directory(tx)).node(name)
    except federation.NotMember:
        return False
    return found is not None and found.status != "gone"
