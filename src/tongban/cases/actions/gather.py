"""Licences an item needs, wherever they are (一证通办找证照): the wallet at home, else the holder's home and the issuing nodes.

What is found is listed with its age; a node that is silent is named. Data of a licence is taken only for a field of the form.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from tongban import catalogue, credentials, federation, identity
from tongban.cases.model import Draft, FoundCard, Source
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node

Found = dict[tuple[str, str, str], tuple[str, Source]]
"""What was found, by (source, resource, field)."""


class Cards(msgspec.Struct):
    """Licences found, what their fields say, who did not answer and who gave us no grant (查到的证照)."""

    found: tuple[FoundCard, ...] = ()
    values: Found = {}
    silent: tuple[str, ...] = ()
    not_granted: tuple[str, ...] = ()


def wanted(item: catalogue.Item, plan: Iterable[catalogue.Planned]) -> tuple[str, ...]:
    """The licence types an item can use, for a field or in place of a material (事项要用的证照)."""
    named = [one.resource for planned in plan for one in planned.sources if one.source == "licence"]
    named += [one.name for material in item.materials for one in material.replaceable_by if one.kind == "licence"]
    return tuple(dict.fromkeys(named))


async def cards(node: Node, actor: Actor, draft: Draft, item: catalogue.Item, plan: tuple[catalogue.Planned, ...]) -> Cards:
    """The person's licences of these types, over all nodes (找证照). No transaction may be open; never raises because one is away."""
    types = wanted(item, plan)
    if not types:
        return Cards()
    async with node.db.reading() as tx:
        home = await identity.home_of(tx, draft.subject) or node.id
        own = [one for one in await credentials.of_holder(tx, node, draft.subject) if one.type_name in types]
    if own or home == node.id or draft.subject.startswith(("l", "o1")):
        rows = [FoundCard(one.type_name, one.org_name, one.state, _day(one.valid_until), _ms(one.state_at), node.id) for one in own]
        return Cards(tuple(rows))
    purpose = credentials.UsePurpose(f"办理{item.name}", item.task_code, f"case:{draft.id}")
    try:
        told = await credentials.find_licences(node, actor, subject=draft.subject, home=home, types=types, purpose=purpose)
    except federation.NotMember:
        return Cards(silent=("归属地",))
    values: Found = {}
    not_granted = list(told.not_granted)
    for licence in told.found:
        fields = tuple(
            one.field for planned in plan for one in planned.sources if (one.source, one.resource) == ("licence", licence.type_name)
        )
        if fields and licence.state == "valid":
            got = await _values(node, actor, draft, licence, purpose, fields)
            if isinstance(got, credentials.LicenceRefused):
                not_granted.append(federation.name_of(node, licence.issuer))
            else:
                values.update(got)
    rows = [FoundCard(one.type_name, one.org_name, one.state, _day(one.valid_until), _ms(one.state_at), one.issuer) for one in told.found]
    return Cards(tuple(rows), values, told.silent, tuple(dict.fromkeys(not_granted)))


async def _values(
    node: Node, actor: Actor, draft: Draft, licence: credentials.FoundLicence, purpose: credentials.UsePurpose, fields: tuple[str, ...]
) -> Found | credentials.LicenceRefused:
    """What stands in these fields of it; the refusal where the issuer gave us no grant, and nothing where it gave nothing else."""
    kind = credentials.type_named(node, licence.type_name)
    keys = {entry.name: entry.key for entry in kind.fields} if kind else {}
    got = await credentials.licence_data(node, actor, licence, subject=draft.subject, purpose=purpose, fields=fields)
    if not isinstance(got, credentials.LicenceData):
        return got if got.why else {}
    source = Source(kind="licence", name=f"电子证照：{licence.type_name}", at=_ms(got.at), as_of=_ms(licence.state_at))
    found: Found = {}
    for name in fields:
        value = got.values.get(keys.get(name, name)) or got.values.get(name)
        if value:
            found["licence", licence.type_name, name] = (value.reveal(), source)
    return found


def _day(day: object) -> str:
    return "" if day is None else str(day)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
