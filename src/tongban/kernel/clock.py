"""Clock 时钟: time is an argument; this is where the argument comes from."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

CHINA = timezone(timedelta(hours=8), "中国标准时间")


class Clock(Protocol):
    """What tells the time (时钟). Rows hold UTC, pages show China time."""

    def now(self) -> datetime:
        """The present moment, UTC, aware."""
        ...

    def ms(self) -> int:
        """Unix milliseconds UTC, as letters carry them (federation.md 1)."""
        ...

    def today(self) -> date:
        """The calendar day in China (UTC+8), as deadlines count it."""
        ...


class SystemClock:
    """The computer's clock (系统时钟)."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def ms(self) -> int:
        return time.time_ns() // 1_000_000

    def today(self) -> date:
        return self.now().astimezone(CHINA).date()


class SetClock:
    """A clock that stands still until moved (可拨的时钟), for tests.

    >>> from datetime import datetime, UTC
    >>> clock = SetClock(datetime(2026, 11, 18, 16, 30, tzinfo=UTC))
    >>> clock.today()                       # already the next day in China
    datetime.date(2026, 11, 19)
    """

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self._at

    def ms(self) -> int:
        return int(self._at.timestamp() * 1000)

    def today(self) -> date:
        return self._at.astimezone(CHINA).date()

    def move(self, by: timedelta) -> None:
        """Go forward (or back) by `by`."""
        self._at += by
