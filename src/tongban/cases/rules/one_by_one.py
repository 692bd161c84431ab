"""One question a page (一页一问): the places of a form in elder mode, in order, from the same definition. Pure. ux.md 0, 2.

What a register has filled and nobody may change is one place to look at, not a question. Each material is a place.
"""

from __future__ import annotations

from datetime import date

import msgspec

from tongban import catalogue
from tongban.cases.model import DraftFile
from tongban.cases.rules import forms

KNOWN = "known"
"""The place of a step where the known values stand; no field may have this name (checked by the catalogue's names)."""


class Place(msgspec.Struct, frozen=True):
    """Where somebody is in a form (问到哪里): a step, and the one question of it; a material's code for `materials`."""

    step: str
    question: str


def places(item: catalogue.Item, file: DraftFile, today: date) -> tuple[Place, ...]:
    """All places before the check page, in order (先后次序); answers may add and remove some."""
    shown = catalogue.visible(item.form, file.answers, today)
    found = []
    for step in item.form.steps:
        fields = forms.asked(step, shown)
        if any(_known(field, file) for field in fields):
            found.append(Place(step.name, KNOWN))
        found += [Place(step.name, field.name) for field in fields if not _known(field, file)]
    found += [Place(forms.MATERIALS, one.material.name) for one in forms.uploads(item, file, today)]
    return tuple(found)


def at(
    item: catalogue.Item, order: tuple[Place, ...], file: DraftFile, step: str, question: str, *, begun: bool = True
) -> Place | None:
    """The place that was asked for (找到这一问). None = no such step.

    Without a question: the step's first place, or in a form that was begun its first that has to be answered and is not.
    """
    here = [one for one in order if one.step == step]
    named = next((one for one in here if one.question == question), None)
    if named is None and not question and begun:
        needed = {field.name for field in item.form.fields if field.required or field.required_when}
        named = next((one for one in here if one.question in needed and one.question not in file.answers), None)
    return named or (here[0] if here else None)


def of_field(order: tuple[Place, ...], step: str, field: str) -> Place | None:
    """The place where a field is asked (这一项在哪里问), the known values' place for one that stands there."""
    name = field.removeprefix("material-").split(".", 1)[0]
    here = [one for one in order if one.step == step]
    return next((one for one in here if one.question == name), next((one for one in here if one.question == KNOWN), None))


def fields_at(item: catalogue.Item, file: DraftFile, place: Place, today: date) -> tuple[catalogue.Field, ...]:
    """What stands on the page of a place (这一页的内容): one field, or the known ones."""
    step = item.form.step(place.step)
    fields = forms.asked(step, catalogue.visible(item.form, file.answers, today)) if step else ()
    if place.question == KNOWN:
        return tuple(field for field in fields if _known(field, file))
    return tuple(field for field in fields if field.name == place.question)


def step_line(order: tuple[Place, ...], place: Place) -> str:
    """How far, in words (第几个问题): 第 3 个问题，共 12 个."""
    asked = [one for one in order if one.question != KNOWN]
    if place in asked:
        return f"第 {asked.index(place) + 1} 个问题，共 {len(asked)} 个"
    left = sum(one.question != KNOWN for one in order[order.index(place) :]) if place in order else len(asked)
    return f"先看一看，后面还有 {left} 个问题"


def after(order: tuple[Place, ...], place: Place) -> Place | None:
    """The next place, None for the check page (下一问)."""
    n = order.index(place) + 1 if place in order else 0
    return order[n] if n < len(order) else None


def before(order: tuple[Place, ...], place: Place | None) -> Place | None:
    """The place before (上一问), None before the first; for None, the check page, the last."""
    if place is None:
        return order[-1] if order else None
    n = order.index(place) if place in order else 0
    return order[n - 1] if n else None


def _known(field: catalogue.Field, file: DraftFile) -> bool:
    source = file.sources.get(field.name)
    return field.locked and source is not None and source.kind in forms.REGISTERED and bool(file.answers.get(field.name))
