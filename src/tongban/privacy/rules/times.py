"""Times of closing, holds and the retention clock 期限, and the words for what goes, from closing.toml. Pure."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import msgspec

_FILE = Path(__file__).resolve().parent.parent / "closing.toml"


class Closing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Closing an account 注销: days to change one's mind, and of the page of receipts."""

    source: str
    verified: bool
    days: int
    warn_days: int
    page_days: int
    tries_an_hour: int
    clients_minutes: int


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Legal hold 法定保留: the longest one, and how long its record stays."""

    source: str
    verified: bool
    most_days: int
    kept_days: int


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The retention clock 到期清理: rows a transaction, days before a row left over is an alert."""

    source: str
    verified: bool
    batch: int
    grace_days: int
    runs_kept_days: int


class Times(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of closing.toml."""

    closing: Closing
    hold: Hold
    retention: Retention
    words: dict[str, tuple[str, ...]]


@cache
def times() -> Times:
    """The file, read once. Raises msgspec.ValidationError when it is not right."""
    return msgspec.convert(tomllib.loads(_FILE.read_text("utf-8")), Times)


@cache
def _said() -> dict[str, str]:
    return {title: words for words, titles in times().words.items() for title in titles}


def in_words(title: str) -> str:
    """What people call it 大家怎么叫: several titles of holdings have one word; others stay as they are."""
    return _said().get(title, title)


def together(counts: dict[str, int]) -> dict[str, int]:
    """Counts by title as counts by the words people use."""
    found: dict[str, int] = {}
    for title, count in counts.items():
        found[in_words(title)] = found.get(in_words(title), 0) + count
    return found
