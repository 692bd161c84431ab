"""Checking a licence template 证照模板 before anybody can use it, and making the general one of a listed type. Pure.

>>> until(Validity(kind="years", years=10), {}, date(2026, 11, 22))
datetime.date(2036, 11, 21)
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from tongban.credentials.model.acts import Act
from tongban.credentials.model.types import CredentialType, ListedType, TypeAct, Validity
from tongban.kernel.ids import BadIdentifier, CreditCode

DEMO_BODY: Final = "11990000TB0000001E"
"""The invented defining body of types whose code no source shows (decisions D-9), 演示."""
GENERAL_FROM: Final = 100
"""Demo serials from here on belong to listed types without a template of their own, by their place in the list."""
LONGEST_WORDS: Final = 60
_FILE: Final = Path(__file__).resolve().parent.parent / "acts.toml"
_DERIVED: Final = frozenset({"last4", "over18", "masked"})
_STATUS: Final = {"single-source": "single_source", "not-found": "demo"}


@cache
def acts() -> Mapping[str, Act]:
    """All acts by id, from acts.toml (证照操作)."""
    return msgspec.convert(tomllib.loads(_FILE.read_text("utf-8")), dict[str, Act])


def check(kind: CredentialType) -> None:
    """Raise ValueError saying what is wrong with a template (模板检查)."""
    _check_code(kind)
    keys, numbers = [one.key for one in kind.fields], [one.label for one in kind.fields]
    if len(set(keys)) != len(keys) or len(set(numbers)) != len(numbers):
        raise ValueError("field keys and numbers are unique")
    if len({one.name for one in kind.fields}) != len(keys):
        raise ValueError("field names are unique: an item fills them by name")
    if not kind.words.strip() or len(kind.words) > LONGEST_WORDS:
        raise ValueError(f"words: one sentence of at most {LONGEST_WORDS} characters for the holder")
    _check_derived(kind, set(keys))
    if "transfer" in kind.acts and not any(one.holder for one in kind.fields if one.kind == "name"):
        raise ValueError("acts.transfer: say which fields are about the holder and stay behind")
    _check_disclosures(kind, set(keys))
    _check_validity(kind)
    unknown = set(kind.paper.large) - set(keys)
    if unknown:
        raise ValueError(f"paper.large: unknown fields {sorted(unknown)}")
    for colour in (kind.paper.colour, kind.paper.ground):
        if len(colour) != 7 or colour[0] != "#":
            raise ValueError("paper: a colour is #rrggbb")
        int(colour[1:], 16)
    unknown = set(kind.acts) - set(acts())
    if unknown:
        raise ValueError(f"acts: unknown {sorted(unknown)}")


def _check_code(kind: CredentialType) -> None:
    if len(kind.code) != 21:
        raise ValueError("a type code has 21 characters")
    CreditCode.parse(kind.code[:18])
    if (kind.code_status == "demo") != kind.code.startswith(DEMO_BODY):
        raise ValueError("code_status demo and the invented defining body go together")


def _check_derived(kind: CredentialType, keys: set[str]) -> None:
    for one in kind.fields:
        verb, _, source = one.derive.partition(":")
        if one.derive and (verb not in _DERIVED or source not in keys):
            raise ValueError(f"field {one.key}: derive {one.derive} is not last4, over18 or masked of a field here")
        if one.kind == "number" and not one.personal:
            raise ValueError(f"field {one.key}: a number of a person is masked, so personal")


def _check_disclosures(kind: CredentialType, keys: set[str]) -> None:
    if not kind.disclosures:
        raise ValueError("at least one disclosure")
    for one in kind.disclosures:
        unknown = set(one.fields) - keys
        if unknown:
            raise ValueError(f"disclosure {one.id}: unknown fields {sorted(unknown)}")
    sizes = [len(one.fields) for one in kind.disclosures]
    if sizes[0] != min(sizes):
        raise ValueError("the first disclosure shows least")


def _check_validity(kind: CredentialType) -> None:
    rule = kind.validity
    needed = {"days": rule.days > 0, "years": rule.years > 0, "age": bool(rule.bands), "field": bool(rule.field)}
    if not needed.get(rule.kind, True):
        raise ValueError(f"validity: {rule.kind} says nothing about how long")
    if rule.kind in {"age", "field"}:
        field = kind.field(rule.field)
        if field is None or field.kind != "date":
            raise ValueError("validity: field names a date of this type")
    if rule.kind == "age" and (rule.bands[-1].below or [one.below for one in rule.bands[:-1]] != sorted({one.below for one in rule.bands[:-1]})):
        raise ValueError("validity: bands go up by age, and the last one is for everybody else")


def until(rule: Validity, values: Mapping[str, str], today: date) -> date | None:
    """The last day of validity of one issued today (有效期止); None for long-term.

    Raises ValueError when the field that decides holds no date.
    """
    if rule.kind == "days":
        return today + timedelta(days=rule.days)
    if rule.kind == "years":
        return _years(today, rule.years)
    if rule.kind == "field":
        text = values.get(rule.field, "")
        return None if text in {"", "长期"} else date.fromisoformat(text[:10])
    if rule.kind == "age":
        text = values.get(rule.field, "")
        if not text:
            return None
        born = date.fromisoformat(text[:10])
        age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        band = next(one for one in rule.bands if not one.below or age < one.below)
        return _years(today, band.years) if band.years else None
    return None


def _years(day: date, years: int) -> date:
    """The day before the same day `years` later; 29 February counts as 1 March."""
    try:
        return day.replace(year=day.year + years) - timedelta(days=1)
    except ValueError:
        return date(day.year + years, 2, 28)


def act_of(kind: CredentialType, name: str) -> tuple[Act, TypeAct] | None:
    """An act as it is for this type (这类证照能不能这样办): None when it is not for it."""
    act, own = acts().get(name), kind.acts.get(name)
    if act is None or (act.declared and own is None) or (own is not None and not own.allowed):
        return None
    own = own or TypeAct()
    if own.words:
        act = msgspec.structs.replace(act, words=own.words, told=act.told.replace(act.words, own.words))
    if own.four_eyes is not None:
        act = msgspec.structs.replace(act, four_eyes=own.four_eyes)
    return act, own


def general(row: ListedType, place: int, shape: Mapping[str, Any]) -> CredentialType:
    """The type of a listed row that has no template yet (通用模板): its own name, the fields of `shape`.

    A code that a source shows and that is sound is kept; else a demo code by its place in the list. Raises ValueError.
    """
    code, status = _code(row, place)
    return msgspec.convert(
        {
            **shape, "code": code, "code_status": status, "name": row.name, "title": row.name, "defined_by": row.department,
            "holder": row.holder, "template": "general", "multiple": True,
        },
        CredentialType,
    )  # fmt: skip


def _code(row: ListedType, place: int) -> tuple[str, str]:
    demo = f"{DEMO_BODY}{GENERAL_FROM + place:03d}", "demo"
    if len(row.code) != 21:
        return demo
    try:
        CreditCode.parse(row.code[:18])
    except BadIdentifier:
        return demo
    if row.code_status.startswith("multi-source"):
        return row.code, "sourced"
    return row.code, _STATUS.get(row.code_status, "inferred")
