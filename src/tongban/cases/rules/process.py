"""The process as data (办件流程): `process.yaml` is the table that runs; this reads it once and refuses an unsound one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

By = Literal["applicant", "agent", "window", "officer", "head", "supervisor", "clock", "peer"]


class StateRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One state (状态): the word of the law, what the public and the applicant are shown, who owns it."""

    zh: str
    public: str | None
    wording: str
    final: bool
    owner: Literal["applicant_node", "competent", "none"]


class LawSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a rule comes from: `src` read in a source, `gk` general knowledge not verified, `design` our own."""

    ref: str
    mark: Literal["src", "gk", "design"]


class Transition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One transition (流转): who may make it, from where to where, what it does to clocks, letters, the log, people."""

    id: str
    name: str
    from_: tuple[str, ...] = msgspec.field(name="from")
    to: str
    by: tuple[By, ...]
    guard: str
    clock: str
    letter: str | None
    leaf: str | None
    notify: str | None
    sources: tuple[LawSource, ...]


class Deadline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A length of time in law (时限)."""

    days: int
    unit: Literal["working", "calendar"]
    source: LawSource
    joint: int = 0
    times: int = 1


class Process(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole process (流程)."""

    version: int
    states: dict[str, StateRow]
    initial: str
    transitions: tuple[Transition, ...]
    deadlines: dict[str, Deadline]
    suspension_types: tuple[str, ...]

    def transition(self, transition_id: str) -> Transition:
        """The transition of that id; KeyError for an unknown one, which is a mistake of ours."""
        for one in self.transitions:
            if one.id == transition_id:
                return one
        raise KeyError(transition_id)

    def public(self, state: str, before: str) -> str:
        """What the public is shown for `state`: 待受理, 已受理, 已办结; `same` keeps what was shown before."""
        shown = self.states[state].public
        return before if shown == "same" else shown or ""


def parse(text: str) -> Process:
    """Read the table (读流程表). Raises msgspec.ValidationError naming the place, ValueError naming what is unsound."""
    process = msgspec.yaml.decode(text, type=Process)
    wrong = unsound(process)
    if wrong:
        raise ValueError("process.yaml: " + "; ".join(wrong))
    return process


def unsound(process: Process) -> list[str]:
    """Why the process cannot be run (流程不健全之处), empty when it can (I-16).

    Every state is reachable, every state that is not final has an exit and can come to an end, every transition has
    an actor and a source, no id or name is used twice.
    """
    states, transitions = process.states, process.transitions
    wrong = [
        f"{one.id}: unknown state {state}"
        for one in transitions
        for state in (*one.from_, one.to)
        if state not in states
    ]
    if len({one.id for one in transitions}) < len(transitions) or len({one.name for one in transitions}) < len(transitions):
        wrong.append("an id or name is used twice")
    wrong += [f"{one.id}: no actor" for one in transitions if not one.by]
    wrong += [f"{one.id}: no source" for one in transitions if not one.sources]
    reached = _closure({process.initial}, lambda known: {one.to for one in transitions if set(one.from_) & known})
    wrong += [f"{state}: cannot be reached" for state in sorted(states.keys() - reached)]
    ends = {name for name, row in states.items() if row.final}
    can_end = _closure(ends, lambda known: {state for one in transitions if one.to in known for state in one.from_})
    wrong += [f"{state}: cannot end" for state in sorted(states.keys() - can_end)]
    for name, row in states.items():
        if not row.final and not any(name in one.from_ and one.to != name for one in transitions):
            wrong.append(f"{name}: no exit")
        if row.public not in {"待受理", "已受理", "已办结", "same", None}:
            wrong.append(f"{name}: unknown public state")
    return wrong


def _closure(start: set[str], more: Callable[[set[str]], set[str]]) -> set[str]:
    known, grown = set(start), True
    while grown:
        found = more(known) - known
        known |= found
        grown = bool(found)
    return known


PROCESS = parse((Path(__file__).parent.parent / "process.yaml").read_text("utf-8"))
"""The table that runs. Read at import: a node with an unsound table does not start."""
