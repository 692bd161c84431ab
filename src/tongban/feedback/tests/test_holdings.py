"""Home knows who rated, the unit never does; its words end after three years and the figures stay (R-409, R-804, R-701)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tongban.feedback.holdings import HOLDINGS
from tongban.kernel.clock import CHINA
from tongban.kernel.ids import uuid7
from tongban.kernel.tests.make_holdings import MINE, Sample, judge, put


def _given(node, who, mark):
    review = uuid7()
    return {"subject": who, "review_id": review, "level": 5, "reply": node.cipher.seal("case", "review_given.reply", review, f"{mark}答复")}


def _review(node, _who, mark):
    made = uuid7()
    return {"id": made, "level": 5, "text": node.cipher.seal("case", "review.text", made, f"{mark}话")}


GIVEN = next(one for one in HOLDINGS if one.table == "review_given")
REVIEW = next(one for one in HOLDINGS if one.table == "review")


async def test_the_rating_at_home_is_copied_and_erased(tx, node):
    await judge(tx, node, GIVEN, {"review_given": Sample(row=_given, says=1, ends=lambda at: {"given_at": at, "issued_at": at})})


@pytest.mark.parametrize("older", [0, 1])
async def test_words_end_and_levels_stay(tx, node, older):
    """On the day itself the words stand, a day later they are empty; level and day stay for the figures, twice changes nothing."""
    limit = node.clock.now() - REVIEW.term.kept
    row = _review(node, MINE, "甲的") | {"day": limit.astimezone(CHINA).date() - timedelta(days=older)}
    await put(tx, "review", row)
    assert await REVIEW.term.end(tx, node, limit) == older
    assert await REVIEW.term.end(tx, node, limit) == 0
    kept = await tx.fetchrow("SELECT text, level FROM review WHERE id = $1", row["id"])
    assert node.cipher.open("case", "review.text", row["id"], kept["text"]).reveal() == ("" if older else "甲的话")
    assert kept["level"] == 5
