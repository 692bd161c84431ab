"""Nouns of 好差评: what was written, what the unit sees of it, and what it did about a bad one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from tongban.kernel.gm import Personal

LEVELS: dict[int, str] = {5: "非常满意", 4: "满意", 3: "基本满意", 2: "不满意", 1: "非常不满意"}
BAD_FROM = 2
"""Level 2 and 1 are 差评 (standards.md 6)."""

HandlingState = Literal["open", "checked", "fixed", "answered"]
HANDLING_WORDS: dict[str, str] = {"open": "等核实", "checked": "核实过了，等整改", "fixed": "改好了，等回复", "answered": "已回复"}


class Reviewable(msgspec.Struct, frozen=True):
    """A finished service that its person may rate (可以评价的一次服务)."""

    case_id: str
    service_no: int
    task_code: str
    item_name: str
    owner: str
    unit_name: str
    finished: bool
    reviewed_at: datetime | None


class Written(msgspec.Struct, frozen=True):
    """What the person chose and wrote (写下的评价). `level` 1 to 5; `indicators` are codes of indicators.toml."""

    level: int
    indicators: tuple[str, ...] = ()
    text: str = ""
    call_me: bool = False


class Review(msgspec.Struct, frozen=True):
    """A review as its unit may see it (评价): no author, no case, only the day."""

    id: str
    task_code: str
    item_name: str
    org: str
    division: str
    level: int
    indicators: tuple[str, ...]
    text: Personal
    call_me: bool
    day: date

    @property
    def bad(self) -> bool:
        """Whether it must be handled (差评)."""
        return self.level <= BAD_FROM


class Handling(msgspec.Struct, frozen=True):
    """What a unit does about a bad review (差评处置), with its two clocks. No clock can be stopped by the unit."""

    review: Review
    state: HandlingState
    contact_by: date
    fix_by: date
    cause: str
    fix: str
    reply: str
    handled_by: str

    def late(self, today: date) -> bool:
        """Whether a clock has run out."""
        if self.state == "open":
            return today > self.contact_by
        return self.state in {"checked", "fixed"} and today > self.fix_by


class Figures(msgspec.Struct, frozen=True):
    """Public figures of one item (公开数字). `count` is None when fewer than `needed` reviews exist.

    A level with fewer than `needed` is None, and then one more with it, so that none can be worked out.
    `coarse`: the percentage is rounded to 5, because a small cell is withheld.
    """

    task_code: str
    count: int | None
    satisfied_percent: float | None
    levels: tuple[tuple[str, int | None], ...]
    needed: int
    coarse: bool = False


class Indicator(msgspec.Struct, frozen=True):
    """One aspect that may be ticked (评价指标)."""

    code: str
    words: str


class Terms(msgspec.Struct, frozen=True):
    """The terms of 好差评 as data (terms.toml): days, lengths, the smallest group, the indicators."""

    version: str
    contact_working_days: int
    fix_working_days: int
    longest_text: int
    smallest_group: int
    indicator: tuple[Indicator, ...]


class Told(msgspec.Struct, frozen=True):
    """The body of the letter `case.reviewed` 1 (评价来信): encrypted to the owner; no author, only the day.

    `day` is the calendar day in China. `case` is there for the owner's check and its settling clock alone.
    """

    v: int
    review: str
    case: str
    service_no: int
    level: int
    indicators: tuple[str, ...]
    text: str
    call_me: bool
    day: date


class Replied(msgspec.Struct, frozen=True):
    """The body of the letter `review.answered` 1 (差评答复来信): which review, and what the unit says."""

    v: int
    review: str
    reply: str
