"""Nouns of 办件: a draft, a case at its owner, its clocks and history, the mirror, and what a letter says of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import msgspec

from tongban.evidence import Travelling
from tongban.kernel.gm import Personal

Answers = dict[str, Any]
"""Answers by field name, as `catalogue.Answers`; Any because msgspec cannot decode two sorts of list in one union."""
DayUnit = Literal["working", "calendar"]
ClockKind = Literal["intake", "correction", "decision", "first_review", "delivery"]
SourceKind = Literal["typed", "account", "register", "licence", "earlier_case", "earlier_result", "computed"]
Decision = Literal["", "granted", "refused"]


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an answer came from (来源). `name` is for people; `pending` 待核验: typed because its register was away."""

    kind: SourceKind = "typed"
    name: str = ""
    at: int = 0
    pending: bool = False


class DraftFile(msgspec.Struct, frozen=True):
    """What a draft holds (暂存内容): answers as typed, also wrong ones; their sources by field; files by material.

    `filled`: registers and licences were asked once; asking again is the person's act.
    """

    answers: Answers = {}
    sources: dict[str, Source] = {}
    materials: dict[str, tuple[str, ...]] = {}
    filled: bool = False


class Draft(msgspec.Struct, frozen=True):
    """A form being filled (暂存); the case it becomes has the same id."""

    subject: str
    id: str
    actor_subject: str
    task_code: str
    item_version: str
    item_digest: str
    state: Literal["draft", "submitted", "discarded"]
    step: str
    file: DraftFile
    made_at: datetime
    touched_at: datetime


class Evidence(msgspec.Struct, frozen=True):
    """How sure we are of the applicant (身份证据): level, home node, moment of submission, Unix ms."""

    acr: int
    home: str
    at: int
    name: str = ""
    number: str = ""


class Defect(msgspec.Struct, frozen=True):
    """One thing to put right (补正的一项): a field or a material of the item, and why, in words the applicant reads."""

    what: Literal["field", "material"]
    code: str
    title: str
    why: str


class Correction(msgspec.Struct, frozen=True):
    """The one asking of a case (一次性告知)."""

    asking: int
    asked_on: date
    last_day: date
    defects: tuple[Defect, ...]
    opened_on: date | None = None


class Submission(msgspec.Struct, frozen=True):
    """Body of `case.submitted`: the whole application (申请), enough by itself (cases.md 8)."""

    case: str
    number: str
    subject: str
    actor_subject: str
    task_code: str
    item_version: str
    item_digest: str
    division: str
    answers: Answers
    sources: dict[str, Source]
    materials: dict[str, tuple[Travelling, ...]]
    evidence: Evidence
    applicant_node: str
    submitted_at: int
    window_node: str = ""
    window_unit: str = ""
    consents: tuple[str, ...] = ()
    salt: str = ""


class Reason(msgspec.Struct, frozen=True):
    """One ground of a negative decision (理由): the fact and the law."""

    fact: str
    basis: str


class Remedy(msgspec.Struct, frozen=True):
    """How to object (救济途径): 行政复议 or 行政诉讼, to whom, within how long."""

    kind: str
    body: str
    within: str


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


class Told(msgspec.Struct, frozen=True):
    """One line of the timeline as the applicant reads it (进度的一行). `at` is Unix ms, `leaf` its line in the owner's log."""

    at: int
    title: str
    text: str
    state: str
    unit: str = ""
    leaf: str = ""


class DocumentRef(msgspec.Struct, frozen=True):
    """A sealed document of the case as a letter names it (文书): fetched by call when opened."""

    id: str
    kind: str
    title: str
    made_at: int
    material: Travelling


class View(msgspec.Struct, frozen=True):
    """Body of `case.state`: everything the applicant's node may know of the case now (cases.md 7, 8).

    Ordered by (term, rev); a later one replaces, an equal one is the same. Texts of the whole case come along.
    """

    case: str
    number: str
    subject: str
    term: int
    rev: int
    state: str
    public_state: str
    task_code: str
    item_version: str
    item_digest: str
    item_name: str
    owner_node: str
    owner_name: str
    asked: bool
    decided: Decision
    due_kind: str
    due_on: date | None
    provisional: bool
    paused: bool
    statutory_on: date | None
    received_on: date | None
    told: tuple[Told, ...]
    notice_title: str
    notice_text: str
    correction: Correction | None
    documents: tuple[DocumentRef, ...]
    credential: str
    reasons: tuple[Reason, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    answered: tuple[str, ...] = ()
    new_owner: str = ""
    owner_phone: str = ""


class Receipt(msgspec.Struct, frozen=True):
    """The signed receipt of a submission (回执): proves the day though the owner may be away. No personal field.

    `signature` is SM2 over JCS of everything else; `digest` is that of the canonical submission with `salt`.
    """

    case: str
    number: str
    node: str
    task_code: str
    item_version: str
    item_digest: str
    digest: str
    submitted_at: int
    leaf: str
    kid: str
    signature: str


class Mirror(msgspec.Struct, frozen=True):
    """What the applicant's node keeps of a case (镜像). `view` is None until the owner has spoken."""

    subject: str
    id: str
    number: str
    task_code: str
    item_version: str
    item_digest: str
    item_name: str
    owner_node: str
    owner_name: str
    new_owner: str
    window_staff: str
    term: int
    rev: int
    state: str
    public_state: str
    due_kind: str
    due_on: date | None
    submitted_at: datetime
    heard_at: datetime | None
    final_at: datetime | None
    view: View | None
    submission: Submission
    receipt: Receipt


class Request(msgspec.Struct, frozen=True):
    """Something the applicant asked of the owner (请求): withdraw or correct. `answer` is empty while it waits."""

    case_id: str
    id: str
    kind: Literal["withdraw", "correct"]
    asking: int
    sent_at: datetime
    answer: str
    answered_at: datetime | None


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


class Summary(msgspec.Struct, frozen=True):
    """One case as home and lists show it (办件摘要). `waiting` is what the person has to do, empty if nothing."""

    id: str
    number: str
    item_name: str
    owner_name: str
    state: str
    public_state: str
    state_words: str
    waiting: str
    due_on: date | None
    href: str
    changed_at: datetime
    open: bool = True


class Unfinished(msgspec.Struct, frozen=True):
    """A draft as home shows it (没填完的)."""

    id: str
    item_name: str
    href: str
    touched_at: datetime
