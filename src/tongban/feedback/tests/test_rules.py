"""Levels, lengths, small groups: pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tongban.feedback.model import LEVELS, Written
from tongban.feedback.rules import public_figures, refusals, terms


@pytest.mark.parametrize(
    ("written", "field"),
    [
        (Written(level=0), "grade"), (Written(level=6), "grade"), (Written(level=5, text="字" * 201), "text"),
        (Written(level=5, indicators=("invented",)), "indicators"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_a_sentence(written, field):
    found = refusals(written, terms())
    assert [one.field for one in found] == [field]


def test_one_tap_is_enough():
    assert refusals(Written(level=3), terms()) == ()


def test_fewer_than_ten_say_nothing():
    assert public_figures("T", {5: 9}, 10).count is None


def test_small_cells_are_withheld_with_one_more():
    found = public_figures("T", {5: 40, 4: 12, 1: 3}, 10)
    shown = dict(found.levels)
    assert shown["非常不满意"] is None
    assert sum(1 for number in shown.values() if number is None) >= 2
    assert found.coarse
    assert found.satisfied_percent % 5 == 0


@given(some.dictionaries(some.sampled_from(sorted(LEVELS)), some.integers(0, 40)))
def test_no_small_cell_can_be_worked_out(by_level):
    found = public_figures("T", by_level, 10)
    shown = dict(found.levels)
    assert all(number is None or number == 0 or number >= 10 for number in shown.values())
    withheld = [level for level in LEVELS if shown.get(LEVELS[level], 0) is None]
    assert len(withheld) != 1
