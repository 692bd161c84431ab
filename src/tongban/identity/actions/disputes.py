"""Disputes 纠错 at the node where the person is (identity.md 6.7, R-304): open one, take it back.

The register's owner decides. Signing in never waits for a dispute, and neither does an item: the attribute is marked.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from tongban import consent, federation, notifications
from tongban.identity.actions import dispute_desk
from tongban.identity.errors import refusal
from tongban.identity.model import DisputeOpened
from tongban.identity.providers.evidence import evidence_room
from tongban.identity.queries import persons
from tongban.identity.queries.working_days import working_days
from tongban.identity.rules import disputes as rules
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals, SelfOnly
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

MOST_OPEN = rules.book().most_open
MOST_FILES = rules.book().most_files
_LOCAL = "l"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says is wrong 纠错内容; `uploads` are files of a form, `visit_on` a day at the counter."""

    attribute: str
    claimed: str
    note: str = ""
    uploads: tuple[Any, ...] = ()
    visit_on: date | None = None


async def open_dispute(tx: Tx, node: Node, actor: Actor, claim: Claim) -> str | Refusals:
    """Open a dispute and tell the register's owner 提出纠错; its id, or what is wrong with what was typed.

    Level 2 for a person of the register. A person the register would not match may dispute the name at level 1, with a
    day at the counter. Raises LevelNeeded; the letter carries number and evidence encrypted to the owner.
    """
    if actor.for_subject:
        raise SelfOnly("纠错")
    local = actor.subject.startswith(_LOCAL)
    actor.require(1 if local else 2)
    known = rules.attribute(claim.attribute)
    claimed = rules.normal_claim(claim.attribute, claim.claimed)
    wrong = rules.check_claim(claim.attribute, claimed, node.clock.today()) or await _may_open(tx, actor.subject, claim)
    if wrong or known is None:
        return (wrong,) if wrong else ()
    if local and (refused := _at_counter(claim, node.clock.today())):
        return (refused,)
    kept = await _keep(tx, node, actor, claim)
    if isinstance(kept, Refused):
        return kept.why
    return await _send(tx, node, actor, msgspec.structs.replace(claim, claimed=claimed), known.register, kept)


class Refused(msgspec.Struct, frozen=True):
    """Why a file was not taken."""

    why: Refusals


async def _may_open(tx: Tx, subject: str, claim: Claim) -> Any:
    """One open dispute an attribute, five in all, four files; a second tab meets the unique index."""
    rows = await tx.fetch("SELECT attribute FROM dispute WHERE subject = $1 AND state = 'open'", subject)
    if any(row["attribute"] == claim.attribute for row in rows):
        return refusal("identity.dispute_running", "attribute")
    if len(rows) >= MOST_OPEN:
        return refusal("identity.dispute_many", "attribute", n=MOST_OPEN)
    return refusal("identity.dispute_files", "evidence", n=MOST_FILES) if len(claim.uploads) > MOST_FILES else None


def _at_counter(claim: Claim, today: date) -> Any:
    """An unmatched person disputes the name only, and shows the document at a counter within two months."""
    if claim.attribute != "name":
        return refusal("identity.dispute_match_first", "attribute")
    if claim.visit_on is None or not today < claim.visit_on or (claim.visit_on - today).days > 60:
        return refusal("identity.dispute_visit", "visit_on")
    return None


async def _keep(tx: Tx, node: Node, actor: Actor, claim: Claim) -> tuple[str, ...] | Refused:
    room = evidence_room()
    if room is None and claim.uploads:
        return Refused((refusal("identity.dispute_no_files", "evidence"),))
    kept: list[str] = []
    for upload in claim.uploads if room else ():
        one = await room.keep(tx, node, actor, upload, "evidence") if room else ()
        if isinstance(one, tuple):
            return Refused(one)
        kept.append(one)
    return tuple(kept)


