"""Break-glass 紧急访问 (identity.md 9, T-64): named persons only, level 4, an hour, twenty persons, a second told at once.

Every reading is a ledger line the person sees, at the latest on the day a second officer set. It opens nothing but persons:
keys, the log and the authors of reviews have no way in here at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from tongban import consent, federation, transparency
from tongban.identity.actions import notices
from tongban.identity.actions.reasons import reading_reason
from tongban.identity.errors import failure, refusal
from tongban.identity.model import Glass, GlassPerson
from tongban.identity.queries import persons, staff
from tongban.identity.queries.emergency import glass, glass_persons
from tongban.identity.rules import typed
from tongban.identity.rules.emergency import GROUNDS, LIMITS, working_day_after
from tongban.identity.rules.levels import ACCOUNTS
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, NotFound, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

LEVEL = 4
FIELDS = ("姓名", "证件号", "手机号", "账号所在地", "办件清单")
BASIS = "紧急访问，事后由安全员复核"
SubjectOfCase = Callable[[Tx, Node, str], Awaitable[str | None]]
CasesOf = Callable[[Tx, Node, str], Awaitable[tuple[tuple[str, str, str], ...]]]
_subject_of_case: list[SubjectOfCase] = []
_cases_of: list[CasesOf] = []


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What an emergency shows of one person 紧急访问看到的: facts in words, cases as (words, state, path)."""

    facts: tuple[tuple[str, str], ...]
    cases: tuple[tuple[str, str, str], ...]


def offer_cases(subject_of: SubjectOfCase, cases_of: CasesOf) -> None:
    """The room of cases says whose a case number is, and which cases a person has here."""
    _subject_of_case[:] = [subject_of]
    _cases_of[:] = [cases_of]


async def open_glass(tx: Tx, node: Node, actor: Actor, *, reason: str, said: str, told: str) -> str | Refusals:
    """Break the glass 打开紧急访问: a reason of the list and in words, a colleague who is told in this transaction. Its id.

    Raises NotAllowed, Failure `identity.emergency_level` below level 4 (a certificate shown in the last 15 minutes).
    """
    actor.require_staff()
    if not holds(actor, "identity.break_glass"):
        raise NotAllowed
    if actor.acr < LEVEL:
        raise failure("identity.emergency_level")
    if reason not in GROUNDS or len(said.strip()) < 10:
        return (refusal("identity.emergency_reason", "said"),)
    second = await staff.staff_member(tx, node, told)
    me = await staff.staff_member(tx, node, actor.subject)
    if second is None or me is None or second.suspended or told == actor.subject:
        return (refusal("identity.emergency_told", "told"),)
    actor.require_may("identity.break_glass", division=me.division, org=me.org)
    made, now = uuid7(), node.clock.now()
    await tx.execute(
        "INSERT INTO break_glass (id, staff, unit, division, org, reason, said, told, opened_at, until, review_by)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        made, actor.subject, actor.unit, me.division, me.org, reason, node.cipher.seal("staff", "break_glass.said", made, said.strip()[:500]),
        told, now, now + timedelta(minutes=LIMITS.minutes), working_day_after(node.clock.today(), LIMITS.review_working_days),
    )  # fmt: skip
    await transparency.append(tx, "emergency.opened", jcs({"id": made, "reason": reason, "staff": actor.subject, "told": told}))
    words, link = f"{actor.unit}（工号 {actor.staff_id}）打开了紧急访问：{GROUNDS[reason].words}", f"/staff/emergency/{made}"
    await notices.tell(tx, node, told, kind="emergency.opened", words=words, link=link)
    await notices.tell_holders(
        tx, node, action="identity.break_glass_review", division=me.division, org=me.org, kind="emergency.opened",
        words=f"{words}。请在 {working_day_after(node.clock.today(), LIMITS.review_working_days):%m 月 %d 日}前复核", link=link,
        besides=(actor.subject, told),
    )  # fmt: skip
    return made


async def name_person(tx: Tx, node: Node, actor: Actor, glass_id: str, ref: str) -> int | Refusals:
    """Name one person, by document number or case number 点名: which one it is of this access (from 1).

    Raises Failure `identity.emergency_over` after its time, `identity.emergency_full` for the 21st, `identity.reason_needed`
    for oneself and family.
    """
    found = await _mine(tx, node, actor, glass_id)
    number = typed.normal(ref)
    way = "case" if len(number) == 22 and number.isdigit() else "number"
    subject = await _subject(tx, node, way, number)
    if subject is None:
        return (refusal("identity.emergency_unknown", "ref"),)
    known = await glass_persons(tx, found.id)
    for one in known:
        if one.subject == subject:
            return one.place
    if len(known) >= LIMITS.persons:
        raise failure("identity.emergency_full", most=LIMITS.persons)
    await tx.execute(
        "INSERT INTO break_glass_person (subject, glass, named_at, way, ref) VALUES ($1, $2, $3, $4, $5)",
        subject, found.id, node.clock.now(), way, node.cipher.seal("staff", "break_glass_person.ref", found.id, number),
    )  # fmt: skip
    return len(known) + 1


async def look(tx: Tx, node: Node, actor: Actor, glass_id: str, place: int) -> Card:
    """Read a named person 查看: written down first, every time. Raises as `name_person`, NotFound for a place nobody has."""
    found = await _mine(tx, node, actor, glass_id)
    one = next((each for each in await glass_persons(tx, found.id) if each.place == place), None)
    if one is None:
        raise NotFound
    await reading_reason(
        tx, node, actor, one.subject, "emergency", found.id, fields=FIELDS, basis=BASIS, purpose=f"紧急访问：{GROUNDS[found.reason].words}",
    )  # fmt: skip
    return await _card(tx, node, one)


