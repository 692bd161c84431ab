"""Receiving (收件): T03, the moment from which the case has an owner and a clock."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tongban import catalogue, evidence, federation
from tongban.cases.actions import gather, speak, step
from tongban.cases.errors import LetterNotOurs
from tongban.cases.model import Case, CaseFile, Submission
from tongban.cases.queries import records
from tongban.cases.queries.calendar import calendar
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import moves, wording
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node


async def receive(tx: Tx, node: Node, letter: federation.Letter) -> Case | None:
    """T03 receive: `case.submitted` becomes a case here (收件); None when it is known already (I-11).

    Undeclared answers are dropped (T-44); the place is worked out from the item and the answers, not believed. An item
    version that has not come yet parks the letter: raises LetterNotOurs.
    """
    sent = msgspec.convert(letter.body, Submission)
    if letter.origin != sent.applicant_node or letter.about != f"case:{sent.case}":
        raise LetterNotOurs("case.submitted speaks for another node or case")
    if await records.locked(tx, node, sent.case) is not None:
        log("cases.known", case_id=sent.case)
        return None
    item = await catalogue.item(tx, sent.task_code, int(sent.item_version))
    if item is None or item.digest != sent.item_digest:
        raise LetterNotOurs("the item version has not come here yet")
    sent = kept_only(item, sent)
    grounds = moves.Grounds(today=node.clock.today())
    start = moves.Facts(state="submitted", public_state="待受理", immediate=item.project_type == "instant")
    against = moves.may_happen(start, "T03", "peer", grounds)
    if against:
        raise LetterNotOurs(against[0].code)
    received_on = node.clock.today()
    if sent.window_node:
        # the window's day counts: what the window let pass is not the applicant's fault (cases.md 9.2)
        received_on = datetime.fromtimestamp(sent.submitted_at / 1000, CHINA).date()
    after = moves.after(start, "T03", moves.Grounds(today=received_on), ticking.limits_of(item), calendar(node))
    case = _case(node, item, sent, after)
    await step.insert(tx, node, case, after.clocks)
    await _materials(tx, node, case, sent)
    leaf = await step.leaf_of(tx, node, case, "T03")
    by_whom = f"由{sent.agent_name}代{sent.evidence.name}提交。" if sent.agent_name else ""
    words = step.Words("已送达，受理部门收到了", f"{by_whom}{wording.due(ticking.running(after.clocks))}。")
    who = step.Who("window" if sent.window_node else "peer", letter.origin, sent.window_unit or item.organisation.name)
    await step.write_line(tx, node, case, "T03", "submitted", who, words, leaf)
    await speak.tell(tx, node, case, notice=words)
    log("cases.moved", case_id=case.id, kind="T03", state=case.state)
    return case


def kept_only(item: catalogue.Item, sent: Submission) -> Submission:
    """The submission with declared fields, materials and licences only (只收声明过的)."""
    types = gather.wanted(item, catalogue.prefill_plan(item.form))
    fields = {field.name for field in item.form.fields}
    codes = {material.name for material in item.materials}
    return msgspec.structs.replace(
        sent,
        answers={name: value for name, value in sent.answers.items() if name in fields},
        sources={name: value for name, value in sent.sources.items() if name in fields},
        materials={code: files for code, files in sent.materials.items() if code in codes},
        licences=None if sent.licences is None else tuple(one for one in sent.licences if one.type_name in types),
    )


def place_of(item: catalogue.Item, answers: dict[str, object]) -> str:
    """The division that handles it (属地): the answer that says so where it lies in the item's area, else the item's own."""
    said = answers.get(item.division_field) if item.division_field else None
    area = item.division.rstrip("0")
    area += "0" * (len(area) % 2)
    if isinstance(said, str) and len(said) == 6 and said.isdigit() and said.startswith(area):
        return said
    return item.division


def _case(node: Node, item: catalogue.Item, sent: Submission, after: moves.Facts) -> Case:
    clock = ticking.running(after.clocks)
    return Case(
        subject=sent.subject, id=sent.case, number=sent.number, org_code=item.org_code, division=place_of(item, sent.answers),
        task_code=item.task_code, item_version=str(item.version), item_digest=item.digest, item_name=item.name,
        applicant_node=sent.applicant_node, window_node=sent.window_node, term=after.term, rev=after.rev, state=after.state,
        public_state=after.public_state, state_before="", immediate=after.immediate, joint=after.joint, worker="",
        asked=False, extended=False, offered_term=0, decided="", special_kind="", credential="", new_owner="",
        submitted_at=datetime.fromtimestamp(sent.submitted_at / 1000, CHINA), received_on=after.received_on,
        changed_at=node.clock.now(), due_kind=clock.kind if clock else "", due_on=clock.due_on if clock else None,
        file=CaseFile(submission=sent),
    )  # fmt: skip


async def _materials(tx: Tx, node: Node, case: Case, sent: Submission) -> None:
    for code, files in sent.materials.items():
        for carried in files:
            await take_material(tx, node, case, code, carried, turn=0)


async def take_material(
    tx: Tx, node: Node, case: Case, code: str, carried: evidence.Travelling, *, turn: int
) -> None:
    """One file of the case: the row now, the content as soon as its node gives it (收材料)."""
    await evidence.arrive(tx, node, case.subject, carried, used_in=f"case:{case.id}")
    await tx.execute(
        "INSERT INTO case_material (subject, case_id, code, material, round) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT DO NOTHING",
        case.subject,
        case.id,
        code,
        carried.id,
        turn,
    )
