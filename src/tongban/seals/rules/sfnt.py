"""Putting a TrueType font together from outlines that are packed already (拼字体文件): what fonttools does, for many small fonts.

A subset differs from the next in its outlines, their places and the character map; the rest is a template made once by
fonttools. Glyph 0 is .notdef, the others stand in the order of their characters. Source: OpenType 1.9, tables head, hhea,
maxp, OS/2, cmap 4 and 12, loca, glyf.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

import msgspec

_MAGIC: Final = 0xB1B0AFBA
_LAST_OF_PLANE: Final = 0xFFFF


class Outline(msgspec.Struct, frozen=True):
    """One packed glyph (字形): its bytes in `glyf`, advance, box (xMin, yMin, xMax, yMax), points and contours.

    `data` is as long as a multiple of four, and `sum` is its checksum: both are needed in every font with this glyph.
    """

    data: bytes
    advance: int
    box: tuple[int, int, int, int]
    points: int
    contours: int
    sum: int
    metrics: bytes


def outline(data: bytes, advance: int, box: tuple[int, int, int, int] = (0, 0, 0, 0), points: int = 0, contours: int = 0) -> Outline:
    """A glyph from its bytes in `glyf` (字形)."""
    padded = data + b"\0" * (-len(data) % 4)
    return Outline(padded, advance, box, points, contours, _sum(padded), struct.pack(">Hh", advance, box[0] if data else 0))


def assemble(template: Mapping[str, bytes], notdef: Outline, characters: Sequence[str], outlines: Sequence[Outline]) -> bytes:
    """The font of these characters, in rising order, each with its outline (成字体)."""
    glyphs = (notdef, *outlines)
    places = list(accumulate((len(one.data) for one in glyphs), initial=0))
    left, low, right, high = zip(*([one.box for one in glyphs if one.data] or [(0, 0, 0, 0)]), strict=True)
    box = (min(left), min(low), max(right), max(high))
    codes = [ord(one) for one in characters]
    tables = {
        "OS/2": _patched(template["OS/2"], (64, ">HH", (min(codes[0], _LAST_OF_PLANE), min(codes[-1], _LAST_OF_PLANE)))),
        "cmap": _cmap(codes),
        "glyf": b"".join([one.data for one in glyphs]),
        "head": _patched(template["head"], (8, ">I", (0,)), (36, ">hhhh", box), (50, ">h", (1,))),
        "hhea": _patched(template["hhea"], (10, ">Hhhh", _across(glyphs)), (34, ">H", (len(glyphs),))),
        "hmtx": b"".join([one.metrics for one in glyphs]),
        "loca": struct.pack(f">{len(places)}I", *places),
        "maxp": _patched(
            template["maxp"], (4, ">HHH", (len(glyphs), max([one.points for one in glyphs]), max([one.contours for one in glyphs])))
        ),
        "name": template["name"],
        "post": template["post"],
    }
    return _file(tables, {"glyf": sum([one.sum for one in glyphs]) & 0xFFFFFFFF})


def _across(glyphs: Sequence[Outline]) -> tuple[int, int, int, int]:
    """advanceWidthMax, minLeftSideBearing, minRightSideBearing, xMaxExtent."""
    drawn = [(one.box[0], one.advance - one.box[2], one.box[2]) for one in glyphs if one.data]
    widest = max([one.advance for one in glyphs])
    if not drawn:
        return widest, 0, 0, 0
    left, right, extent = zip(*drawn, strict=True)
    return widest, min(left), min(right), max(extent)


def _patched(table: bytes, *changes: tuple[int, str, tuple[int, ...]]) -> bytes:
    out = bytearray(table)
    for at, shape, values in changes:
        struct.pack_into(shape, out, at, *values)
    return bytes(out)


def _runs(codes: Sequence[int]) -> list[tuple[int, int, int]]:
    """Runs of neighbours: first code, last code, first glyph."""
    found: list[tuple[int, int, int]] = []
    for glyph, code in enumerate(codes, 1):
        if found and found[-1][1] == code - 1:
            found[-1] = (found[-1][0], code, found[-1][2])
        else:
            found.append((code, code, glyph))
    return found


def _cmap(codes: Sequence[int]) -> bytes:
    """Format 4 for the first plane and format 12 for all, as fonttools writes both."""
    runs = _runs(codes)
    first = [(begin, min(end, _LAST_OF_PLANE - 1), (glyph - begin) & 0xFFFF) for begin, end, glyph in runs if begin < _LAST_OF_PLANE]
    first.append((_LAST_OF_PLANE, _LAST_OF_PLANE, 1))
    count = len(first)
    power = 1 << (count.bit_length() - 1)
    body = struct.pack(">HHHH", count * 2, power * 2, power.bit_length() - 1, (count - power) * 2)
    body += struct.pack(f">{count}H", *(one[1] for one in first)) + b"\0\0" + struct.pack(f">{count}H", *(one[0] for one in first))
    body += struct.pack(f">{count}H", *(one[2] for one in first)) + b"\0\0" * count
    four = struct.pack(">HHH", 4, len(body) + 6, 0) + body
    twelve = struct.pack(">HHIII", 12, 0, 16 + 12 * len(runs), 0, len(runs)) + b"".join(struct.pack(">III", *one) for one in runs)
    at_four = 4 + 8 * 2
    at_twelve = at_four + len(four)
    head = struct.pack(">HH", 0, 2) + struct.pack(">HHI", 3, 1, at_four) + struct.pack(">HHI", 3, 10, at_twelve)
    return head + four + twelve


def _sum(data: bytes) -> int:
    padded = data + b"\0" * (-len(data) % 4)
    words: tuple[int, ...] = struct.unpack(f">{len(padded) // 4}I", padded)
    return sum(words) & 0xFFFFFFFF


def _file(tables: Mapping[str, bytes], known: Mapping[str, int]) -> bytes:
    """The tables with their list; `known` are checksums that need no counting. The whole's sum is the sum of its parts."""
    count = len(tables)
    power = 1 << (count.bit_length() - 1)
    head = struct.pack(">IHHHH", 0x00010000, count, power * 16, power.bit_length() - 1, (count - power) * 16)
    at, total, listed, bodies = 12 + 16 * count, 0, [], []
    for name in sorted(tables):
        body = tables[name]
        added = known[name] if name in known else _sum(body)
        listed.append(struct.pack(">4sIII", name.encode(), added, at, len(body)))
        total += added
        bodies.append(body + b"\0" * (-len(body) % 4))
        at += len(bodies[-1])
    front = head + b"".join(listed)
    font = bytearray(front + b"".join(bodies))
    struct.pack_into(">I", font, _place(listed, "head") + 8, (_MAGIC - total - _sum(front)) & 0xFFFFFFFF)
    return bytes(font)


def _place(listed: Sequence[bytes], name: str) -> int:
    found = next(one for one in listed if one[:4] == name.encode())
    place: int = struct.unpack(">I", found[8:12])[0]
    return place