async def close(tx: Tx, node: Node, actor: Actor, glass_id: str) -> None:
    """End it before its hour 提前结束."""
    found = await _mine(tx, node, actor, glass_id)
    await tx.execute("UPDATE break_glass SET ended_at = $2 WHERE id = $1", found.id, node.clock.now())


async def review(tx: Tx, node: Node, actor: Actor, glass_id: str, *, in_order: bool, words: str) -> Refusals:
    """A security officer judges it 复核, neither who opened it nor who was told. Raises NotAllowed, `identity.emergency_second`."""
    found = await _other(tx, actor, glass_id, "identity.break_glass_review")
    if len(words.strip()) < 4:
        return (refusal("identity.emergency_reason", "words"),)
    if found.reviewed_at is not None:
        raise failure("identity.proposal_gone")
    verdict = "in_order" if in_order else "not_in_order"
    await tx.execute(
        "UPDATE break_glass SET reviewed_by = $2, reviewed_at = $3, verdict = $4, review_words = $5 WHERE id = $1",
        found.id, actor.subject, node.clock.now(), verdict, words.strip()[:300],
    )  # fmt: skip
    await transparency.append(tx, "emergency.reviewed", jcs({"id": found.id, "verdict": verdict, "by": actor.subject}))
    said = "合规" if in_order else "不合规，会按规定处理"
    for to in (found.staff, found.told):
        await notices.tell(tx, node, to, kind="emergency.reviewed", words=f"紧急访问复核：{said}", link=f"/staff/emergency/{found.id}")
    return ()


async def delay(tx: Tx, node: Node, actor: Actor, glass_id: str, *, until: datetime, basis: str) -> Refusals:
    """A second officer holds the persons' ledger lines back 推迟显示, with the article, at most 30 days; never for ever."""
    found = await _other(tx, actor, glass_id, "identity.break_glass_delay")
    last = found.opened_at + timedelta(days=LIMITS.delay_days)
    if not node.clock.now() < until <= last or len(basis.strip()) < 6:
        return (refusal("identity.emergency_delay", "basis", most=LIMITS.delay_days),)
    await tx.execute(
        "UPDATE break_glass SET delayed_by = $2, delayed_until = $3, delay_basis = $4 WHERE id = $1",
        found.id, actor.subject, until, basis.strip()[:100],
    )  # fmt: skip
    await consent.hold_back(tx, f"emergency:{found.id}", until, basis.strip()[:100])
    await transparency.append(tx, "emergency.delayed", jcs({"id": found.id, "until": int(until.timestamp()), "by": actor.subject}))
    return ()


async def remind(tx: Tx, node: Node) -> int:
    """Tell everybody who could help that a review is late 复核过期; once each; how many."""
    rows = await tx.fetch(
        "UPDATE break_glass SET overdue_told = true WHERE reviewed_at IS NULL AND review_by < $1 AND NOT overdue_told"
        " RETURNING id, division, org, staff",
        node.clock.today(),
    )
    for row in rows:
        for action in ("identity.break_glass_review", "identity.staff_suspend"):
            await notices.tell_holders(
                tx, node, action=action, division=row["division"], org=row["org"], kind="emergency.overdue",
                words="一次紧急访问过了复核期限，还没有人复核", link=f"/staff/emergency/{row['id']}", besides=(row["staff"],),
            )  # fmt: skip
    return len(rows)


async def names(tx: Tx, node: Node, actor: Actor, subject: str) -> str | None:
    """The running access of this member of staff that names this person 正在紧急访问, None when there is none."""
    found: str | None = await tx.fetchval(
        "SELECT g.id FROM break_glass g JOIN break_glass_person p ON p.glass = g.id"
        " WHERE g.staff = $1 AND p.subject = $2 AND g.until > $3 AND g.ended_at IS NULL ORDER BY g.opened_at DESC LIMIT 1",
        actor.subject, subject, node.clock.now(),
    )  # fmt: skip
    return found


async def _mine(tx: Tx, node: Node, actor: Actor, glass_id: str) -> Glass:
    actor.require_staff()
    found = await glass(tx, glass_id, lock=True)
    if found is None or found.staff != actor.subject:
        raise NotFound
    if found.until <= node.clock.now() or found.ended_at is not None:
        raise failure("identity.emergency_over")
    return found


async def _other(tx: Tx, actor: Actor, glass_id: str, action: str) -> Glass:
    actor.require_staff()
    found = await glass(tx, glass_id, lock=True)
    if found is None:
        raise NotFound
    actor.require_may(action, division=found.division, org=found.org)
    if actor.subject in (found.staff, found.told):
        raise failure("identity.emergency_second")
    return found


async def _subject(tx: Tx, node: Node, way: str, number: str) -> str | None:
    if way == "case":
        return await _subject_of_case[0](tx, node, number) if _subject_of_case else None
    person = await persons.person_by_number(tx, node, number) if typed.check_number(number) is None else None
    return person.subject if person else None


async def _card(tx: Tx, node: Node, one: GlassPerson) -> Card:
    person = await persons.person(tx, node, one.subject)
    held = await persons.account(tx, one.subject)
    facts: list[tuple[str, str]] = []
    if person is not None:
        for label, value in (("姓名", person.name or person.name_masked), ("证件号", person.number), ("手机号", person.phone)):
            facts.append((label, value.reveal() if value else "这里没有"))
        facts.append(("账号所在地", federation.name_of(node, person.home)))
    if held is not None:
        facts.append(("账号状态", ACCOUNTS[held.status]))
    return Card(facts=tuple(facts), cases=await _cases_of[0](tx, node, one.subject) if _cases_of else ())
