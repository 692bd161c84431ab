"""Serve 应答取用: the owner's side of the gateway. Grant and quota, consent, only granted fields, ledger and log, then the answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import asyncpg
import msgspec

from tongban import consent, identity, transparency
from tongban.exchange.actions import register
from tongban.exchange.actions.messages import KeyReused, digest_of, note_given, note_owner
from tongban.exchange.actions.spend import spend
from tongban.exchange.model import Asked, Given, Grant, Listed, Record, Refused, Resource
from tongban.exchange.queries import listed
from tongban.exchange.rules import consent_covers, granted, known, only
from tongban.kernel.db import Tx
from tongban.kernel.gm import digest, jcs
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

CODES = {"nationality": "nation"}
"""Fields whose name differs from the attribute a person disputes (纠错)."""
WORDS = 200
_REUSED = Refused(422, "key_reused")


async def serve(node: Node, caller: str, question: Asked) -> Given | Refused:
    """Answer one question about a resource this node owns (应答取用).

    An answer about a person names the case or session it is for (T-29): without one there is none.
    Order: resource → room for one more → grant and quota → consent where asked → register → field filter → one transaction
    with ledger line, leaf and message log → answer. A question that finds nothing still uses the quota, so that nobody can
    try names without end. This node asking itself needs no grant, yet its ledger line.
    """
    async with node.db.reading() as tx:
        held = await listed(tx, question.resource)
    judged = _admissible(node, caller, question, held)
    if held is None or judged is not None:
        return await _refused(node, caller, question, judged or Refused(404, "not_found"))
    async with register.under_way(node, question.resource) as room:
        got = await _answer(node, caller, held.resource, question) if room else Refused(429, "busy")
    return await _refused(node, caller, question, got) if isinstance(got, Refused) else got


def _admissible(node: Node, caller: str, question: Asked, held: Listed | None) -> Refused | None:
    """What is wrong with the question itself, before anything is counted; None when it may be judged."""
    if held is None or held.resource.owner != node.id or (held.resource.demo and not node.settings.demo):
        return Refused(404, "not_found")
    found = held.resource
    if question.v != 1 or known(found, question.fields) != question.fields or not question.fields:
        return Refused(400, "malformed")
    if (found.key == "subject" and not question.subject) or not is_uuid(question.id) or not _short(question):
        return Refused(400, "malformed")
    if found.key == "subject" and not question.case:
        return Refused(422, "refused", ("no_reference",))
    if held.state != "active":
        return Refused(403, "no_grant", ("stopped",))
    if found.sharing == "refused" and caller != node.id:
        return Refused(403, "no_grant")
    return None


def _short(question: Asked) -> bool:
    """The words that end in a person's ledger are short."""
    return max(len(one) for one in (question.who, question.purpose_words, question.purpose, question.case)) <= WORDS


async def _answer(node: Node, caller: str, found: Resource, question: Asked) -> Given | Refused:
    grant: Grant | None = None
    fields = question.fields
    if caller != node.id:
        held = await spend(node, resource=found.id, caller=caller, purpose=question.purpose, per_day=found.per_day)
        if isinstance(held, Refused):
            return held
        grant, fields = held, granted(held, question.fields)
    if not fields:
        return Refused(403, "no_grant")
    if found.consent and not await _consented(node, caller, found, question, fields):
        return Refused(403, "no_consent")
    if found.key == "list":
        part = await register.read_part(node, found, question.asked, question.after)
        if isinstance(part, Refused):
            return part
        rows, following = part
        return await _written(node, caller, found, question, grant, fields, rows=tuple(only(row, fields) for row in rows), following=following)
    record = await register.read(node, found, question.subject, question.asked)
    if isinstance(record, Refused):
        return record
    if record is None:
        return Refused(404, "not_found")
    return await _written(node, caller, found, question, grant, fields, record=record)


async def _consented(node: Node, caller: str, found: Resource, question: Asked, fields: tuple[str, ...]) -> bool:
    """The caller shows a consent that covers these fields now, and has not told that it was withdrawn (T-28)."""
    if not consent_covers(found, question.consent, fields, node.clock.now()):
        return False
    async with node.db.reading() as tx:
        ended = await tx.fetchval(
            "SELECT 1 FROM data_consent_ended WHERE consent_id = $1 AND receiver = $2",
            question.consent.id if question.consent else None, caller,
        )  # fmt: skip
    return not ended


