"""Fetch 取用: ask the office that knows, under a grant, and write it down here too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from tongban import consent, federation
from tongban.exchange.actions.serve import Refused, serve
from tongban.exchange.errors import SENTENCES
from tongban.exchange.model import Asked, Fetched, Given, Resource, ShownConsent, Unavailable
from tongban.exchange.queries import resource as resource_of
from tongban.exchange.rules import known, only
from tongban.kernel.actor import Actor
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

Reason = Literal["away", "no_grant", "no_consent", "quota", "not_found", "refused"]
_REASONS: dict[str, Reason] = {
    "no_grant": "no_grant",
    "no_consent": "no_consent",
    "quota": "quota",
    "not_found": "not_found",
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
) -> Fetched | Unavailable:
    """What another office already knows, or why it cannot be had (取用数据).

    `key_subject` is the person or organisation asked about; `asked` the question where the resource is asked by a value
    (a company name). `who` is the office that will use it, in words; the unit of staff who ask, else
    this node's name. The owner checks
    grant, quota and consent and gives granted fields only; both ends write the ledger, and if this end cannot, nothing
    is given. Never raises because a source is away or a name is unknown: the field becomes typed and 待核验. No
    transaction may be open.
    """
    found = resource_of(resource)
    held_fields = known(found, fields) if found else ()
    if found is None or not held_fields:
        # item definitions are data: a name that no register has leaves a field to be typed, and the gate says so
        log("exchange.unknown_resource", service=resource, count=len(fields))
        return _nobody(resource)
    fields = held_fields
    shown: ShownConsent | None = None
    if found.consent:
        async with node.db.reading() as tx:
            held = await consent.allows(
                tx, key_subject, purpose, node.id, at=node.clock.now(), fields=found.words(fields)
            )
        if held is None:
            return _unavailable(found, "no_consent")
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
        who=who or (actor.unit if actor.kind == "staff" else "") or node.settings.name,
        subject=key_subject,
        asked=dict(asked or {}),
        case=f"case:{case}" if case and not case.startswith("case:") else case,
        consent=shown,
    )
    got = await (_here(node, question) if found.owner == node.id else _there(node, found, question))
    if not isinstance(got, Given):
        return _unavailable(found, got)
    return await _taken(node, found, question, got)


async def _here(node: Node, question: Asked) -> Given | Reason:
    got = await serve(node, node.id, question)
    return _REASONS.get(got.reason, "refused") if isinstance(got, Refused) else got


async def _there(node: Node, found: Resource, question: Asked) -> Given | Reason:
    try:
        body: dict[str, Any] = msgspec.to_builtins(question)
        return msgspec.convert(await federation.call(node, found.owner, "exchange.get", body), Given)
    except federation.CallRefused as error:
        log("exchange.refused", peer=found.owner, service=found.id, code=error.problem)
        return _REASONS.get(error.reasons[0] if error.reasons else error.problem, "refused")
    except federation.CallFailed as error:
        log("exchange.away", peer=found.owner, service=found.id, code=error.problem)
        return "away"
    except (federation.NotMember, federation.UnknownNode):
        # a node that is not enrolled, or an owner the directory does not name: nobody to ask
        return "away"
    except msgspec.ValidationError:
        log("exchange.malformed_answer", peer=found.owner, service=found.id)
        return "refused"


async def _taken(node: Node, found: Resource, question: Asked, got: Given) -> Fetched | Unavailable:
    values = only(got.values, question.fields)
    at = datetime.fromtimestamp(got.at / 1000, UTC)
    line_id = question.id
    if question.subject and found.owner != node.id:
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
        async with node.db.transaction() as tx:
            line = await consent.record_access(tx, node, access)
        if line.digest != got.digest:
            # both ends must tell the person the same; what was told differently is not used
            log("exchange.ledger_disagrees", peer=found.owner, service=found.id)
            return _unavailable(found, "refused")
        line_id = line.id
    return Fetched(
        values={name: Personal(value) for name, value in values.items()},
        source=got.source,
        at=at,
        resource=found.id,
        line_id=line_id,
        disputed=tuple(name for name in got.disputed if name in values),
    )


def _nobody(resource: str) -> Unavailable:
    sentence = SENTENCES["not_found"].format(source="登记部门")
    return Unavailable(resource=resource, source="登记部门", reason="not_found", sentence=sentence, retryable=False)


def _unavailable(found: Resource, reason: Reason) -> Unavailable:
    return Unavailable(
        resource=found.id,
        source=found.owner_name,
        reason=reason,
        sentence=SENTENCES[reason].format(source=found.owner_name),
        retryable=reason in {"away", "quota", "refused"},
        fallback=found.fallback,
    )
