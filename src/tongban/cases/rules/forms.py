"""Filling in (填表): which page comes next, what is taken from a posted page, what still stands in the way. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from tongban import catalogue
from tongban.cases.model import DraftFile, Source
from tongban.kernel.errors import Refusal, Refusals

MATERIALS = "materials"
CHECK = "check"
AT_THE_END = frozenset({"declaration"})
"""Kinds that are asked on the check page, after everything has been seen (ux.md K)."""
REGISTERED = frozenset({"register", "licence", "account", "earlier_result"})


def asked(step: catalogue.FormStep, shown: frozenset[str]) -> tuple[catalogue.Field, ...]:
    """The questions of a page as this person meets it (这一页的问题)."""
    return tuple(field for field in step.fields if field.name in shown and field.kind not in AT_THE_END)


def pages(item: catalogue.Item, file: DraftFile, today: date) -> tuple[str, ...]:
    """The pages to go through, in order, ending with the check page (填写顺序). `materials` only if something is to upload."""
    shown = catalogue.visible(item.form, file.answers, today)
    found = [step.name for step in item.form.steps if asked(step, shown)]
    if uploads(item, file, today):
        found.append(MATERIALS)
    return (*found, CHECK)


def needed(item: catalogue.Item, file: DraftFile, today: date) -> tuple[catalogue.MaterialNeeded, ...]:
    """The materials of this draft and how each is met (要哪些材料): by a licence only where one was found."""
    return catalogue.materials_needed(item, file.answers, today, held=file.held)


def uploads(item: catalogue.Item, file: DraftFile, today: date) -> tuple[catalogue.MaterialNeeded, ...]:
    """The materials that the person has to hand in as files (要上传的材料)."""
    return tuple(
        one
        for one in needed(item, file, today)
        if one.state in {"upload", "reuse"} and one.material.necessity != "later" and (one.certain or not one.material.needed)
    )


def must_upload(one: catalogue.MaterialNeeded) -> bool:
    """Whether the case cannot be submitted without it (必交)."""
    return one.certain and one.material.necessity in {"needed", "if_applicable"}


def after(item: catalogue.Item, file: DraftFile, step: str, today: date) -> str:
    """The page after `step` (下一页)."""
    order = pages(item, file, today)
    return order[order.index(step) + 1] if step in order[:-1] else CHECK


def before(item: catalogue.Item, file: DraftFile, step: str, today: date) -> str:
    """The page before `step`, "" for the first (上一页)."""
    order = pages(item, file, today)
    place = order.index(step) if step in order else 0
    return order[place - 1] if place else ""


def merged(
    item: catalogue.Item, file: DraftFile, posted: Mapping[str, tuple[str, ...]], step: str,
    *, only: frozenset[str] = frozenset(),
) -> DraftFile:
    """The draft after a page was posted (合并一页): declared fields of that page only, also what is still wrong.

    A locked field that a register filled keeps its value, unless the person disputes it there (纠错); an answer that was changed by hand says so. With `only` the
    page asked just these: what it did not ask and did not send is left as it is, also an unticked choice.
    """
    came = only | {name.split(".", 1)[0] for name in posted}
    fields = {field.name: field for field in _fields(item, step) if not only or field.name in came}
    said = catalogue.parse_answers(item.form, posted, None if step == CHECK else step)
    answers, sources = dict(file.answers), dict(file.sources)
    for name, field in fields.items():
        source = sources.get(name)
        if field.locked and source is not None and source.kind in REGISTERED and not source.pending:
            continue
        if name not in said:
            # an unticked choice: nothing is posted for it
            if field.kind == "bool":
                answers.pop(name, None)
            continue
        if answers.get(name) != said[name]:
            sources[name] = Source(pending=bool(source and source.pending), name=source.name if source and source.pending else "")
        answers[name] = said[name]
    return msgspec.structs.replace(file, answers=answers, sources=sources)


def wrong(
    item: catalogue.Item, file: DraftFile, step: str, today: date, *, only: frozenset[str] = frozenset()
) -> Refusals:
    """What stands in the way on one page (这一页要改的), of `only` where it asked no more; declarations wait for the check page."""
    late = {field.name for field in item.form.fields if field.kind in AT_THE_END}
    if item.form.step(step) is None:
        return ()
    found = (one for one in catalogue.check(item.form, file.answers, step, today) if one.field not in late)
    return tuple(one for one in found if not only or (one.field or "").split(".", 1)[0] in only)


def undeclared(item: catalogue.Item, posted: Mapping[str, tuple[str, ...]]) -> Refusals:
    """A refusal when the page sent a name that the form does not have (T-44); nothing of it is stored."""
    names = {field.name for field in item.form.fields}
    strange = [name for name in posted if not name.startswith("_") and name.split(".", 1)[0] not in names]
    said = "提交里有这张表没有的内容，没有保存，请从这一页重新提交"
    return (Refusal("cases.field_undeclared", said),) if strange else ()


def all_wrong(item: catalogue.Item, file: DraftFile, today: date) -> Refusals:
    """What stands in the way of submitting (提交前要改的): answers, declarations, files."""
    found = list(catalogue.check(item.form, file.answers, None, today))
    found += [
        Refusal("cases.material_missing", f"还差一份：{one.material.title}", f"material-{one.material.name}")
        for one in uploads(item, file, today)
        if must_upload(one) and not file.materials.get(one.material.name)
    ]
    return tuple(found)


def step_of(item: catalogue.Item, field: str) -> str:
    """The page on which a field is asked (在哪一页), the check page for one that is asked there or unknown."""
    if field.startswith("material-"):
        return MATERIALS
    name = field.split(".", 1)[0]
    for step in item.form.steps:
        for one in step.fields:
            if one.name == name:
                return CHECK if one.kind in AT_THE_END else step.name
    return CHECK


def _fields(item: catalogue.Item, step: str) -> tuple[catalogue.Field, ...]:
    if step == CHECK:
        return tuple(field for field in item.form.fields if field.kind in AT_THE_END)
    found = item.form.step(step)
    return tuple(field for field in found.fields if field.kind not in AT_THE_END) if found else ()
