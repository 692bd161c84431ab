"""The desk of the register's owner 纠错受理 (identity.md 6.7, 9): one clerk decides, another confirms, both say why.

What is confirmed is pinned by its digest; the register row is versioned, never overwritten without a trace.
"""

from __future__ import annotations

import hmac
from datetime import timedelta

import msgspec

from tongban import federation, transparency
from tongban.identity.actions import corrections, disputes_heard
from tongban.identity.actions.reasons import ReasonKind, reading_reason
from tongban.identity.errors import failure, refusal
from tongban.identity.model import Corrected, Decided, DeskDispute, DisputeOpened
from tongban.identity.providers import register
from tongban.identity.providers.evidence import evidence_room
from tongban.identity.queries import desk as queries
from tongban.identity.queries.persons import current_subject, number_marks
from tongban.identity.rules import disputes as rules
from tongban.identity.rules import typed
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, NotFound, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node

DECIDE, CONFIRM = "identity.dispute_decide", "identity.dispute_confirm"
_NO_ROW = "x"


async def receive(tx: Tx, node: Node, origin: str, opened: DisputeOpened) -> None:
    """A dispute came 收到纠错, once: on the desk under the register's row it is about.

    Marked as disputed from now on, unless it came from somebody not matched yet (level 1): a counter sees that one first.
    """
    known = rules.attribute(opened.attribute)
    if known is None or known.register != node.id:
        log("identity.dispute_not_ours", peer=origin, kind=opened.attribute[:20])
        return
    subject = await _row_of(tx, node, opened) or _NO_ROW + opened.id
    added = await tx.fetchval(
        "INSERT INTO dispute_desk (subject, id, number, origin, attribute, claimed, note, document, evidence, level, visit_on, opened_at,"
        " due_on) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING RETURNING true",
        subject, opened.id, opened.number[:30], origin, opened.attribute,
        node.cipher.seal("sensitive", "dispute_desk.claimed", opened.id, opened.claimed[:200]),
        node.cipher.seal("identity", "dispute_desk.note", opened.id, opened.note[:1000]),
        node.cipher.seal("sensitive", "dispute_desk.document", opened.id, opened.document[:40]),
        node.cipher.seal("identity", "dispute_desk.evidence", opened.id, msgspec.json.encode([one.get("id") for one in opened.evidence]).decode()),
        opened.level, opened.visit_on, node.clock.now(), _due(node, opened),
    )  # fmt: skip
    room = evidence_room()
    if not added or room is None:
        return
    for one in opened.evidence[:8]:
        await room.receive(tx, node, subject, one, used_in=f"dispute:{opened.id}", origin=origin)
    log("identity.dispute_received", kind=opened.attribute, origin=origin, count=len(opened.evidence))


async def _row_of(tx: Tx, node: Node, opened: DisputeOpened) -> str | None:
    if opened.subject:
        subject = await current_subject(tx, node, opened.subject)
        found: str | None = await tx.fetchval("SELECT subject FROM register_entry WHERE subject = $1", subject)
        return found
    marks = number_marks(node, typed.normal(opened.document))
    return await tx.fetchval("SELECT subject FROM register_entry WHERE bi_number = ANY($1::bytea[])", marks)  # type: ignore[no-any-return]


def _due(node: Node, opened: DisputeOpened) -> object:
    """The day the person was told, but never further away than the data's longest."""
    return min(opened.due_on, node.clock.today() + timedelta(days=rules.book().longest))


async def withdrawn(tx: Tx, node: Node, origin: str, dispute: str) -> None:
    """The person took it back; a decision already made stands."""
    await tx.execute(
        "UPDATE dispute_desk SET state = 'withdrawn', decided_at = $3 WHERE id = $1 AND origin = $2 AND state IN ('open', 'proposed')",
        dispute, origin, node.clock.now(),
    )  # fmt: skip


async def look(tx: Tx, node: Node, clerk: Actor, dispute: str) -> DeskDispute:
    """One dispute with the register's value, for a clerk with the reason written down first 查看.

    Raises NotFound, NotAllowed, Failure `identity.reason_needed` for the clerk's own (T-62).
    """
    found = await queries.desk_dispute(tx, node, dispute)
    if found is None:
        raise NotFound
    _may(clerk, found, DECIDE, CONFIRM)
    if not found.subject.startswith(_NO_ROW):
        words = rules.attribute(found.attribute)
        # a dispute on the desk is the reason; one that is decided is none any more
        open_still = found.state in ("open", "proposed") or clerk.subject in (found.decided_by, found.proposed_by)
        kind: ReasonKind = "dispute" if open_still else "none"
        await reading_reason(
            tx, node, clerk, found.subject, kind, dispute, fields=(words.words if words else found.attribute,), basis="个人信息保护法第四十六条"
        )
    return found


def _may(clerk: Actor, found: DeskDispute, *actions: str) -> None:
    clerk.require_staff()
    if not any(clerk.may(action, division=found.division) for action in actions):
        raise NotAllowed


