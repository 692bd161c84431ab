"""Canonical JSON: the short way writes what the long way writes, and refuses what it refuses (federation.md 1)."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec

from tongban.kernel.gm import BadEncoding, jcs
from tongban.kernel.gm import canonical as gm

LEAVES = (None, True, False, 0, -5, 2**53 - 1, -(2**53) + 1, 2**53, "", 'a\n"\\\x01\x7f/', "四川\u2028😀", "\ud800", 1.5, b"x", ("x", 1))
NAMES = ("a", "b", "Z", "é", "😀", "\uffee", "a b", "~", "_", "1", "10", "2", "\r", '"', 7)


class _Thing(msgspec.Struct):
    b: int
    a: str


def _made(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.random()
    if depth > 4 or kind < 0.4:
        return chance.choice(LEAVES)
    if kind < 0.7:
        return {chance.choice(NAMES[: 14 if chance.random() < 0.95 else 15]): _made(chance, depth + 1) for _ in range(chance.randint(0, 6))}
    if kind < 0.75:
        return _Thing(chance.randint(-9, 9), chance.choice(("x", "四", "\ud800")))
    return chance.choice([list, tuple])(_made(chance, depth + 1) for _ in range(chance.randint(0, 5)))


def _long_way(value: Any) -> bytes | None:
    try:
        return json.dumps(gm._ordered(value, 0), ensure_ascii=False, separators=(",", ":")).encode()
    except (BadEncoding, UnicodeEncodeError):
        return None


def _short_way(value: Any) -> bytes | None:
    try:
        return jcs(value)
    except BadEncoding:
        return None


def test_both_ways_write_the_same_bytes_and_refuse_the_same_values():
    chance, written = random.Random(8785), 0
    for _ in range(4000):
        value = _made(chance)
        assert _short_way(value) == _long_way(value), repr(value)
        written += _long_way(value) is not None
    assert 1000 < written < 3900, "only one kind of value was tried"


def test_the_depth_allowed_is_the_same():
    value: Any = "x"
    for depth in range(1, 68):
        value = [value] if depth % 2 else {"a": value}
        assert _short_way(value) == _long_way(value), depth