async def _written(
    node: Node, caller: str, found: Resource, question: Asked, grant: Grant | None, fields: tuple[str, ...], *,
    record: Record | None = None, rows: tuple[Mapping[str, str], ...] = (), following: str = "",
) -> Given | Refused:  # fmt: skip
    """The answer, once ledger line, leaf and log stand: if they cannot be written, nothing is given.

    One statement writes all three. When the call was written before (it comes again after a lost answer, or its number is
    used for another question) the statement fails whole, and the call is judged against what stands.
    """
    values = only(record.values, fields) if record else {}
    disputed: frozenset[str] = frozenset()
    if found.owner == identity.REGISTER_NODE and question.subject:
        async with node.db.reading() as tx:
            disputed = await identity.disputed(tx, question.subject)
    given = Given(
        id=question.id,
        at=node.clock.ms(),
        source=found.owner_name,
        values=values,
        digest="",
        basis=f"你同意过，{found.basis}" if found.consent else found.basis,
        disputed=tuple(name for name in values if CODES.get(name, name) in disputed),
        as_of=consent.milliseconds(record.as_of) if record and record.as_of else 0,
        rows=tuple(dict(row) for row in rows),
        next=following,
    )
    entry = Entry(caller, question, grant.id if grant else None, tuple(values) or fields)
    try:
        return await _at_once(node, found, entry, given)
    except asyncpg.UniqueViolationError:
        return await _once_more(node, found, entry, given)


class Entry(msgspec.Struct, frozen=True):
    """What is written down about one answer (要登记的一次应答)."""

    caller: str
    question: Asked
    grant: str | None
    fields: tuple[str, ...]


async def _at_once(node: Node, found: Resource, entry: Entry, given: Given) -> Given:
    parts, question = Parts(), entry.question
    if question.subject:
        given = msgspec.structs.replace(given, digest=consent.accessing(parts, node, _access(node, found, entry, given)).digest)
    else:
        fact = _shared(found, entry)
        transparency.appending(parts, "leaf", "data.shared", fact)
        given = msgspec.structs.replace(given, digest=digest(fact))
    if entry.caller != node.id:
        note_given(parts, entry.caller, question, grant=entry.grant, fields=entry.fields, answer=digest_of(given), at=consent.moment(given.at))
    async with node.db.reading() as tx:
        await parts.run(tx)
    return given


async def _once_more(node: Node, found: Resource, entry: Entry, given: Given) -> Given | Refused:
    try:
        async with node.db.transaction() as tx:
            made, at = await _ledger(tx, node, found, entry, given)
            given = msgspec.structs.replace(given, digest=made, at=consent.milliseconds(at))
            if entry.caller != node.id:
                await note_owner(
                    tx, entry.caller, entry.question, digest_of(entry.question), grant=entry.grant, fields=entry.fields,
                    answer=digest_of(given), outcome="given", at=at,
                )  # fmt: skip
    except KeyReused:
        return _REUSED
    return given


def _shared(found: Resource, entry: Entry) -> bytes:
    return jcs({"id": entry.question.id, "resource": found.id, "caller": entry.caller, "fields": sorted(entry.fields), "v": 1})


def _access(node: Node, found: Resource, entry: Entry, given: Given) -> consent.Access:
    question = entry.question
    return consent.Access(
        subject=question.subject,
        who=question.who,
        fields=found.words(entry.fields),
        purpose=question.purpose_words,
        source=node.id,
        receiver=entry.caller,
        basis=given.basis,
        about=question.case,
        consent_id=question.consent.id if question.consent else None,
        id=question.id,
        at=consent.moment(given.at),
        side="local" if entry.caller == node.id else "owner",
    )


async def _ledger(tx: Tx, node: Node, found: Resource, entry: Entry, given: Given) -> tuple[str, datetime]:
    """The person's line with its leaf, or the leaf alone where nobody is asked about; digest and time."""
    if not entry.question.subject:
        fact = _shared(found, entry)
        await transparency.append(tx, "data.shared", fact)
        return digest(fact), consent.moment(given.at)
    line = await consent.record_access(tx, node, _access(node, found, entry, given))
    if not set(found.words(entry.fields)) <= set(line.fields):
        raise KeyReused  # this call's line stands already, and it tells the person less than would be given now
    return line.digest, line.at


async def _refused(node: Node, caller: str, question: Asked, why: Refused) -> Refused:
    """A refusal is logged too, at both ends (不给也记一笔)."""
    if caller != node.id and is_uuid(question.id) and _short(question) and why is not _REUSED:
        async with node.db.transaction() as tx:
            await note_owner(
                tx, caller, question, digest_of(question), grant=None, fields=question.fields[:50], answer="", outcome=why.reason,
                at=node.clock.now(),
            )  # fmt: skip
    return why
