"""After somebody died 身后: relations, papers and choices from relatives.toml, and what a choice leaves to the relatives. Pure."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import msgspec

from tongban.kernel.gm import digest

_FILE = Path(__file__).resolve().parent.parent / "relatives.toml"


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code and what people call it."""

    code: str
    words: str


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing a living person may say 一种安排; `allows` is what close relatives may ask for then."""

    code: str
    words: str
    hint: str
    allows: frozenset[str]


class Relatives(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of relatives.toml; the first choice holds for who never chose."""

    source: str
    verified: bool
    relation: tuple[Word, ...]
    death_paper: tuple[Word, ...]
    kinship_paper: tuple[Word, ...]
    choice: tuple[Choice, ...]


@cache
def relatives() -> Relatives:
    """The file, read once. Raises msgspec.ValidationError when it is not right."""
    return msgspec.convert(tomllib.loads(_FILE.read_text("utf-8")), Relatives)


def choice_of(code: str) -> Choice:
    """The choice of this code; the law's, for who said nothing or what nobody knows any more."""
    known = relatives().choice
    return next((one for one in known if one.code == code), known[0])


def shown_as(choice: Choice) -> str:
    """The digest of the words that stood beside the choice, kept with it (看到的是哪句话)."""
    return digest(f"{choice.words}\n{choice.hint}".encode())


def word_of(known: tuple[Word, ...], code: str) -> str:
    """What people call this code; empty when nobody knows it."""
    return next((one.words for one in known if one.code == code), "")
