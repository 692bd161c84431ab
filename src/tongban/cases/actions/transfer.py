"""Handing a case over (转报): offer, take, decline; at most one owner at any time (I-1, cases.md 4).

While an offer stands the old owner may do nothing with the case. There is no cancel, so no race to cancel.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from tongban import catalogue, evidence, federation
from tongban.cases.actions import receive, requests, speak, step
from tongban.cases.actions.intake import officer
from tongban.cases.errors import CaseUnknown, LetterNotOurs
from tongban.cases.model import Case, Clock, Offer, OfferedFile, Told
from tongban.cases.queries import records, rows
from tongban.cases.queries.calendar import calendar
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import desk, moves
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.node import Node


async def offer(
    tx: Tx, node: Node, actor: Actor, case: Case, *, to: str, org_code: str, division: str, reason: str
) -> Case | Refusals:
    """T21: offer the whole file to the competent body (移交). `to`: its node; the clocks go on meanwhile."""
    desk.must(actor, "cases.transfer", case)
    known = await federation.present(node)
    listed = known.node(to) if known else None
    item = await catalogue.item(tx, case.task_code, step.version_of(case))
    offered = listed is not None and to != node.id and item is not None and len(division) == 6
    grounds = moves.Grounds(today=node.clock.today(), reason=reason, target=to if offered else "")
    clocks = await records.clocks(tx, case.subject, case.id)
    file = await _file(tx, node, case, clocks, to, org_code, division, reason)
    name = listed.name if listed else to
    words = step.Words(f"正在移交给{name}", moves.TRANSFER_REASONS.get(reason, "") + "。时限接着算，不用你再交什么。")
    done = await step.make(tx, node, case, "T21", officer(actor), grounds, words, new_owner=to)
    if not isinstance(done, Case):
        return done
    await _note_offer(tx, node, case, file, "out", to)
    await speak.send(tx, node, to, "case.offered", case.id, msgspec.to_builtins(file))
    return done


async def offered(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.offered`: shown in the intake list (收到移交). The same offer comes once."""
    file = msgspec.convert(letter.body, OfferedFile)
    await tx.execute(
        "INSERT INTO case_offer (subject, case_id, term, way, other_node, org_code, division, reason, item_name, number,"
        " file, at) VALUES ($1,$2,$3,'in',$4,$5,$6,$7,$8,$9,$10,$11) ON CONFLICT DO NOTHING",
        file.file.submission.subject, file.case, file.term, letter.origin, file.org_code, file.division, file.reason,
        file.item_name, file.number, await rows.seal(tx, node, file.file.submission.subject, "case_offer.file", file.case, file), node.clock.now(),
    )  # fmt: skip


async def take(tx: Tx, node: Node, actor: Actor, given: Offer) -> Case | Refusals:
    """T25 or T28: this node is the owner now, term + 1 (接收移交); clocks, the asking and all materials came along."""
    row = await tx.fetchrow(
        "SELECT * FROM case_offer WHERE subject = $1 AND case_id = $2 AND term = $3 AND way = 'in' FOR UPDATE",
        given.subject,
        given.case_id,
        given.term,
    )
    if row is None:
        raise CaseUnknown
    file = await rows.opened(tx, node, "case_offer.file", given.case_id, row["file"], OfferedFile)
    desk.must_offer(actor, "cases.accept", given, file.file.submission.task_code)
    transition = "T25" if file.state == "received" else "T28"
    facts = moves.Facts(
        state="transferring", public_state="待受理" if file.state == "received" else "已受理", term=given.term,
        asked=file.asked, extended=file.extended, immediate=file.immediate, joint=file.joint, offered_term=given.term,
        worker=actor.staff_id, received_on=file.received_on, clocks=file.clocks,
    )  # fmt: skip
    grounds = moves.Grounds(
        today=node.clock.today(), offer_term=given.term, offer_state=file.state, offer_open=row["answer"] == ""
    )
    against = moves.may_happen(facts, transition, "officer", grounds)
    if against:
        return against
    item = await catalogue.item(tx, file.file.submission.task_code, int(file.file.submission.item_version))
    after = moves.after(facts, transition, grounds, ticking.limits_of(item, joint=file.joint), calendar(node))
    case = _taken(node, given, file, after)
    old = await records.locked(tx, node, case.id)
    if old is not None:
        if old.state != "transferred" or old.term >= case.term:
            return (Refusal("cases.take.known", "这件已经在本单位"),)
        await tx.execute("DELETE FROM case_record WHERE subject = $1 AND id = $2", old.subject, old.id)
        await tx.execute("DELETE FROM case_clock WHERE subject = $1 AND case_id = $2", old.subject, old.id)
    await step.insert(tx, node, case, after.clocks)
    for code, files in file.materials.items():
        for carried in files:
            await receive.take_material(tx, node, case, code, carried, turn=0)
    words = step.Words("新的部门收到了", "接着办，时限不变，交过的不用再交。")
    leaf = await step.leaf_of(tx, node, case, transition)
    await step.write_line(tx, node, case, transition, "transferring", officer(actor), words, leaf)
    await _answer(tx, node, given, "taken")
    body = {"case": case.id, "term": case.term, "org_code": case.org_code}
    await speak.send(tx, node, given.other_node, "case.taken", case.id, body)
    await speak.tell(tx, node, case, notice=words)
    return case


