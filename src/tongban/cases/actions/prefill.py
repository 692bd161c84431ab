"""Filling what the government already knows (预填): account, wallet, registers, earlier cases; each field names its source.

A source that is away leaves the field to be typed, marked 待核验; it never blocks a form (architecture.md 5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

import msgspec

from tongban import catalogue, credentials, exchange, federation, identity
from tongban.cases.actions import agree, drafts, gather
from tongban.cases.actions.agree import PURPOSE
from tongban.cases.model import Draft, DraftFile, Source
from tongban.cases.queries import mirrors
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.log import log
from tongban.kernel.node import Node

Found = gather.Found


async def fill(node: Node, actor: Actor, draft: Draft, item: catalogue.Item, *, again: bool = False) -> None:
    """Ask every source once and put what it says into empty fields (预填草稿). The network is asked outside transactions.

    One number is enough (一证通办, R-405): whose draft it is finds registers, wallet and licences at every node. A source that
    is away is named in the draft; `again` asks once more for what is still missing.
    """
    if draft.file.filled and not again:
        return
    plan = catalogue.prefill_plan(item.form)
    wanted: dict[str, set[str]] = {}
    for planned in plan:
        for one in planned.sources:
            if one.source == "register" and _answers_for(draft.subject, one.resource):
                wanted.setdefault(one.resource, set()).add(one.field)
    asking = (_ask(node, actor, draft, name, tuple(sorted(fields))) for name, fields in wanted.items())
    cards, answers = await asyncio.gather(gather.cards(node, actor, draft, item, plan), asyncio.gather(*asking))
    async with node.db.transaction() as tx:
        found = await _at_home(tx, node, actor, draft, item, plan)
        found.update({key: one for key, one in cards.values.items() if key not in found})
        away: dict[str, str] = {}
        unsaid: set[str] = set()
        for got in answers:
            if isinstance(got, exchange.Fetched):
                as_of = _ms(got.as_of) if got.as_of else 0
                for field, value in got.values.items():
                    # a value its person disputes is used and marked; the form never waits for the dispute
                    source = Source(kind="register", name=got.source, at=_ms(got.at), pending=field in got.disputed, as_of=as_of)
                    found["register", got.resource, field] = (value.reveal(), source)
            elif got.reason == "no_consent":
                unsaid.add(got.resource)
            elif got.retryable:  # it answered and holds nothing, or may not say it: asking later is no help, and it is not away
                away[got.resource] = got.source
        current = await mirrors.draft(tx, node, draft.subject, draft.id, lock=True)
        if current is None or current.state != "draft":
            return
        filled = _filled(item, current.file, plan, found, away)
        empty = [one for planned in plan if not filled.answers.get(planned.field) for one in planned.sources if one.source == "register"]
        file = msgspec.structs.replace(
            filled, to_agree=tuple(dict.fromkeys(one.resource for one in empty if one.resource in unsaid)), cards=cards.found, silent=tuple(dict.fromkeys((*away.values(), *cards.silent))),
            asked_at=_ms(node.clock.now()), not_granted=cards.not_granted,
        )  # fmt: skip
        await drafts.write(tx, node, current, file, step=current.step)
    log("cases.filled", case_id=draft.id, count=len(found))


def _filled(
    item: catalogue.Item, file: DraftFile, plan: Iterable[catalogue.Planned], found: Found, away: dict[str, str]
) -> DraftFile:
    answers, sources = dict(file.answers), dict(file.sources)
    for planned in plan:
        if answers.get(planned.field):
            continue
        field = item.form.field(planned.field)
        hit = next(
            (found[key] for key in ((one.source, one.resource, one.field) for one in planned.sources) if key in found), None
        )
        if hit is not None and hit[0] and _fits(field, hit[0]):
            answers[planned.field], sources[planned.field] = hit
            continue
        silent = next((away[one.resource] for one in planned.sources if one.source == "register" and one.resource in away), None)
        if silent is not None:
            sources[planned.field] = Source(name=silent, pending=True)
        elif planned.field in sources and sources[planned.field].kind == "typed" and sources[planned.field].pending:
            sources[planned.field] = Source()  # its source answers again and holds nothing for this field
    return msgspec.structs.replace(file, answers=answers, sources=sources, filled=True)


def _fits(field: catalogue.Field | None, value: str) -> bool:
    """A register's value that the form does not offer is no answer (取值不在选项里)."""
    if field is None or field.kind not in {"select", "region"} or not field.options:
        return field is not None
    return value in {one.value for one in field.options}


def _answers_for(subject: str, resource: str) -> bool:
    """A register of persons knows no organisation, and the register of organisations no person (问得着的登记)."""
    return subject.startswith("o1") == resource.startswith("samr.legal")


async def _ask(
    node: Node, actor: Actor, draft: Draft, resource: str, fields: tuple[str, ...]
) -> exchange.Fetched | exchange.Unavailable:
    try:
        return await exchange.fetch(
            node, actor, resource=resource, key_subject=draft.subject, fields=fields, purpose=PURPOSE, case=draft.id,
            agreed=agree.purpose_of(draft.task_code),
        )
    except federation.NotMember:
        # a node that is not enrolled asks nobody, and still takes applications
        known = exchange.resource(resource)
        name = known.owner_name if known else "登记部门"
        return exchange.Unavailable(resource=resource, source=name, reason="away", sentence="", retryable=True)


async def _at_home(
    tx: Tx, node: Node, actor: Actor, draft: Draft, item: catalogue.Item, plan: Iterable[catalogue.Planned]
) -> Found:
    """What this node itself holds for the person: account, wallet, earlier cases."""
    found: Found = {}
    me = await identity.party(tx, node, draft.subject)
    if me is not None:
        company = me.kind == "organisation"
        words = "法人登记" if company else "你的账号" if draft.subject == actor.subject else "对方的账号"
        account = Source(kind="account", name=words, at=_ms(node.clock.now()))
        prefix = "org_" if company else ""
        for name, value in ((f"{prefix}name", me.name), ("org_code" if company else "number", me.number), ("phone", me.phone)):
            if value:
                found["account", "", name] = (value.reveal(), account)
    for card in await gather.held(tx, node, actor, draft.subject, item):
        kind = credentials.type_of(node, card.type_code)
        if kind is None or card.state != "valid" or any(key[:2] == ("licence", kind.name) for key in found):
            continue
        source = Source(kind="licence", name=f"电子证照：{kind.name}", at=_ms(card.issued_at))
        for entry in kind.fields:
            text = card.data.get(entry.key)
            if isinstance(text, Personal) and text:
                found["licence", kind.name, entry.name] = (text.reveal(), source)
    for planned in plan:
        if any(one.source == "earlier_case" for one in planned.sources):
            earlier = await mirrors.earlier_answers(tx, node, draft.subject, planned.field)
            if earlier is not None:
                midnight = datetime.combine(earlier[1], datetime.min.time(), tzinfo=node.clock.now().tzinfo)
                source = Source(kind="earlier_case", name="你上次填的", at=_ms(midnight))
                for one in planned.sources:
                    if one.source == "earlier_case":
                        found["earlier_case", one.resource, one.field] = (earlier[0], source)
    return found


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
