"""Fetch 取用: ask the office that knows, under a grant, and write it down here too."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from tongban import consent, federation
from tongban.exchange.actions.messages import digest_of, note_answer, note_asking
from tongban.exchange.actions.serve import serve
from tongban.exchange.errors import SENTENCES
from tongban.exchange.model import Asked, Fetched, Given, Reason, Refused, Resource, ShownConsent, Unavailable
from tongban.exchange.queries import definition, listed
from tongban.exchange.rules import known, only
from tongban.kernel.actor import Actor
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

REASONS: dict[str, Reason] = {
    "no_grant": "no_grant",
    "no_consent": "no_consent",
    "quota": "quota",
    "not_found": "not_found",
    "busy": "busy",
    "stopped": "stopped",
    "no_such_service": "away",
    "overloaded": "away",
}


async def fetch(
    node: Node,
    actor: Actor,
    *,
    resource: str,
    fields: tuple[str, ...],
    purpose: str,
    key_subject: str = "",
    case: str = "",
    asked: Mapping[str, str] | None = None,
    who: str = "",
    purpose_words: str = "预填申请表",
    agreed: str = "",
) -> Fetched | Unavailable:
    """What another office already knows, or why it cannot be had (取用数据).

    `key_subject` is the person or organisation asked about; `asked` the question where the resource is asked by a value
    (a company name). `who` is the office that will use it, in words; the unit of staff who ask, else
    this node's name. `agreed` is the purpose of the consent where the resource asks for one, when it is narrower than the
    grant's `purpose`. The owner checks grant, quota and consent and gives granted fields only; both ends write the ledger, and if this end cannot, nothing
    is given. Never raises because a source is away or a name is unknown: the field becomes typed and 待核验. No
    transaction may be open.
    """
    async with node.db.reading() as tx:
        listing = await listed(tx, resource)
    found = listing.resource if listing is not None and listing.resource.key not in {"list", "licence"} else None
    held_fields = known(found, fields) if found else ()
    if found is None or not held_fields:
        # item definitions are data: a name that no register has leaves a field to be typed, and the gate says so
        log("exchange.unknown_resource", service=resource, count=len(fields))
        return nobody(resource)
    if listing is not None and listing.state != "active":
        return unavailable(found, "stopped")
    fields = held_fields
    shown: ShownConsent | None = None
    if found.consent:
        async with node.db.reading() as tx:
            held = await consent.allows(
                tx, key_subject, agreed or purpose, node.id, at=node.clock.now(), fields=found.words(fields)
            )
        if held is None:
            return unavailable(found, "no_consent")
        shown = ShownConsent(
            id=held.id, text=held.text_digest, fields=held.fields, until=int(held.until.timestamp() * 1000)
        )
    question = Asked(
        v=1,
        id=uuid7(),
        resource=resource,
        fields=fields,
        purpose=purpose,
        purpose_words=purpose_words,
        who=who_asks(node, actor, who),
        subject=key_subject,
        asked=dict(asked or {}),
        case=f"case:{case}" if case and not case.startswith("case:") else case,
        consent=shown,
    )
    got, spent = (await _here(node, question), 0) if found.owner == node.id else await _there(node, found, question)
    if not isinstance(got, Given):
        return unavailable(found, got)
    return await _taken(node, found, question, got, spent)


async def _here(node: Node, question: Asked) -> Given | Reason:
    got = await serve(node, node.id, question)
    return REASONS.get(got.reason, "refused") if isinstance(got, Refused) else got


async def _there(node: Node, found: Resource, question: Asked) -> tuple[Given | Reason, int]:
    """The owner's answer or why there is none, and the milliseconds it took. The question is in the log before it leaves."""
    started = time.monotonic()
    async with node.db.transaction() as tx:
        await note_asking(tx, found.owner, question, digest_of(question), node.clock.now())
    got = await _call(node, found, question)
    spent = int((time.monotonic() - started) * 1000)
    if not isinstance(got, Given):
        async with node.db.transaction() as tx:
            await note_answer(tx, question, answer="", outcome=got, ms=spent)
    return got, spent


async def _call(node: Node, found: Resource, question: Asked) -> Given | Reason:
    try:
        body: dict[str, Any] = msgspec.to_builtins(question)
        return msgspec.convert(await federation.call(node, found.owner, "exchange.get", body), Given)
    except federation.CallRefused as error:
        log("exchange.refused", peer=found.owner, service=found.id, code=error.problem)
        return REASONS.get(error.reasons[0] if error.reasons else error.problem, "refused")
    except federation.CallFailed as error:
        log("exchange.away", peer=found.owner, service=found.id, code=error.problem)
        return "busy" if error.problem == "busy" else "away"
    except (federation.NotMember, federation.UnknownNode):
        # a node that is not enrolled, or an owner the directory does not name: nobody to ask
        return "away"
    except msgspec.ValidationError:
        log("exchange.malformed_answer", peer=found.owner, service=found.id)
        return "refused"


