"""Reinstating (补回): after a restore our own letters come home and their facts are put back (cases.md 8, federation.md 6.2).

A `case.submitted` of ours brings the mirror back; a `case.state` brings the owner's row to the state that was told. History in
between is one line, "detail lost": who did what in those steps is in the log of the old life, not here.
"""

from __future__ import annotations

import msgspec

from tongban import catalogue, evidence, federation
from tongban.cases.actions import step, submit
from tongban.cases.model import Case, Clock, Submission, View
from tongban.cases.queries import records
from tongban.cases.rules import clocks as ticking
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node

_LOST = step.Words("恢复数据后补记", "系统恢复过数据，这中间各步的细节没有留下；状态和日期以当时告知的为准。")


async def submitted(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.submitted` of ours: the mirror that was lost with the database (补回镜像). Raises NotYet before the item is here."""
    sent = msgspec.convert(letter.body, Submission)
    if await tx.fetchval("SELECT EXISTS (SELECT FROM case_mirror WHERE id = $1)", sent.case):
        return
    item = await catalogue.item(tx, sent.task_code, int(sent.item_version))
    if item is None:
        raise federation.NotYet("cases.item_unknown")
    for files in sent.materials.values():
        for carried in files:
            await evidence.arrive(tx, node, sent.subject, carried, used_in=f"case:{sent.case}")
    who = Actor(kind="system", subject=sent.actor_subject, staff_id="")
    await submit.record_again(tx, node, who, sent, item)
    await tx.execute("UPDATE draft SET state = 'submitted' WHERE subject = $1 AND id = $2", sent.subject, sent.case)
    log("cases.reinstated", case_id=sent.case, kind="case.submitted")


async def state(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.state` of ours: the owner's row follows what was told (补回办件状态).

    Raises NotYet until the applicant's node has sent the case again, Contradicts when this life of the case decided otherwise.
    """
    view = msgspec.convert(letter.body, View)
    case = await records.locked(tx, node, view.case)
    if case is None:
        raise federation.NotYet("cases.case_not_here")
    if (view.term, view.rev) <= (case.term, case.rev):
        await _must_agree(tx, case, view)
        return
    if case.decided and view.decided and case.decided != view.decided:
        raise federation.Contradicts("cases.decided_otherwise")
    clocks = await _clocks(tx, node, case, view)
    moved = msgspec.structs.replace(
        case, number=view.number, term=view.term, rev=view.rev, state=view.state, public_state=view.public_state,
        asked=case.asked or view.asked, decided=view.decided, credential=view.credential or case.credential,
        new_owner=view.new_owner, changed_at=node.clock.now(), due_kind=view.due_kind, due_on=None if view.paused else view.due_on,
        state_before=case.state if view.state == "transferring" else case.state_before,
        file=msgspec.structs.replace(case.file, correction=view.correction, reasons=view.reasons, remedies=view.remedies),
    )  # fmt: skip
    await step.put(tx, node, case, moved, clocks)
    await step.write_line(tx, node, moved, "note", case.state, step.Who("clock", ""), _LOST, "")
    await _standing(tx, case, view)
    log("cases.reinstated", case_id=case.id, kind="case.state", state=view.state)


async def _must_agree(tx: Tx, case: Case, view: View) -> None:
    """An older state of ours: this life of the case must have had the same one at that place."""
    rows = await tx.fetch(
        "SELECT state_after, transition FROM case_history WHERE subject = $1 AND case_id = $2 AND term = $3 AND rev = $4",
        case.subject, case.id, view.term, view.rev,
    )  # fmt: skip
    if view.decided and case.decided and view.decided != case.decided:
        raise federation.Contradicts("cases.decided_otherwise")
    told = {row["state_after"] for row in rows}
    if told and view.state not in told:
        raise federation.Contradicts("cases.state_differs")


async def _clocks(tx: Tx, node: Node, case: Case, view: View) -> tuple[Clock, ...]:
    """The deadlines as they were told: other ones end, the told one runs to the told day."""
    today, before = node.clock.today(), await records.clocks(tx, case.subject, case.id)
    ended = tuple(
        msgspec.structs.replace(one, stopped_on=one.stopped_on or today) if one.kind != view.due_kind else one for one in before
    )
    if not view.due_kind or view.due_on is None:
        return ended
    known = ticking.of_kind(ended, view.due_kind)  # type: ignore[arg-type]
    if known is not None:
        kept = msgspec.structs.replace(
            known, due_on=view.due_on, statutory_due_on=view.statutory_on or view.due_on, stopped_on=None,
            paused_on=(known.paused_on or today) if view.paused else None,
        )  # fmt: skip
        return (*(one for one in ended if one is not known), kept)
    fresh = msgspec.convert(
        {"kind": view.due_kind, "round": 1, "unit": "working", "started_on": view.received_on, "limit_days": 0, "statutory_days": 0,
         "due_on": view.due_on, "statutory_due_on": view.statutory_on or view.due_on, "paused_on": today if view.paused else None},
        Clock,
    )  # fmt: skip
    return (*ended, fresh)


async def _standing(tx: Tx, case: Case, view: View) -> None:
    """What was answered stays answered; open requests are looked at again by the clock once the doors are open."""
    await tx.execute(
        "UPDATE case_standing SET answer = 'done' WHERE subject = $1 AND case_id = $2 AND request = ANY($3::uuid[]) AND answer = ''",
        case.subject, case.id, list(view.answered),
    )  # fmt: skip
