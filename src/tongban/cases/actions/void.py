"""Making void (作废): a supervisor proposes, another confirms; a credential that was issued is revoked with it."""

from __future__ import annotations

import msgspec

from tongban import credentials
from tongban.cases.actions import documents, step
from tongban.cases.actions.intake import officer
from tongban.cases.model import Case, Reason, Remedy
from tongban.cases.queries import records
from tongban.cases.rules import desk, moves, paper
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.node import Node


async def propose(
    tx: Tx, node: Node, actor: Actor, case: Case, *, reason: str, reasons: tuple[Reason, ...], remedies: tuple[Remedy, ...]
) -> Case | Refusals:
    """The first of two persons (提出作废): nothing moves yet, nobody outside is told."""
    desk.must(actor, "cases.void", case)
    grounds = moves.Grounds(
        today=node.clock.today(), reason=reason, second_person=True, reasons=reasons, remedies=remedies, revoked=True
    )
    facts = moves.facts_of(case, await records.clocks(tx, case.subject, case.id))
    against = moves.may_happen(facts, "T26", "supervisor", grounds)
    if against:
        return against
    file = msgspec.structs.replace(
        case.file, void_proposed_by=actor.staff_id, void_reason=reason, void_reasons=reasons, void_remedies=remedies
    )
    words = step.Words("提出作废", opinion=f"{moves.VOID_REASONS[reason]}：{reasons[0].fact}")
    return await step.note(tx, node, case, "opinion", msgspec.structs.replace(officer(actor), by="supervisor"), words, file=file)


async def confirm(tx: Tx, node: Node, actor: Actor, case: Case) -> Case | Refusals:
    """T26 by the second person (确认作废): told with reasons and remedies, the credential revoked in the same transaction."""
    desk.must(actor, "cases.void", case)
    file = case.file
    if not file.void_proposed_by:
        return (Refusal("cases.make_void.unproposed", "还没有人提出作废"),)
    second = actor.staff_id != file.void_proposed_by
    if second and case.credential:
        await credentials.revoke(tx, node, actor, case.subject, case.credential, moves.VOID_REASONS[file.void_reason])
    grounds = moves.Grounds(
        today=node.clock.today(), reason=file.void_reason, second_person=second, reasons=file.void_reasons,
        remedies=file.void_remedies, revoked=True,
    )  # fmt: skip
    facts = moves.facts_of(case, await records.clocks(tx, case.subject, case.id))
    against = moves.may_happen(facts, "T26", "supervisor", grounds)
    if against:
        return against
    await documents.issue(tx, node, actor, case, paper.negative(case, "voided", file.void_reasons, file.void_remedies))
    who = msgspec.structs.replace(officer(actor), by="supervisor")
    said = "".join(f"{one.fact.rstrip('。')}。" for one in file.void_reasons)
    words = step.Words("这件已作废", f"{said}不同意可以复议或起诉，通知书里写了办法。")
    told = msgspec.structs.replace(file, reasons=file.void_reasons, remedies=file.void_remedies)
    return await step.make(tx, node, case, "T26", who, grounds, words, file=told)
