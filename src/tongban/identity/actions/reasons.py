"""Reading a person needs a reason 查看要有理由 (identity.md 9, T-60): a case, a queue, a counter visit, a dispute, an emergency.

Rooms above say how they find an open case or dispute with `offer_reason`; what none of them finds is refused, and a security
officer is told. Nothing about a person may be shown before `reading_reason` returned.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Literal

from tongban import consent, notifications, transparency
from tongban.identity.actions import notices, register, throttle
from tongban.identity.errors import failure, not_matched, refusal
from tongban.identity.model import MatchAsked, Visit
from tongban.identity.queries import persons, staff
from tongban.identity.queries.readings import READ, reading_fact
from tongban.identity.rules import typed
from tongban.identity.rules.emergency import LIMITS
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusals
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

ReasonKind = Literal["case", "queue", "visit", "dispute", "emergency", "right", "hold", "licence", "archive", "audit", "none"]
Finder = Callable[[Tx, Node, Actor, str], Awaitable[str | None]]
VISIT_LIFE = timedelta(minutes=30)
_WORDS = {
    "case": "办理这个办件", "queue": "分派本单位的办件", "visit": "窗口现场办理", "dispute": "处理纠错申请", "emergency": "紧急访问",
    "right": "办理个人信息的请求", "hold": "依法保留信息", "licence": "管理证照", "archive": "归档移交", "audit": "审计查看记录",
}  # fmt: skip
_BY_ITSELF = {"case", "queue", "visit", "dispute", "emergency"}
"""What `reading_reason` takes for a reason (identity.md 9); a desk with another one judges it and calls `note_reading`."""
_HOUR = 3600
_finders: dict[ReasonKind, Finder] = {}


def offer_reason(kind: ReasonKind, finder: Finder) -> None:
    """A room above says how it finds its reason: `finder(tx, node, clerk, subject)` gives the open case or dispute, or None."""
    _finders[kind] = finder


async def find_reason(tx: Tx, node: Node, clerk: Actor, subject: str) -> tuple[ReasonKind, str]:
    """The reason this clerk has now to read this person 有没有理由: ("none", "") when there is none."""
    visit = await visit_now(tx, node, clerk, subject)
    if visit is not None:
        return "visit", visit
    for kind, finder in _finders.items():
        ref = await finder(tx, node, clerk, subject)
        if ref:
            return kind, ref
    return "none", ""


async def reading_reason(
    tx: Tx, node: Node, clerk: Actor, subject: str, kind: ReasonKind, ref: str, *, fields: tuple[str, ...],
    basis: str = "行政许可法第三十四条", purpose: str = "", about: str = "",
) -> None:  # fmt: skip
    """Write down why this member of staff reads this person 记下查看理由; ledger line and leaf in the caller's transaction.

    `kind` is `none` when the caller found no open case, queue, visit or dispute. Raises Failure `identity.reason_needed`
    then, also for the clerk's own person and family (T-62) and for a visit or an emergency that is not there; the security
    officers are told. Nothing may be shown before this returned.
    """
    clerk.require_staff()
    sound = kind in _BY_ITSELF and bool(ref) and not clerk.own_or_family(subject)
    if sound and kind == "visit":
        sound = await visit_now(tx, node, clerk, subject) == ref
    if sound and kind == "emergency":
        sound = await _named(tx, node, clerk, subject, ref)
    if not sound:
        await notices.alert(node, clerk, "read_without_reason", "没有理由要查看一个人，已经拦下")
        raise failure("identity.reason_needed")
    await note_reading(tx, node, clerk, kind, ref, consent.Access(
        subject=subject, kind="view", who=clerk.unit or node.settings.name, fields=fields, purpose=purpose or _WORDS[kind], source=node.id,
        receiver=node.id, basis=basis, about=about or (f"case:{ref}" if kind in ("case", "queue") else f"{kind}:{ref}"),
    ))  # fmt: skip


async def note_reading(tx: Tx, node: Node, clerk: Actor, kind: ReasonKind, ref: str, access: consent.Access) -> None:
    """Write down a reading whose reason the caller has judged 记一次查看: the line of the person's ledger, and the row of the auditors' register.

    Who of the staff, why and when is a leaf too, by whose id the row goes, so that nobody changes the register unseen (R-802).
    """
    await consent.record_access(tx, node, access)
    now = node.clock.now()
    leaf = await transparency.append(tx, READ, reading_fact(clerk.subject, kind, ref, now))
    await tx.execute(
        "INSERT INTO access_reason (subject, id, staff, kind, ref, at) VALUES ($1, $2, $3, $4, $5, $6)",
        access.subject, leaf.id, clerk.subject, kind, ref, now,
    )  # fmt: skip
    await _many(tx, node, clerk)


async def open_visit(tx: Tx, node: Node, clerk: Actor, number: str, name: str) -> Visit | Refusals:
    """The clerk has person and document in front of them 窗口接待: half an hour in which the person may be read.

    Both number and name must be right; a right number with a wrong name is written into that person's ledger too, and both
    mistakes get the same words. The person is told. Raises NotAllowed, Failure `identity.own_case` (T-62).
    """
    clerk.require_staff()
    if not holds(clerk, "identity.counter_visit"):
        raise NotAllowed
    if wait := await throttle.take(tx, node, f"visit:{clerk.subject}", ((_HOUR, LIMITS.visits_an_hour),)):
        await notices.put_alert(tx, node, clerk, "many_visits", "一小时内在窗口核对的人太多")
        return (refusal("identity.too_many", "number", wait=wait),)
    person = await persons.person_by_number(tx, node, number) if number else None
    if person is None or person.name is None:
        return (refusal("identity.visit_unknown", "number"),)
    if person.name.reveal() != name:
        await _note_miss(tx, node, clerk, person.subject)
        return (refusal("identity.visit_unknown", "number"),)
    if clerk.own_or_family(person.subject):
        raise failure("identity.own_case")
    visit, now = uuid7(), node.clock.now()
    await tx.execute(
        "INSERT INTO counter_visit (subject, id, staff, unit, at, until) VALUES ($1, $2, $3, $4, $5, $6)",
        person.subject, visit, clerk.subject, clerk.unit, now, now + VISIT_LIFE,
    )  # fmt: skip
    await reading_reason(tx, node, clerk, person.subject, "visit", visit, fields=("姓名", "证件号"))
    await notifications.notify(
        tx, node, subject=person.subject, kind="identity.counter_visit", about=f"visit:{visit}", title="窗口正在给你办事",
        text=f"{clerk.unit}核对了你的姓名和证件。你现在没在窗口的话，看看是谁用了你的数据。", link="/me/data-use",
    )  # fmt: skip
    return Visit(id=visit, subject=person.subject, until=now + VISIT_LIFE)


async def visit_now(tx: Tx, node: Node, clerk: Actor, subject: str) -> str | None:
    """The living visit of this person at this clerk's counter 正在接待, None when there is none."""
    found: str | None = await tx.fetchval(
        "SELECT id FROM counter_visit WHERE subject = $1 AND staff = $2 AND until > $3 ORDER BY at DESC LIMIT 1",
        subject, clerk.subject, node.clock.now(),
    )  # fmt: skip
    return found


