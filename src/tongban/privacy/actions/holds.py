"""Legal hold 法定保留 (privacy.md 4): a named person or case, two staff, an end date, visible to the person when the law allows.

What is held no clock ends and no closing erases. A hold that could not be said while it lasted is said when it is over.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec

from tongban import consent, identity, notifications, transparency
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.privacy.actions.leaving import BELL
from tongban.privacy.errors import HoldGone
from tongban.privacy.model.closing import HoldAsked, HoldEnding
from tongban.privacy.queries import holds
from tongban.privacy.rules.times import times

HOLD, END = "privacy.hold", "privacy.hold_end"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a form asks to be held 想保留的: a case number, or a person by number and name."""

    case_number: str = ""
    number: str = ""
    name: str = ""
    basis: str = ""
    reason: str = ""
    until: str = ""
    shown: bool = True


async def propose(tx: Tx, node: Node, actor: Actor, wanted: Wanted) -> identity.Proposal | Refusals:
    """Propose a hold 提议法定保留; a second one approves it at /staff/proposals. Raises NotAllowed."""
    until = _day(wanted.until)
    wrong: list[Refusal] = []
    if len(wanted.basis) < 4:
        wrong.append(Refusal("privacy.basis", "写清依据：法律条款和文书号", "basis"))
    if len(wanted.reason) < 4:
        wrong.append(Refusal("privacy.reason", "写清为什么要保留，至少 4 个字", "reason"))
    today = node.clock.today()
    if until is None or not today < until <= today + timedelta(days=times().hold.most_days):
        wrong.append(Refusal("privacy.until", f"填保留到哪一天，最多 {times().hold.most_days} 天", "until"))
    if bool(wanted.case_number) == bool(wanted.number):
        wrong.append(Refusal("privacy.which", "填办件号，或者填证件号和姓名，只填一样", "case_number"))
    subject, who = "", ""
    if not wrong and wanted.case_number and not await holds.known_case(tx, wanted.case_number):
        wrong.append(Refusal("privacy.no_case", "这里没有这个办件号", "case_number"))
    made = uuid7()
    if not wrong and wanted.number and until is not None:
        actor.require_may("privacy.hold_propose", division=division_of(node))
        person = await identity.person_by_number(tx, node, wanted.number)
        if person is not None:
            await _record(tx, node, actor, person.subject, made, wanted, until)
        if person is None or person.name is None or person.name.reveal() != wanted.name:
            wrong.append(Refusal("privacy.no_person", "这里没有这个人，或者姓名对不上", "number"))
        else:
            subject, who = person.subject, person.name_masked.reveal() if person.name_masked else ""
    if wrong or until is None:
        return tuple(wrong)
    body = HoldAsked(
        id=made, subject=subject, case_number=wanted.case_number, who=who, basis=wanted.basis[:200], reason=wanted.reason[:500], until=until, shown=wanted.shown
    )
    words = f"办件 {wanted.case_number}，到 {until}" if wanted.case_number else f"一个人，到 {until}"
    return await identity.propose(tx, node, actor, HOLD, division=division_of(node), words=words, body=msgspec.json.encode(body))


async def _record(tx: Tx, node: Node, actor: Actor, subject: str, made: str, wanted: Wanted, until: date) -> None:
    """The ledger line of the reading, before any answer; held back to the end of a hold that may not be said (privacy.md 6)."""
    about = f"hold:{made}"
    await identity.note_reading(tx, node, actor, "hold", made, consent.Access(
        subject=subject, kind="view", who=actor.unit or node.settings.name, fields=("姓名", "证件号"), purpose="依法保留信息时核对是谁",
        source=node.id, receiver=node.id, basis=wanted.basis[:100], about=about,
    ))  # fmt: skip
    if not wanted.shown:
        await consent.hold_back(tx, about, datetime(until.year, until.month, until.day, tzinfo=UTC), wanted.basis[:100])


async def propose_end(tx: Tx, node: Node, actor: Actor, hold_id: str, reason: str) -> identity.Proposal | Refusals:
    """Propose to end a hold before its day 提议提前解除. Raises HoldGone, NotAllowed."""
    found = await holds.one(tx, node, hold_id)
    if found is None or found.ended_at is not None:
        raise HoldGone
    if len(reason) < 4:
        return (Refusal("privacy.reason", "写清为什么提前解除，至少 4 个字", "reason"),)
    what = f"办件 {found.case_number}" if found.case_number else "一个人"
    body = HoldEnding(id=hold_id, what=what, reason=reason[:500])
    return await identity.propose(
        tx, node, actor, END, division=division_of(node), words=f"{what}，原定到 {found.until}", body=msgspec.json.encode(body)
    )


