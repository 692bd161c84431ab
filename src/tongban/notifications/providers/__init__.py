"""Channels 渠道: ways a message leaves the node. One small Protocol; on the pages of the node a message is its own row, and no channel is switched on today."""

from __future__ import annotations

from typing import Protocol

import msgspec

from tongban.kernel.gm import Personal

OUTSIDE_WORDS = "你有一件事有新进展，打开“通办”看看"
"""All that a channel outside the node may say (privacy.md 8): no name, number, matter or result."""


class Delivered(msgspec.Struct, frozen=True):
    """The channel took it (送出去了). `receipt` is the channel's own id, for questions later."""

    channel: str
    receipt: str


class NotDelivered(msgspec.Struct, frozen=True):
    """The channel did not take it (没送出去); `retry` says whether trying again may help."""

    channel: str
    retry: bool


class Channel(Protocol):
    """One way out (渠道). It gets an address and no word about the matter; the message itself stays in the node."""

    name: str

    async def deliver(self, address: Personal, message_id: str) -> Delivered | NotDelivered:
        """Tell the address that something is new. Never raises for a channel that is away."""
        ...
