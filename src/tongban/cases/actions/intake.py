"""At the intake desk (收件岗): ask for a correction once, accept, refuse to accept, reinstate what lapsed wrongly."""

from __future__ import annotations

import msgspec

from tongban import catalogue
from tongban.cases.actions import documents, step
from tongban.cases.model import Case, Correction, Defect, Reason, Remedy
from tongban.cases.queries import records
from tongban.cases.queries.calendar import calendar
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import desk, moves, paper, promise, wording
from tongban.kernel.actor import Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node


async def ask_correction(tx: Tx, node: Node, actor: Actor, case: Case, defects: tuple[Defect, ...]) -> Case | Refusals:
    """T04: tell once, everything that is missing (一次性告知), with the last day and a sealed notice."""
    desk.must(actor, "cases.correct", case)
    today = node.clock.today()
    clocks = await records.clocks(tx, case.subject, case.id)
    facts, grounds = moves.facts_of(case, clocks), moves.Grounds(today=today, defects=defects)
    against = moves.may_happen(facts, "T04", "officer", grounds)
    if against:
        return against
    item = await catalogue.item(tx, case.task_code, step.version_of(case))
    clock = ticking.of_kind(moves.after(facts, "T04", grounds, ticking.limits_of(item), calendar(node)).clocks, "correction")
    last_day = clock.due_on if clock else today
    asked = Correction(asking=1, asked_on=today, last_day=last_day, defects=defects)
    length = clock.limit_days if clock else 0
    await documents.issue(tx, node, actor, case, paper.correction(case, asked, length))
    named = "、".join(one.title for one in defects)
    said = "".join(f"{one.title}：{one.why.rstrip('。')}。" for one in defects)
    words = step.Words(f"要补 {len(defects)} 样：{named}", f"{said}别的都不用再交。{promise.to_be_opened(length)}")
    file = msgspec.structs.replace(case.file, correction=asked)
    return await step.make(tx, node, case, "T04", officer(actor), grounds, words, file=file)


async def accept(tx: Tx, node: Node, actor: Actor, case: Case, *, complete: bool) -> Case | Refusals:
    """T06: complete and ours (受理), with a sealed and dated notice; the decision clock starts today."""
    desk.must(actor, "cases.accept", case)
    item = await catalogue.item(tx, case.task_code, step.version_of(case))
    clocks = await records.clocks(tx, case.subject, case.id)
    facts = moves.facts_of(case, clocks)
    grounds = moves.Grounds(today=node.clock.today(), complete=complete, competent=item is not None and item.owner_node == node.id)
    against = moves.may_happen(facts, "T06", "officer", grounds)
    if against:
        return against
    clock = ticking.running(moves.after(facts, "T06", grounds, ticking.limits_of(item, joint=case.joint), calendar(node)).clocks)
    if clock is not None:
        await documents.issue(tx, node, actor, case, paper.acceptance(case, clock.due_on))
    words = step.Words("收下了，开始算时限", f"材料齐全。{wording.due(clock)}。")
    return await step.make(tx, node, case, "T06", officer(actor), grounds, words)


async def refuse_acceptance(
    tx: Tx,
    node: Node,
    actor: Actor,
    case: Case,
    *,
    reason: str,
    reasons: tuple[Reason, ...],
    remedies: tuple[Remedy, ...],
    competent_body: str = "",
) -> Case | Refusals:
    """T09: not accepted (不予受理), with facts, law, the right body and remedies on a sealed notice (I-12)."""
    desk.must(actor, "cases.accept", case)
    grounds = moves.Grounds(
        today=node.clock.today(), reason=reason, reasons=reasons, remedies=remedies, competent_body=competent_body
    )
    against = moves.may_happen(
        moves.facts_of(case, await records.clocks(tx, case.subject, case.id)), "T09", "officer", grounds
    )
    if against:
        return against
    written = paper.negative(case, "not_accepted", reasons, remedies, body=competent_body)
    await documents.issue(tx, node, actor, case, written)
    why = moves.NOT_ACCEPTED_REASONS[reason]
    where = f"请向{competent_body}申请。" if competent_body else ""
    words = step.Words(f"没有收：{why}", f"{reasons[0].fact.rstrip('。')}。{where}不同意可以复议或起诉，通知书里写了办法。")
    file = msgspec.structs.replace(case.file, reasons=reasons, remedies=remedies)
    return await step.make(tx, node, case, "T09", officer(actor), grounds, words, file=file)


async def reinstate(tx: Tx, node: Node, actor: Actor, case: Case, *, reason: str) -> Case | Refusals:
    """T27: a correction sent in time turned up after the time-out, or the time-out was wrong (恢复): with an apology."""
    desk.must(actor, "cases.accept", case)
    last_day = case.file.correction.last_day if case.file.correction else None
    sent = await tx.fetchval(
        "SELECT min(sent_at) FROM case_standing WHERE subject = $1 AND case_id = $2 AND kind = 'correct'", case.subject, case.id
    )
    timely = sent is not None and last_day is not None and sent.astimezone(CHINA).date() <= last_day
    grounds = moves.Grounds(today=node.clock.today(), answers_asking=timely, reason=reason)
    words = step.Words("申请已恢复", "你的补正是按时寄出的，是我们弄错了，抱歉。5 个工作日内答复收不收。")
    return await step.make(tx, node, case, "T27", officer(actor), grounds, words)


def officer(actor: Actor) -> step.Who:
    """An officer as history keeps them (经办人): staff id inside, unit outside."""
    return step.Who("officer", actor.staff_id, actor.unit)
