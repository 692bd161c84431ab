"""Ages 年龄: when a guardian acts, when a guardian confirms. The bands are data of mandates.toml [K]. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from tongban.identity.rules.mandates import book
from tongban.kernel.clock import CHINA
from tongban.kernel.ids import BadIdentifier, IdNumber


def age(number: str, today: date) -> int | None:
    """Full years by an ID number, None for another document."""
    try:
        return IdNumber.parse(number).age(today)
    except BadIdentifier:
        return None


def too_young(number: str, today: date) -> bool:
    """Under 14: only the guardian acts 只能由监护人办."""
    years = age(number, today)
    return years is not None and years < book().ages.guardian_only_under


def needs_confirming(number: str, today: date) -> bool:
    """14 to 17: signs in, but a level-3 act asks the guardian 要监护人确认."""
    years = age(number, today)
    return years is not None and book().ages.guardian_only_under <= years < book().ages.confirm_under


def grown_up_at(birth: date) -> datetime:
    """The first moment of the 18th birthday in China 成年."""
    years = book().ages.confirm_under
    try:
        day = birth.replace(year=birth.year + years)
    except ValueError:
        day = date(birth.year + years, 3, 1)  # born on 29 February
    return datetime.combine(day, time(), CHINA).astimezone(UTC)


def grown_child_at(until: datetime) -> datetime:
    """The first moment of the 14th birthday, told from that of the 18th 满十四周岁: until then a guardian alone decides."""
    day, less = until.astimezone(CHINA).date(), book().ages.confirm_under - book().ages.guardian_only_under
    try:
        day = day.replace(year=day.year - less)
    except ValueError:
        day = date(day.year - less, 3, 1)
    return datetime.combine(day, time(), CHINA).astimezone(UTC)


def confirm_until(number: str, today: date) -> datetime | None:
    """Until when a guardian confirms, of somebody of 14 to 17; None for anybody else 监护人确认到哪天."""
    return grown_up_at(IdNumber.parse(number).birth) if needs_confirming(number, today) else None
