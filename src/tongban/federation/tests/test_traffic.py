"""Breaker, retry budget and address limits, with time as an argument (federation.md 4, 8)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tongban.federation.rules.traffic import Breaker, Limit, Refusals, RetryBudget, Width, jitter


def test_the_breaker_opens_at_ten_calls_of_which_half_failed():
    breaker = Breaker()
    for n in range(9):
        breaker.note(n * 0.1, good=False)
    assert breaker.state(1) == "closed"
    breaker.note(1, good=True)
    assert breaker.state(1) == "open"
    assert not breaker.admits(15.9)


def test_half_open_lets_one_through_and_doubles_when_it_fails():
    breaker = Breaker()
    for _ in range(10):
        breaker.note(0, good=False)
    assert breaker.admits(15)
    assert not breaker.admits(15.1)
    breaker.note(15.2, good=False)
    assert not breaker.admits(45)
    assert breaker.admits(45.3)
    breaker.note(45.4, good=True)
    assert breaker.state(45.4) == "closed"
    assert breaker.admits(45.4)


def test_old_failures_are_forgotten():
    breaker = Breaker()
    for _ in range(9):
        breaker.note(0, good=False)
    for _ in range(9):
        breaker.note(31, good=True)
    breaker.note(31, good=False)
    assert breaker.state(31) == "closed"


def test_at_most_a_tenth_are_retries():
    budget = RetryBudget()
    while budget.spend():
        pass
    spent = 0
    for _ in range(1000):
        budget.earn()
        spent += budget.spend()
    assert 90 <= spent <= 100


@given(st.lists(st.floats(min_value=0, max_value=10), min_size=1, max_size=200))
def test_no_address_gets_more_than_its_rate(times):
    limit = Limit(5)
    taken = [at for at in sorted(times) if limit.takes("a", at)]
    for start in taken:
        assert sum(1 for at in taken if start <= at < start + 1) <= 5 + 5


def test_addresses_do_not_share():
    limit = Limit(1)
    assert limit.takes("a", 0)
    assert not limit.takes("a", 0)
    assert limit.takes("b", 0)
    assert limit.exhausted("a", 0)
    assert not limit.exhausted("a", 1.1)


@given(st.floats(min_value=0.01, max_value=100))
def test_jitter_is_half_to_one_and_a_half(seconds):
    assert 0.49 * seconds <= jitter(seconds) <= 1.51 * seconds


def test_refusals_are_signed_in_proportion_to_answers():
    """However many are turned away: one for every four answers, ten a second, and no more at hand than at the start (R-402)."""
    refusals = Refusals(0.0, at_hand=5)
    assert sum(refusals.takes(0.0) for _ in range(100)) == 5
    for _ in range(8):
        refusals.earn()
    assert sum(refusals.takes(0.0) for _ in range(100)) == 2
    assert sum(refusals.takes(0.3) for _ in range(100)) == 3
    assert sum(refusals.takes(900.0) for _ in range(100)) == 5


def test_the_way_is_narrow_while_calls_queue_and_wide_again_afterwards():
    """What was begun before it became narrower does not make it narrower again; it never closes (R-402)."""
    width = Width(200)
    for _ in range(50):
        width.note(0.5, 10.0)
    assert width.now == 133, "the same crowd counted twice"
    width.note(0.5, 10.6)
    assert width.now == 88
    for number in range(40):
        width.note(0.5, 20.0 + number)
    assert width.now == Width.FEWEST
    for _ in range(1000):
        width.note(0.01, 99.0)
    assert width.now == 200
    assert Width(2).now == 2
