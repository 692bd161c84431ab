"""Figures of copies 副本的期限和次数, from copies.toml: data with their source, read once."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec


class CopyLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often, how long, how much 次数、期限、大小. Source: privacy.md 7."""

    source: str
    verified: bool
    patience_minutes: int
    longest_hours: int
    link_hours: int
    share_hours: int
    day_copies: int
    month_copies: int
    day_again: int
    downloads: int
    part_bytes: int
    receipts: int
    lines: int
    reading_rows: int
    history_days: int


COPIES = msgspec.convert(tomllib.loads((Path(__file__).resolve().parent.parent / "copies.toml").read_text("utf-8")), CopyLimits)