def division_of(node: Node) -> str:
    """The area holds of this node belong to: the whole of it."""
    return (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")


async def _approved(tx: Tx, node: Node, approver: Actor, found: identity.Proposal, body: bytes) -> str:
    asked = msgspec.json.decode(body, type=HoldAsked)
    made = asked.id

    def sealed(column: str, words: str) -> bytes:
        return node.cipher.seal(holds.GROUP, f"legal_hold.{column}", made, words)

    await tx.execute(
        "INSERT INTO legal_hold (subject, id, case_number, basis, reason, until, shown, division, proposed_by, approved_by, made_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        asked.subject, made, asked.case_number, sealed("basis", asked.basis), sealed("reason", asked.reason), asked.until, asked.shown,
        found.division, found.proposed_by, approver.subject, node.clock.now(),
    )  # fmt: skip
    await transparency.append(
        tx, "privacy.hold_made", jcs({"id": made, "until": asked.until.isoformat(), "by": [found.proposed_by, approver.subject], "v": 1})
    )
    if asked.shown and asked.subject:
        await _tell(tx, node, asked.subject, made, "有些信息要依法多留一段", f"依据：{asked.basis}。留到 {asked.until}，到期自动解除。")
    return f"保留到 {asked.until}"


async def _ended(tx: Tx, node: Node, approver: Actor, found: identity.Proposal, body: bytes) -> str:
    asked = msgspec.json.decode(body, type=HoldEnding)
    await _end(tx, node, asked.id, approver.subject, found.proposed_by)
    return "解除了，到期的会在下一次清理时删除"


async def _end(tx: Tx, node: Node, hold_id: str, *by: str) -> None:
    hold = await holds.one(tx, node, hold_id, lock=True)
    if hold is None or hold.ended_at is not None:
        return
    await tx.execute("UPDATE legal_hold SET ended_at = $2, ended_by = $3 WHERE id = $1", hold_id, node.clock.now(), by[0] if by else None)
    await transparency.append(tx, "privacy.hold_ended", jcs({"id": hold_id, "by": list(by), "v": 1}))
    await tx.execute("UPDATE leaving SET next_at = $1 WHERE state = 'ended'", node.clock.now())
    await ring(tx, BELL)
    if hold.subject and await identity.account(tx, hold.subject) is not None:
        text = f"依据：{hold.basis.reveal()}。从 {hold.made_at:%Y-%m-%d} 起多留的信息，现在照常到期删除。"
        await _tell(tx, node, hold.subject, hold_id, "依法多留的信息解除了", text, dedupe="ended")


async def end_due(tx: Tx, node: Node) -> int:
    """End the holds whose last day is over 到期解除; how many."""
    rows = await tx.fetch("SELECT id FROM legal_hold WHERE ended_at IS NULL AND until < $1", node.clock.today())
    for row in rows:
        await _end(tx, node, str(row["id"]))
    return len(rows)


async def _tell(tx: Tx, node: Node, subject: str, hold: str, title: str, text: str, dedupe: str = "") -> None:
    await notifications.notify(
        tx, node, subject=subject, kind="privacy.hold", title=title, text=text, link="/me/closing", about=f"hold:{hold}", group="我的信息", dedupe=dedupe
    )


def _words(body: bytes) -> tuple[tuple[str, str], ...]:
    asked = msgspec.json.decode(body, type=HoldAsked)
    return (
        ("保留什么", f"办件 {asked.case_number}" if asked.case_number else f"{asked.who}在这里的全部信息"), ("依据", asked.basis),
        ("原因", asked.reason), ("到哪天", asked.until.isoformat()), ("告诉本人吗", "现在就告诉" if asked.shown else "结束时告诉"),
    )  # fmt: skip


def _end_words(body: bytes) -> tuple[tuple[str, str], ...]:
    asked = msgspec.json.decode(body, type=HoldEnding)
    return (("解除什么", asked.what), ("原因", asked.reason))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


identity.carries_out(HOLD, _approved, _words)
identity.carries_out(END, _ended, _end_words)
