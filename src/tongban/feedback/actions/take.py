"""The unit's side 收评价: believed only about an own finished case, kept without author and without case."""

from __future__ import annotations

import secrets

from asyncpg.exceptions import DataError

from tongban import cases, transparency
from tongban.feedback.errors import ReviewNotBelieved
from tongban.feedback.model import BAD_FROM, LEVELS, Told
from tongban.feedback.rules import FINISHED, terms
from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs
from tongban.kernel.indexes import one_alone
from tongban.kernel.log import log
from tongban.kernel.node import Node

GROUP = "case"


async def apply_review(tx: Tx, node: Node, origin: str, told: Told) -> bool:
    """Take a review into the unit's books, once a service (收下评价); False when it was known already.

    Believed only when the case is held here, over, and its applicant's node is the sender; else ReviewNotBelieved and
    the letter is parked. What links it to the case is sealed for the settling clock. A bad one opens its handling.
    """
    try:
        case = await cases.held(tx, node, told.case)
    except DataError:
        raise ReviewNotBelieved from None
    if case is None or case.applicant_node != origin or case.state not in FINISHED or told.level not in LEVELS:
        raise ReviewNotBelieved
    codes = {one.code for one in terms().indicator}
    marks = node.cipher.linked_marks("review.service_key", f"{told.case}|{told.service_no}")
    await one_alone(tx, "review", "service_key", marks)
    made = await tx.fetchval(
        """INSERT INTO review (org, id, from_node, service_key, sealed_case, task_code, item_name, division, level, indicators,
           text, call_me, day) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
           ON CONFLICT (org, service_key) DO NOTHING RETURNING 1""",
        case.org_code,
        told.review,
        origin,
        marks[0],
        node.cipher.seal(GROUP, "review.sealed_case", told.review, told.case),
        case.task_code,
        case.item_name,
        case.division,
        told.level,
        [one for one in told.indicators if one in codes],
        node.cipher.seal(GROUP, "review.text", told.review, told.text[: terms().longest_text]),
        told.call_me,
        told.day,
    )
    if made is None:
        return False
    await transparency.append(tx, "feedback.received", jcs({"review": told.review, "level": told.level, "v": 1}))
    if told.level <= BAD_FROM:
        calendar = cases.calendar(node)
        today = node.clock.today()
        await tx.execute(
            """INSERT INTO review_handling (org, review_id, state, contact_by, fix_by, updated_at)
               VALUES ($1, $2, 'open', $3, $4, $5)""",
            case.org_code,
            told.review,
            calendar.after(today, terms().contact_working_days).day,
            calendar.after(today, terms().fix_working_days).day,
            node.clock.now(),
        )
    return True


async def settle(node: Node) -> int:
    """Mark the cases of earlier days as reviewed, only many at once and in no order (结转评价). How many it were.

    A case that turned to 已评价 a moment after a review came in would name its author, so a unit's cases turn together
    when `smallest_group` of them wait; with fewer they close by their own clock. Afterwards the link is gone for good.
    """
    async with node.db.transaction() as tx:
        rows = await tx.fetch(
            """SELECT org, id, sealed_case FROM review r WHERE settled_on IS NULL AND day < $1
               AND (SELECT count(*) FROM review o WHERE o.org = r.org AND o.settled_on IS NULL AND o.day < $1) >= $2
               FOR UPDATE""",
            node.clock.today(),
            terms().smallest_group,
        )
        waiting = list(rows)
        secrets.SystemRandom().shuffle(waiting)
        for row in waiting:
            case_id = node.cipher.open(GROUP, "review.sealed_case", str(row["id"]), row["sealed_case"]).reveal()
            await cases.review(tx, node, case_id)
            await tx.execute(
                "UPDATE review SET settled_on = $3, sealed_case = ''::bytea WHERE org = $1 AND id = $2",
                row["org"],
                row["id"],
                node.clock.today(),
            )
    if waiting:
        log("feedback.settled", count=len(waiting))
    return len(waiting)
