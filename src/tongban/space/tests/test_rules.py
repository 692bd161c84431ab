"""Pure judgements of the space."""

from __future__ import annotations

import doctest

import pytest

from tongban.space import rules


def test_examples_in_docstrings_run():
    assert doctest.testmod(rules).failed == 0


@pytest.mark.parametrize(
    ("service", "place", "given"),
    [
        ("500000", "500103", True),
        ("500103", "500000", True),
        ("500103", "500104", False),
        ("510100", "510104", True),
        ("510104", "510100", True),
        ("510100", "500000", False),
        ("510000", "510104", True),
    ],
)
def test_a_service_belongs_to_its_place_what_is_above_and_what_is_below(service, place, given):
    assert rules.given_in(service, place) is given


@pytest.mark.parametrize(("name", "said"), [("欧阳演示", "欧阳演示，今天要办什么事？"), ("张三", "张三，今天要办什么事？"), ("A", "A，今天要办什么事？")])
def test_only_a_name_of_three_is_shortened(name, said):
    assert rules.greeting(name, elder=False) == said
