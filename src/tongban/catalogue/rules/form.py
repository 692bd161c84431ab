"""The form engine 表单引擎: pure functions over a form, the answers so far and the day. No database, no clock.

A hidden question has no answer: what was typed there before it was hidden neither counts in conditions nor is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import msgspec

from tongban.catalogue.model import NEVER_PREFILLED, Answer, Answers, Field, Form, Prefill
from tongban.catalogue.rules.conditions import bound, context, holds, totals
from tongban.catalogue.rules.kinds import CHECKS, as_field, normalised
from tongban.kernel.errors import Refusal, Refusals

BOOLEAN = frozenset({"bool", "declaration", "consent"})
CHOOSING = frozenset({"select", "region", "multiselect"})
YES = frozenset({"true", "on", "yes", "1", "是"})
NO = frozenset({"false", "no", "0", "否"})


class Planned(msgspec.Struct, frozen=True):
    """One field that a machine may fill, and where it may look, best first (预填计划)."""

    field: str
    sources: tuple[Prefill, ...]
    locked: bool


def _seen(form: Form, answers: Answers, today: date | None) -> tuple[frozenset[str], dict[str, object]]:
    """The names of visible fields and the values conditions see, hidden answers counted as empty."""
    fields = form.fields
    values = context({}, fields, today)
    shown: set[str] = set()
    for step in form.steps:
        if not holds(step.visible_when, values):
            continue
        for field in step.fields:
            if holds(field.visible_when, values):
                shown.add(field.name)
                values[field.name] = bound(field, answers.get(field.name))
                values.update(totals(field, answers.get(field.name)))
    return frozenset(shown), values


def visible(form: Form, answers: Answers, today: date | None = None) -> frozenset[str]:
    """The names of the fields that are asked, given the answers so far (可见字段).

    Conditions look at earlier fields; a field's own visibility never depends on a later one.
    """
    return _seen(form, answers, today)[0]


def kept(form: Form, answers: Answers, today: date | None = None) -> Answers:
    """Only what may be stored: answers of declared and visible fields that are not empty (可保存的答案)."""
    shown = visible(form, answers, today)
    return {name: answers[name] for name in (field.name for field in form.fields) if name in shown and not _empty(answers.get(name))}


def check(form: Form, answers: Answers, step: str | None = None, today: date | None = None) -> Refusals:
    """What is not right yet, of one page or of the whole form, each beside its field; () when all is right (校验).

    Answers outside the declaration are refused without repeating their names (R-804). Raises KeyError for a step
    that the form does not have.
    """
    fields = form.fields if step is None else _step_fields(form, step)
    declared = {field.name for field in form.fields}
    refusals: list[Refusal] = []
    if set(answers) - declared:
        refusals.append(Refusal("catalogue.field_undeclared", "提交里有这张表没有的内容，没有保存，请从这一页重新提交"))
    shown, values = _seen(form, answers, today)
    for field in fields:
        if field.name in shown:
            refusals.extend(_judge(field, answers.get(field.name), values, today))
    return tuple(refusals)


def _step_fields(form: Form, name: str) -> tuple[Field, ...]:
    found = form.step(name)
    if found is None:
        raise KeyError(name)
    return found.fields


def _judge(field: Field, answer: Answer | None, values: dict[str, object], today: date | None) -> Iterable[Refusal]:
    asked = field.required or (field.required_when != "" and holds(field.required_when, values))
    if _empty(answer) or (answer is False and field.kind == "declaration"):
        if asked:
            yield Refusal("catalogue.field_missing", _missing(field), field.name)
        return
    assert answer is not None
    before = False
    for refusal in _shape(field, answer, today):
        before = True
        yield refusal
    if not before and field.valid_when and not holds(field.valid_when, values):
        yield Refusal("catalogue.field_rule", field.valid_says or f"{field.label}不符合要求，请看提示", field.name)


def _shape(field: Field, answer: Answer, today: date | None) -> Iterable[Refusal]:
    wrong = Refusal("catalogue.field_shape", f"{field.label}的内容看不懂，请重新填写", field.name)
    if field.kind in BOOLEAN:
        if not isinstance(answer, bool):
            yield wrong
    elif field.kind == "multiselect":
        offered = {option.value for option in field.options}
        if not isinstance(answer, list) or not all(isinstance(one, str) for one in answer):
            yield wrong
        elif len(answer) > field.max_rows or len({str(one) for one in answer} - offered) > 0:
            yield Refusal("catalogue.field_kind", f"请在列出的选项里选{field.label}", field.name)
    elif field.kind == "table":
        yield from _table(field, answer, today)
    elif not isinstance(answer, str):
        yield wrong
    else:
        sentence = CHECKS[field.kind](field, answer, today)
        if sentence:
            yield Refusal("catalogue.field_kind", sentence, field.name)


def _table(field: Field, answer: Answer, today: date | None) -> Iterable[Refusal]:
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        yield Refusal("catalogue.field_shape", f"{field.label}的内容看不懂，请重新填写", field.name)
        return
    rows = [row for row in answer if isinstance(row, dict)]
    if len(rows) < field.min_rows:
        yield Refusal("catalogue.field_rows", f"{field.label}至少填 {field.min_rows} 行", field.name)
    if len(rows) > field.max_rows:
        yield Refusal("catalogue.field_rows", f"{field.label}最多 {field.max_rows} 行", field.name)
    names = {column.name for column in field.columns}
    for number, row in enumerate(rows[: field.max_rows]):
        if set(row) - names or not all(isinstance(cell, str) for cell in row.values()):
            yield Refusal("catalogue.field_undeclared", f"{field.label}第 {number + 1} 行有表里没有的内容", field.name)
            continue
        for column in field.columns:
            cell = as_field(column)
            for refusal in _judge(cell, row.get(column.name, ""), {}, today):
                yield Refusal(refusal.code, f"第 {number + 1} 行：{refusal.sentence}", f"{field.name}.{number}.{column.name}")


def _empty(answer: Answer | None) -> bool:
    if isinstance(answer, str):
        return not answer.strip()
    return answer is None or answer == []


def _missing(field: Field) -> str:
    if field.kind == "declaration":
        return "请看完声明，同意的话打上勾"
    if field.kind in CHOOSING:
        return f"请选{field.label}"
    if field.kind == "bool":
        return f"请选“{field.label}”：是或者否"
    if field.kind == "table":
        return f"请填{field.label}，至少 {max(1, field.min_rows)} 行"
    return f"请填{field.label}"


def prefill_plan(form: Form) -> tuple[Planned, ...]:
    """Which fields may be filled from where, in the order of the form (预填计划); never a declaration or an account."""
    return tuple(
        Planned(field.name, field.prefill, field.locked)
        for field in form.fields
        if field.prefill and field.kind not in NEVER_PREFILLED
    )


def parse_answers(form: Form, posted: Mapping[str, tuple[str, ...]], step: str | None = None) -> Answers:
    """Answers from a posted page (读答案): names of fields; cells of tables as `members.0.name`.

    Names that begin with `_` are the page's own buttons and are left out; any other undeclared name is kept, so that
    `check` refuses it. Empty rows of tables are dropped. Unticked `bool` fields of the page are left unanswered;
    unticked declarations and consents are False. Raises KeyError for a step that the form does not have.
    """
    fields = {field.name: field for field in (form.fields if step is None else _step_fields(form, step))}
    declared = {field.name for field in form.fields}
    answers: Answers = {}
    for name, given in posted.items():
        if name.startswith("_") or name.split(".", 1)[0] in fields:
            continue
        if name not in declared:
            answers[name] = given[0] if given else ""
    for name, field in fields.items():
        if field.kind == "table":
            answers[name] = _rows(field, posted)
        elif field.kind in BOOLEAN:
            word = (posted.get(name) or ("",))[0].lower()
            if word in YES or word in NO:
                answers[name] = word in YES
            elif field.kind != "bool":
                answers[name] = False
        elif field.kind == "multiselect":
            answers[name] = [one for one in posted.get(name, ()) if one]
        elif name in posted:
            answers[name] = normalised(field.kind, posted[name][0] if posted[name] else "")
    return answers


def _rows(field: Field, posted: Mapping[str, tuple[str, ...]]) -> list[dict[str, str]]:
    columns = {column.name: column for column in field.columns}
    rows: dict[int, dict[str, str]] = {}
    for name, given in posted.items():
        head, _, rest = name.partition(".")
        number, _, cell = rest.partition(".")
        if head != field.name or not number.isdecimal() or len(number) > 4 or not given:
            continue
        kind = columns[cell].kind if cell in columns else "text"
        rows.setdefault(int(number), {})[cell] = normalised(kind, given[0])
    return [row for _, row in sorted(rows.items()) if any(row.values())]
