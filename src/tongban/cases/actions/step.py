"""One transition, one transaction (一步流转): guard, state row, history, clocks, letters, leaf — together or not at all.

Every verb of this folder that moves a case ends in `make`. Nothing else writes `case_record.state` (I-9, I-13).
"""

from __future__ import annotations

from typing import Any

import msgspec

from tongban import catalogue, transparency
from tongban.cases.actions import archiving, speak
from tongban.cases.model import Case, CaseFile, Clock
from tongban.cases.queries import records, rows
from tongban.cases.queries.calendar import calendar
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import moves
from tongban.cases.rules.process import PROCESS, By
from tongban.kernel import jobs
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node


class Who(msgspec.Struct, frozen=True):
    """Who makes a transition, as history keeps it (经办): role of process.yaml, staff id or node, unit shown outside."""

    by: By
    ref: str = ""
    unit: str = ""


class Words(msgspec.Struct, frozen=True):
    """What is said with a transition (告知): title of the timeline line, text for the applicant, internal opinion."""

    title: str
    shown: str = ""
    opinion: str = ""


async def make(
    tx: Tx,
    node: Node,
    case: Case,
    transition_id: str,
    who: Who,
    grounds: moves.Grounds,
    words: Words,
    *,
    file: CaseFile | None = None,
    tell: bool = True,
    **changed: Any,
) -> Case | Refusals:
    """Move a locked case by one transition of the table (流转), or say what stands against it.

    `file` and `changed` are the new sealed file and further columns. One transaction makes at most one new state of
    the owner's row; what must follow is a job (`cases.md` 2).
    """
    clocks = await records.clocks(tx, case.subject, case.id)
    facts = moves.facts_of(case, clocks)
    against = moves.may_happen(facts, transition_id, who.by, grounds)
    if against:
        return against
    item = await catalogue.item(tx, case.task_code, version_of(case))
    limits = ticking.limits_of(item, joint=case.joint)
    after = moves.after(facts, transition_id, grounds, limits, calendar(node))
    moved = _moved(node, case, after, file, changed)
    leaf = await leaf_of(tx, node, moved, transition_id)
    await _save(tx, node, case, moved)
    await _clocks(tx, case, after.clocks)
    await write_line(tx, node, moved, transition_id, facts.state, who, words, leaf)
    if tell:
        await speak.tell(tx, node, moved, notice=words if PROCESS.transition(transition_id).notify else None)
    await _look_again(tx, moved)
    log("cases.moved", case_id=case.id, kind=transition_id, state=moved.state)
    return moved


async def note(
    tx: Tx, node: Node, case: Case, kind: str, who: Who, words: Words, *, file: CaseFile | None = None,
    clocks: tuple[Clock, ...] | None = None, tell: bool = False,
) -> Case:  # fmt: skip
    """A line of history without a new state (记一笔): an opinion, an opened notice, a reckoned clock.

    When the applicant's page changes by it, `tell` adds one to `rev` and sends `case.state`.
    """
    moved = msgspec.structs.replace(case, rev=case.rev + tell, file=file or case.file)
    if clocks is not None:
        await _clocks(tx, case, clocks)
        moved = _due(moved, clocks)
    await _save(tx, node, case, moved)
    await write_line(tx, node, moved, kind, case.state, who, words, "")
    if tell:
        await speak.tell(tx, node, moved, notice=None)
    return moved


def version_of(case: Case) -> int:
    """The item version the case was begun under."""
    return int(case.item_version)


async def write_line(
    tx: Tx, node: Node, case: Case, transition: str, before: str, who: Who, words: Words, leaf: str
) -> None:
    """Append one line to the history (写经过); the case row is locked, so the count is ours."""
    n: int = await tx.fetchval(
        "SELECT coalesce(max(n), 0) + 1 FROM case_history WHERE subject = $1 AND case_id = $2", case.subject, case.id
    )
    place = f"{case.id}:{n}"
    await tx.execute(
        "INSERT INTO case_history (subject, case_id, n, term, rev, transition, state_before, state_after, at, by_kind,"
        " by_ref, unit, title, shown, opinion, leaf) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16)",
        case.subject,
        case.id,
        n,
        case.term,
        case.rev,
        transition,
        before,
        case.state,
        node.clock.now(),
        who.by,
        who.ref,
        who.unit,
        words.title,
        await rows.seal_text(tx, node, case.subject, "case_history.shown", place, words.shown),
        await rows.seal_text(tx, node, case.subject, "case_history.opinion", place, words.opinion),
        leaf,
    )


