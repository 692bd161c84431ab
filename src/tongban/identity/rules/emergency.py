"""Break-glass 紧急访问 as data (emergency.toml): the list of reasons and the limits (identity.md 9, T-64). Pure."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from pathlib import Path

import msgspec

_FILE = Path(__file__).resolve().parent.parent / "emergency.toml"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an emergency may take 限度: minutes, persons, days."""

    minutes: int
    persons: int
    review_working_days: int
    delay_days: int
    fresh_minutes: int
    readings_an_hour: int
    visits_an_hour: int
    audit_pages_an_hour: int
    source: str


class Ground(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reason of the list 理由."""

    code: str
    words: str
    source: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limits: Limits
    reason: tuple[Ground, ...]


_KNOWN = msgspec.convert(tomllib.loads(_FILE.read_text("utf-8")), _File)
LIMITS = _KNOWN.limits
GROUNDS = {one.code: one for one in _KNOWN.reason}


def working_day_after(day: date, count: int) -> date:
    """The `count`-th day from Monday to Friday after `day` 几个工作日后; public holidays are not skipped, so it is never too late.

    >>> working_day_after(date(2026, 11, 19), 3)    # a Thursday
    datetime.date(2026, 11, 24)
    """
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < 5
    return day
