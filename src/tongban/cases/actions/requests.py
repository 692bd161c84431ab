"""What the applicant asks of the owner (申请人的请求): corrections, withdrawals, opened notices; each answered once (I-8).

A request is kept first and looked at then; it waits while the case is being handed over, and is forwarded afterwards.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec

from tongban import catalogue, federation
from tongban.cases.actions import receive, speak, step
from tongban.cases.errors import LetterNotOurs
from tongban.cases.model import Answers, Case, Correction, Source
from tongban.cases.queries import records, rows
from tongban.cases.queries.calendar import calendar
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import moves, wording
from tongban.evidence import Travelling
from tongban.kernel import jobs
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node


class Corrected(msgspec.Struct, frozen=True):
    """Body of `case.corrected` (补正): the named items only. `request` = (case, asking) at the applicant's node."""

    case: str
    request: str
    asking: int
    seen: tuple[int, int]
    answers: Answers
    sources: dict[str, Source]
    materials: dict[str, tuple[Travelling, ...]]


class Withdrawal(msgspec.Struct, frozen=True):
    """Body of `case.withdraw_requested` (撤回申请)."""

    case: str
    request: str
    seen: tuple[int, int]


async def came(tx: Tx, node: Node, letter: federation.Letter, kind: str, *, origin: str = "", at: int = 0) -> None:
    """Keep a request of the applicant and look at it (收到请求). `origin`, `at`: of the original, when it was forwarded."""
    body: Corrected | Withdrawal = (
        msgspec.convert(letter.body, Corrected) if kind == "correct" else msgspec.convert(letter.body, Withdrawal)
    )
    case = await records.locked(tx, node, body.case)
    sender = origin or letter.origin
    if case is None or sender not in {case.applicant_node, case.window_node}:
        raise LetterNotOurs("a request about a case that is not here, or from a node that did not submit it")
    new = await tx.fetchval(
        "INSERT INTO case_standing (subject, case_id, request, kind, from_node, sent_at, came_at, content)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING true",
        case.subject,
        case.id,
        body.request,
        kind,
        sender,
        datetime.fromtimestamp((at or letter.counts_at) / 1000, UTC),
        node.clock.now(),
        await rows.seal(tx, node, case.subject, "case_standing.content", body.request, body),
    )
    if new:
        await answer_one(tx, node, case)


async def answer_one(tx: Tx, node: Node, case: Case) -> None:
    """Answer the oldest request that waits (答复请求); the others follow in transactions of their own."""
    if case.state == "transferring":
        return
    row = await tx.fetchrow(
        "SELECT * FROM case_standing WHERE subject = $1 AND case_id = $2 AND answer = '' ORDER BY came_at, request LIMIT 1",
        case.subject,
        case.id,
    )
    if row is None:
        return
    if case.state == "transferred":
        await _forward(tx, node, case, row)
        answer = "forwarded"
    elif row["kind"] == "withdraw":
        answer = await _withdraw(tx, node, case, row)
    else:
        answer = await _correct(tx, node, case, row)
    await _mark(tx, node, case, row["request"], answer)
    more = await tx.fetchval(
        "SELECT true FROM case_standing WHERE subject = $1 AND case_id = $2 AND answer = '' LIMIT 1", case.subject, case.id
    )
    if more:
        await jobs.enqueue(tx, "cases.answer_standing", {"case": case.id})


