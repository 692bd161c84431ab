"""The working-day calendar (工作日历): operator data in `items/calendar/<year>.yaml`, with source and `provisional` marks.

The notice of the State Council for a year comes in November of the year before, so a year may be provisional or not
there at all: then days are reckoned Monday to Friday without the fixed public holidays, marked provisional, and
reckoned again when the year is published (stack.md 10). Never a library call that fails in January.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Literal, NamedTuple

import msgspec

SATURDAY = 5
ONE_DAY = timedelta(days=1)
FIXED = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
"""Public holidays on fixed dates of the solar calendar: 全国年节及纪念日放假办法, 国务院令第795号, art. 2."""


class Break(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A holiday with its days off, both ends included (放假)."""

    name: str
    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")


class Year(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One year as published (一年的安排). `work_days` are weekend days that are worked (调休上班)."""

    year: int
    provisional: bool
    source: str
    source_url: str
    holidays: tuple[Break, ...]
    work_days: tuple[date, ...]


class Reckoned(NamedTuple):
    """A day that was reckoned, and whether a year without a published calendar took part in it (推算的日期)."""

    day: date
    provisional: bool


class Calendar:
    """Which days are worked (工作日历).

    >>> from datetime import date
    >>> calendar = Calendar([Year(2026, False, "", "", (Break("国庆节", date(2026, 10, 1), date(2026, 10, 7)),), ())])
    >>> calendar.after(date(2026, 9, 30), 2)          # across the holiday
    Reckoned(day=datetime.date(2026, 10, 9), provisional=False)
    """

    def __init__(self, years: Iterable[Year]) -> None:
        self._years = {one.year: one for one in years}
        self._off = {day for one in self._years.values() for pause in one.holidays for day in _days(pause)}
        self._on = {day for one in self._years.values() for day in one.work_days}

    def provisional(self, year: int) -> bool:
        """Whether that year is not yet published."""
        known = self._years.get(year)
        return known is None or known.provisional

    def works(self, day: date) -> bool:
        """Whether that day is worked."""
        if day in self._on:
            return True
        if day.weekday() >= SATURDAY or day in self._off:
            return False
        return day.year in self._years or (day.month, day.day) not in FIXED

    def after(self, start: date, days: int, unit: Literal["working", "calendar"] = "working") -> Reckoned:
        """The last day of a limit (时限的最后一天): the day of the event does not count (cases.md 3).

        `days` 0 is the same day: 当场. Source: 行政许可法 art. 82 (working days) [GK].
        """
        if unit == "calendar":
            return Reckoned(start + timedelta(days=days), provisional=False)
        day, left, unsure = start, days, self.provisional(start.year) and days > 0
        while left > 0:
            day += ONE_DAY
            unsure = unsure or self.provisional(day.year)
            left -= self.works(day)
        return Reckoned(day, unsure)

    def between(self, start: date, end: date, unit: Literal["working", "calendar"] = "working") -> int:
        """How many days of a limit pass from `start` (not counted) to `end` (counted); 0 when `end` is not later."""
        if unit == "calendar":
            return max(0, (end - start).days)
        return sum(self.works(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))


def parse(texts: Iterable[str]) -> Calendar:
    """A calendar from the texts of its year files (读日历). Raises msgspec.ValidationError, ValueError."""
    years = [msgspec.yaml.decode(text, type=Year) for text in texts]
    for one in years:
        for day in (*one.work_days, *(day for pause in one.holidays for day in (pause.first, pause.last))):
            # 元旦 may begin in the old year's last days
            if abs(day.year - one.year) > 1 or (day.year != one.year and day.month not in {1, 12}):
                raise ValueError(f"calendar {one.year}: {day} lies in another year")
        for day in one.work_days:
            if day.weekday() < SATURDAY:
                raise ValueError(f"calendar {one.year}: {day} is no weekend day, so it needs no 调休")
    return Calendar(years)


def _days(pause: Break) -> list[date]:
    return [pause.first + timedelta(days=n) for n in range((pause.last - pause.first).days + 1)]
