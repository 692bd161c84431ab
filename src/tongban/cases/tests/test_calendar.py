"""Working days: the notices of 2025 and 2026, a provisional 2027, a year nobody knows."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongban.cases.rules.calendar import parse
from tongban.cases.tests.make import calendar

DAYS = st.dates(date(2025, 1, 1), date(2027, 12, 1))


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 2, 14), True),  # 周六上班
        (date(2026, 2, 16), False),
        (date(2026, 9, 20), True),  # 周日上班
        (date(2026, 10, 7), False),
        (date(2026, 10, 8), True),
        (date(2025, 4, 27), True),
        (date(2026, 11, 21), False),  # 周六
    ],
)
def test_published_days(day, works):
    assert calendar().works(day) is works


def test_across_the_october_holiday():
    assert calendar().after(date(2026, 9, 30), 2).day == date(2026, 10, 9)


def test_zero_days_is_the_same_day():
    assert calendar().after(date(2026, 11, 18), 0) == (date(2026, 11, 18), False)


def test_a_provisional_year_says_so():
    due = calendar().after(date(2026, 12, 28), 20)
    assert due.provisional
    assert not calendar().after(date(2026, 11, 18), 20).provisional


def test_an_unknown_year_is_reckoned_and_marked():
    due = calendar().after(date(2030, 4, 29), 5)  # 周一; 5 月 1、2 日不上班
    assert due == (date(2030, 5, 8), True)


@given(DAYS, st.integers(0, 60))
def test_counting_back_gives_the_length(start, days):
    due = calendar().after(start, days)
    assert calendar().between(start, due.day) == days


@given(DAYS, st.integers(1, 60))
def test_the_last_day_is_worked(start, days):
    assert calendar().works(calendar().after(start, days).day)


@given(DAYS, st.integers(0, 30), st.integers(0, 30))
def test_limits_add_up(start, first, second):
    once = calendar().after(start, first).day
    if first:
        assert calendar().after(once, second).day == calendar().after(start, first + second).day


@given(DAYS, st.integers(0, 400))
def test_calendar_days_are_days(start, days):
    assert calendar().after(start, days, "calendar").day == start + timedelta(days=days)


def test_a_weekday_is_no_moved_day():
    text = "{year: 2026, provisional: false, source: x, source_url: x, holidays: [], work_days: [2026-11-18]}"
    with pytest.raises(ValueError, match="no weekend day"):
        parse([text])
