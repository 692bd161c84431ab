"""Nouns of the mirror (镜像): what the owner tells, what the applicant's node keeps, what a person asked."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from tongban.cases.model.application import Receipt, Submission
from tongban.cases.model.asked import Correction, Decision, Reason, Remedy
from tongban.evidence import Travelling


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


class Past(msgspec.Struct, frozen=True):
    """A case of another node, ended long ago (更早办完的): its mirror was emptied, the file is with its owner."""

    number: str
    item_name: str
    owner_name: str
    ended_on: date


class HomeCase(msgspec.Struct, frozen=True):
    """One case as a visited node lists it (归属地的一件): no more than the row shows; `due_on` is the date promised."""

    id: str
    number: str
    item_name: str
    owner_name: str
    state_words: str
    waiting: str
    due_on: date | None
    changed_at: datetime
    open: bool


class HomeCases(msgspec.Struct, frozen=True):
    """The cases of a person at home, as `cases.mine` answers (归属地的办件)."""

    cases: tuple[HomeCase, ...]
