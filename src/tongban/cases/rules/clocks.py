"""Deadline clocks (时限): started, stopped, paused and moved by transitions and by nothing else (I-10). Pure.

A due day is computed when something happens, never by a job; a job that is late changes no right (cases.md 3).
"""

from __future__ import annotations

from datetime import date

import msgspec

from tongban.cases.model import Clock, ClockKind, DayUnit
from tongban.cases.rules.calendar import Calendar
from tongban.cases.rules.process import PROCESS
from tongban.catalogue import Item


class Limits(msgspec.Struct, frozen=True):
    """The lengths that hold for a case (各项时限): of the law, and of the item where it promises less."""

    promised: int
    promised_unit: DayUnit
    statutory: int
    statutory_unit: DayUnit
    correction: int
    extension: int
    intake: int = PROCESS.deadlines["intake"].days
    delivery: int = PROCESS.deadlines["delivery"].days


def limits_of(item: Item | None, *, joint: bool = False) -> Limits:
    """The limits of a case of `item` (时限). What the item does not say is the law's: 20 days, joint 45 (art. 42) [GK]."""
    law, more = PROCESS.deadlines["decision"], PROCESS.deadlines["extension"]
    in_law = (law.joint if joint else law.days, law.unit)
    statutory = (item.statutory_limit.days, item.statutory_limit.unit) if item and item.statutory_limit else in_law
    promised = (item.promised_limit.days, item.promised_limit.unit) if item and item.promised_limit else statutory
    if promised[1] == statutory[1] and promised[0] > statutory[0]:
        promised = statutory
    return Limits(
        promised=promised[0],
        promised_unit=promised[1],
        statutory=statutory[0],
        statutory_unit=statutory[1],
        correction=item.correction_days if item else PROCESS.deadlines["correction"].days,
        extension=more.joint if joint else more.days,
    )


def reckon(clock: Clock, calendar: Calendar) -> Clock:
    """The clock with its due days computed from what it holds (推算): start, length, pauses."""
    due = calendar.after(clock.started_on, clock.limit_days + clock.paused_days, clock.unit)
    law = calendar.after(clock.started_on, clock.statutory_days + clock.paused_statutory, clock.statutory_unit)
    unsure = due.provisional or law.provisional
    return msgspec.structs.replace(clock, due_on=due.day, statutory_due_on=law.day, provisional=unsure)


def apply(
    transition: str,
    clocks: tuple[Clock, ...],
    *,
    today: date,
    received_on: date,
    limits: Limits,
    calendar: Calendar,
) -> tuple[Clock, ...]:
    """The clocks after a transition (时限随流转), as the `clock` column of process.yaml says."""
    ends, begins = _ENDS.get(transition), _BEGINS.get(transition)
    if ends is not None:
        clocks = _stop(clocks, today, ends)
    if begins is not None:
        clocks = (*clocks, _start(begins, clocks, received_on if transition == "T07" else today, limits, calendar))
    if transition in {"T11", "T12", "T13"}:
        clocks = tuple(_moved(one, transition, today, limits, calendar) if _is(one, "decision") else one for one in clocks)
    return clocks


_ENDS: dict[str, str] = {
    "T04": "intake", "T05": "correction", "T06": "intake", "T07": "intake", "T08": "correction", "T09": "intake",
    "T14": "decision", "T15": "decision", "T17": "delivery", "T20": "", "T22": "", "T26": "",
}  # fmt: skip
"""Which clock a transition stops; empty = all."""
_BEGINS: dict[str, ClockKind] = {
    "T03": "intake", "T04": "correction", "T05": "intake", "T06": "decision", "T07": "decision", "T14": "delivery",
    "T15": "delivery", "T27": "intake",
}  # fmt: skip
"""Which clock a transition starts: T07 from the day of receipt, all others from today."""


def _moved(clock: Clock, transition: str, today: date, limits: Limits, calendar: Calendar) -> Clock:
    if transition == "T11":
        return msgspec.structs.replace(clock, paused_on=today)
    return _resume(clock, today, calendar) if transition == "T12" else _extend(clock, limits.extension, calendar)


def opened(clocks: tuple[Clock, ...], on: date, calendar: Calendar) -> tuple[Clock, ...]:
    """The correction notice was opened on `on` (已阅): its clock starts that day if that is before the presumed day.

    Until then the notice counts as delivered on the third day after it was put in the space (cases.md 3) [GK].
    """
    return tuple(
        reckon(msgspec.structs.replace(one, started_on=on), calendar)
        if _is(one, "correction") and on < one.started_on
        else one
        for one in clocks
    )


def running(clocks: tuple[Clock, ...]) -> Clock | None:
    """The clock that counts now (当前时限): the newest that is not stopped; it may be paused."""
    return next((one for one in reversed(clocks) if one.stopped_on is None), None)


def of_kind(clocks: tuple[Clock, ...], kind: ClockKind) -> Clock | None:
    """The clock of that kind that is not stopped, or None."""
    return next((one for one in clocks if _is(one, kind)), None)


def light(clock: Clock | None, today: date) -> str:
    """`red` past the law's day, `yellow` past the promise or on its last day, `stopped`, else `ok` (红黄灯, staff only)."""
    if clock is None or clock.stopped_on is not None:
        return "ok"
    if clock.paused_on is not None or clock.kind == "correction":
        return "stopped"
    if today > clock.statutory_due_on:
        return "red"
    return "yellow" if today >= clock.due_on else "ok"


PRESUMED_DELIVERY_DAYS = 3
"""A notice in the space counts as delivered on the third day [GK]."""


def _start(kind: ClockKind, clocks: tuple[Clock, ...], on: date, limits: Limits, calendar: Calendar) -> Clock:
    turn = 1 + sum(one.kind == kind for one in clocks)
    days: int
    unit: DayUnit = "working"
    law, law_unit = 0, unit
    if kind == "decision":
        days, unit, law, law_unit = limits.promised, limits.promised_unit, limits.statutory, limits.statutory_unit
    elif kind == "correction":
        days = law = limits.correction
        on = calendar.after(on, PRESUMED_DELIVERY_DAYS, "calendar").day
    else:
        days = law = limits.intake if kind == "intake" else limits.delivery
    made = Clock(
        kind=kind, round=turn, unit=unit, started_on=on, limit_days=days, statutory_days=law, statutory_unit=law_unit,
        due_on=on, statutory_due_on=on,
    )  # fmt: skip
    return reckon(made, calendar)


def _is(clock: Clock, kind: str) -> bool:
    return clock.stopped_on is None and (not kind or clock.kind == kind)


def _stop(clocks: tuple[Clock, ...], on: date, kind: str) -> tuple[Clock, ...]:
    return tuple(msgspec.structs.replace(one, stopped_on=on) if _is(one, kind) else one for one in clocks)


def _resume(clock: Clock, on: date, calendar: Calendar) -> Clock:
    if clock.paused_on is None:
        return clock
    held = msgspec.structs.replace(
        clock,
        paused_on=None,
        paused_days=clock.paused_days + calendar.between(clock.paused_on, on, clock.unit),
        paused_statutory=clock.paused_statutory + calendar.between(clock.paused_on, on, clock.statutory_unit),
    )
    return reckon(held, calendar)


def _extend(clock: Clock, days: int, calendar: Calendar) -> Clock:
    longer = msgspec.structs.replace(
        clock, limit_days=clock.limit_days + days, statutory_days=clock.statutory_days + days
    )
    return reckon(longer, calendar)
