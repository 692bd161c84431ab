"""Answers kept for repeated calls end after seven days; letters are ended by the post itself (R-804, federation.md 7)."""

from __future__ import annotations

from tongban.federation.holdings import HOLDINGS
from tongban.kernel.tests.make_holdings import Sample, judge


async def test_an_answer_ends_after_seven_days(tx, node):
    answer = next(one for one in HOLDINGS if one.table == "call_answer")
    await judge(tx, node, answer, {"call_answer": Sample(row=lambda *_: {}, ends=lambda at: {"at": at})})
