"""Deadline clocks (时限): started, stopped, paused and moved by transitions and by nothing else (I-10). Pure.

A due day is computed when something happens, never by a job; a job that is late changes no right (cases.md 3).
"""

from __future__ import annotations

from datetime import date

import msgspec

from tongban.catalogue import Item
from tongban.cases.model import Clock, ClockKind, DayUnit
from tongban.cases.rules.calendar import Calendar
from tongban.cases.rules.process import PROCESS


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
    match transition:
        case "T03" | "T27":
            return (*clocks, _start("intake", clocks, today, limits, calendar))
        case "T04":
            return (*_stop(clocks, today, "intake"), _start("correction", clocks, today, limits, calendar))
        case "T05":
            return (*_stop(clocks, today, "correction"), _start("intake", clocks, today, limits, calendar))
        case "T06":
            return (*_stop(clocks, today, "intake"), _start("decision", clocks, today, limits, calendar))
        case "T07":
            return (*_stop(clocks, today, "intake"), _start("decision", clocks, received_on, limits, calendar))
        case "T08":
            return _stop(clocks, today, "correction")
        case "T09":
            return _stop(clocks, today, "intake")
        case "T11":
            return tuple(_pause(one, today) if _is(one, "decision") else one for one in clocks)
        case "T12":
            return tuple(_resume(one, today, calendar) if _is(one, "decision") else one for one in clocks)
        case "T13":
            return tuple(_extend(one, limits.extension, calendar) if _is(one, "decision") else one for one in clocks)
        case "T14" | "T15":
            return (*_stop(clocks, today, "decision"), _start("delivery", clocks, today, limits, calendar))
        case "T17":
            return _stop(clocks, today, "delivery")
        case "T20" | "T22" | "T26":
            return _stop(clocks, today, "")
        case _:
            return clocks


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


def _pause(clock: Clock, on: date) -> Clock:
    return msgspec.structs.replace(clock, paused_on=on)


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
