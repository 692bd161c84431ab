"""The life of a grant 共享授权: demand, approval by a second person, end; and the demo's first rows."""

from __future__ import annotations

import tomllib
from datetime import date, datetime, timedelta
from importlib import resources as packaged

from tongban import transparency
from tongban.exchange.errors import GrantGone
from tongban.exchange.model import Grant
from tongban.exchange.queries import grant, grant_of
from tongban.exchange.queries import resource as resource_of
from tongban.exchange.rules import known
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.ids import CreditCode, uuid7
from tongban.kernel.node import Node

SEEDER = "seed:demo"
SEED_APPROVER = "seed:demo-2"


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
    actor.require_may("exchange.propose", division=_division(node))
    found = resource_of(resource)
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
    actor.require_may("exchange.approve", division=_division(node))
    found = await _waiting(tx, grant_id)
    if found.proposed_by == actor.staff_id:
        return (Refusal("exchange.four_eyes", "提出的人不能自己同意，请另一位同事来批"),)
    await tx.execute(
        "UPDATE data_grant SET state = 'ended', decided_at = $4 WHERE resource = $1 AND caller = $2 AND purpose = $3 AND state = 'active'",
        found.resource,
        found.caller,
        found.purpose,
        node.clock.now(),
    )
    return await _decide(tx, node, found, "active", actor.staff_id, found.reason)


async def refuse(tx: Tx, node: Node, actor: Actor, grant_id: str, *, reason: str) -> Grant | Refusals:
    """Turn a demand down with its reason (不同意共享). Raises GrantGone."""
    actor.require_may("exchange.approve", division=_division(node))
    found = await _waiting(tx, grant_id)
    if found.proposed_by == actor.staff_id:
        return (Refusal("exchange.four_eyes", "提出的人不能自己批，请另一位同事来批"),)
    if not reason.strip():
        return (Refusal("exchange.reason", "不同意要写清理由", "reason"),)
    return await _decide(tx, node, found, "refused", actor.staff_id, reason)


async def end(tx: Tx, node: Node, actor: Actor, grant_id: str, *, reason: str) -> Grant | Refusals:
    """Stop a grant; the next call is refused (停止共享). Raises GrantGone."""
    actor.require_may("exchange.approve", division=_division(node))
    found = await grant(tx, grant_id)
    if found is None or found.state != "active":
        raise GrantGone
    if not reason.strip():
        return (Refusal("exchange.reason", "停止要写清理由", "reason"),)
    return await _decide(tx, node, found, "ended", found.approved_by, reason)


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
    return grant_of(row)


def _division(node: Node) -> str:
    return (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")


async def set_up(node: Node) -> None:
    """Give a demo node the grants and companies of demo_grants.toml, once (装入演示授权). Nothing on other nodes."""
    if not node.settings.demo:
        return
    raw = tomllib.loads(packaged.files("tongban.exchange").joinpath("demo_grants.toml").read_text("utf-8"))
    async with node.db.transaction() as tx:
        for one in raw["grant"]:
            found = resource_of(one["resource"])
            if found is not None and found.owner == node.id:
                for caller in one["callers"]:
                    await _seed(tx, node, caller, one)
        if node.id == "samr":
            for number, one in enumerate(raw["company"]):
                await tx.execute(
                    """INSERT INTO demo_company (code, name, division, status, capital_wan, registered_on)
                       VALUES ($1, $2, $3, '存续', $4, $5) ON CONFLICT (code) DO NOTHING""",
                    demo_code(one["division"], number),
                    one["name"],
                    one["division"],
                    100 * (number + 1),
                    date(2024, 3, 1 + number),
                )


async def _seed(tx: Tx, node: Node, caller: str, one: dict[str, object]) -> None:
    now = node.clock.now()
    await tx.execute(
        """INSERT INTO data_grant (resource, id, caller, purpose, fields, quota_per_day, starts_at, until, state, reason,
           proposed_by, approved_by, decided_at)
           SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'active', '演示', $9, $10, $7
           WHERE NOT EXISTS (SELECT 1 FROM data_grant WHERE resource = $1 AND caller = $3 AND purpose = $4)""",
        one["resource"],
        uuid7(),
        caller,
        one["purpose"],
        one["fields"],
        one["quota_per_day"],
        now,
        now + timedelta(days=int(str(one["days"]))),
        SEEDER,
        SEED_APPROVER,
    )


def demo_code(division: str, number: int) -> str:
    """An invented credit code with a true check character (演示信用代码), 91 + division + a number nobody has."""
    return str(CreditCode.make("91", division, f"MADEM{number:04d}"))
