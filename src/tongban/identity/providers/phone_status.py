"""Is a phone still the same person's 二次放号: what the operators' service says of a number (identity.md 3, T-19).

The provider learns a number and a date, nothing else. It is asked outside any transaction, with a deadline.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal, Protocol

Status = Literal["same", "reassigned", "unknown"]


class PhoneStatus(Protocol):
    """A service that knows when a number was given out anew 号码状态服务."""

    async def since(self, phone: str, used_at: datetime) -> Status:
        """Whether the number is still that of `used_at`."""
        ...


class DemoPhoneStatus:
    """The demo's twin 演示号码状态: `works` says the same person, `fails` says given to somebody else, `slow` never answers."""

    def __init__(self, way: str = "works") -> None:
        self.way = way

    async def since(self, phone: str, used_at: datetime) -> Status:  # noqa: ARG002  the twin looks nothing up
        if self.way == "fails":
            return "reassigned"
        if self.way == "slow":
            await asyncio.Event().wait()
        return "same"


class NoPhoneStatus:
    """No service asked 没有号码状态服务: unknown, which counts as given away after so many silent days (factors.toml)."""

    async def since(self, phone: str, used_at: datetime) -> Status:  # noqa: ARG002  nothing is looked up
        return "unknown"


async def ask(provider: PhoneStatus, phone: str, used_at: datetime, *, seconds: float) -> Status:
    """Ask with a deadline; `unknown` when no answer comes in time."""
    try:
        async with asyncio.timeout(seconds):
            return await provider.since(phone, used_at)
    except TimeoutError:
        return "unknown"
