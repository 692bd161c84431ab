"""The sounds of characters 读音: a small table of our own instead of a dictionary of 55 MB in every process.

`sounds.toml` was made from pypinyin's dictionaries: the commonest toneless reading of 20,924 characters, and 2,816 words
whose characters are read otherwise (银行, 重庆). A test compares it with pypinyin.
"""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path

import msgspec

TABLE = Path(__file__).resolve().parent.parent / "sounds.toml"
LONGEST_PHRASE = 4


class Sounds(msgspec.Struct, frozen=True):
    """The table, read once (读音表)."""

    chars: dict[str, str]
    phrases: dict[str, tuple[str, ...]]


@functools.cache
def table() -> Sounds:
    """The table of sounds: a fifth of a second once, 5 MB."""
    written = tomllib.loads(TABLE.read_text("utf-8"))
    chars = {sign: sound for sound, signs in written["chars"].items() for sign in signs}
    return Sounds(chars, {word: tuple(sounds.split(" ")) for word, sounds in written["phrases"].items()})


def sounds_of(text: str) -> list[str]:
    """The toneless syllables of a run of characters, words before single characters; what has none stays itself.

    >>> sounds_of("重庆银行"), sounds_of("重要")
    (['chong', 'qing', 'yin', 'hang'], ['zhong', 'yao'])
    """
    known = table()
    found: list[str] = []
    at = 0
    while at < len(text):
        for length in range(min(LONGEST_PHRASE, len(text) - at), 1, -1):
            phrase = known.phrases.get(text[at : at + length])
            if phrase is not None:
                found.extend(phrase)
                at += length
                break
        else:
            found.append(known.chars.get(text[at], text[at]))
            at += 1
    return found


@functools.cache
def syllables() -> frozenset[str]:
    """Every syllable of two letters or more, and a and e: what typed letters are cut into."""
    return frozenset(sound for sound in table().chars.values() if len(sound) > 1 or sound in {"a", "e"}) - RARE


RARE = frozenset({"ng", "hm", "hng", "ei", "biang", "fiao", "cei", "wong", "bong", "lo", "yo", "nou", "nia", "nun"})
