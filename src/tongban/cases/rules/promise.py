"""What is promised, in one sentence each (说好的日子): every page says the same words about the same day. Pure. cases.md 3."""

from __future__ import annotations

from datetime import date

import msgspec

from tongban.cases.model import Clock, Correction, Mirror
from tongban.cases.rules import clocks as ticking
from tongban.cases.rules import wording
from tongban.cases.rules.calendar import Calendar, Reckoned
from tongban.kernel.clock import CHINA


class Promise(msgspec.Struct, frozen=True):
    """The two days of a case that was handed in and not yet answered (还没收下时的两个日子)."""

    answer_by: date
    latest: date
    words: str


def of_case(handed_in: date, limits: ticking.Limits, calendar: Calendar) -> Promise:
    """What an applicant may count on from the day of handing in (交了以后多久): first an answer, then the result.

    The latest day is that of an acceptance on the last day of intake; silence counts as acceptance on the day of
    receipt, so it can only be earlier. On acceptance the clock itself is shown instead.
    """
    answer = calendar.after(handed_in, limits.intake)
    latest = calendar.after(answer.day, limits.promised, limits.promised_unit)
    unsure = wording.UNSURE if answer.provisional or latest.provisional else ""
    asked = f"最晚 {wording.day(answer.day)}答复收不收"
    if limits.promised == 0:
        return Promise(answer.day, latest.day, f"{asked}，收下以后当场办好{unsure}。")
    length = wording.length(limits.promised, limits.promised_unit)
    return Promise(answer.day, latest.day, f"{asked}，收下以后 {length}办好，最晚 {wording.day(latest.day)}{unsure}。")


def handed_in(mirror: Mirror) -> date:
    """The day from which the two days count (交上去的那天): of receipt once the owner has said it, else of sending, China time."""
    received = mirror.view.received_on if mirror.view else None
    return received or mirror.submitted_at.astimezone(CHINA).date()


def to_be_opened(days: int) -> str:
    """What a correction notice says of its own limit (通知里的期限): it holds whenever it is opened, so it names no day."""
    return f"打开通知的那天算收到，第三天还没打开也算收到，收到以后 {days} 个工作日内补上。"


def last_day(asked: Correction, opened_on: date | None, days: int, calendar: Calendar) -> Reckoned:
    """The last day of a correction (补材料的最后一天) for somebody who opened the notice on `opened_on`, None if nobody did.

    The owner's word holds once it knows of the opening; until its letter comes, the same rule is applied to the day
    on which the notice was opened here.
    """
    if asked.opened_on is not None or opened_on is None:
        return Reckoned(asked.last_day, calendar.provisional(asked.last_day.year))
    mine = calendar.after(opened_on, days)
    return mine if mine.day < asked.last_day else Reckoned(asked.last_day, calendar.provisional(asked.last_day.year))


def of_correction(asked: Correction, opened_on: date | None, days: int, calendar: Calendar) -> str:
    """The one sentence about the last day of a correction (补材料的期限), for the applicant and for the desk."""
    last = last_day(asked, opened_on, days, calendar)
    opened = asked.opened_on or opened_on
    unsure = wording.UNSURE if last.provisional else ""
    if opened is None:
        return f"通知还没打开，最晚 {wording.day(last.day)}补上{unsure}"
    return f"{opened.month} 月 {opened.day} 日打开的通知，{days} 个工作日内补上，最晚 {wording.day(last.day)}{unsure}"


def of_clock(clock: Clock | None, asked: Correction | None, calendar: Calendar) -> str:
    """What the desk reads of the clock that runs (桌面上的时限): for a correction, the applicant's own sentence."""
    if clock is not None and clock.kind == "correction" and asked is not None:
        return of_correction(asked, None, clock.limit_days, calendar)
    return wording.due(clock)
