"""Set-up 开门前: token keys, and on demo nodes the invented people of deploy/demo/people.yaml. Does nothing twice."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from tongban.identity.actions import guardians, keys, organisations
from tongban.identity.actions.staff import Proposed, put_assignment
from tongban.identity.providers.register import NewEntry, enter
from tongban.identity.queries.organisations import REGISTER
from tongban.identity.queries.persons import number_index
from tongban.identity.rules.home import REGISTER_NODE
from tongban.identity.tokens import ALGORITHMS
from tongban.kernel.db import Tx
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.node import Node
from tongban.kernel.settings import CODE_ROOT

PEOPLE = CODE_ROOT / "deploy" / "demo" / "people.yaml"


class DemoStaff(msgspec.Struct, frozen=True, kw_only=True):
    """An invented member of staff 演示工作人员 of one node; `own_unit_only` ties the roles to the unit's organisation."""

    staff_no: str
    name: str
    unit: str
    org: str
    division: str
    department: str
    roles: list[str]
    own_unit_only: bool = False
    citizen_number: str | None = None


class DemoCitizen(msgspec.Struct, frozen=True, kw_only=True):
    """An invented citizen 演示居民; `phone`, `home` and `who` are for the person at the keyboard, not for the register."""

    name: str
    number: str
    sex: str
    born: date
    nation: str
    address: str
    division: str
    phone: str
    home: str
    who: str = ""
    photo_held: bool = True


class DemoGuardian(msgspec.Struct, frozen=True, kw_only=True):
    """An invented guardianship 演示监护关系, by document numbers."""

    child: str
    guardian: str
    relation: str
    since: date


class People(msgspec.Struct, frozen=True):
    """The invented people 演示人员 and organisations 演示企业."""

    citizens: list[DemoCitizen]
    staff: dict[str, list[DemoStaff]]
    guardians: list[DemoGuardian] = []
    organisations: list[organisations.NewOrganisation] = []


def people(path: Path = PEOPLE) -> People:
    """Read people.yaml. Raises msgspec.ValidationError naming what is wrong."""
    raw: Any = msgspec.yaml.decode(path.read_text("utf-8"))
    return msgspec.convert(raw, People)


async def set_up(node: Node) -> None:
    """Make the token keys; on a demo node enter its invented staff, and at the register the invented citizens 开门前的准备."""
    async with node.db.transaction() as tx:
        for alg in ALGORITHMS:
            await keys.signing_key(tx, node, alg)
        if not node.settings.demo:
            return
        known = people()
        if node.id == REGISTER_NODE:
            for one in known.citizens:
                await enter(tx, node, NewEntry(
                    name=one.name, number=one.number, sex=one.sex, born=one.born, nation=one.nation, address=one.address,
                    division=one.division, photo_held=one.photo_held,
                ))  # fmt: skip
            for relation in known.guardians:
                await guardians.enter(tx, node, relation.child, relation.guardian, relation.relation, relation.since)
        if node.id == REGISTER:
            for company in known.organisations:
                if await tx.fetchval("SELECT true FROM org_entry WHERE code = $1", company.code) is None:
                    await organisations.enter(tx, node, company, by=node.id)
        for member in known.staff.get(node.id, []):
            await _enter_staff(tx, node, member)


async def _enter_staff(tx: Tx, node: Node, member: DemoStaff) -> None:
    subject = "s" + hmac_sm3(node.keys.secret("staff-no"), member.staff_no.encode()).hex()[:26]
    added = await tx.fetchval(
        "INSERT INTO staff (subject, staff_no, name, unit, org, division, department, bi_citizen, citizen_number, demo)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, true) ON CONFLICT DO NOTHING RETURNING true",
        subject, member.staff_no, node.cipher.seal("staff", "staff.name", subject, member.name), member.unit, member.org, member.division,
        member.department, number_index(node, member.citizen_number) if member.citizen_number else None,
        node.cipher.seal("staff", "staff.citizen_number", subject, member.citizen_number) if member.citizen_number else None,
    )  # fmt: skip
    if not added:
        return
    for role in member.roles:
        org = member.org if member.own_unit_only else ""
        await put_assignment(tx, Proposed(subject=subject, role=role, division=member.division, org=org, proposed_by="setup"), "setup")
