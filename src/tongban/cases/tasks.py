"""Time's door (办件定时): deadlines, drafts, mirrors by the clock; finishing and standing requests by the queue."""

from __future__ import annotations

from typing import Any

from tongban.cases.actions import closing, decide
from tongban.kernel import jobs
from tongban.kernel.node import Node


async def finish(node: Node, payload: dict[str, Any]) -> None:
    """`cases.finish {case}` → T16."""
    await decide.finish_by_clock(node, str(payload["case"]))


async def answer_standing(node: Node, payload: dict[str, Any]) -> None:
    """`cases.answer_standing {case}` → T20, T05 or an answer."""
    await closing.answer_standing(node, str(payload["case"]))


JOBS: dict[str, jobs.Handler] = {"cases.finish": finish, "cases.answer_standing": answer_standing}
CLOCKS = [jobs.Clockwork("cases.deadlines", 60, closing.look_round)]
