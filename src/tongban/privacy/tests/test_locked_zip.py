"""What a copy is made of 副本的文件格式: the locked ZIP, the records of a part, the schemas, the pages for reading (R-409, adr/0012)."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime

import pytest

from tongban.privacy.errors import CopyBroken
from tongban.privacy.rules.locked_zip import ALPHABET, LockedZip, new_word
from tongban.privacy.rules.parts import record, records
from tongban.privacy.rules.reading import Sheets, rows_onto, said
from tongban.privacy.rules.schemas import data_schema
from tongban.privacy.tests.make import WrongWord, unlock

AT = datetime(2026, 11, 22, 10, 0, 2, tzinfo=UTC)
FILES = {"数据/身份.json": "演示".encode() * 5000, "文件/0001.jpg": random.Random(1).randbytes(70_001), "空.txt": b""}


def locked(word: str) -> bytes:
    zip_ = LockedZip(word, AT)
    return b"".join(zip_.add(name, content) for name, content in FILES.items()) + zip_.end()


def test_the_word_opens_it_and_nothing_else_does():
    word = new_word()
    made = locked(word)
    assert unlock(made, word) == FILES
    assert "演示".encode() not in made
    with pytest.raises(WrongWord):
        unlock(made, new_word())
    changed = bytearray(made)
    changed[made.index(b"0001.jpg") + 5000] ^= 1
    with pytest.raises(WrongWord):
        unlock(bytes(changed), word)


def test_no_two_entries_share_a_key_and_no_two_words_are_alike():
    zip_ = LockedZip("演示".encode("ascii", "ignore").decode() + "abcd", AT)
    first, second = zip_.add("a", b"x" * 64), zip_.add("b", b"x" * 64)
    assert first[-30:] != second[-30:]
    words = {new_word() for _ in range(100)}
    assert len(words) == 100
    assert all(re.fullmatch(rf"([{ALPHABET}]{{4}}-){{3}}[{ALPHABET}]{{4}}", one) for one in words)


async def come(*given: bytes):
    for one in given:
        yield one


async def test_records_come_in_any_pieces():
    whole = record("part", b"{}") + record("material/0", b"x" * 1000) + record("empty", b"")
    for size in (1, 7, 5000):
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert [one async for one in records(come(*pieces), largest=2000)] == [("part", b"{}"), ("material/0", b"x" * 1000), ("empty", b"")]


@pytest.mark.parametrize("wrong", [b"\xff" * 40, record("a", b"x" * 3000), record("k" * 300, b""), record("a", b"xyz")[:-1], b"\x00"])
async def test_what_is_no_record_is_refused(wrong):
    """A node that gives nonsense costs a bounded amount of memory."""
    with pytest.raises(CopyBroken):
        assert [one async for one in records(come(wrong), largest=2000)]


def test_a_schema_says_what_stands_under_each_heading():
    rows = [
        {"时间": "2026-01-02T03:04:05+08:00", "日子": "2026-01-02", "几次": 2, "里面": {"名": "甲"}},
        {"时间": "2026-01-02T03:04:05Z", "几次": None, "项": ["a"]},
    ]
    entry = data_schema("登录记录", rows)["properties"]["各处"]["items"]["properties"]["条目"]["items"]
    assert entry["required"] == ["时间", "几次"]
    assert entry["properties"]["时间"] == {"type": "string", "format": "date-time"}
    assert entry["properties"]["日子"] == {"type": "string", "format": "date"}
    assert entry["properties"]["几次"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert entry["properties"]["里面"]["properties"] == {"名": {"type": "string"}}
    assert entry["properties"]["项"] == {"type": "array", "items": {"type": "string"}}


def test_pages_for_reading_wrap_break_and_say_what_is_left_out():
    sheets = Sheets("演示")
    rows_onto(sheets, [{"时间": "2026-01-02T16:00:00Z", "说明": "长" * 200, "怪字": "\ufdd0甲"}] * 60, most=50, count=60)
    document = sheets.document("1", "演示市", AT)
    words = [mark.text for page in document.pages for mark in page.marks]
    assert len(document.pages) > 1
    assert "时间：2026-01-03 00:00:00" in words
    assert "怪字：□甲" in words
    assert "一共 60 条，这里印了 50 条，其余在数据文件里。" in words
    assert max(len(one) for one in words) < 60
    assert said({"a": True, "b": [None, 3]}) == "a：是；b：没有、3"
