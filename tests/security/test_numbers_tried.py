"""T-46: who holds a dump of the database and no key tries a million document numbers 穷举证件号, and finds nobody.

A mark is told by its key alone: the numbers of a county and three years are counted through in a second by anybody. So each of a
million numbers is tried in every way that needs no key, and the people who are in the dump in every way that a key lying about
would allow: what the database holds, what the settings say, what this program's source calls things.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from tongban.kernel.gm import hmac_sm3
from tongban.kernel.gm.hashes import SYSTEM_HAS_SM3
from tongban.kernel.ids import IdNumber
from tongban.kernel.node import Node

from .make_town import PEOPLE, clerk_of, number_of, resident, subject_of

FIRST, COUNTED_DAYS, ORDERS = date(1959, 1, 1), 1000, 1000
LABELS = ("person.number", "home_index.number")
WAYS = 5
"""In which each number is tried: twice nothing but a hash, the others with what everybody has for a key."""
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
Way = Callable[[bytes], bytes]


def numbers() -> Iterator[bytes]:
    """A million valid numbers of the town's county and years; the town's people are among them."""
    tails = [(b"%03d" % order, sum(int(digit) * _WEIGHTS[14 + at] for at, digit in enumerate(f"{order:03d}"))) for order in range(ORDERS)]
    for day in range(COUNTED_DAYS):
        head = f"500103{FIRST + timedelta(days=day):%Y%m%d}"
        weight = sum(int(digit) * _WEIGHTS[at] for at, digit in enumerate(head))
        front = head.encode()
        for order, more in tails:
            yield front + order + b"10X98765432"[(weight + more) % 11 :][:1]


def keyless() -> dict[str, Way]:
    """What a stranger does with a number: hashes and HMACs with keys that everybody has."""
    fresh = hashlib.new("sm3")

    def hashed(front: bytes) -> Way:
        start = fresh.copy()
        start.update(front)

        def made(number: bytes) -> bytes:
            work = start.copy()
            work.update(number)
            return work.digest()

        return made

    found = {"SM3": hashed(b""), "SM3 with the column": hashed(LABELS[0].encode() + b"\x00")}
    for name, key in {"no key": b"", "the word index": b"index"}.items():
        found[f"HMAC with {name}"] = keyed(key, LABELS[0].encode() + b"\x00")
    found["HMAC of the number alone"] = keyed(b"", b"")
    return found


def keyed(key: bytes, front: bytes) -> Way:
    """HMAC-SM3 whose two halves begin once: half the time of a call for each number."""
    block = (key if len(key) <= 64 else hashlib.new("sm3", key).digest()).ljust(64, b"\x00")
    inner, outer = (hashlib.new("sm3", bytes(one ^ pad for one in block)) for pad in (0x36, 0x5C))
    inner.update(front)

    def made(number: bytes) -> bytes:
        work, last = inner.copy(), outer.copy()
        work.update(number)
        last.update(work.digest())
        return last.digest()

    return made


def found_by(way: Way, tried: Iterable[bytes], marks: frozenset[bytes]) -> list[bytes]:
    """The numbers whose mark lies in the dump."""
    return [number for number in tried if way(number)[:16] in marks]


async def dumped(node: Node) -> tuple[frozenset[bytes], set[bytes]]:
    """(every mark, every value) that a dump of the whole database holds; a value may be somebody's key."""
    marks, values = set(), set()
    async with node.db.reading() as tx:
        tables = [row[0] for row in await tx.fetch("SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' AND relkind = 'r'")]
        for table in tables:
            for row in await tx.fetch(f'SELECT * FROM "{table}"'):
                for value in leaves(dict(row)):
                    values.add(value)
                    if len(value) in (16, 18):
                        marks.add(value[-16:])
    return frozenset(marks), values


def leaves(value: Any) -> Iterator[bytes]:
    """Every value in a row or in settings, as the bytes somebody would try for a key."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield str(name).encode()
            yield from leaves(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from leaves(one)
    elif isinstance(value, bytes):
        yield value
    elif value is not None:
        text = str(value)
        yield text.encode()
        if len(text) % 4 != 1 and text.isascii() and all(one.isalnum() or one in "-_" for one in text):
            yield base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if len(text) % 2 == 0 and all(one in "0123456789abcdef" for one in text):
            yield bytes.fromhex(text)


@pytest.fixture(scope="module")
async def town(make_node: Any) -> Node:
    node: Node = await make_node("500000")
    async with node.db.transaction() as tx:
        for one in range(PEOPLE):
            await resident(tx, node, one)
    return node


async def test_t46_a_million_numbers_against_a_dump_without_keys_find_nobody(town: Node) -> None:
    assert SYSTEM_HAS_SM3, "the numbers are counted through with the system's SM3"
    marks, values = await dumped(town)
    people = [number_of(one).encode() for one in range(PEOPLE)]
    tried = list(numbers())
    assert len(tried) == len(set(tried)) == 1_000_000
    assert set(people) <= set(tried)
    assert all(IdNumber.parse(one.decode()).value == one.decode() for one in tried[::9973])
    ways = keyless()
    assert len(ways) == WAYS
    for name, way in ways.items():
        assert not found_by(way, tried, marks), f"index matched: {name}"

    settings = set(leaves(msgspec.to_builtins(town.settings, enc_hook=str)))
    names = {bytes(16), bytes(32)} | {word.encode() for word in ("tongban", "index.secret", "blind index of ", *LABELS, town.id, subject_of(0), clerk_of(0))}
    keys = values | settings | names
    assert len(keys) > 500
    for key in keys:
        for label in LABELS:
            assert not found_by(keyed(key, label.encode() + b"\x00"), people, marks), "index matched: a key lies in the dump or in the settings"


async def test_t46_who_has_the_key_finds_everybody_so_the_search_is_a_search(town: Node) -> None:
    """The same search with the one thing that is not in the dump."""
    marks, values = await dumped(town)
    key = town.keys.indexes.key(1, LABELS[0])
    assert key not in values, "index matched: the key lies in the dump"
    assert hmac_sm3(key, b"x") == keyed(key, b"")(b"x")
    few = [one for one in numbers() if one[6:14] == b"19600101"] + [number_of(one).encode() for one in range(PEOPLE)]
    for label in LABELS:
        found = found_by(keyed(town.keys.indexes.key(1, label), label.encode() + b"\x00"), few, marks)
        assert set(found) == {number_of(one).encode() for one in range(PEOPLE)}, label
