"""One question a page (一页一问): how elder mode draws and takes the form that the other mode shows step by step. ux.md 0."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from tongban import catalogue
from tongban.cases.model import Draft
from tongban.cases.pages import asked
from tongban.cases.pages.views import MaterialsPage, StepPage
from tongban.cases.rules import forms, one_by_one
from tongban.cases.rules.one_by_one import KNOWN, Place
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

KNOWN_HEADING = "这几项不用填，看看对不对"


def path(draft_id: str, place: Place | None, *, from_check: bool = False) -> str:
    """The address of a place (这一问的地址); None is the check page."""
    if place is None:
        return f"/apply/{draft_id}/{forms.CHECK}"
    more = {"from": "check"} if from_check else {}
    return f"/apply/{draft_id}/{place.step}?{urlencode({'q': place.question, **more})}"


def posted_place(item: catalogue.Item, draft: Draft, node: Node, step: str, question: str) -> Place | None:
    """The place a page was posted from (从哪一问交来的), None for a page with all questions of its step."""
    if not question:
        return None
    order = one_by_one.places(item, draft.file, node.clock.today())
    found = one_by_one.at(item, order, draft.file, step, question)
    return found if found is not None and found.question == question else None


def next_path(item: catalogue.Item, draft: Draft, node: Node, place: Place) -> str:
    """Where it goes on after a place was answered (下一问的地址); the answer may have added or removed questions."""
    order = one_by_one.places(item, draft.file, node.clock.today())
    if place not in order:
        return path(draft.id, next((one for one in order if one.step == place.step), None))
    return path(draft.id, one_by_one.after(order, place))


def names_at(item: catalogue.Item, draft: Draft, node: Node, place: Place | None) -> frozenset[str]:
    """The fields that a page of this place answers (这一页答的), empty for a page with all questions of its step."""
    if place is None or place.step == forms.MATERIALS:
        return frozenset()
    return frozenset(field.name for field in one_by_one.fields_at(item, draft.file, place, node.clock.today()))


def chosen(item: catalogue.Item, draft: Draft, node: Node, step: str, question: str, wrong: Refusals) -> Place | None:
    """The place to draw (画哪一问): the one that is wrong, the one asked for, else the first that waits."""
    order = one_by_one.places(item, draft.file, node.clock.today())
    bad = next((one.field for one in wrong if one.field), "")
    if bad and not question:
        return one_by_one.of_field(order, step, bad)
    return one_by_one.at(item, order, draft.file, step, question, begun=bool(draft.step))


def back_path(item: catalogue.Item, draft: Draft, node: Node, place: Place | None) -> str:
    """The place before (上一问的地址), the guide before the first."""
    order = one_by_one.places(item, draft.file, node.clock.today())
    earlier = one_by_one.before(order, place)
    return path(draft.id, earlier) if earlier else f"/s/{item.task_code}"


async def question_page(
    tx: Tx, node: Node, draft: Draft, item: catalogue.Item, place: Place, wrong: Refusals, *, from_check: bool
) -> StepPage:
    """One question (一问): its own words are the heading; the lead of the step stands with the step's first question."""
    today = node.clock.today()
    order = one_by_one.places(item, draft.file, today)
    fields = one_by_one.fields_at(item, draft.file, place, today)
    step = item.form.step(place.step)
    first = next((one for one in order if one.step == place.step), None) == place
    questions = await asked.questions(tx, draft.file, fields)
    heading = KNOWN_HEADING if place.question == KNOWN else questions[0].label + ("（选填）" if questions[0].optional else "")
    return StepPage(
        title=f"{heading} - {item.name}", nav_title=item.name, step_line=one_by_one.step_line(order, place), heading=heading,
        lead=step.lead if step and first else "", questions=questions,
        action=f"/apply/{draft.id}/{place.step}", back=back_path(item, draft, node, place), errors=wrong, from_check=from_check,
        question=place.question,
    )  # fmt: skip


def material_page(page: MaterialsPage, item: catalogue.Item, draft: Draft, node: Node, place: Place) -> MaterialsPage:
    """One material (一份材料) of the page of all; what is spared is said with the first."""
    order = one_by_one.places(item, draft.file, node.clock.today())
    first = next(one for one in order if one.step == forms.MATERIALS) == place
    return msgspec.structs.replace(
        page, wanted=tuple(one for one in page.wanted if one.code == place.question), spared=page.spared if first else (),
        step_line=one_by_one.step_line(order, place), back=back_path(item, draft, node, place), question=place.question,
        count_words=page.count_words if first else "",
    )  # fmt: skip