async def insert(tx: Tx, node: Node, case: Case, clocks: tuple[Clock, ...]) -> None:
    """A new owner's row with its clocks (立案): after T03, T25, T28. Raises asyncpg.UniqueViolationError for a known case."""
    names = [name for name in Case.__struct_fields__ if name != "file"]
    values = [getattr(case, name) for name in names]
    marks = ", ".join(f"${n}" for n in range(1, len(names) + 2))
    await tx.execute(
        f"INSERT INTO case_record ({', '.join(names)}, file) VALUES ({marks})",
        *values,
        await rows.seal(tx, node, case.subject, "case_record.file", case.id, case.file),
    )
    await _clocks(tx, case, clocks)


async def put(tx: Tx, node: Node, before: Case, case: Case, clocks: tuple[Clock, ...]) -> None:
    """The row as it is to be, outside of the process (照放): only after a restore. Raises RuntimeError if it moved meanwhile."""
    await _clocks(tx, case, clocks)
    await _save(tx, node, before, case)


async def leaf_of(tx: Tx, node: Node, moved: Case, transition_id: str) -> str:
    """The log leaf of a transition, "" where the table has none (存证)."""
    kind = PROCESS.transition(transition_id).leaf
    if kind is None:
        return ""
    leaf = await transparency.append(tx, f"case.{kind}", fact_of(node, moved, transition_id))
    return leaf.id


def fact_of(node: Node, case: Case, transition_id: str) -> bytes:
    """What the log keeps of a transition, as a salted hash (存证内容): a case id, an office, what it did; no person."""
    fact = {
        "act": transition_id, "case": case.id, "number": case.number, "item": case.task_code, "organisation": case.org_code,
        "term": case.term, "rev": case.rev, "state": case.state, "decided": case.decided, "at": node.clock.ms(), "v": 1,
    }  # fmt: skip
    return jcs(fact)


def _moved(node: Node, case: Case, after: moves.Facts, file: CaseFile | None, changed: dict[str, Any]) -> Case:
    moved = msgspec.structs.replace(
        case,
        state=after.state,
        public_state=after.public_state,
        term=after.term,
        rev=after.rev,
        state_before=after.state_before,
        asked=after.asked,
        extended=after.extended,
        offered_term=after.offered_term,
        decided=after.decided,
        worker=after.worker,
        changed_at=node.clock.now(),
        file=file or case.file,
        **changed,
    )
    return _due(moved, after.clocks)


def _due(case: Case, clocks: tuple[Clock, ...]) -> Case:
    clock = ticking.running(clocks)
    if clock is None:
        return msgspec.structs.replace(case, due_kind="", due_on=None)
    return msgspec.structs.replace(case, due_kind=clock.kind, due_on=None if clock.paused_on else clock.due_on)


async def _save(tx: Tx, node: Node, before: Case, case: Case) -> None:
    names = [name for name in Case.__struct_fields__ if name not in {"subject", "id", "file", "submitted_at", "received_on"}]
    sets = ", ".join(f"{name} = ${n}" for n, name in enumerate(names, 3))
    count = len(names) + 3
    done = await tx.execute(
        f"UPDATE case_record SET {sets}, file = ${count} WHERE subject = $1 AND id = $2"
        f" AND term = ${count + 1} AND rev = ${count + 2}",
        case.subject,
        case.id,
        *[getattr(case, name) for name in names],
        await rows.seal(tx, node, case.subject, "case_record.file", case.id, case.file),
        before.term,
        before.rev,
    )
    if done != "UPDATE 1":
        raise RuntimeError("the case moved under a lock")
    if before.state in archiving.ENDED:
        await archiving.unpacked(tx, node, case)


async def _clocks(tx: Tx, case: Case, clocks: tuple[Clock, ...]) -> None:
    for clock in clocks:
        names = list(Clock.__struct_fields__)
        marks = ", ".join(f"${n}" for n in range(1, len(names) + 3))
        sets = ", ".join(f"{name} = EXCLUDED.{name}" for name in names if name not in {"kind", "round"})
        await tx.execute(
            f"INSERT INTO case_clock (subject, case_id, {', '.join(names)}) VALUES ({marks})"
            f" ON CONFLICT (subject, case_id, kind, round) DO UPDATE SET {sets}",
            case.subject,
            case.id,
            *[getattr(clock, name) for name in names],
        )


async def _look_again(tx: Tx, case: Case) -> None:
    """Standing requests are looked at after every transition (cases.md 5), in a transaction of their own."""
    waiting = await tx.fetchval(
        "SELECT true FROM case_standing WHERE subject = $1 AND case_id = $2 AND answer = '' LIMIT 1", case.subject, case.id
    )
    if waiting:
        await jobs.enqueue(tx, "cases.answer_standing", {"case": case.id})
