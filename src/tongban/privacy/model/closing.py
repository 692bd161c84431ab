"""Nouns of closing an account 注销, of legal holds 法定保留 and of the retention clock 到期清理. Times are aware UTC."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from tongban.kernel.gm import Personal


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """What the person takes along 带走的凭条: the random part of an address, and an 8-digit code."""

    link: str
    code: str

    @property
    def spaced(self) -> str:
        """The code as it is read out: 1234 5678."""
        return f"{self.code[:4]} {self.code[4:]}"


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A closing that can still be stopped 等着注销的."""

    id: str
    asked_at: datetime
    due_at: datetime
    paper: Paper


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What one node answered 一个节点的回执. `state`: asked, held, erased, refused; `counts` by what the person calls it."""

    node: str
    state: str
    counts: dict[str, int]
    stays: tuple[str, ...] = ()
    held_until: date | None = None
    leaf: str = ""
    at: datetime | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The page of receipts 注销回执."""

    closed_at: datetime | None
    until: datetime
    receipts: tuple[Receipt, ...]


class LegalHold(msgspec.Struct, frozen=True, kw_only=True):
    """A legal hold 法定保留. `subject` or `case_number` is empty."""

    id: str
    subject: str
    case_number: str
    basis: Personal
    reason: Personal
    until: date
    shown: bool
    division: str
    proposed_by: str
    approved_by: str
    made_at: datetime
    ended_at: datetime | None = None


class HoldAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a proposal `privacy.hold` 提议保留; `who` is a masked name for the second pair of eyes."""

    id: str
    subject: str
    case_number: str
    who: str
    basis: str
    reason: str
    until: date
    shown: bool


class HoldEnding(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a proposal `privacy.hold_end` 提议解除."""

    id: str
    what: str
    reason: str


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the retention clock 到期清理的一次; counts by table."""

    id: str
    day: date
    started_at: datetime
    ended_at: datetime | None
    counts: dict[str, int]
    held: dict[str, int]
    leftovers: dict[str, int]
    failed: dict[str, str]
    leaf: str
