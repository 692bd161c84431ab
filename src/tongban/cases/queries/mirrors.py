"""What a person sees of their cases (我的办件): the mirror only, never the owner's rows."""

from __future__ import annotations

from datetime import date

from tongban import catalogue
from tongban.cases.model import Draft, Mirror, Past, Request, Summary, Unfinished
from tongban.cases.queries import rows
from tongban.cases.rules import wording
from tongban.kernel.actor import Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node


async def of_person(tx: Tx, node: Node, subject: str, case_id: str) -> Mirror | None:
    """One case of this person, or None: another person's id gives None too (T-42) (本人的一件)."""
    if not is_uuid(case_id):
        return None
    row = await tx.fetchrow("SELECT * FROM case_mirror WHERE subject = $1 AND id = $2 AND form <> ''::bytea", subject, case_id)
    return await rows.mirror_of(tx, node, row) if row else None


async def for_actor(tx: Tx, node: Node, actor: Actor, case_id: str) -> Mirror | None:
    """One case of whoever this actor stands for, within the items of the mandate (代办能看的一件), else None."""
    found = await of_person(tx, node, actor.person, case_id)
    return found if found is not None and actor.sees(found.task_code) else None


async def cases_of(tx: Tx, node: Node, subject: str, *, limit: int = 100) -> tuple[Mirror, ...]:
    """The cases of a person, newest first (办件列表)."""
    found = await tx.fetch(
        "SELECT * FROM case_mirror WHERE subject = $1 AND form <> ''::bytea ORDER BY submitted_at DESC LIMIT $2", subject, limit
    )
    return tuple([await rows.mirror_of(tx, node, row) for row in found])


async def past(tx: Tx, subject: str, actor: Actor | None = None) -> tuple[Past, ...]:
    """Cases of other nodes whose mirror was emptied after its end (更早办完的): where the file is, and no more."""
    found = await tx.fetch(
        "SELECT number, item_name, task_code, owner_name, final_at FROM case_mirror WHERE subject = $1 AND form = ''::bytea"
        " ORDER BY final_at DESC LIMIT 100", subject,
    )  # fmt: skip
    return tuple(
        Past(number=row["number"], item_name=row["item_name"], owner_name=row["owner_name"], ended_on=row["final_at"].astimezone(CHINA).date())
        for row in found if actor is None or actor.sees(row["task_code"])
    )  # fmt: skip


async def requests(tx: Tx, subject: str, case_id: str) -> tuple[Request, ...]:
    """What the person asked of the owner of a case, oldest first (我的请求)."""
    found = await tx.fetch(
        "SELECT * FROM case_request WHERE subject = $1 AND case_id = $2 ORDER BY sent_at", subject, case_id
    )
    return tuple(rows.request_of(row) for row in found)


async def notice_opened(tx: Tx, subject: str, case_id: str, asking: int) -> date | None:
    """The day on which the person opened a correction notice here (打开通知的那天), China time, or None."""
    at = await tx.fetchval(
        "SELECT at FROM case_opened WHERE subject = $1 AND case_id = $2 AND what = $3", subject, case_id, f"correction:{asking}"
    )
    return at.astimezone(CHINA).date() if at else None


async def draft(tx: Tx, node: Node, subject: str, draft_id: str, *, lock: bool = False) -> Draft | None:
    """One draft of this person whatever its state, or None (草稿)."""
    if not is_uuid(draft_id):
        return None
    row = await tx.fetchrow(
        "SELECT * FROM draft WHERE subject = $1 AND id = $2" + (" FOR UPDATE" if lock else ""), subject, draft_id
    )
    return await rows.draft_of(tx, node, row) if row else None


