"""Reasons for reading a person, as cases know them 查看理由: an open case in a clerk's area; whose a number is; what a person has here."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path

from tongban.cases.model import Case
from tongban.cases.rules import desk
from tongban.cases.rules.process import PROCESS
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

FINAL = [name for name, state in PROCESS.states.items() if state.final]
REMEDY = timedelta(days=int(tomllib.loads((Path(__file__).resolve().parent.parent / "reading.toml").read_text("utf-8"))["after_end_days"]))
"""How long an ended case is still a reason, from reading.toml."""


async def open_case(tx: Tx, node: Node, actor: Actor, subject: str) -> str | None:
    """A case of this person, open and in this clerk's area, department and items 有没有在办的件; None when there is none."""
    found = await tx.fetch(
        "SELECT id, division, org_code, task_code FROM case_record WHERE subject = $1 AND (state <> ALL($2) OR changed_at > $3)"
        " ORDER BY changed_at DESC LIMIT 50",
        subject, FINAL, node.clock.now() - REMEDY,
    )  # fmt: skip
    return next(
        (row["id"] for row in found if actor.may(desk.SEE, division=row["division"], org=row["org_code"], item=row["task_code"])), None
    )


def readable(node: Node, case: Case) -> bool:
    """Whether the case itself is a reason to read its person now 在办或刚办完 (identity.md 9): not ended, or ended lately."""
    return case.state not in FINAL or case.changed_at > node.clock.now() - REMEDY


async def subject_of(tx: Tx, node: Node, number: str) -> str | None:  # noqa: ARG001  the shape identity calls
    """Whose case a number is at this node 编号是谁的."""
    found: str | None = await tx.fetchval("SELECT subject FROM case_record WHERE number = $1 LIMIT 1", number)
    return found


async def listed(tx: Tx, node: Node, subject: str) -> tuple[tuple[str, str, str], ...]:  # noqa: ARG001  the shape identity calls
    """The newest cases of a person at this node for an emergency 紧急访问的办件清单: (words, state, path)."""
    found = await tx.fetch(
        "SELECT id, number, item_name, state FROM case_record WHERE subject = $1 ORDER BY changed_at DESC LIMIT 20", subject
    )
    return tuple((f"{row['item_name']} {row['number']}", PROCESS.states[row["state"]].zh, f"/desk/{row['id']}") for row in found)
