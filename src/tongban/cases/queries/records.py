"""The owner's rows (承办方的办件): a case, its clocks, its history, its files."""

from __future__ import annotations

from tongban import evidence
from tongban.cases.model import Case, Clock, HistoryLine, Offer
from tongban.cases.queries import rows
from tongban.evidence import Material
from tongban.kernel.db import Tx
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node


async def held(tx: Tx, node: Node, case_id: str) -> Case | None:
    """The case as its owner's row says, or None when this node does not have it (承办的办件)."""
    if not is_uuid(case_id):
        return None
    row = await tx.fetchrow("SELECT * FROM case_record WHERE id = $1", case_id)
    return await rows.case_of(tx, node, row) if row else None


async def locked(tx: Tx, node: Node, case_id: str) -> Case | None:
    """As `held`, and nobody else changes it until the transaction ends. Every verb begins here."""
    if not is_uuid(case_id):
        return None
    row = await tx.fetchrow("SELECT * FROM case_record WHERE id = $1 FOR UPDATE", case_id)
    return await rows.case_of(tx, node, row) if row else None


async def clocks(tx: Tx, subject: str, case_id: str) -> tuple[Clock, ...]:
    """The clocks of a case in the order they were started (时限)."""
    found = await tx.fetch(
        "SELECT * FROM case_clock WHERE subject = $1 AND case_id = $2"
        " ORDER BY array_position(ARRAY['intake','correction','first_review','decision','delivery'], kind), round",
        subject,
        case_id,
    )
    made = [rows.clock_of(row) for row in found]
    # a running one last: `running` takes the newest
    return tuple(sorted(made, key=lambda one: one.stopped_on is None))


async def history(tx: Tx, node: Node, subject: str, case_id: str) -> tuple[HistoryLine, ...]:
    """What happened, oldest first (经过)."""
    found = await tx.fetch(
        "SELECT * FROM case_history WHERE subject = $1 AND case_id = $2 ORDER BY n", subject, case_id
    )
    return tuple([await rows.line_of(tx, node, row) for row in found])


async def materials(tx: Tx, node: Node, case: Case) -> dict[str, tuple[Material, ...]]:
    """The files of a case by the material they stand for, the newest round of each (办件材料)."""
    found = await tx.fetch(
        "SELECT code, material, round FROM case_material WHERE subject = $1 AND case_id = $2 ORDER BY code, round, material",
        case.subject,
        case.id,
    )
    newest: dict[str, int] = {}
    for row in found:
        newest[row["code"]] = max(newest.get(row["code"], 0), row["round"])
    kept: dict[str, list[Material]] = {}
    for row in found:
        if row["round"] == newest[row["code"]]:
            one = await evidence.material(tx, node, case.subject, row["material"])
            if one is not None:
                kept.setdefault(row["code"], []).append(one)
    return {code: tuple(files) for code, files in kept.items()}


async def on_hold(tx: Tx, subject: str) -> list[str]:
    """The cases of this person here, as owner or as mirror, that a legal hold names (依法保留的办件)."""
    rows = await tx.fetch(
        "SELECT id FROM case_record WHERE subject = $1 AND on_hold('', number) UNION SELECT id FROM case_mirror WHERE subject = $1 AND on_hold('', number)",
        subject,
    )
    return [row["id"] for row in rows]


async def opinions(tx: Tx, subject: str, case_id: str) -> int:
    """How many opinions were written since the last receipt (审查意见数)."""
    count: int = await tx.fetchval(
        "SELECT count(*) FROM case_history WHERE subject = $1 AND case_id = $2 AND transition = 'opinion'", subject, case_id
    )
    return count


async def withdrawal_open(tx: Tx, subject: str, case_id: str) -> bool:
    """Whether the applicant's request to withdraw waits for an answer (撤回待处理)."""
    return bool(
        await tx.fetchval(
            "SELECT true FROM case_standing WHERE subject = $1 AND case_id = $2 AND kind = 'withdraw' AND answer = ''"
            " LIMIT 1",
            subject,
            case_id,
        )
    )


async def offer(tx: Tx, case_id: str, term: int, way: str, *, lock: bool = False) -> Offer | None:
    """One hand-over of a case, or None (一次移交)."""
    row = await tx.fetchrow(
        "SELECT * FROM case_offer WHERE case_id = $1 AND term = $2 AND way = $3" + (" FOR UPDATE" if lock else ""),
        case_id,
        term,
        way,
    )
    return rows.offer_of(row) if row else None