async def draft_by(tx: Tx, node: Node, actor_subject: str, draft_id: str, *, lock: bool = False) -> Draft | None:
    """A draft that this officer is filling for somebody at the window, or None (代收的草稿): its address names no person."""
    if not is_uuid(draft_id) or not actor_subject:
        return None
    row = await tx.fetchrow(
        "SELECT * FROM draft WHERE id = $1 AND actor_subject = $2 AND subject <> $2" + (" FOR UPDATE" if lock else ""),
        draft_id, actor_subject,
    )  # fmt: skip
    return await rows.draft_of(tx, node, row) if row else None


async def drafts(tx: Tx, node: Node, subject: str) -> tuple[Draft, ...]:
    """Drafts that wait to be finished, last touched first (没填完的)."""
    found = await tx.fetch(
        "SELECT * FROM draft WHERE subject = $1 AND state = 'draft' ORDER BY touched_at DESC LIMIT 20", subject
    )
    return tuple([await rows.draft_of(tx, node, row) for row in found])


async def earlier_answers(tx: Tx, node: Node, subject: str, field: str) -> tuple[str, date] | None:
    """What the person answered to a field of that name in an earlier case, and when (上次填的), or None."""
    for one in await cases_of(tx, node, subject, limit=5):
        value = one.submission.answers.get(field)
        if isinstance(value, str) and value:
            return value, one.submitted_at.date()
    return None


async def mine(tx: Tx, node: Node, subject: str, actor: Actor | None = None) -> tuple[Summary, ...]:
    """The cases of a person as home and lists show them (我的办件摘要): what waits for the person first, then newest.

    `actor`: who looks; an agent sees the items of the mandate only.
    """
    rated_here = await _rated(tx, subject)
    found = [
        Summary(
            id=one.id, number=one.number, item_name=one.item_name, owner_name=one.owner_name, state=one.state,
            public_state=one.public_state, state_words=wording.state(one.state), waiting="" if one.id in rated_here else waiting_for(one), due_on=_due(one),
            href=f"/cases/{one.id}", changed_at=one.heard_at or one.submitted_at,
            open=one.public_state != "已办结",
        )
        for one in await cases_of(tx, node, subject)
        if actor is None or actor.sees(one.task_code)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: not one.waiting))


async def unfinished(tx: Tx, node: Node, subject: str, actor: Actor | None = None) -> tuple[Unfinished, ...]:
    """Drafts as home shows them (没填完的), last touched first; an agent sees the items of the mandate only."""
    made = []
    for one in await drafts(tx, node, subject):
        item = await catalogue.item(tx, one.task_code, int(one.item_version))
        if item is not None and (actor is None or actor.sees(one.task_code)):
            step = one.step or item.form.steps[0].name
            made.append(
                Unfinished(id=one.id, item_name=item.name, href=f"/apply/{one.id}/{step}", touched_at=one.touched_at)
            )
    return tuple(made)


async def rated(tx: Tx, subject: str, case_id: str) -> bool:
    """Whether the person has rated this case here (评过了没有). The owner is told days later and in a bunch, so that
    nobody can tell who gave which review; until then only this node knows.
    """
    return case_id in await _rated(tx, subject)


async def _rated(tx: Tx, subject: str) -> set[str]:
    rows_ = await tx.fetch("SELECT case_id FROM case_opened WHERE subject = $1 AND what = 'rated'", subject)
    return {row["case_id"] for row in rows_}


def _due(mirror: Mirror) -> date | None:
    # a notice nobody has opened has no last day yet: its page says the rule, and the day once it is opened
    asked = mirror.view.correction if mirror.view else None
    if mirror.state in {"finished", "delivered"}:  # the day is the office's, and its part is done
        return None
    return None if mirror.state == "to_correct" and asked and asked.opened_on is None else mirror.due_on


def waiting_for(mirror: Mirror) -> str:
    """What the person has to do now, in a few words (等你处理), empty when nothing."""
    if mirror.state == "to_correct" and mirror.view and mirror.view.correction:
        return f"补 {len(mirror.view.correction.defects)} 样材料"
    if mirror.state == "finished":
        return "看结果"
    return "去评价" if mirror.state == "delivered" else ""
