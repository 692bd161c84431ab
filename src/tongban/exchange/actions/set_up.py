"""The demo's first rows 演示数据: catalogue, grants, invented companies. Nothing on other nodes."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from importlib import resources as packaged

from tongban.exchange.actions.catalogue import SEED_APPROVER, SEEDER, seed_resources
from tongban.exchange.queries import resource
from tongban.kernel.db import Tx
from tongban.kernel.ids import CreditCode, uuid7
from tongban.kernel.node import Node


async def set_up(node: Node) -> None:
    """Give a demo node the catalogue, the grants and companies of demo_grants.toml, once (装入演示数据)."""
    if not node.settings.demo:
        return
    raw = tomllib.loads(packaged.files("tongban.exchange").joinpath("demo_grants.toml").read_text("utf-8"))
    async with node.db.transaction() as tx:
        await seed_resources(tx, node)
        for one in raw["grant"]:
            for name in one["resources"]:
                found = resource(name)
                if found is not None and found.owner == node.id:
                    for caller in one["callers"]:
                        if caller != node.id:
                            await _seed(tx, node, caller, name, one)
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


async def _seed(tx: Tx, node: Node, caller: str, resource_id: str, one: dict[str, object]) -> None:
    now, found = node.clock.now(), resource(resource_id)
    assert found is not None
    await tx.execute(
        """INSERT INTO data_grant (resource, id, caller, purpose, fields, quota_per_day, starts_at, until, state, reason,
           proposed_by, approved_by, decided_at)
           SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'active', '演示', $9, $10, $7
           WHERE NOT EXISTS (SELECT 1 FROM data_grant WHERE resource = $1 AND caller = $3 AND purpose = $4)""",
        resource_id,
        uuid7(),
        caller,
        one["purpose"],
        one.get("fields") or [field.name for field in found.fields],
        one["quota_per_day"],
        now,
        now + timedelta(days=int(str(one["days"]))),
        SEEDER,
        SEED_APPROVER,
    )


def demo_code(division: str, number: int) -> str:
    """An invented credit code with a true check character (演示信用代码), 91 + division + a number nobody has."""
    return str(CreditCode.make("91", division, f"MADEM{number:04d}"))