async def opened(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.opened`: starts the correction clock, counts as receipt of the result (D-7). Repeats change nothing."""
    case = await records.locked(tx, node, str(letter.body.get("case", "")))
    if case is None or letter.origin not in {case.applicant_node, case.window_node}:
        raise LetterNotOurs("case.opened about a case that is not here")
    what = str(letter.body.get("what", ""))
    on = datetime.fromtimestamp(letter.counts_at / 1000, CHINA).date()
    asked = case.file.correction
    if case.state == "to_correct" and asked and what == f"correction:{asked.asking}" and asked.opened_on is None:
        await _notice_opened(tx, node, case, asked, max(on, asked.asked_on))
    elif case.state == "finished" and (what == "result" or what.startswith("document:")):
        who = step.Who("peer", letter.origin)
        words = step.Words("结果已送到", "你在网上打开了结果。办得怎么样，欢迎评价。")
        await step.make(tx, node, case, "T17", who, moves.Grounds(today=node.clock.today(), receipt="opened"), words)


async def _notice_opened(tx: Tx, node: Node, case: Case, asked: Correction, on: date) -> None:
    clocks = ticking.opened(await records.clocks(tx, case.subject, case.id), on, calendar(node))
    clock = ticking.of_kind(clocks, "correction")
    last_day = clock.due_on if clock else asked.last_day
    file = msgspec.structs.replace(
        case.file, correction=msgspec.structs.replace(asked, opened_on=on, last_day=last_day)
    )
    words = step.Words("你看到了补材料通知", f"从今天起算，{wording.due(clock)}")
    await step.note(tx, node, case, "opened", step.Who("peer"), words, file=file, clocks=clocks, tell=True)


async def _withdraw(tx: Tx, node: Node, case: Case, row: rows.Row) -> str:
    grounds = moves.Grounds(today=node.clock.today(), from_applicant=True)
    words = step.Words("已按你的要求撤回", "这件到此为止。以后可以重新申请，交过的材料能接着用。")
    against = moves.may_happen(
        moves.facts_of(case, await records.clocks(tx, case.subject, case.id)), "T20", "peer", grounds
    )
    if not against:
        # answered first, so that the letter of T20 names the request
        await _mark(tx, node, case, row["request"], "done")
        done = await step.make(tx, node, case, "T20", step.Who("peer", row["from_node"]), grounds, words)
        if isinstance(done, Case):
            return "done"
    body = {
        "case": case.id, "request": row["request"], "state": case.state, "decided": case.decided,
        "why": "已经作出决定" if case.decided else f"这件已经“{wording.state(case.state)}”",
    }  # fmt: skip
    await speak.send(tx, node, row["from_node"], "case.withdraw_refused", case.id, body, cause=row["request"])
    return "refused"


async def _correct(tx: Tx, node: Node, case: Case, row: rows.Row) -> str:
    body = await rows.opened(tx, node, "case_standing.content", row["request"], row["content"], Corrected)
    asked = case.file.correction
    answers = asked is not None and asked.asking == body.asking
    grounds = moves.Grounds(
        today=node.clock.today(), answers_asking=answers, sent_on=row["sent_at"].astimezone(CHINA).date()
    )
    clocks = await records.clocks(tx, case.subject, case.id)
    if asked is not None and answers and not moves.may_happen(moves.facts_of(case, clocks), "T05", "peer", grounds):
        done = await _apply(tx, node, case, asked, body, row, grounds)
        if isinstance(done, Case):
            return "done"
    # another state: kept as a material and told (cases.md 5)
    for code, files in body.materials.items():
        for carried in files:
            await receive.take_material(tx, node, case, code, carried, turn=body.asking)
    words = step.Words("补来的材料收下存着", "补材料到的时候，这件已经往下走了。材料已存进案卷。")
    await _mark(tx, node, case, row["request"], "kept")
    await step.note(tx, node, case, "kept", step.Who("peer", row["from_node"]), words, tell=True)
    return "kept"


async def _apply(
    tx: Tx, node: Node, case: Case, asked: Correction, body: Corrected, row: rows.Row, grounds: moves.Grounds
) -> Case | Refusals:
    """T05: the named items of the correction replace what was there; nothing else is touched."""
    item = await catalogue.item(tx, case.task_code, int(case.item_version))
    fields = {one.code for one in asked.defects if one.what == "field"}
    codes = {one.code for one in asked.defects if one.what == "material"}
    declared = {field.name for field in item.form.fields} if item else fields
    old = case.file.submission
    answers = {name: value for name, value in body.answers.items() if name in fields & declared}
    sources = {name: value for name, value in body.sources.items() if name in answers}
    materials = {code: files for code, files in body.materials.items() if code in codes}
    for code, files in materials.items():
        for carried in files:
            await receive.take_material(tx, node, case, code, carried, turn=body.asking)
    file = msgspec.structs.replace(
        case.file,
        submission=msgspec.structs.replace(
            old, answers={**old.answers, **answers}, sources={**old.sources, **sources},
            materials={**old.materials, **materials},
        ),
        corrected=tuple(sorted({*answers, *materials})),
    )  # fmt: skip
    await _mark(tx, node, case, row["request"], "done")
    words = step.Words("补的材料收到了", "受理部门 5 个工作日内答复收不收。")
    return await step.make(tx, node, case, "T05", step.Who("peer", row["from_node"]), grounds, words, file=file)


async def _forward(tx: Tx, node: Node, case: Case, row: rows.Row) -> None:
    kind = Corrected if row["kind"] == "correct" else Withdrawal
    original: Any = msgspec.to_builtins(await rows.opened(tx, node, "case_standing.content", row["request"], row["content"], kind))
    body = {
        "case": case.id, "kind": row["kind"], "origin": row["from_node"], "at": int(row["sent_at"].timestamp() * 1000),
        "body": original,
    }  # fmt: skip
    await speak.send(tx, node, case.new_owner, "case.forwarded", case.id, body, cause=row["request"])


async def forwarded(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.forwarded`: a request that reached the old owner (转来的请求). Only the node that handed the case over may."""
    body = letter.body
    from_old = await tx.fetchval(
        "SELECT true FROM case_offer WHERE case_id = $1 AND way = 'in' AND other_node = $2 AND answer = 'taken'",
        str(body.get("case", "")),
        letter.origin,
    )
    if not from_old:
        raise LetterNotOurs("forwarded by a node that did not hand the case over")
    inner = msgspec.structs.replace(letter, body=body["body"])
    await came(tx, node, inner, str(body["kind"]), origin=str(body["origin"]), at=int(body["at"]))


async def _mark(tx: Tx, node: Node, case: Case, request: str, answer: str) -> None:
    await tx.execute(
        "UPDATE case_standing SET answer = $4, answered_at = $5 WHERE subject = $1 AND case_id = $2 AND request = $3"
        " AND answer = ''",
        case.subject,
        case.id,
        request,
        answer,
        node.clock.now(),
    )
