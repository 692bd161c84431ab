"""Sounds and terms: the table against the library it was made from, and the merging of sounds."""

from __future__ import annotations

import pypinyin
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongban.search.rules import text
from tongban.search.rules.sounds import sounds_of, table
from tongban.search.tests.make import services


def test_the_table_reads_as_pypinyin_does() -> None:
    texts = [name for entry in services() for name in (entry.name, entry.plain_name, *entry.aliases, *entry.conditions)]
    runs = [run for one in texts for run in text.HAN.findall(one)]
    ours = [sound for run in runs for sound in sounds_of(run)]
    theirs = [sound for run in runs for sound in pypinyin.lazy_pinyin(run)]
    differ = sum(a != b for a, b in zip(ours, theirs, strict=True))
    assert len(theirs) > 2000
    assert differ / len(theirs) < 0.005
    assert len(table().chars) == 20_924


@pytest.mark.parametrize(
    ("words", "sounds"),
    [("重庆", "chong qing"), ("银行卡", "yin hang ka"), ("长辈版", "zhang bei ban"), ("行驶证", "xing shi zheng"), ("参差", "cen ci")],
)
def test_words_decide_how_their_characters_are_read(words, sounds) -> None:
    assert " ".join(sounds_of(words)) == sounds


@pytest.mark.parametrize(
    ("typed", "parts"),
    [("zhucegongsi", "zhu ce gong si"), ("shenfenzheng", "shen fen zheng"), ("yiliaobaoxian", "yi liao bao xian"), ("nver", "nv er"),
     ("zcgs", ""), ("hello", ""), ("xyz", "")],
)  # fmt: skip
def test_letters_are_cut_into_the_fewest_syllables(typed, parts) -> None:
    assert " ".join(text.parsed(typed)) == parts


@pytest.mark.parametrize(("one", "other"), [("注册", "注侧"), ("老年", "牢连"), ("福利", "hu利"), ("身份", "深fen"), ("公证", "工真")])
def test_what_sounds_alike_is_alike(one, other) -> None:
    if one == "福利":
        assert text.pairs(one) != text.pairs(other), "fu and hu stay apart: only before a, ang, an, en, ei"
    else:
        assert text.pairs(one) == text.pairs(other)


@given(st.text(max_size=80))
def test_any_text_can_be_asked(typed) -> None:
    sought = text.core(text.normal(typed))
    assert all(isinstance(one, str) and " " not in one for one in text.pairs(sought))
    assert len(text.normal(typed)) <= 200
    text.words(sought)
    text.cut(sought)
    text.latin_only(sought)
    text.parsed(text.squeezed(sought)[:40])
