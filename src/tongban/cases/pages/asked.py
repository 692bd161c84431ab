"""Questions as pages draw them (画题目): one Struct a question, from the field's definition, the draft and what is wrong."""

from __future__ import annotations

import msgspec

from tongban import catalogue
from tongban.cases.model import Answers, DraftFile, Source
from tongban.cases.rules import forms, result
from tongban.kernel.db import Tx
from tongban.ui import Option

FEW = 8
WIDGETS: dict[str, str] = {
    "textarea": "text", "text": "text", "address": "text", "id_number": "text", "credit_code": "text", "mobile": "text",
    "date": "text", "money": "text", "number": "text", "bank_account": "text", "signature": "text", "select": "choice",
    "region": "choice", "multiselect": "checks", "bool": "choice", "table": "table", "declaration": "tick", "consent": "tick",
}  # fmt: skip
TYPES: dict[str, tuple[str, str, str]] = {
    "mobile": ("tel", "numeric", "tel"),
    "date": ("date", "", "off"),
    "money": ("text", "decimal", "off"),
    "number": ("text", "decimal", "off"),
    "bank_account": ("text", "numeric", "off"),
    "address": ("text", "", "street-address"),
}
YES_NO = (Option("true", "是"), Option("false", "否"))
SPARE_ROWS = 1


class Cell(msgspec.Struct, frozen=True):
    """One cell of a table question (单元格)."""

    name: str
    label: str
    value: str
    kind: str
    options: tuple[Option, ...]
    maxlength: int


class Asked(msgspec.Struct, frozen=True):
    """One question (一道题). `source` is the badge 来自…; `read_only` shows a card instead of a field."""

    name: str
    label: str
    widget: str
    value: str
    values: tuple[str, ...] = ()
    hint: str = ""
    options: tuple[Option, ...] = ()
    optional: bool = False
    read_only: bool = False
    source: str = ""
    pending: str = ""
    type: str = "text"
    inputmode: str = ""
    autocomplete: str = "off"
    maxlength: str = ""
    rows: int = 0
    explain: str = ""
    checked: bool = False
    table: tuple[tuple[Cell, ...], ...] = ()


def source_words(source: Source | None) -> str:
    """Where an answer came from, for a badge (来源)."""
    if source is None or (source.kind == "typed" and not source.pending):
        return ""
    if source.pending:
        return "待核验"
    return source.name


def pending_words(source: Source | None) -> str:
    """Why an answer is still to be checked (为什么待核验): its register is away, or the person disputes what it says."""
    if source is None or not source.pending:
        return ""
    if source.kind in forms.REGISTERED:
        return "这一项你正在纠错，按对的填就行，之后会核对"
    return f"{source.name}现在连不上，请自己填，之后会核对"


async def questions(tx: Tx, file: DraftFile, fields: tuple[catalogue.Field, ...]) -> tuple[Asked, ...]:
    """The questions of one page, filled with what the draft holds, also what is wrong (出题)."""
    names = await catalogue.division_names(tx) if any(one.kind == "region" for one in fields) else {}
    return tuple(question(field, file, names) for field in fields)


def question(field: catalogue.Field, file: DraftFile, names: dict[str, str]) -> Asked:
    """One question."""
    answer, source = file.answers.get(field.name), file.sources.get(field.name)
    registered = source is not None and source.kind in forms.REGISTERED and bool(answer) and not source.pending
    kind = TYPES.get(field.kind, ("text", "", "off"))
    choices = options_of(field, answer if isinstance(answer, str) else "", names)
    widget = WIDGETS[field.kind]
    if widget == "choice":
        widget = "radios" if len(choices) <= FEW else "select"
    pending = pending_words(source)
    return Asked(
        name=field.name,
        label=field.label,
        widget=widget,
        value=masked(_text(answer)) if registered and field.locked and field.kind == "id_number" else _text(answer),
        values=tuple(str(one) for one in answer) if isinstance(answer, list) and field.kind == "multiselect" else (),
        hint=pending or (f"{source.name}，可以改" if registered and source is not None and not field.locked else field.hint),
        options=choices,
        optional=not field.required and not field.required_when,
        read_only=registered and field.locked,
        source=source_words(source),
        pending=pending,
        type=kind[0],
        inputmode=kind[1],
        autocomplete=kind[2],
        maxlength=str(field.max_length) if field.kind in {"text", "textarea", "address"} else "",
        rows=4 if field.kind == "textarea" else 0,
        explain=field.explain,
        checked=answer is True,
        table=_table(field, answer) if field.kind == "table" else (),
    )


