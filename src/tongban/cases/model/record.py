"""Nouns of the owner (承办): the case, its file, clocks, history, hand-overs, and the desk's list."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from tongban.cases.model.application import Submission
from tongban.cases.model.asked import Correction, Decision, Reason, Remedy
from tongban.cases.model.mirrored import Told
from tongban.evidence import Travelling
from tongban.kernel.gm import Personal

ClockKind = Literal["intake", "correction", "decision", "first_review", "delivery"]
DayUnit = Literal["working", "calendar"]


class CaseFile(msgspec.Struct, frozen=True):
    """The sealed part of the owner's row (案卷): what was applied for and what was said about it."""

    submission: Submission
    correction: Correction | None = None
    corrected: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    special_reason: str = ""
    special_days: int = 0
    void_proposed_by: str = ""
    void_reason: str = ""
    void_reasons: tuple[Reason, ...] = ()
    void_remedies: tuple[Remedy, ...] = ()
    lapse_proposed_by: str = ""


class Case(msgspec.Struct, frozen=True):
    """A case at its owner (办件): the state row. Only the owner moves it, and only by the table of process.yaml."""

    subject: str
    id: str
    number: str
    org_code: str
    division: str
    task_code: str
    item_version: str
    item_digest: str
    item_name: str
    applicant_node: str
    window_node: str
    term: int
    rev: int
    state: str
    public_state: str
    state_before: str
    immediate: bool
    joint: bool
    worker: str
    asked: bool
    extended: bool
    offered_term: int
    decided: Decision
    special_kind: str
    credential: str
    new_owner: str
    submitted_at: datetime
    received_on: date
    changed_at: datetime
    due_kind: str
    due_on: date | None
    file: CaseFile


class Clock(msgspec.Struct, frozen=True):
    """A deadline of a case (时限): days of `unit` from the day after `started_on`, pauses not counted (cases.md 3)."""

    kind: ClockKind
    round: int
    unit: DayUnit
    started_on: date
    limit_days: int
    statutory_days: int
    due_on: date
    statutory_due_on: date
    statutory_unit: DayUnit = "working"
    provisional: bool = False
    paused_on: date | None = None
    paused_days: int = 0
    paused_statutory: int = 0
    stopped_on: date | None = None

    @property
    def runs(self) -> bool:
        """Neither stopped nor paused."""
        return self.stopped_on is None and self.paused_on is None


class HistoryLine(msgspec.Struct, frozen=True):
    """One line of what happened (经过的一行). `opinion` never leaves the owner."""

    n: int
    term: int
    rev: int
    transition: str
    state_before: str
    state_after: str
    at: datetime
    by_kind: str
    by_ref: str
    unit: str
    title: str
    shown: Personal | None
    opinion: Personal | None
    leaf: str


class Offer(msgspec.Struct, frozen=True):
    """A hand-over offered to this node or by it (转报)."""

    subject: str
    case_id: str
    term: int
    way: Literal["in", "out"]
    other_node: str
    org_code: str
    division: str
    reason: str
    item_name: str
    number: str
    at: datetime
    answer: str


class OfferedFile(msgspec.Struct, frozen=True):
    """Body of `case.offered`: the whole file and the clocks, so that the new owner needs nothing else."""

    case: str
    number: str
    term: int
    state: str
    reason: str
    org_code: str
    division: str
    item_name: str
    asked: bool
    extended: bool
    immediate: bool
    joint: bool
    received_on: date
    file: CaseFile
    clocks: tuple[Clock, ...]
    told: tuple[Told, ...]
    materials: dict[str, tuple[Travelling, ...]]


class QueueRow(msgspec.Struct, frozen=True):
    """One row of the desk's list (收件箱的一行)."""

    id: str
    number: str
    item_name: str
    division: str
    state: str
    due_kind: str
    due_on: date | None
    paused: bool
    submitted_at: datetime
    applicant_node: str
    worker: str
    offer: bool = False