async def find_at_counter(node: Node, name: str, number: str) -> str | Refusals:
    """The subject of somebody whose document lies on the counter, asked of the register 窗口核对; never inside a transaction.

    For who may never have been met here: both ends write the ledger line of the check.
    """
    if bad := typed.check_number(number):
        return (bad,)
    answer = await register.ask(node, MatchAsked(number=typed.normal(number), name=typed.normal_name(name), purpose="counter"))
    if answer is None:
        return (refusal("identity.register_away", "number"),)
    if not answer.matched or answer.subject is None:
        return (not_matched(answer.why),)
    return answer.subject


async def receive(tx: Tx, node: Node, clerk: Actor, subject: str, number: str, name: str) -> Visit | Refusals:
    """As `open_visit`, also for a person this node never met 接待没来过的人: `find_at_counter` gave the subject. Raises as `open_visit`."""
    if await persons.person_by_number(tx, node, typed.normal(number)) is not None:
        return await open_visit(tx, node, clerk, typed.normal(number), typed.normal_name(name))
    clerk.require_staff()
    if not holds(clerk, "identity.counter_visit"):
        raise NotAllowed
    if clerk.own_or_family(subject):
        raise failure("identity.own_case")
    visit, now = uuid7(), node.clock.now()
    await tx.execute(
        "INSERT INTO counter_visit (subject, id, staff, unit, at, until) VALUES ($1, $2, $3, $4, $5, $6)",
        subject, visit, clerk.subject, clerk.unit, now, now + VISIT_LIFE,
    )  # fmt: skip
    await reading_reason(tx, node, clerk, subject, "visit", visit, fields=("姓名", "证件号"))
    return Visit(id=visit, subject=subject, until=now + VISIT_LIFE)


async def present(tx: Tx, node: Node, subject: str, staff: str) -> Actor | None:
    """The person who stands at a counter now, as who asks 窗口的本人: level 4 while the visit that member of staff opened lasts (identity.md 3)."""
    there = await tx.fetchval(
        "SELECT true FROM counter_visit WHERE subject = $1 AND staff = $2 AND until > $3 LIMIT 1", subject, staff, node.clock.now()
    )
    if not there:
        return None
    return Actor(kind="citizen", subject=subject, acr=4, home=await persons.home_of(tx, subject) or "")


async def _named(tx: Tx, node: Node, clerk: Actor, subject: str, glass: str) -> bool:
    return bool(await tx.fetchval(
        "SELECT 1 FROM break_glass g JOIN break_glass_person p ON p.glass = g.id"
        " WHERE g.id = $1 AND g.staff = $2 AND p.subject = $3 AND g.until > $4 AND g.ended_at IS NULL",
        glass, clerk.subject, subject, node.clock.now(),
    ))  # fmt: skip


async def _note_miss(tx: Tx, node: Node, clerk: Actor, subject: str) -> None:
    """A right number with a wrong name: the person learns that somebody tried."""
    await consent.record_access(tx, node, consent.Access(
        subject=subject, kind="check", who=clerk.unit or node.settings.name, fields=("姓名", "证件号"), purpose="窗口核对，姓名不符，没有给出内容",
        source=node.id, receiver=node.id, basis="行政许可法第三十四条",
    ))  # fmt: skip
    await notices.put_alert(tx, node, clerk, "visit_name_wrong", "窗口核对时证件号对、姓名不对")


async def _many(tx: Tx, node: Node, clerk: Actor) -> None:
    """Tell the security officers when one clerk reads very many persons in an hour (T-65)."""
    since = node.clock.now() - timedelta(seconds=_HOUR)
    count = await tx.fetchval("SELECT count(DISTINCT subject) FROM access_reason WHERE staff = $1 AND at > $2", clerk.subject, since)
    if count > LIMITS.readings_an_hour and await staff.staff_member(tx, node, clerk.subject) is not None:
        await notices.put_alert(tx, node, clerk, "many_read", f"一小时内查看超过 {LIMITS.readings_an_hour} 个人")
