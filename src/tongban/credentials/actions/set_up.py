"""Before the first request (节点就绪): the first status list, and on a demo node its invented verifier units and grants of licences."""

from __future__ import annotations

from pathlib import Path

import msgspec
import msgspec.yaml

from tongban import exchange
from tongban.credentials.actions import lists, verifiers
from tongban.credentials.queries.types import type_named, types
from tongban.credentials.rules import resources
from tongban.kernel.actor import SYSTEM
from tongban.kernel.node import Node
from tongban.kernel.settings import CODE_ROOT, SettingsError


class DemoVerifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An invented verifier unit of the demo (演示查验方), deploy/demo/verifiers.yaml."""

    node: str
    name: str
    org_code: str
    purposes: tuple[str, ...]
    enrolment_code: str


class DemoOwner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A demo node and the types it issues (演示发证节点)."""

    node: str
    name: str
    types: tuple[str, ...]


class DemoGrants(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may use the demo's licences (演示证照授权), deploy/demo/licence_grants.yaml."""

    callers: tuple[str, ...]
    per_day: int
    days: int
    owners: tuple[DemoOwner, ...]


async def set_up(node: Node) -> None:
    """Make what must be there (节点就绪). Idempotent; raises SettingsError for a type template that is wrong."""
    types(node)
    async with node.db.transaction() as tx:
        await lists.open_current(tx, node)
    if node.settings.demo:
        await _demo_verifiers(node, CODE_ROOT / "deploy" / "demo" / "verifiers.yaml")
        await _demo_grants(node, CODE_ROOT / "deploy" / "demo" / "licence_grants.yaml")


async def _demo_grants(node: Node, path: Path) -> None:
    """Every demo node has the licences of all in its catalogue, and grants of its own."""
    if not path.exists():
        return
    try:
        found = msgspec.yaml.decode(path.read_bytes(), type=DemoGrants)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{path}: {error}") from error
    wanted = []
    for owner in found.owners:
        wanted.append(resources.search_resource(owner.node, owner.name, demo=True))
        for name in owner.types:
            kind = type_named(node, name)
            if kind is None:
                raise SettingsError(f"{path}: no type {name}")
            wanted.append(resources.type_resource(kind, owner.node, owner.name, demo=True))
    async with node.db.transaction() as tx:
        await exchange.seed_licences(tx, node, wanted, callers=found.callers, per_day=found.per_day, days=found.days)


async def _demo_verifiers(node: Node, path: Path) -> None:
    if not path.exists():
        return
    try:
        units = msgspec.yaml.decode(path.read_bytes(), type=list[DemoVerifier])
    except msgspec.DecodeError as error:
        raise SettingsError(f"{path}: {error}") from error
    for unit in units:
        if unit.node != node.id:
            continue
        async with node.db.transaction() as tx:
            if await tx.fetchval("SELECT 1 FROM credential_verifier WHERE name = $1", unit.name):
                continue
            made = await verifiers.make_verifier(
                tx,
                node,
                SYSTEM,
                name=unit.name,
                org_code=unit.org_code,
                purposes=unit.purposes,
                code=unit.enrolment_code,
                uses=100_000,
            )
            if not (len(made) == 2 and isinstance(made[1], str)):
                raise SettingsError(f"{path}: {unit.name} is not a unit that can be registered")
            # a demo's code is printed in its README, so it must not run out in a week
            await tx.execute("UPDATE credential_enrolment SET valid_until = valid_until + interval '10 years'")