async def _taken(node: Node, found: Resource, question: Asked, got: Given, spent: int) -> Fetched | Unavailable:
    values = only(got.values, question.fields)
    at = datetime.fromtimestamp(got.at / 1000, UTC)
    line_id = question.id
    if found.owner != node.id:
        try:
            line_id = await _booked(node, found, question, got, values, at, spent)
        except _Disagrees:
            # both ends must tell the person the same; what was told differently is not used
            log("exchange.ledger_disagrees", peer=found.owner, service=found.id)
            async with node.db.transaction() as tx:
                await note_answer(tx, question, answer=digest_of(got), outcome="refused", ms=spent)
            return unavailable(found, "refused")
    return Fetched(
        values={name: Personal(value) for name, value in values.items()},
        source=got.source,
        at=at,
        resource=found.id,
        line_id=line_id,
        disputed=tuple(name for name in got.disputed if name in values),
        as_of=datetime.fromtimestamp(got.as_of / 1000, UTC) if got.as_of else None,
    )


class _Disagrees(Exception):
    """The owner's ledger line is not the one this end would write."""


async def _booked(
    node: Node, found: Resource, question: Asked, got: Given, values: Mapping[str, str], at: datetime, spent: int
) -> str:
    """This end's ledger line and log row, in one transaction; the number of the line."""
    async with node.db.transaction() as tx:
        line_id = question.id
        if question.subject:
            access = consent.Access(
                subject=question.subject,
                who=question.who,
                fields=found.words(tuple(values)),
                purpose=question.purpose_words,
                source=found.owner,
                receiver=node.id,
                basis=got.basis,
                about=question.case,
                consent_id=question.consent.id if question.consent else None,
                id=question.id,
                at=at,
                side="caller",
            )
            line = await consent.record_access(tx, node, access)
            if line.digest != got.digest:
                raise _Disagrees
            line_id = line.id
        await note_answer(tx, question, answer=digest_of(got), outcome="given", ms=spent, fields=tuple(values) or question.fields)
    return line_id


async def parts(
    node: Node, actor: Actor, *, resource: str, fields: tuple[str, ...], purpose: str, asked: Mapping[str, str],
    purpose_words: str, who: str = "",
) -> AsyncIterator[tuple[Mapping[str, str], ...] | Unavailable]:  # fmt: skip
    """A large answer, part by part (成批取用): each part is one signed, counted and logged call, asked for when the last was used.

    Neither end holds more than one part. When the owner stops answering, the last thing given is an Unavailable.
    """
    async with node.db.reading() as tx:
        found = await definition(tx, resource)
    if found is None or found.key != "list" or not known(found, fields):
        yield nobody(resource)
        return
    after = ""
    while True:
        question = Asked(
            v=1, id=uuid7(), resource=resource, fields=known(found, fields), purpose=purpose, purpose_words=purpose_words,
            who=who_asks(node, actor, who), asked=dict(asked), after=after,
        )  # fmt: skip
        got, spent = (await _here(node, question), 0) if found.owner == node.id else await _there(node, found, question)
        if not isinstance(got, Given):
            yield unavailable(found, got)
            return
        if found.owner != node.id:
            await _booked(node, found, question, got, {}, datetime.fromtimestamp(got.at / 1000, UTC), spent)
        yield tuple(only(row, question.fields) for row in got.rows)
        if not got.next or got.next == after:
            return
        after = got.next


def who_asks(node: Node, actor: Actor, who: str) -> str:
    return who or (actor.unit if actor.kind == "staff" else "") or node.settings.name


def nobody(resource: str) -> Unavailable:
    sentence = SENTENCES["not_found"].format(source="登记部门")
    return Unavailable(resource=resource, source="登记部门", reason="not_found", sentence=sentence, retryable=False)


def unavailable(found: Resource, reason: Reason) -> Unavailable:
    return Unavailable(
        resource=found.id,
        source=found.owner_name,
        reason=reason,
        sentence=SENTENCES[reason].format(source=found.owner_name),
        retryable=reason in {"away", "busy", "quota", "refused"},
        fallback=found.fallback,
    )
