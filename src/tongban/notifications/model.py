"""Nouns of 消息: a message, and the thread of messages about one thing."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tongban.kernel.gm import Personal


class Message(msgspec.Struct, frozen=True):
    """One thing a person is told (一条消息). `link` is the one act it offers, `link_words` what the act is called."""

    id: str
    kind: str
    about: str
    title: Personal
    text: Personal
    link: str
    link_words: str
    at: datetime
    read_at: datetime | None


class Thread(msgspec.Struct, frozen=True):
    """Messages about one thing, newest first (一件事的消息). `name` heads the group on the page."""

    about: str
    name: Personal
    messages: tuple[Message, ...]

    @property
    def unread(self) -> int:
        """How many of them have not been read."""
        return sum(1 for one in self.messages if one.read_at is None)