async def decline(tx: Tx, node: Node, actor: Actor, given: Offer, *, reason: str) -> Refusals:
    """Not ours either (退回移交): the old owner has it again. The same answer to the same offer for ever."""
    desk.must_offer(actor, "cases.accept", given, await _task_code(tx, node, given))
    if not reason.strip():
        return (Refusal("cases.decline.reason", "请写明为什么不接", "reason"),)
    current = await records.offer(tx, given.case_id, given.term, "in", lock=True)
    if current is None or current.answer:
        return (Refusal("cases.decline.answered", "这次移交已经答复过"),)
    await _answer(tx, node, given, "declined")
    body = {"case": given.case_id, "term": given.term, "reason": reason.strip()}
    await speak.send(tx, node, given.other_node, "case.declined", given.case_id, body)
    return ()


async def answered(tx: Tx, node: Node, letter: federation.Letter, answer: str) -> None:
    """`case.taken` → T22, `case.declined` → T23 or T24 at the old owner (移交答复). A repeat changes nothing."""
    case = await records.locked(tx, node, str(letter.body.get("case", "")))
    if case is None or case.new_owner != letter.origin:
        raise LetterNotOurs("an answer to an offer that this node did not make to it")
    term = int(letter.body.get("term", 0))
    today = node.clock.today()
    if case.state != "transferring":
        return
    if answer == "taken":
        words = step.Words("已移交", "由新的部门接着办。")
        who = step.Who("peer", letter.origin)
        done = await step.make(tx, node, case, "T22", who, moves.Grounds(today=today, taken_term=term), words)
        if not isinstance(done, Case):
            raise LetterNotOurs(done[0].code)
        await _close_offer(tx, node, case, "taken")
        await requests.answer_one(tx, node, done)
        return
    transition = "T23" if case.state_before == "received" else "T24"
    words = step.Words("移交被退回，接着由原部门办", opinion=str(letter.body.get("reason", "")))
    await _close_offer(tx, node, case, "declined")
    await step.make(
        tx, node, case, transition, step.Who("peer", letter.origin), moves.Grounds(today=today), words, new_owner=""
    )


async def _file(
    tx: Tx, node: Node, case: Case, clocks: tuple[Clock, ...], to: str, org_code: str, division: str, reason: str
) -> OfferedFile:
    told = tuple(
        Told(at=int(line.at.timestamp() * 1000), title=line.title, text=line.shown.reveal() if line.shown else "",
             state=line.state_after, unit=line.unit, leaf=line.leaf)
        for line in await records.history(tx, node, case.subject, case.id)
        if line.transition != "opinion"
    )  # fmt: skip
    carried = {}
    for code, files in (await records.materials(tx, node, case)).items():
        carried[code] = tuple(
            [await evidence.travel(tx, node, case.subject, one.id, used_in=f"case:{case.id}", to=to) for one in files]
        )
    return OfferedFile(
        case=case.id, number=case.number, term=case.term, state=case.state, reason=reason, org_code=org_code,
        division=division, item_name=case.item_name, asked=case.asked, extended=case.extended, immediate=case.immediate,
        joint=case.joint, received_on=case.received_on, file=case.file, clocks=clocks, told=told, materials=carried,
    )  # fmt: skip


def _taken(node: Node, given: Offer, file: OfferedFile, after: moves.Facts) -> Case:
    sent, clock = file.file.submission, ticking.running(after.clocks)
    return Case(
        subject=sent.subject, id=file.case, number=file.number, org_code=given.org_code, division=given.division,
        task_code=sent.task_code, item_version=sent.item_version, item_digest=sent.item_digest, item_name=file.item_name,
        applicant_node=sent.applicant_node, window_node=sent.window_node, term=after.term, rev=after.rev, state=after.state,
        public_state=after.public_state, state_before="", immediate=after.immediate, joint=after.joint, worker=after.worker,
        asked=after.asked, extended=after.extended, offered_term=after.offered_term, decided="", special_kind="",
        credential="", new_owner="", submitted_at=datetime.fromtimestamp(sent.submitted_at / 1000, UTC),
        received_on=file.received_on, changed_at=node.clock.now(), due_kind=clock.kind if clock else "",
        due_on=clock.due_on if clock else None, file=file.file,
    )  # fmt: skip


async def _note_offer(tx: Tx, node: Node, case: Case, file: OfferedFile, way: str, other: str) -> None:
    await tx.execute(
        "INSERT INTO case_offer (subject, case_id, term, way, other_node, org_code, division, reason, item_name, number,"
        " file, at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12) ON CONFLICT DO NOTHING",
        case.subject, case.id, case.term, way, other, file.org_code, file.division, file.reason, case.item_name,
        case.number, await rows.seal(tx, node, case.subject, "case_offer.file", case.id, file), node.clock.now(),
    )  # fmt: skip


async def _answer(tx: Tx, node: Node, given: Offer, answer: str) -> None:
    await tx.execute(
        "UPDATE case_offer SET answer = $4, answered_at = $5 WHERE subject = $1 AND case_id = $2 AND term = $3 AND way = 'in'",
        given.subject,
        given.case_id,
        given.term,
        answer,
        node.clock.now(),
    )


async def _close_offer(tx: Tx, node: Node, case: Case, answer: str) -> None:
    await tx.execute(
        "UPDATE case_offer SET answer = $4, answered_at = $5 WHERE subject = $1 AND case_id = $2 AND term = $3 AND way = 'out'",
        case.subject,
        case.id,
        case.term,
        answer,
        node.clock.now(),
    )


async def _task_code(tx: Tx, node: Node, given: Offer) -> str:
    blob = await tx.fetchval(
        "SELECT file FROM case_offer WHERE subject = $1 AND case_id = $2 AND term = $3 AND way = 'in'",
        given.subject,
        given.case_id,
        given.term,
    )
    return (await rows.opened(tx, node, "case_offer.file", given.case_id, blob, OfferedFile)).file.submission.task_code
