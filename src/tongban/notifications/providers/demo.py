"""Demo channels 演示渠道: one that works and keeps what it sent in memory, one that is away, one that is slow."""

from __future__ import annotations

import asyncio

import msgspec

from tongban.kernel.gm import Personal
from tongban.notifications.providers import OUTSIDE_WORDS, Delivered, NotDelivered


class Sent(msgspec.Struct, frozen=True):
    """One demo text message (演示短信)."""

    address: Personal
    words: str
    receipt: str


class DemoSms:
    """Text messages that go nowhere (演示短信): same words, same limits as a real one, kept for looking."""

    name = "sms"

    def __init__(self, *, a_minute: int = 60) -> None:
        self.sent: list[Sent] = []
        self._a_minute = a_minute

    async def deliver(self, address: Personal, message_id: str) -> Delivered | NotDelivered:
        if not address or len(self.sent) >= self._a_minute:
            return NotDelivered(self.name, retry=bool(address))
        self.sent.append(Sent(address, OUTSIDE_WORDS, message_id))
        return Delivered(self.name, message_id)


class AwaySms:
    """A provider that is away (短信渠道不在)."""

    name = "sms"

    async def deliver(self, _address: Personal, _message_id: str) -> Delivered | NotDelivered:
        return NotDelivered(self.name, retry=True)


class SlowSms:
    """A provider that answers late (短信渠道慢)."""

    name = "sms"

    def __init__(self, behind: DemoSms, seconds: float) -> None:
        self._behind = behind
        self._seconds = seconds

    async def deliver(self, address: Personal, message_id: str) -> Delivered | NotDelivered:
        await asyncio.sleep(self._seconds)
        return await self._behind.deliver(address, message_id)
