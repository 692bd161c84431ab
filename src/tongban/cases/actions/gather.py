"""Licences an item needs, wherever they are (一证通办找证照): the wallet at home and the registers that may have more, else the
holder's home and the issuing nodes.

Of a company's credit code, for who acts for it (credentials.of_company judges): its cards in the wallets kept here, and what the
node of the division in the code has issued, in whosever wallet that lies.
What is found is listed with its age; a node that is silent is named. Data of a licence is taken only for a field of the form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

import msgspec

from tongban import catalogue, credentials, federation, identity
from tongban.cases.actions import power
from tongban.cases.model import Draft, FoundCard, Source
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
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


def _only_perhaps(item: catalogue.Item, plan: Iterable[catalogue.Planned]) -> frozenset[str]:
    """Those that matter only for some answers (可能用不上的): no register is asked for them before there are answers."""
    sure = {one.resource for planned in plan for one in planned.sources if one.source == "licence"}
    ways = [(material, one) for material in item.materials for one in material.replaceable_by if one.kind == "licence"]
    sure |= {one.name for material, one in ways if material.necessity == "needed" and not material.needed and not one.when}
    return frozenset(one.name for _, one in ways) - sure


async def cards(node: Node, actor: Actor, draft: Draft, item: catalogue.Item, plan: tuple[catalogue.Planned, ...]) -> Cards:
    """The person's licences of these types, over all nodes (找证照). No transaction may be open; never raises because one is away.

    Raises as `identity.require_act` for who does not act for the company any more.
    """
    types, company = wanted(item, plan), draft.subject.startswith("o1")
    if not types or (company and actor.for_subject != draft.subject):
        return Cards()
    async with node.db.reading() as tx:
        home = await registrar(node, draft.subject) if company else await identity.home_of(tx, draft.subject) or node.id
        own = await _at_hand(tx, node, actor, draft.subject, item, types)
    if company:
        types = tuple(name for name in types if name not in {one.type_name for one in own})
        if not types or not home:
            return Cards(own)
    elif own or home == node.id or draft.subject.startswith("l"):
        perhaps = frozenset() if draft.file.filled else _only_perhaps(item, plan)
        missing = tuple(name for name in types if name not in perhaps and name not in {one.type_name for one in own})
        if not missing or not draft.subject.startswith("n1"):
            return Cards(own)
        asked = await credentials.fetch_missing(node, actor, draft.subject, missing)
        now = _ms(node.clock.now())
        rest = tuple(FoundCard(name, federation.name_of(node, owner), "coming", "", now, owner) for name, owner in asked.coming.items())
        return Cards((*own, *rest), silent=tuple(federation.name_of(node, one) for one in asked.silent))
    purpose = credentials.UsePurpose(f"办理{item.name}", item.task_code, f"case:{draft.id}")
    try:
        told = await credentials.find_licences(node, actor, subject=draft.subject, home=home, types=types, purpose=purpose)
    except federation.NotMember:
        return Cards(silent=("归属地",))
    values: Found = {}
    not_granted = list(told.not_granted)
    def fields(name: str) -> tuple[str, ...]:
        return tuple(one.field for planned in plan for one in planned.sources if (one.source, one.resource) == ("licence", name))

    useful = [one for one in told.found if one.state == "valid" and fields(one.type_name)]
    answers = await asyncio.gather(*(_values(node, actor, draft, one, purpose, fields(one.type_name)) for one in useful))
    for licence, got in zip(useful, answers, strict=True):
        if isinstance(got, credentials.LicenceRefused):
            not_granted.append(federation.name_of(node, licence.issuer))
        else:
            values.update(got)
    rows = [_row(one, one.issuer) for one in told.found]
    return Cards((*(own if company else ()), *rows), values, told.silent, tuple(dict.fromkeys(not_granted)))


def _row(one: credentials.Card | credentials.FoundLicence, where: str) -> FoundCard:
    until = _day(one.valid_until)
    return FoundCard(one.type_name, one.org_name, one.state, until, _ms(one.state_at), where, str(one.id), one.identifier, one.issuer)


async def registrar(node: Node, company: str) -> str:
    """The node that registers companies of the division in this credit code (登记机关所在节点, GB 32100: characters 3 to 8); empty when unknown."""
    division = company[4:10]
    if any(prefix and division.startswith(prefix) for prefix in node.settings.divisions):
        return node.id
    found = await federation.present(node)
    listed = found.for_division(division) if found else None
    return listed.id if listed else ""


async def held(tx: Tx, node: Node, actor: Actor, subject: str, item: catalogue.Item) -> tuple[credentials.Card, ...]:
    """The cards kept here for whoever a draft is for (这里的证照): a person's wallet; of a company what bears its code, for who acts for it."""
    if subject.startswith("o1"):
        return await credentials.of_company(tx, node, actor, subject, power.deed("draft", item))
    return await credentials.of_holder(tx, node, subject)


async def _at_hand(
    tx: Tx, node: Node, actor: Actor, subject: str, item: catalogue.Item, types: Iterable[str]
) -> tuple[FoundCard, ...]:
    """Those of a wallet kept here, as they are now (卡包里的)."""
    found = [one for one in await held(tx, node, actor, subject, item) if one.type_name in types]
    return tuple(_row(one, node.id) for one in found)


async def looked_again(tx: Tx, node: Node, actor: Actor, draft: Draft, item: catalogue.Item) -> Draft:
    """The draft with the licences of a wallet kept here as they are at this moment (再看卡包): one that came counts, one that ended does
    not. Unchanged where nobody has looked before, and where the wallet is elsewhere; of a company what was found elsewhere stays.
    """
    if not draft.file.asked_at or (await identity.home_of(tx, draft.subject) or node.id) != node.id:
        return draft
    own = await _at_hand(tx, node, actor, draft.subject, item, wanted(item, catalogue.prefill_plan(item.form)))
    named = {one.type_name for one in own}
    company = draft.subject.startswith("o1")
    rest = tuple(one for one in draft.file.cards if (company or one.state == "coming") and one.type_name not in named)
    return msgspec.structs.replace(draft, file=msgspec.structs.replace(draft.file, cards=(*own, *rest)))


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
