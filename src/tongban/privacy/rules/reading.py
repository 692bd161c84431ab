"""The pages for reading 阅读版: a copy as a PDF document, one kind of thing after the other. Pure; drawn by `seals`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from tongban import seals
from tongban.kernel.clock import CHINA
from tongban.seals import Document, MissingGlyph, Page, Text

WIDTH: Final = 210.0
_LEFT, _TOP, _BOTTOM = 20.0, 22.0, 276.0
_BODY, _HEAD, _TITLE, _SMALL = 3.7, 4.6, 7.0, 3.0
_GREY, _BLACK, _BLUE = "#5a6675", "#0b1a2b", "#0b4aa2"
_NO_GLYPH: Final = "□"
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_MOST_PAGES = 400


class Sheets:
    """Lines onto pages (排版): words wrap, a new page begins by itself."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._pages: list[list[Text]] = [[]]
        self._y = _TOP

    @property
    def full(self) -> bool:
        """Whether no more pages are begun."""
        return len(self._pages) >= _MOST_PAGES

    def put(self, text: str, *, size: float = _BODY, indent: float = 0.0, color: str = _BLACK, before: float = 0.0) -> None:
        """One paragraph, wrapped."""
        self._y += before
        for line in _wrapped(drawable(text), size, WIDTH - 2 * _LEFT - indent):
            if self._y + size > _BOTTOM:
                if self.full:
                    return
                self._pages.append([])
                self._y = _TOP
            self._y += size * 1.55
            self._pages[-1].append(Text(_LEFT + indent, self._y, line, size, "sans", color=color))

    def heading(self, text: str) -> None:
        """The name of a kind of thing."""
        self.put(text, size=_HEAD, color=_BLUE, before=5.0)

    def document(self, number: str, author: str, at: datetime) -> Document:
        """The finished document, its pages numbered."""
        count = len(self._pages)
        pages = tuple(
            Page((*marks, Text(WIDTH / 2, 288.0, f"第 {page} 页，共 {count} 页", _SMALL, "sans", "center", _GREY)))
            for page, marks in enumerate(self._pages, 1)
        )
        return Document(id=number, title=self._title, author=author, created=at, pages=pages)


def rows_onto(sheets: Sheets, rows: Iterable[Mapping[str, object]], *, most: int, count: int) -> None:
    """Entries as `heading：value` lines; beyond `most` a sentence says where the rest is."""
    for number, row in enumerate(rows, 1):
        if number > most or sheets.full:
            sheets.put(f"一共 {count} 条，这里印了 {number - 1} 条，其余在数据文件里。", color=_GREY, indent=4.0)
            return
        sheets.put(f"{number}", size=_SMALL, color=_GREY, indent=2.0, before=1.5)
        for heading, value in row.items():
            sheets.put(f"{heading}：{said(value)}", indent=6.0)


def said(value: object) -> str:
    """A JSON value as a person reads it."""
    match value:
        case None:
            return "没有"
        case bool():
            return "是" if value else "否"
        case str():
            return _moment(value)
        case Mapping():
            return "；".join(f"{heading}：{said(one)}" for heading, one in value.items())
        case list() | tuple():
            return "、".join(said(one) for one in value)
        case _:
            return str(value)


def _moment(text: str) -> str:
    """An ISO time as the clock in China shows it; every other text as it is."""
    if not _ISO.fullmatch(text):
        return text
    return datetime.fromisoformat(text).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


_widths: dict[str, float] = {}
"""Of each character at size 1; -1 for one that the font does not have."""


def learn(text: str) -> None:
    """Look up the widths of all characters of a document at once: the font is opened once, not for every new character."""
    fresh = {one for one in text if one not in _widths}
    while fresh:
        wanted = "".join(sorted(fresh))
        try:
            seals.width_of(wanted, 1.0, "sans")
        except MissingGlyph as missing:
            lost = fresh & set(missing.characters)
            _widths.update(dict.fromkeys(lost or fresh, -1.0))
            fresh -= lost or fresh
            continue
        _widths.update({one: seals.width_of(one, 1.0, "sans") for one in fresh})
        return


def drawable(text: str) -> str:
    """The text with a box for every character that cannot be drawn (画得出来的字)."""
    text = " ".join(text.split())
    learn(text + _NO_GLYPH)
    return "".join(char if _widths[char] >= 0 else _NO_GLYPH for char in text)


def _wrapped(text: str, size: float, room: float) -> Iterable[str]:
    line, wide = "", 0.0
    for char in text:
        step = _widths[char] * size
        if wide + step > room and line:
            yield line
            line, wide = "", 0.0
        line += char
        wide += step
    yield line or " "
