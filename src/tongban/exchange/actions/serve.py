"""Serve 应答取用: the owner's side of the gateway. Grant and quota, consent, only granted fields, ledger and log, then the answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import asyncpg
import msgspec

from tongban import consent, identity, transparency
from tongban.exchange.actions import register
from tongban.exchange.actions.messages import KeyReused, Told, digest_of, note_given, note_owner, note_refused
from tongban.exchange.actions.spend import spend
from tongban.exchange.model import Asked, Given, Grant, Listed, Record, Refused, Resource
from tongban.exchange.queries import listed_now
from tongban.exchange.rules import asks_beyond, consent_covers, granted, known, only
from tongban.kernel.db import Tx
from tongban.kernel.gm import BadEncoding, CannotOpen, b64, digest, jcs, unb64
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts
from tongban.kernel.together import Together

CODES = {"nationality": "nation"}
"""Fields whose name differs from the attribute a person disputes (纠错)."""
WORDS = 200
AFTER = "exchange.after"
_REUSED = Refused(422, "key_reused")


async def serve(node: Node, caller: str, question: Asked) -> Given | Refused:
    """Answer one question about a resource this node owns (应答取用).

    An answer about a person names the case or session it is for (T-29): without one there is none.
    Order: resource → room for one more → grant and quota → consent where asked → register → field filter → one transaction
    with ledger line, leaf and message log → answer. A question that finds nothing still uses the quota, so that nobody can
    try names without end. This node asking itself needs no grant, yet its ledger line.
    """
    held = await _listed(node, question.resource)
    judged = admissible(node, caller, question, held)
    if held is None or judged is not None:
        return await refused(node, caller, question, judged or Refused(404, "not_found"))
    async with register.under_way(node, question.resource) as room:
        got = await _answer(node, caller, held.resource, question) if room else Refused(429, "busy")
    return await refused(node, caller, question, got) if isinstance(got, Refused) else got


def admissible(node: Node, caller: str, question: Asked, held: Listed | None) -> Refused | None:
    """What is wrong with the question itself, before anything is counted; None when it may be judged."""
    if held is None or held.resource.owner != node.id or (held.resource.demo and not node.settings.demo):
        return Refused(404, "not_found")
    found = held.resource
    if found.key == "licence":  # asked through the services of the licences, with their reason, item and watermark
        return Refused(404, "not_found")
    if question.v != 1 or known(found, question.fields) != question.fields or not question.fields:
        return Refused(400, "malformed")
    if not _about_one(found, question) or not is_uuid(question.id) or not _short(question):
        return Refused(400, "malformed")
    if found.key == "subject" and not question.case:
        return Refused(422, "refused", ("no_reference",))
    if held.state != "active":
        return Refused(403, "no_grant", ("stopped",))
    if found.sharing == "refused" and caller != node.id:
        return Refused(403, "no_grant")
    return None


def _about_one(found: Resource, question: Asked) -> bool:
    """Whoever is asked about is whom the ledger line names: a subject and nothing beside it, or no subject at all."""
    return bool(question.subject) is (found.key == "subject") and not (question.subject and question.asked)


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
        if asks_beyond(found, question.asked, held.fields):
            return Refused(403, "no_grant")
    if not fields:
        return Refused(403, "no_grant")
    if found.consent and not await _consented(node, caller, found, question, fields):
        return Refused(403, "no_consent")
    if found.key == "list":
        part = await _part(node, caller, found, question)
        if isinstance(part, Refused):
            return part
        rows, following = part
        return await _written(node, caller, found, question, grant, fields, rows=tuple(only(row, fields) for row in rows), following=following)
    record = await register.read(node, found, question.subject, question.asked)
    if isinstance(record, Refused):
        return record
    if record is None or not only(record.values, fields):  # of what may be given there is nothing: no line tells of a use
        return Refused(404, "not_found")
    return await _written(node, caller, found, question, grant, fields, record=record)


async def _part(node: Node, caller: str, found: Resource, question: Asked) -> tuple[tuple[Mapping[str, str], ...], str] | Refused:
    """One part of a list. Where the next begins goes out sealed: it is a value of the last row, of a field that nobody may have granted."""
    place, after = f"{caller} {found.id}", ""
    if question.after:
        try:
            after = node.cipher.open("case", AFTER, place, unb64(question.after)).reveal()
        except (BadEncoding, CannotOpen):
            return Refused(400, "malformed")
    part = await register.read_part(node, found, question.asked, after)
    if isinstance(part, Refused) or not part[1]:
        return part
    return part[0], b64(node.cipher.seal("case", AFTER, place, part[1]))


async def _consented(node: Node, caller: str, found: Resource, question: Asked, fields: tuple[str, ...]) -> bool:
    """The caller shows a consent that covers these fields now, and has not told that it was withdrawn (T-28)."""
    if not consent_covers(found, question.consent, fields, node.clock.now()):
        return False
    return question.consent is not None and not await _ended(node, (question.consent.id, caller))


async def _written(
    node: Node, caller: str, found: Resource, question: Asked, grant: Grant | None, fields: tuple[str, ...], *,
    record: Record | None = None, rows: tuple[Mapping[str, str], ...] = (), following: str = "",
) -> Given | Refused:  # fmt: skip
    """The answer, once ledger line, leaf and log stand: if they cannot be written, nothing is given.

    One statement writes all three, for all answers that are ready at that moment, and each goes out when it is committed.
    When a call was written before (it comes again after a lost answer, or its number is used for another question) its
    statement fails, and it is judged against what stands.
    """
    values = only(record.values, fields) if record else {}
    disputed: frozenset[str] = frozenset()
    if found.owner == identity.REGISTER_NODE and question.subject:
        disputed = await _disputed(node, question.subject)
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
    entry = Entry(found, caller, question, grant.id if grant else None, tuple(values) or fields, given)
    try:
        return await _write(node, entry)
    except asyncpg.UniqueViolationError:
        return await _once_more(node, entry)


class Entry(msgspec.Struct, frozen=True):
    """What is written down about one answer (要登记的一次应答)."""

    resource: Resource
    caller: str
    question: Asked
    grant: str | None
    fields: tuple[str, ...]
    given: Given


async def _at_once(node: Node, entries: list[Entry]) -> list[Given | BaseException]:
    """Lines, leaves and log rows of answers, all or none, in one transaction a kind: of persons, and of lists."""
    done: dict[int, Given] = {}
    for about_persons in (True, False):
        places = [place for place, one in enumerate(entries) if bool(one.question.subject) is about_persons]
        if places:
            chosen = [entries[place] for place in places]
            done |= zip(places, await (_with_lines if about_persons else _with_leaves)(node, chosen), strict=True)
    return [done[place] for place in range(len(entries))]


async def _with_lines(node: Node, entries: list[Entry]) -> list[Given]:
    parts = Parts()
    lines = consent.accessing_many(parts, node, [_access(node, one) for one in entries])
    return await _noted(node, parts, entries, [line.digest for line in lines])


async def _with_leaves(node: Node, entries: list[Entry]) -> list[Given]:
    parts, facts = Parts(), [_shared(one) for one in entries]
    transparency.appending_many(parts, "leaf", "data.shared", facts)
    return await _noted(node, parts, entries, [digest(fact) for fact in facts])


async def _noted(node: Node, parts: Parts, entries: list[Entry], digests: list[str]) -> list[Given]:
    made = [msgspec.structs.replace(one.given, digest=name) for one, name in zip(entries, digests, strict=True)]
    rows = [
        Told(one.caller, one.question, one.grant, one.fields, digest_of(given), "given", consent.moment(given.at))
        for one, given in zip(entries, made, strict=True)
        if one.caller != node.id
    ]
    if rows:
        note_given(parts, rows)
    async with node.db.alone() as tx:
        await parts.run(tx)
    return made


async def _catalogue(node: Node, names: list[str]) -> list[Listed | BaseException | None]:
    async with node.db.alone() as tx:
        found = await listed_now(tx, names)
    return [found[name] for name in names]


async def _consents_ended(node: Node, shown: list[tuple[str, str]]) -> list[bool | BaseException]:
    async with node.db.alone() as tx:
        rows = await tx.fetch(
            "SELECT consent_id::text AS id, receiver FROM data_consent_ended JOIN unnest($1::uuid[], $2::text[]) AS u (id, who)"
            " ON consent_id = u.id AND receiver = u.who",
            [one for one, _ in shown], [who for _, who in shown],
        )  # fmt: skip
    ended = {(row["id"], row["receiver"]) for row in rows}
    return [one in ended for one in shown]


async def _disputes(node: Node, subjects: list[str]) -> list[frozenset[str] | BaseException]:
    async with node.db.alone() as tx:
        found = await identity.disputed_of(tx, subjects)
    return [found.get(one, frozenset()) for one in subjects]


_listed: Together[str, Listed | None] = Together(_catalogue)
_ended: Together[tuple[str, str], bool] = Together(_consents_ended)
_disputed: Together[str, frozenset[str]] = Together(_disputes)
_write: Together[Entry, Given] = Together(_at_once)


async def _once_more(node: Node, entry: Entry) -> Given | Refused:
    given = entry.given
    try:
        async with node.db.transaction() as tx:
            made, at = await _ledger(tx, node, entry)
            given = msgspec.structs.replace(given, digest=made, at=consent.milliseconds(at))
            if entry.caller != node.id:
                await note_owner(
                    tx, entry.caller, entry.question, digest_of(entry.question), grant=entry.grant, fields=entry.fields,
                    answer=digest_of(given), outcome="given", at=at,
                )  # fmt: skip
    except KeyReused:
        return _REUSED
    return given


def _shared(entry: Entry) -> bytes:
    return jcs({"id": entry.question.id, "resource": entry.resource.id, "caller": entry.caller, "fields": sorted(entry.fields), "v": 1})


def _access(node: Node, entry: Entry) -> consent.Access:
    question = entry.question
    return consent.Access(
        subject=question.subject,
        who=question.who,
        fields=entry.resource.words(entry.fields),
        purpose=question.purpose_words,
        source=node.id,
        receiver=entry.caller,
        basis=entry.given.basis,
        about=question.case,
        consent_id=question.consent.id if question.consent else None,
        id=question.id,
        at=consent.moment(entry.given.at),
        side="local" if entry.caller == node.id else "owner",
    )


async def _ledger(tx: Tx, node: Node, entry: Entry) -> tuple[str, datetime]:
    """The person's line with its leaf, or the leaf alone where nobody is asked about; digest and time."""
    if not entry.question.subject:
        fact = _shared(entry)
        await transparency.append(tx, "data.shared", fact)
        return digest(fact), consent.moment(entry.given.at)
    line = await consent.record_access(tx, node, _access(node, entry))
    if not set(entry.resource.words(entry.fields)) <= set(line.fields):
        raise KeyReused  # this call's line stands already, and it tells the person less than would be given now
    return line.digest, line.at


async def refused(node: Node, caller: str, question: Asked, why: Refused) -> Refused:
    """A refusal is logged too, at both ends (不给也记一笔)."""
    if caller != node.id and is_uuid(question.id) and _short(question) and why is not _REUSED:
        await note_refused(node, Told(caller, question, None, question.fields[:50], "", why.reason, node.clock.now()))
    return why
