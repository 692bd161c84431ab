"""Builders of 好差评 tests: a delivered case of an invented person, a desk officer."""

from __future__ import annotations

from typing import Any

from tongban import feedback
from tongban.cases.tests.make import XIAOYU, brought, citizen
from tongban.feedback.model import Written
from tongban.kernel.actor import Actor, Assignment

__all__ = ["XIAOYU", "delivered", "desk", "give"]


async def delivered(node: Any, **more: Any) -> Any:
    """A case that is over, at its owner and in the person's mirror."""
    return await brought(node, "delivered", **more)


async def give(node: Any, case: Any, level: int = 1, *, actor: Actor | None = None, **more: Any) -> Any:
    who = actor or citizen(case.subject)
    async with node.db.transaction() as tx:
        _, token = await feedback.open_review(tx, node, who, case.id)
        return await feedback.submit(tx, node, who, case.id, token, Written(level=level, **more))


def desk(name: str = "lead", *actions: str, division: str = "500100", org: str = "") -> Actor:
    held = frozenset(actions or ("feedback.handle", "feedback.see"))
    return Actor(
        kind="staff", subject=name, staff_id=name, unit="好差评专员", assignments=(Assignment("l", held, division, org),)
    )
