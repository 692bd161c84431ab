"""The table that runs is sound, and a broken one is refused (I-16)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tongban.cases.rules import process
from tongban.cases.rules.moves import _BY_NAME
from tongban.cases.rules.process import PROCESS

TEXT = (Path(process.__file__).parent.parent / "process.yaml").read_text("utf-8")


def test_all_28_transitions_and_20_states_run():
    assert sorted(one.id for one in PROCESS.transitions) == [f"T{n:02d}" for n in range(1, 29)]
    assert len(PROCESS.states) == 20
    assert process.unsound(PROCESS) == []


def test_every_transition_has_a_guard_of_its_own():
    assert {one.name for one in PROCESS.transitions} == set(_BY_NAME)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("to: submitted, by: [applicant, agent, window]", "to: submitted, by: []", "T01: no actor"),
        ("to: closed, by: [clock]", "to: delivered, by: [clock]", "closed: cannot be reached"),
        ("to: received, by: [peer], guard: letter applied", "to: nowhere, by: [peer], guard: letter applied", "unknown state nowhere"),
        ("name: discard", "name: submit", "used twice"),
        ("granted:           {zh: 准予, public: 已受理", "granted:           {zh: 准予, public: 快了", "unknown public state"),
    ],
)
def test_an_unsound_table_does_not_start(old, new, said):
    assert old in TEXT
    with pytest.raises(ValueError, match=said):
        process.parse(TEXT.replace(old, new))


def test_an_unknown_key_is_refused():
    with pytest.raises(msgspec.ValidationError):
        process.parse(TEXT.replace("initial: draft", "initial: draft\nextra: 1"))


def test_public_state_of_a_hand_over_is_what_was_shown_before():
    assert PROCESS.public("transferring", "待受理") == "待受理"
    assert PROCESS.public("granted", "待受理") == "已受理"