def options_of(field: catalogue.Field, answer: str, names: dict[str, str]) -> tuple[Option, ...]:
    """The choices of a question; a place without its own list offers provinces and cities, and the one that is chosen."""
    if field.kind == "bool":
        return YES_NO
    if field.kind == "region" and not field.options:
        return _places(field, answer, names)
    return tuple(Option(one.value, one.label, one.hint) for one in field.options)


def said(field: catalogue.Field, answers: Answers, names: dict[str, str], *, hide: bool = False) -> str:
    """An answer in words for the check page and the desk (答案文字). `hide` masks document numbers, also in tables."""
    answer = answers.get(field.name)
    if hide and field.kind == "id_number" and isinstance(answer, str):
        return masked(answer)
    if hide and field.kind == "table" and isinstance(answer, list):
        numbers = {column.name for column in field.columns if column.kind == "id_number"}
        rows = [{key: masked(v) if key in numbers else v for key, v in row.items()} for row in answer if isinstance(row, dict)]
        return result.said(field, rows)
    if field.kind == "region" and isinstance(answer, str):
        labels = {one.value: one.label for one in field.options}
        return labels.get(answer) or place(answer, names)
    if field.kind == "declaration":
        return "已勾选" if answer is True else ""
    return result.said(field, answer)


def masked(number: str) -> str:
    """A number with its middle hidden: 500103********4528 (privacy.md 1)."""
    if len(number) < 15:
        return number[:3] + "*" * max(2, len(number) - 7) + number[-4:] if len(number) > 7 else "*" * len(number)
    return number[:6] + "*" * (len(number) - 10) + number[-4:]


def has_numbers(field: catalogue.Field) -> bool:
    """Whether a table has a column of document numbers (表格里有没有证号)."""
    return any(column.kind == "id_number" for column in field.columns)


def place(code: str, names: dict[str, str]) -> str:
    """A division with what it lies in: 四川省成都市锦江区."""
    if not code:
        return ""
    above = dict.fromkeys((code[:2] + "0000", code[:4] + "00", code))
    return "".join(names[one] for one in above if one in names) or code


def _places(field: catalogue.Field, answer: str, names: dict[str, str]) -> tuple[Option, ...]:
    provinces_only = field.name == "province"
    codes = [code for code in names if code.endswith("0000" if provinces_only else "00")]
    if answer and answer in names and answer not in codes:
        codes.append(answer)
    # 直辖市 have no city rows: the province row stands for them
    return tuple(Option(code, place(code, names)) for code in sorted(codes))


def _text(answer: object) -> str:
    if isinstance(answer, bool):
        return "true" if answer else "false"
    return answer if isinstance(answer, str) else ""


def _table(field: catalogue.Field, answer: object) -> tuple[tuple[Cell, ...], ...]:
    rows = [one for one in answer if isinstance(one, dict)] if isinstance(answer, list) else []
    wanted = min(field.max_rows, max(len(rows) + SPARE_ROWS, field.min_rows))
    made = []
    for n in range(wanted):
        row = rows[n] if n < len(rows) else {}
        made.append(
            tuple(
                Cell(
                    name=f"{field.name}.{n}.{column.name}", label=column.label, value=str(row.get(column.name, "")),
                    kind=column.kind, maxlength=column.max_length,
                    options=tuple(Option(one.value, one.label) for one in column.options),
                )
                for column in field.columns
            )
        )  # fmt: skip
    return tuple(made)