async def propose(tx: Tx, node: Node, clerk: Actor, dispute: str, *, uphold: bool, reason: str) -> Refusals:
    """The first clerk decides 提出处理意见: uphold or refuse, with a reason the person will read. Nothing changes yet."""
    found = await _locked(tx, node, clerk, dispute, DECIDE)
    if found.state != "open":
        raise failure("identity.dispute_moved_on")
    reason = " ".join(reason.split())
    if wrong := _reason_wrong(reason):
        return wrong
    if uphold and (found.current is None or found.claimed.reveal() == found.current.reveal()):
        return (refusal("identity.dispute_nothing", "uphold"),)
    pinned = _pinned(found, uphold=uphold, reason=reason)
    await tx.execute(
        "UPDATE dispute_desk SET state = 'proposed', proposed_by = $2, proposed_uphold = $3, proposed_reason = $4, proposed_digest = $5,"
        " proposed_at = $6 WHERE id = $1",
        dispute, clerk.subject, uphold, node.cipher.seal("identity", "dispute_desk.proposed_reason", dispute, reason), pinned, node.clock.now(),
    )  # fmt: skip
    return ()


async def confirm(tx: Tx, node: Node, clerk: Actor, dispute: str, *, agree: bool, reason: str) -> Refusals:
    """Another clerk confirms or sends it back 复核 (four eyes): only a confirmed decision changes the register.

    Raises Failure `identity.four_eyes` for the clerk who decided, `identity.dispute_moved_on` when what was decided is not
    what lies there now (the register's value changed meanwhile).
    """
    found = await _locked(tx, node, clerk, dispute, CONFIRM)
    if found.state != "proposed":
        raise failure("identity.dispute_moved_on")
    if found.proposed_by == clerk.subject:
        raise failure("identity.four_eyes")
    reason = " ".join(reason.split())
    if wrong := _reason_wrong(reason):
        return wrong
    sealed = node.cipher.seal("identity", "dispute_desk.decided_reason", dispute, reason)
    if not agree:
        await tx.execute(
            "UPDATE dispute_desk SET state = 'open', decided_reason = $2, returned = returned + 1, proposed_digest = NULL WHERE id = $1",
            dispute, sealed,
        )  # fmt: skip
        return ()
    first = found.proposed_reason.reveal() if found.proposed_reason is not None else ""
    kept: str = await tx.fetchval("SELECT proposed_digest FROM dispute_desk WHERE id = $1", dispute)
    if not hmac.compare_digest(kept or "", _pinned(found, uphold=found.proposed_uphold, reason=first)):
        raise failure("identity.dispute_moved_on")
    await tx.execute(
        "UPDATE dispute_desk SET state = $2, decided_by = $3, decided_reason = $4, decided_at = $5 WHERE id = $1",
        dispute, "upheld" if found.proposed_uphold else "refused", clerk.subject, sealed, node.clock.now(),
    )  # fmt: skip
    if found.proposed_uphold:
        await correct(tx, node, found)
    told = Decided(id=dispute, upheld=found.proposed_uphold, first_reason=first, second_reason=reason, unit=clerk.unit)
    if found.origin == node.id:
        await disputes_heard.decided(tx, node, node.id, told)
    else:
        await federation.send(tx, node, to=found.origin, kind="dispute.decided", about=f"dispute:{dispute}", body=told)
    return ()


async def correct(tx: Tx, node: Node, found: DeskDispute) -> None:
    """The register's row becomes right, its old value history, and every node hears 更正登记."""
    claimed, today = found.claimed.reveal(), node.clock.today()
    before, successor = await register(node).correct(tx, node, found.subject, found.attribute, claimed)
    subject = successor or found.subject
    version: int = await tx.fetchval("UPDATE register_entry SET version = version + 1 WHERE subject = $1 RETURNING version", subject)
    await tx.execute(
        "INSERT INTO register_version (subject, version, attribute, value, dispute, ended_on, at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        subject, version - 1, found.attribute, node.cipher.seal("sensitive", "register_version.value", found.id, before), found.id, today,
        node.clock.now(),
    )  # fmt: skip
    # the log keeps that it happened and which dispute, by its salted hash; nobody's value
    await transparency.append(tx, "register.corrected", jcs({
        "at": node.clock.ms(), "attribute": found.attribute, "dispute": found.id, "version": version,
    }))  # fmt: skip
    await corrections.tell(tx, node, Corrected(
        subject=found.subject, attribute=found.attribute, version=version, effective=today, dispute=found.id, value=claimed, successor=successor,
    ))  # fmt: skip
    log("identity.register_corrected", kind=found.attribute)


async def _locked(tx: Tx, node: Node, clerk: Actor, dispute: str, action: str) -> DeskDispute:
    await tx.execute("SELECT 1 FROM dispute_desk WHERE id = $1 FOR UPDATE", dispute)
    found = await queries.desk_dispute(tx, node, dispute)
    if found is None:
        raise NotFound
    _may(clerk, found, action)
    if clerk.own_or_family(found.subject):
        raise failure("identity.own_case")
    return found


def _reason_wrong(reason: str) -> Refusals:
    if len(reason) < 4:
        return (refusal("identity.dispute_reason", "reason"),)
    return (refusal("identity.dispute_long", "reason", n=rules.LONGEST_REASON),) if len(reason) > rules.LONGEST_REASON else ()


def _pinned(found: DeskDispute, *, uphold: bool, reason: str) -> str:
    current = found.current.reveal() if found.current is not None else ""
    return rules.pinned(found.id, found.attribute, found.claimed.reveal(), current, uphold=uphold, reason=reason)
