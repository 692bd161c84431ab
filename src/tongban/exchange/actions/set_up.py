"""The demo's first rows 演示数据: catalogue, grants, invented companies. Nothing on other nodes."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import date, timedelta
from importlib import resources as packaged

from tongban import federation
from tongban.exchange.actions.catalogue import SEED_APPROVER, SEEDER, seed_resources
from tongban.exchange.model import LICENCE_USE, Resource
from tongban.exchange.queries import resource, resources
from tongban.kernel.db import Tx
from tongban.kernel.ids import CreditCode
from tongban.kernel.node import Node


async def set_up(node: Node) -> None:
    """Give a demo node the catalogue, the grants and companies of demo_grants.toml, once (装入演示数据)."""
    if not node.settings.demo:
        return
    raw = tomllib.loads(packaged.files("tongban.exchange").joinpath("demo_grants.toml").read_text("utf-8"))
    async with node.db.transaction() as tx:
        await seed_resources(tx, node, resources())
        for one in raw["grant"]:
            for name in one["resources"]:
                found = resource(name)
                if found is not None:
                    await _seed(
                        tx, node, found, one["callers"], purpose=one["purpose"], fields=one.get("fields"), per_day=one["quota_per_day"], days=one["days"]
                    )
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


async def seed_licences(tx: Tx, node: Node, wanted: Sequence[Resource], *, callers: Sequence[str], per_day: int, days: int) -> None:
    """Give a demo node resources of licences, and grants of its own ones to these callers, once (装入演示证照资源). Nothing on other nodes."""
    if not node.settings.demo:
        return
    await seed_resources(tx, node, wanted)
    for found in wanted:
        await _seed(tx, node, found, callers, purpose=LICENCE_USE, fields=None, per_day=per_day, days=days)


async def _seed(
    tx: Tx, node: Node, found: Resource, callers: Sequence[str], *, purpose: str, fields: Sequence[str] | None, per_day: int, days: int
) -> None:
    """The grants at their owner, and at whoever holds one what the owner would have told it (授权和得到的授权)."""
    names = list(fields or [field.name for field in found.fields])
    if found.owner == node.id:
        for caller in callers:
            if caller != node.id:
                await _given(tx, node, found, caller, purpose=purpose, fields=names, per_day=per_day, days=days)
    elif node.id in callers:
        now = node.clock.now()
        await tx.execute(
            """INSERT INTO data_grant_held (owner, id, resource, purpose, fields, quota_per_day, until, state, reason, told_at)
               SELECT $1, $2, $3, $4, $5, $6, $7, 'active', '', $8
               WHERE NOT EXISTS (SELECT FROM data_grant_held WHERE owner = $1 AND resource = $3 AND purpose = $4)""",
            found.owner, _grant_id(found, node.id, purpose), found.id, purpose, names, per_day, now + timedelta(days=days), now,
        )  # fmt: skip


def _grant_id(found: Resource, caller: str, purpose: str) -> str:
    """The number of a seeded grant, the same at owner and holder, so that what the owner tells later is about the same one."""
    return federation.derived_id("grant.seeded", caller, f"{found.id}/{purpose}")


async def _given(
    tx: Tx, node: Node, found: Resource, caller: str, *, purpose: str, fields: Sequence[str], per_day: int, days: int
) -> None:
    now = node.clock.now()
    await tx.execute(
        """INSERT INTO data_grant (resource, id, caller, purpose, fields, quota_per_day, starts_at, until, state, reason,
           proposed_by, approved_by, decided_at)
           SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'active', '演示', $9, $10, $7
           WHERE NOT EXISTS (SELECT 1 FROM data_grant WHERE resource = $1 AND caller = $3 AND purpose = $4)""",
        found.id, _grant_id(found, caller, purpose), caller, purpose, list(fields), per_day, now, now + timedelta(days=days),
        SEEDER, SEED_APPROVER,
    )  # fmt: skip


def demo_code(division: str, number: int) -> str:
    """An invented credit code with a true check character (演示信用代码), 91 + division + a number nobody has."""
    return str(CreditCode.make("91", division, f"MADEM{number:04d}"))
