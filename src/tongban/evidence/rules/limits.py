"""Figures of this room (上限与期限), from limits.toml and archive.toml: data with their source, read once."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

import msgspec

_FOLDER = Path(__file__).resolve().parent.parent


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much a person may keep, and how long what nobody uses stays (材料上限)."""

    source: str
    verified: bool
    person_bytes: int
    person_files: int
    day_files: int
    carried_bytes: int
    unused_days: int
    orphan_hours: int
    scan_seconds: float
    scan_bytes_a_second: int


Term = Literal["10", "30", "permanent"]


class Archiving(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Terms of archive packages (归档期限)."""

    term: Term
    term_source: str
    basis: str
    verified: bool
    ended_days: int
    witness_minutes: int
    kept_days: int
    package_bytes: int
    batch_packages: int
    away_days: int
    receipt_days: int
    items: dict[str, Term]

    def term_of(self, item_code: str) -> Term:
        """How long the cases of an item are kept: its own term where it has one, else that of all."""
        return self.items.get(item_code, self.term)


LIMITS = msgspec.convert(tomllib.loads((_FOLDER / "limits.toml").read_text("utf-8")), Limits)
ARCHIVING = msgspec.convert(tomllib.loads((_FOLDER / "archive.toml").read_text("utf-8")), Archiving)
