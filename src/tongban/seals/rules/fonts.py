"""Fonts for documents (字体): a TrueType subset of exactly the characters drawn, made from the OFL Noto fonts.

The fonts come with CFF outlines; readers of OFD want TrueType, so each outline is turned into quadratic curves once and
kept. The font file itself is opened only when a character is new and closed again: it is large. Thread-safe; slow the
first time (0.3 s), so callers on the event loop go through `writer.compose`.
"""

from __future__ import annotations

import io
import threading
from functools import lru_cache
from typing import Any, Final, Literal

import pylopdf_fonts_zh_cn
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

from tongban.seals.errors import MissingGlyph
from tongban.seals.rules.sfnt import Outline, assemble, outline

Face = Literal["sans", "serif"]
EM: Final = 1000
ASCENT: Final = 880
FAMILY: Final[dict[Face, str]] = {"serif": "Tongban Serif", "sans": "Tongban Sans"}

_PATHS = {"serif": pylopdf_fonts_zh_cn.serif_path, "sans": pylopdf_fonts_zh_cn.sans_path}
# of each face: character -> outline, packed once
_glyphs: dict[Face, dict[str, Outline]] = {"serif": {}, "sans": {}}
_lock = threading.Lock()


def width_of(text: str, size: float, face: Face = "serif") -> float:
    """How wide `text` stands at em size `size`, in the unit of `size` (文字宽度). Raises MissingGlyph."""
    return sum(advances(text, face)) * size / EM


def advances(text: str, face: Face = "serif") -> list[int]:
    """The advance of each character in 1/1000 em. Raises MissingGlyph."""
    _load(text, face)
    known = _glyphs[face]
    return [known[one].advance for one in text]


def subset(text: str, face: Face = "serif") -> bytes:
    """A TrueType font of the characters of `text` and no others (字体子集), the same bytes every time.

    Raises MissingGlyph for a character that the font does not have.
    """
    return _build("".join(sorted(set(text))), face)


@lru_cache(maxsize=64)
def _build(characters: str, face: Face) -> bytes:
    _load(characters, face)
    template, notdef = _template(face)
    return assemble(template, notdef, characters, [_glyphs[face][one] for one in characters])


@lru_cache(maxsize=2)
def _template(face: Face) -> tuple[dict[str, bytes], Outline]:
    """The tables that are the same in every subset, as fonttools writes them, and the empty glyph 0."""
    builder = FontBuilder(EM, isTTF=True)
    builder.setupGlyphOrder([".notdef", "space"])
    builder.setupCharacterMap({0x20: "space"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "space": TTGlyphPen(None).glyph()})
    builder.setupHorizontalMetrics({".notdef": (EM, 0), "space": (EM, 0)})
    builder.setupHorizontalHeader(ascent=ASCENT, descent=ASCENT - EM)
    builder.setupNameTable({"familyName": FAMILY[face], "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=ASCENT, sTypoDescender=ASCENT - EM, usWinAscent=ASCENT, usWinDescent=EM - ASCENT)
    builder.setupPost(keepGlyphNames=False)
    builder.font["head"].created = builder.font["head"].modified = 0
    builder.font.recalcTimestamp = False
    out = io.BytesIO()
    builder.save(out)
    made = TTFont(out)
    return {name: made.reader[name] for name in ("OS/2", "head", "hhea", "maxp", "name", "post")}, outline(b"", EM)


def _packed(glyph: Any, advance: int) -> Outline:
    if not glyph.numberOfContours:
        return outline(b"", advance)
    glyph.recalcBounds(None)
    box = (glyph.xMin, glyph.yMin, glyph.xMax, glyph.yMax)
    return outline(glyph.compile(None), advance, box, len(glyph.coordinates), glyph.numberOfContours)


def _load(text: str, face: Face) -> None:
    """Bring the outlines of all characters of `text` into memory."""
    packed = _glyphs[face]
    if all(map(packed.__contains__, text)):
        return
    with _lock:
        wanted = sorted(set(text) - packed.keys())
        if not wanted:
            return
        with TTFont(_PATHS[face](), lazy=True) as font:
            try:
                _read(font, wanted, packed)
            finally:  # its tables point at it and it at them: 30 MB that would stay until the next full collection
                font.tables.clear()


def _read(font: TTFont, wanted: list[str], packed: dict[str, Outline]) -> None:
    known = font.getBestCmap()
    missing = "".join(one for one in wanted if ord(one) not in known)
    if missing:
        raise MissingGlyph(missing)
    outlines, metrics = font.getGlyphSet(), font["hmtx"]
    for one in wanted:
        name = known[ord(one)]
        pen = TTGlyphPen(None)
        outlines[name].draw(Cu2QuPen(pen, 1.0, reverse_direction=True))
        packed[one] = _packed(pen.glyph(), int(metrics[name][0]))
