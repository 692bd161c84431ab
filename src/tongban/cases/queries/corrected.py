"""Forms that used a value of a register before it was corrected (用过更正前信息的申请), for the person to look at (R-304)."""

from __future__ import annotations

from tongban import catalogue, identity
from tongban.cases.model import Answers
from tongban.cases.queries import mirrors
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

FIELDS = {"nation": "nationality", "born": "birth"}
"""Attributes whose field has another name in the register's resource."""


async def used_before(tx: Tx, node: Node, subject: str, attribute: str) -> list[identity.UsedBefore]:
    """The person's drafts and cases here in which that attribute stands, filled from a register or the account."""
    wanted, found = FIELDS.get(attribute, attribute), []
    for draft in await mirrors.drafts(tx, node, subject):
        item = await catalogue.item(tx, draft.task_code, int(draft.item_version))
        if item is not None and _stands_in(item, draft.file.answers, wanted):
            step = draft.step or item.form.steps[0].name
            found.append(identity.UsedBefore(kind="draft", ref=draft.id, title=item.name, link=f"/apply/{draft.id}/{step}"))
    for case in await mirrors.cases_of(tx, node, subject):
        item = await catalogue.item(tx, case.task_code, int(case.item_version))
        if item is not None and _stands_in(item, case.submission.answers, wanted):
            found.append(identity.UsedBefore(kind="case", ref=case.id, title=f"{case.item_name}，{case.number}", link=f"/cases/{case.id}"))
    return found


def _stands_in(item: catalogue.Item, answers: Answers, wanted: str) -> bool:
    return any(
        answers.get(planned.field)
        and any(one.source in ("register", "account") and one.field == wanted for one in planned.sources)
        for planned in catalogue.prefill_plan(item.form)
    )
