"""Conditions in CEL 条件: compiled once, closed over declared names, bounded in cost (T-43).

Answers enter as: text kinds → string ("" when empty), `bool` → bool, `number` and `money` → double (0.0 when empty),
`multiselect` → list of strings, `table` → list of maps of strings; `today` is an ISO date string in China. A money or number
column of a table also enters as its sum, `<table>_<column>_total` → double.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, InvalidOperation
from types import ModuleType
from typing import Any, Protocol

# the package reads in its own command line with two terminal toolkits, a tenth of a node's start; nothing here uses it
sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))
import cel  # noqa: E402

from tongban.catalogue.model import Answer, Answers, Field  # noqa: E402

LONGEST = 400
MOST_LOOPS = 2
LOOPS = ("exists(", "all(", "map(", "filter(", "exists_one(")
LOOP_VARIABLE = re.compile(r"\.(?:exists|all|map|filter|exists_one)\(\s*(\w+)\s*,")
FUNCTIONS = frozenset(
    {
        "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_&&_", "_||_", "!_", "_?_:_", "@in", "_in_", "_+_", "_-_", "_*_", "_/_",
        "_%_", "-_", "_[_]", "size", "int", "double", "string", "contains", "startsWith", "endsWith", "exists", "all",
        "exists_one", "filter", "map", "has",
        "@not_strictly_false",
    }
)


class Compiled(Protocol):
    """What the CEL library gives back for one expression (编译后的条件)."""

    def execute(self, context: dict[str, object]) -> Any: ...

    def variables(self) -> list[str]: ...

    def functions(self) -> list[str]: ...


class ConditionBroken(ValueError):
    """A condition that cannot be used; the message says what is wrong with it and how to mend it."""


@functools.lru_cache(maxsize=4096)
def compiled(expression: str) -> Compiled:
    """The program of an expression (编译). Raises ConditionBroken for bad syntax, strange functions, too much work."""
    if len(expression) > LONGEST:
        raise ConditionBroken(f"condition of {len(expression)} characters, at most {LONGEST}: split it into two fields")
    loops = sum(expression.count("." + loop) for loop in LOOPS)
    if loops > MOST_LOOPS:
        raise ConditionBroken(f"{loops} loops in one condition, at most {MOST_LOOPS}: say it with fewer")
    try:
        program: Compiled = cel.compile(expression)
    except ValueError as error:
        first = str(error).split("\n", 1)[0]
        raise ConditionBroken(f"not CEL: {first}") from None
    strange = sorted(set(program.functions()) - FUNCTIONS)
    if strange:
        raise ConditionBroken(f"function {strange[0]} is not offered in conditions; use one of size, contains, startsWith, in")
    return program


def proven(expression: str, fields: Iterable[Field]) -> None:
    """Compile and try an expression on an empty form (试算); raises ConditionBroken."""
    known = tuple(fields)
    program = compiled(expression)
    own = set(LOOP_VARIABLE.findall(expression))
    strange = sorted(set(program.variables()) - {name for field in known for name in _names(field)} - {"today"} - own)
    if strange:
        raise ConditionBroken(f"{strange[0]} is no field of this form; fields are {', '.join(f.name for f in known)}")
    try:
        found = program.execute(context({}, known, date(2026, 1, 1)))
    except (TypeError, RuntimeError, ValueError) as error:
        raise ConditionBroken(f"fails on an empty form: {str(error).split('. ', 1)[0]}") from None
    if not isinstance(found, bool):
        raise ConditionBroken(f"gives {type(found).__name__}, a condition must give true or false")


def holds(expression: str, values: dict[str, object]) -> bool:
    """Whether the condition is true of these bound values (条件成立). An empty expression always holds."""
    if not expression:
        return True
    return bool(compiled(expression).execute(values))


def bound(field: Field, answer: Answer | None) -> object:
    """One answer as CEL sees it (绑定); an answer of the wrong shape counts as empty."""
    if field.kind in {"bool", "declaration", "consent"}:
        return answer is True
    if field.kind == "multiselect":
        return [one for one in answer if isinstance(one, str)] if isinstance(answer, list) else []
    if field.kind == "table":
        return [dict(one) for one in answer if isinstance(one, dict)] if isinstance(answer, list) else []
    if field.kind in {"number", "money"}:
        try:
            return float(answer) if isinstance(answer, str) and len(answer) < 20 else 0.0
        except ValueError:
            return 0.0
    return answer if isinstance(answer, str) else ""


def _names(field: Field) -> tuple[str, ...]:
    return field.name, *(f"{field.name}_{column.name}_total" for column in field.columns if column.kind in {"number", "money"})


def totals(field: Field, answer: Answer | None) -> Iterable[tuple[str, float]]:
    """The sums of a table's amounts (合计), exact to the cent; a cell that is no number counts as nothing."""
    rows = [one for one in answer if isinstance(one, dict)] if isinstance(answer, list) else []
    for column in field.columns:
        if column.kind in {"number", "money"}:
            yield f"{field.name}_{column.name}_total", float(sum((_amount(row.get(column.name)) for row in rows), Decimal(0)))


def _amount(cell: object) -> Decimal:
    try:
        found = Decimal(cell) if isinstance(cell, str) and len(cell) < 20 else Decimal(0)
    except InvalidOperation:
        return Decimal(0)
    return found if found.is_finite() else Decimal(0)


def context(answers: Answers, fields: Iterable[Field], today: date | None) -> dict[str, object]:
    """All declared names bound, so that no condition ever meets an unknown one (求值环境)."""
    fields = tuple(fields)
    values = {field.name: bound(field, answers.get(field.name)) for field in fields}
    for field in fields:
        values.update(totals(field, answers.get(field.name)))
    values["today"] = today.isoformat() if today else ""
    return values