async def _send(tx: Tx, node: Node, actor: Actor, claim: Claim, register: str, kept: tuple[str, ...]) -> str:
    dispute, now, today = uuid7(), node.clock.now(), node.clock.today()
    days, room = working_days(node), evidence_room()
    due = rules.due(today, rules.book().days, days.off, days.worked)
    number = rules.new_number(today)
    local = actor.subject.startswith(_LOCAL)
    person = await persons.person(tx, node, actor.subject)
    await tx.execute(
        "INSERT INTO dispute (subject, id, number, register, attribute, claimed, note, evidence, visit_on, opened_at, due_on)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        actor.subject, dispute, number, register, claim.attribute,
        node.cipher.seal("sensitive", "dispute.claimed", dispute, claim.claimed),
        node.cipher.seal("identity", "dispute.note", dispute, claim.note), list(kept), claim.visit_on, now, due,
    )  # fmt: skip
    opened = DisputeOpened(
        id=dispute, number=number, subject="" if local else actor.subject,
        document=person.number.reveal() if local and person is not None and person.number is not None else "",
        attribute=claim.attribute, claimed=claim.claimed, note=claim.note, level=actor.acr, visit_on=claim.visit_on,
        evidence=tuple([await room.send(tx, node, actor.subject, one, used_in=f"dispute:{dispute}", to=register) for one in kept]) if room else (),
        opened_at=int(now.timestamp() * 1000), due_on=due,
    )  # fmt: skip
    await _to_owner(tx, node, register, dispute, opened)
    known = rules.attribute(claim.attribute)
    if not local:
        await consent.record_access(tx, node, consent.Access(
            subject=actor.subject, kind="share", who=federation.name_of(node, register), fields=(known.words if known else claim.attribute,),
            purpose="处理你提出的纠错", source=node.id, receiver=register, basis="个人信息保护法第四十六条", about=f"dispute:{dispute}",
        ))  # fmt: skip
    await notifications.notify(
        tx, node, subject=actor.subject, kind="identity.dispute_opened", about=f"dispute:{dispute}", title="纠错申请交上去了",
        text=f"编号 {number}，{due.month} 月 {due.day} 日前答复。等的时候照常办事。", link=f"/me/disputes/{dispute}", group="纠错",
    )  # fmt: skip
    log("identity.dispute_opened", kind=claim.attribute, peer=register)
    return dispute


async def _to_owner(tx: Tx, node: Node, register: str, dispute: str, opened: DisputeOpened) -> None:
    if register == node.id:
        await dispute_desk.receive(tx, node, node.id, opened)
        return
    await federation.send(tx, node, to=register, kind="dispute.opened", about=f"dispute:{dispute}", body=opened)


async def withdraw(tx: Tx, node: Node, actor: Actor, dispute: str) -> bool:
    """Take an own open dispute back 撤回; False when there is none. The owner's desk hears by letter."""
    return await _withdraw(tx, node, actor.subject, dispute)


async def withdraw_all(tx: Tx, node: Node, subject: str) -> int:
    """Take back what is still open of a person whose account closes 注销时撤回; how many."""
    rows = await tx.fetch("SELECT id FROM dispute WHERE subject = $1 AND state = 'open' ORDER BY opened_at", subject)
    return sum([await _withdraw(tx, node, subject, row["id"]) for row in rows])


async def _withdraw(tx: Tx, node: Node, subject: str, dispute: str) -> bool:
    row = await tx.fetchrow(
        "UPDATE dispute SET state = 'withdrawn', decided_at = $3 WHERE subject = $1 AND id = $2 AND state = 'open' RETURNING register",
        subject, dispute, node.clock.now(),
    )  # fmt: skip
    if row is None:
        return False
    if row["register"] == node.id:
        await dispute_desk.withdrawn(tx, node, node.id, dispute)
    else:
        await federation.send(tx, node, to=row["register"], kind="dispute.withdrawn", about=f"dispute:{dispute}", body={"id": dispute})
    return True
