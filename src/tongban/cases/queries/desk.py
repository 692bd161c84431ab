"""The desk's lists (收件箱): within the clerk's divisions and departments, the most urgent first, never over 200 rows (T-65)."""

from __future__ import annotations

from datetime import date

from tongban import identity
from tongban.cases.model import Offer, QueueRow
from tongban.cases.queries import rows
from tongban.cases.rules import desk
from tongban.cases.rules.process import PROCESS
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx

MOST = 200
FINAL = [name for name, state in PROCESS.states.items() if state.final]
VIEWS: dict[str, str] = {
    "open": "在办", "due": "今天到期和过期", "mine": "我在办", "intake": "等收件", "review": "等审查", "decide": "等决定",
    "correcting": "等补材料", "done": "办完的",
}  # fmt: skip
_STATES: dict[str, list[str]] = {
    "intake": ["received"],
    "review": ["accepted", "special_procedure"],
    "decide": ["under_review", "granted", "refused"],
    "correcting": ["to_correct"],
    "done": FINAL,
}
_SCOPE = (
    "EXISTS (SELECT 1 FROM unnest($1::text[], $2::text[]) s(prefix, org)"
    " WHERE q.division LIKE s.prefix || '%' AND (s.org = '' OR s.org = q.org_code))"
)


async def queue(tx: Tx, actor: Actor, view: str, today: date, *, number: str = "") -> tuple[QueueRow, ...]:
    """The rows of a saved view (视图), sorted by the clock; `number` finds one case by the end of its number."""
    prefixes, orgs = _scope(actor)
    where = _where(view)
    found = await tx.fetch(
        "SELECT q.id, q.number, q.item_name, q.task_code, q.org_code, q.division, q.state, q.due_kind, q.due_on, q.submitted_at,"
        " q.applicant_node, q.worker, q.due_on IS NULL AND q.due_kind <> '' AS paused FROM case_record q"
        f" WHERE {_SCOPE} AND {where} AND q.number LIKE '%' || $6"
        " ORDER BY q.due_on NULLS LAST, q.submitted_at, q.id LIMIT $7",
        prefixes,
        orgs,
        today,
        actor.staff_id,
        _STATES.get(view, FINAL),
        number,
        MOST,
    )
    return tuple(
        QueueRow(
            id=row["id"], number=row["number"], item_name=row["item_name"], division=row["division"], state=row["state"],
            due_kind=row["due_kind"], due_on=row["due_on"], paused=row["paused"], submitted_at=row["submitted_at"],
            applicant_node=row["applicant_node"], worker=row["worker"],
        )
        for row in found
        if actor.may(desk.SEE, division=row["division"], org=row["org_code"], item=row["task_code"])
    )  # fmt: skip


async def counts(tx: Tx, actor: Actor, today: date) -> dict[str, int]:
    """How many rows each view has (各视图件数)."""
    prefixes, orgs = _scope(actor)
    made = {}
    for view in VIEWS:
        made[view] = await tx.fetchval(
            f"SELECT count(*) FROM case_record q WHERE {_SCOPE} AND {_where(view)} AND $6 = ''",
            prefixes,
            orgs,
            today,
            actor.staff_id,
            _STATES.get(view, FINAL),
            "",
        )
    return made


async def offers(tx: Tx, actor: Actor) -> tuple[Offer, ...]:
    """Cases that other bodies offer to the clerk's departments (收到的移交)."""
    prefixes, orgs = _scope(actor)
    found = await tx.fetch(
        f"SELECT q.* FROM case_offer q WHERE q.way = 'in' AND q.answer = '' AND {_SCOPE} ORDER BY q.at LIMIT $3",
        prefixes,
        orgs,
        MOST,
    )
    return tuple(rows.offer_of(row) for row in found)


def _where(view: str) -> str:
    if view == "due":
        return "q.due_on <= $3 AND q.due_kind <> 'correction' AND $4::text IS NOT NULL AND q.state <> ALL($5)"
    if view == "mine":
        return "q.worker = $4 AND q.worker <> '' AND $3::date IS NOT NULL AND q.state <> ALL($5)"
    # every statement takes the same arguments
    test = "= ANY($5)" if view in _STATES else "<> ALL($5)"
    return f"q.state {test} AND $3::date IS NOT NULL AND $4::text IS NOT NULL"


def _scope(actor: Actor) -> tuple[list[str], list[str]]:
    found = identity.scopes(actor, desk.SEE)
    return [prefix for prefix, _ in found], [org for _, org in found]
