"""Looking at 好差评: what I may rate, what a unit must answer, what the public may see. Nothing here joins the two."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tongban import cases
from tongban.feedback.model import Figures, Handling, Review, Reviewable
from tongban.feedback.rules import FINISHED, public_figures, terms
from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node

GROUP = "case"
_HANDLING = """SELECT r.org, r.id, r.task_code, r.item_name, r.division, r.level, r.indicators, r.text, r.call_me, r.day,
                      h.state, h.contact_by, h.fix_by, h.cause, h.fix, h.reply, h.handled_by
               FROM review r JOIN review_handling h ON h.org = r.org AND h.review_id = r.id"""


async def reviewable(tx: Tx, node: Node, subject: str, case_id: str) -> Reviewable | None:
    """One case of this person as something to rate (能评的一次服务); None when it is not theirs."""
    mirror = await cases.of_person(tx, node, subject, case_id)
    if mirror is None:
        return None
    given: datetime | None = await tx.fetchval(
        "SELECT given_at FROM review_given WHERE subject = $1 AND case_id = $2 AND service_no = 1", subject, case_id
    )
    return Reviewable(
        case_id=case_id,
        service_no=1,
        task_code=mirror.task_code,
        item_name=mirror.item_name,
        owner=mirror.owner_node,
        unit_name=mirror.owner_name,
        finished=mirror.state in FINISHED,
        reviewed_at=given,
    )


async def review_of_case(tx: Tx, node: Node, subject: str, case_id: str) -> tuple[int, datetime, Personal | None] | None:
    """What this person gave for a case: level, when, and the unit's answer when it has come (我的评价)."""
    row = await tx.fetchrow(
        """SELECT review_id, level, given_at, reply FROM review_given
           WHERE subject = $1 AND case_id = $2 AND service_no = 1 AND given_at IS NOT NULL""",
        subject,
        case_id,
    )
    if row is None:
        return None
    review_id = str(row["review_id"])
    reply = node.cipher.open(GROUP, "review_given.reply", review_id, row["reply"]) if row["reply"] else None
    return row["level"], row["given_at"], reply


async def handlings(tx: Tx, node: Node, *, org: str = "", state: str = "") -> tuple[Handling, ...]:
    """Bad reviews of a unit (all units without `org`), the clock that runs out first at the top (差评列表).

    Ordered by day and a random id, never by arrival; no author, no case, no hour (T-79).
    """
    rows = await tx.fetch(
        _HANDLING
        + """ WHERE ($1 = '' OR r.org = $1) AND (CASE $2 WHEN '' THEN h.state <> 'answered' ELSE h.state = $2 END)
              ORDER BY CASE WHEN h.state = 'open' THEN h.contact_by ELSE h.fix_by END, r.day, r.id LIMIT 500""",
        org,
        state,
    )
    return tuple(_handling(node, row) for row in rows)


async def handling(tx: Tx, node: Node, review_id: str, *, lock: bool = False) -> Handling | None:
    """One bad review with what was done about it (一条差评)."""
    row = await tx.fetchrow(_HANDLING + " WHERE r.id = $1" + (" FOR UPDATE OF h" if lock else ""), review_id)
    return _handling(node, row) if row else None


async def figures(tx: Tx, task_code: str) -> Figures:
    """Public figures of an item at its owner (公开数字): at least ten reviews, small cells withheld."""
    rows = await tx.fetch("SELECT level, count(*) AS number FROM review WHERE task_code = $1 GROUP BY level", task_code)
    return public_figures(task_code, {row["level"]: row["number"] for row in rows}, terms().smallest_group)


async def rated_items(tx: Tx) -> tuple[tuple[str, str], ...]:
    """Items that have been rated here: code and name (评过的事项)."""
    rows = await tx.fetch("SELECT task_code, min(item_name) AS name FROM review GROUP BY task_code ORDER BY 2 LIMIT 500")
    return tuple((row["task_code"], row["name"]) for row in rows)


def _handling(node: Node, row: Any) -> Handling:
    review_id = str(row["id"])
    review = Review(
        id=review_id,
        task_code=row["task_code"],
        item_name=row["item_name"],
        org=row["org"],
        division=row["division"],
        level=row["level"],
        indicators=tuple(row["indicators"]),
        text=node.cipher.open(GROUP, "review.text", review_id, row["text"]),
        call_me=row["call_me"],
        day=row["day"],
    )
    return Handling(
        review=review,
        state=row["state"],
        contact_by=row["contact_by"],
        fix_by=row["fix_by"],
        cause=row["cause"],
        fix=row["fix"],
        reply=row["reply"],
        handled_by=row["handled_by"],
    )
