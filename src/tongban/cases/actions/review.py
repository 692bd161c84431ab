"""At the review desk (审查岗): start the review, write an opinion, stop the clock for a lawful procedure, extend."""

from __future__ import annotations

import msgspec

from tongban import catalogue
from tongban.cases.actions import documents, step
from tongban.cases.actions.intake import officer
from tongban.cases.model import Case, Clock
from tongban.cases.queries import records
from tongban.cases.queries.calendar import calendar
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import desk, moves, paper, wording
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.node import Node


async def start_review(tx: Tx, node: Node, actor: Actor, case: Case) -> Case | Refusals:
    """T10: a case worker takes it up (开始审查)."""
    desk.must(actor, "cases.review", case)
    grounds = moves.Grounds(today=node.clock.today(), worker=actor.staff_id)
    return await step.make(tx, node, case, "T10", officer(actor), grounds, step.Words("开始审核"))


async def give_opinion(tx: Tx, node: Node, actor: Actor, case: Case, text: str, *, favourable: bool) -> Case | Refusals:
    """What the reviewer found (审查意见): internal, never in a letter. No transition; the approver decides."""
    desk.must(actor, "cases.review", case)
    if case.state != "under_review":
        return (Refusal("cases.opinion.state", "审查中的办件才能写意见"),)
    if not text.strip():
        return (Refusal("cases.opinion.empty", "请写明各项条件是否符合、看了什么材料", "opinion"),)
    lead = "建议通过。" if favourable else "建议不通过。"
    words = step.Words("审查意见", opinion=lead + text.strip())
    return await step.note(tx, node, case, "opinion", officer(actor), words)


async def start_special(tx: Tx, node: Node, actor: Actor, case: Case, *, kind: str, reason: str, days: int) -> Case | Refusals:
    """T11: a procedure of the suspension list pauses the clock (特别程序); told in writing, or it does not count."""
    desk.must(actor, "cases.review", case)
    grounds = moves.Grounds(today=node.clock.today(), special_kind=kind, special_days=days, reason=reason)
    against = moves.may_happen(
        moves.facts_of(case, await records.clocks(tx, case.subject, case.id)), "T11", "officer", grounds
    )
    if against:
        return against
    await documents.issue(tx, node, actor, case, paper.special(case, kind, reason, days))
    words = step.Words(f"要做{kind}，时限先停表", f"大约要 {days} 个工作日，做完接着算。原因：{reason.rstrip('。')}。")
    file = msgspec.structs.replace(case.file, special_reason=reason, special_days=days)
    return await step.make(tx, node, case, "T11", officer(actor), grounds, words, file=file, special_kind=kind)


async def end_special(tx: Tx, node: Node, actor: Actor, case: Case, *, result: str) -> Case | Refusals:
    """T12: the procedure is over, its result recorded; the due day moves by the paused working days (恢复)."""
    desk.must(actor, "cases.review", case)
    grounds = moves.Grounds(today=node.clock.today(), result=result)
    clock = await _after(tx, node, case, "T12", grounds)
    words = step.Words(f"{case.special_kind or '特别程序'}做完了，接着算时限", f"{wording.due(clock)}。", opinion=result)
    return await step.make(tx, node, case, "T12", officer(actor), grounds, words, special_kind="")


async def extend(tx: Tx, node: Node, actor: Actor, case: Case, *, reason: str) -> Case | Refusals:
    """T13: once, by the head, before the statutory day (延长期限), with a reason the applicant is told."""
    desk.must(actor, "cases.extend", case)
    grounds = moves.Grounds(today=node.clock.today(), reason=reason)
    against = moves.may_happen(
        moves.facts_of(case, await records.clocks(tx, case.subject, case.id)), "T13", "head", grounds
    )
    if against:
        return against
    clock = await _after(tx, node, case, "T13", grounds)
    if clock is not None:
        await documents.issue(tx, node, actor, case, paper.extended(case, reason, clock.due_on))
    who = msgspec.structs.replace(officer(actor), by="head")
    words = step.Words("办理时限延长了一次", f"理由：{reason.rstrip('。')}。{wording.due(clock)}。")
    return await step.make(tx, node, case, "T13", who, grounds, words)


async def _after(tx: Tx, node: Node, case: Case, transition: str, grounds: moves.Grounds) -> Clock | None:
    item = await catalogue.item(tx, case.task_code, step.version_of(case))
    facts = moves.facts_of(case, await records.clocks(tx, case.subject, case.id))
    limits = ticking.limits_of(item, joint=case.joint)
    return ticking.running(moves.after(facts, transition, grounds, limits, calendar(node)).clocks)
