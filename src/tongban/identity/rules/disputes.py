"""What may be corrected and by when 纠错规则 (identity.md 6.7, R-304): data of disputes.toml, pure judgements over it."""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Container
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import msgspec

from tongban.identity.errors import refusal
from tongban.identity.rules import typed
from tongban.kernel.errors import Refusal
from tongban.kernel.gm import digest, jcs

_FILE = Path(__file__).resolve().parent.parent / "disputes.toml"
LONGEST_CLAIM = 120
LONGEST_REASON = 500
_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


class Attribute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One attribute of a register 可纠错的一项: its words, its register, what to bring, where to turn when refused."""

    code: str
    words: str
    register: str
    example: str
    bring: str
    remedy: str
    options: tuple[str, ...] = ()


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """disputes.toml: `days` working days to answer, how many a person may have open and with how many files, with their sources."""

    days: int
    source: str
    longest: int
    most_open: int
    most_files: int
    limits_source: str
    attribute: tuple[Attribute, ...]


@cache
def book() -> Book:
    """The data. Raises msgspec.ValidationError when the file is not right."""
    return msgspec.convert(tomllib.loads(_FILE.read_text("utf-8")), Book)


def attribute(code: str) -> Attribute | None:
    """The attribute of that code, or None."""
    return next((one for one in book().attribute if one.code == code), None)


def check_claim(code: str, claimed: str, today: date) -> Refusal | None:
    """What is wrong with the value a person says is right, beside the field `claimed`; None when it may be sent."""
    known = attribute(code)
    if known is None:
        return refusal("identity.dispute_attribute", "attribute")
    if not claimed:
        return refusal("identity.dispute_claim", "claimed")
    if len(claimed) > LONGEST_CLAIM or not claimed.isprintable():
        return refusal("identity.dispute_long", "claimed", n=LONGEST_CLAIM)
    if known.options and claimed not in known.options:
        return refusal("identity.dispute_choice", "claimed", choice="或者".join(known.options))
    if code == "number":
        return typed.check_number(claimed, "claimed")
    if code == "born" and not _past_day(claimed, today):
        return refusal("identity.dispute_day", "claimed")
    return None


def normal_claim(code: str, text: str) -> str:
    """A typed value as it is kept: names and numbers as registers write them, the rest without outer blanks.

    >>> normal_claim("number", "5001 9919910612002x"), normal_claim("address", "  演示路 1 号 ")
    ('50019919910612002X', '演示路 1 号')
    """
    if code == "number":
        return typed.normal(text)
    return typed.normal_name(text) if code == "name" else " ".join(text.split())


def _past_day(text: str, today: date) -> bool:
    try:
        return date(1880, 1, 1) < date.fromisoformat(text) <= today
    except ValueError:
        return False


def due(opened: date, days: int, off: Container[date] = (), worked: Container[date] = ()) -> date:
    """The last day to answer 最晚答复: `days` working days after the day of opening.

    `off` are public holidays on weekdays, `worked` weekend days that are worked.

    >>> due(date(2026, 9, 29), 3, off={date(2026, 10, day) for day in range(1, 8)}, worked={date(2026, 10, 10)})
    datetime.date(2026, 10, 9)
    """
    day = opened
    while days > 0:
        day += timedelta(days=1)
        if day in worked or (day.weekday() < 5 and day not in off):
            days -= 1
    return day


def new_number(today: date) -> str:
    """The number a person is told 纠错编号: says nothing about anybody."""
    return f"JC{today:%Y%m%d}" + "".join(secrets.choice(_LETTERS) for _ in range(6))


def pinned(dispute: str, attribute_code: str, claimed: str, current: str, *, uphold: bool, reason: str) -> str:
    """The digest of exactly what the second clerk confirms (identity.md 9): claim, register's value, decision, reason."""
    return digest(jcs({
        "dispute": dispute, "attribute": attribute_code, "claimed": claimed, "current": current, "uphold": uphold, "reason": reason,
    }))  # fmt: skip
