"""Serve 应答取用: the owner's side. Grant and quota, consent, only granted fields, the ledger, then the answer."""

from __future__ import annotations

import msgspec

from tongban import consent, identity, transparency
from tongban.exchange.model import Asked, Given, Grant, Resource
from tongban.exchange.providers import REGISTERS
from tongban.exchange.queries import grant_of
from tongban.exchange.queries import resource as resource_of
from tongban.exchange.rules import consent_covers, granted, known, only
from tongban.kernel.db import Tx
from tongban.kernel.gm import digest, jcs
from tongban.kernel.log import log_failure
from tongban.kernel.node import Node

CODES = {"nationality": "nation"}
"""Fields whose name differs from the attribute a person disputes (纠错)."""


class Refused(msgspec.Struct, frozen=True):
    """Why the owner gives nothing (不给的原因): HTTP status and code of the problem (federation.md 4), and its reason.

    The quota of a day is `refused` with the reason `quota`, not 429: waiting a second and asking again is no help.
    """

    status: int
    code: str
    reasons: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The stable word for what is missing."""
        return self.reasons[0] if self.reasons else self.code


async def serve(node: Node, caller: str, question: Asked) -> Given | Refused:
    """Answer one question about a resource this node owns (应答取用).

    An answer about a person names the case or session it is for (T-29): without one there is none.
    Order: resource → grant and quota (one conditional UPDATE) → consent where asked → register → field filter → ledger.
    A question that finds nothing still uses the quota, so that nobody can try names without end. This node asking
    itself needs no grant, yet its ledger line.
    """
    found = resource_of(question.resource)
    if found is None or found.owner != node.id or question.resource not in REGISTERS:
        return Refused(404, "not_found")
    if found.demo and not node.settings.demo:
        return Refused(404, "not_found")
    if question.v != 1 or known(found, question.fields) != question.fields or (found.key == "subject" and not question.subject):
        return Refused(400, "malformed")
    if found.key == "subject" and not question.case:
        return Refused(422, "refused", ("no_reference",))
    if found.sharing == "refused" and caller != node.id:
        return Refused(403, "no_grant")
    async with node.db.transaction() as tx:
        fields = question.fields
        if caller != node.id:
            held = await _spend(tx, node, caller, question)
            if isinstance(held, Refused):
                return held
            fields = granted(held, question.fields)
        if not fields:
            return Refused(403, "no_grant")
        if not consent_covers(found, question.consent, fields, node.clock.now()):
            return Refused(403, "no_consent")
        return await _give(tx, node, caller, found, question, fields)


async def _spend(tx: Tx, node: Node, caller: str, question: Asked) -> Grant | Refused:
    """Take one call from the grant's quota of the day, or say why not."""
    row = await tx.fetchrow(
        """UPDATE data_grant SET used_today = CASE WHEN used_day = $4 THEN used_today + 1 ELSE 1 END, used_day = $4
           WHERE resource = $1 AND caller = $2 AND purpose = $3 AND state = 'active' AND starts_at <= $5 AND until > $5
             AND (used_day IS DISTINCT FROM $4 OR used_today < quota_per_day) RETURNING *""",
        question.resource,
        caller,
        question.purpose,
        node.clock.today(),
        node.clock.now(),
    )
    if row is not None:
        return grant_of(row)
    exists = await tx.fetchval(
        """SELECT 1 FROM data_grant WHERE resource = $1 AND caller = $2 AND purpose = $3 AND state = 'active'
           AND starts_at <= $4 AND until > $4""",
        question.resource,
        caller,
        question.purpose,
        node.clock.now(),
    )
    return Refused(422, "refused", ("quota",)) if exists else Refused(403, "no_grant")


async def _give(
    tx: Tx, node: Node, caller: str, found: Resource, question: Asked, fields: tuple[str, ...]
) -> Given | Refused:
    try:
        raw = await REGISTERS[found.id].read(tx, node, question.subject, question.asked)
    except (OSError, TimeoutError) as error:
        log_failure("exchange.register_away", error, service=found.id)
        return Refused(503, "overloaded")
    if raw is None:
        return Refused(404, "not_found")
    values = only(raw, fields)
    disputed = await identity.disputed(tx, question.subject) if found.owner == identity.REGISTER_NODE and question.subject else frozenset()
    basis = f"你同意过，{found.basis}" if found.consent else found.basis
    at = node.clock.now()
    if question.subject:
        line = await consent.record_access(
            tx,
            node,
            consent.Access(
                subject=question.subject,
                who=question.who,
                fields=found.words(tuple(values)),
                purpose=question.purpose_words,
                source=node.id,
                receiver=caller,
                basis=basis,
                about=question.case,
                consent_id=question.consent.id if question.consent else None,
                id=question.id,
                at=at,
                side="local" if caller == node.id else "owner",
            ),
        )
        made, at = line.digest, line.at
    else:
        fact = jcs({"id": question.id, "resource": found.id, "caller": caller, "fields": sorted(values), "v": 1})
        await transparency.append(tx, "data.shared", fact)
        made = digest(fact)
    return Given(
        id=question.id,
        at=int(at.timestamp() * 1000),
        source=found.owner_name,
        values=values,
        digest=made,
        basis=basis,
        disputed=tuple(name for name in values if CODES.get(name, name) in disputed),
    )
