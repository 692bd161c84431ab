"""Nouns of copies 信息副本: what was asked, where it stands, what one node gave, what one entry of it is."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

State = Literal["gathering", "ready", "fetched", "expired", "stopped", "failed"]
PartState = Literal["waiting", "preparing", "here", "missing"]


class Part(msgspec.Struct, frozen=True):
    """One node that is asked for a copy (副本的一处). `had` of `byte_count` bytes have come."""

    node: str
    name: str
    state: PartState
    line: str
    line_at: datetime
    byte_count: int = 0
    had: int = 0
    answered_at: datetime | None = None


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of everything about a person (一份信息副本). The file can be fetched while `state` is ready, until `ends_at`."""

    subject: str
    id: str
    state: State
    whole: bool
    asked_at: datetime
    made_at: datetime | None
    ends_at: datetime | None
    byte_count: int
    rows: int
    files: int
    left_out: int
    word_waits: bool
    word_shown_at: datetime | None
    starts: int
    fetched_at: datetime | None
    again_of: str
    guardian: str = ""
    """The guardian who asked for a child; empty when the person did."""
    parts: tuple[Part, ...] = ()

    @property
    def missing(self) -> tuple[Part, ...]:
        """The nodes that are not in it (缺的地方)."""
        return tuple(one for one in self.parts if one.state == "missing")


class Enclosed(msgspec.Struct, frozen=True):
    """A file of a part (随附文件): what it is called in the part, what the person called it."""

    key: str
    name: str
    media_type: str
    size: int
    why_not: str = ""
    """Why its content is not enclosed; empty when it is."""


class Kind(msgspec.Struct, frozen=True):
    """What one holding gave (一类信息): entries under Chinese headings, files, and what was left out of a simple copy."""

    table: str
    title: str
    rows: list[dict[str, object]]
    files: tuple[Enclosed, ...] = ()
    left_out: tuple[str, ...] = ()
    why_not: str = ""
    """Why it is not in the copy; empty when it is."""
    failed: bool = False
    """It could not be read this time, although it should be in."""


class Proof(msgspec.Struct, frozen=True):
    """One line of the ledger and its receipt from the log (台账的一行和回执); no receipt while the line waits for a signed head."""

    line: dict[str, object]
    receipt: str = ""


class Gathered(msgspec.Struct, frozen=True):
    """What one node gave to a copy (一处的信息), before the files; the first record of a part."""

    v: int
    node: str
    name: str
    at: int
    kinds: tuple[Kind, ...]
    ledger: tuple[Proof, ...]
    lines_beyond: int = 0
