"""A PDF that somebody hands in (检查 PDF): is it all there, and does it act by itself. Pure.

The same question stands in docs/check_archive.py, which needs nothing of ours; a test holds both to one answer, so that what is
taken today does not spoil the package of its case in two months.
"""

from __future__ import annotations

import re
import zlib

_ENDS = rb"(?![^\x00\t\n\f\r /<>\[\](){}%])"
_ACTIVE = re.compile(rb"/(?:JavaScript|Launch|EmbeddedFiles?|RichMedia)" + _ENDS)
_SHORT = re.compile(rb"/JS" + _ENDS)
_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_MOST_UNPACKED = 64_000_000
_DICTIONARY = 600


def whole(pdf: bytes) -> bool:
    """Whether its end is there: half of a file that was cut off while it was sent has none (传完整)."""
    return b"%%EOF" in pdf[-2048:]


def acts(pdf: bytes) -> bool:
    """Whether a script, a program or another file is in it (会自己运行、夹带文件).

    Looked at is everything, also packed objects; only the three letters `/JS`, which stand in any large picture by chance, are
    asked of the objects alone, and no script runs without the long word. A page to open first (`/OpenAction` with a place) does
    no harm; one that runs something names what it runs.
    """
    plain, room, last = [], _MOST_UNPACKED, 0
    for found in _STREAM.finditer(pdf):
        if found.start() < last:
            continue
        plain.append(pdf[last : found.start()])
        end = pdf.find(b"endstream", found.end())
        last = len(pdf) if end < 0 else end
        if b"/ObjStm" in plain[-1][-_DICTIONARY:]:
            try:
                plain.append(zlib.decompressobj().decompress(pdf[found.end() : last], room))
            except zlib.error:
                continue
            room -= len(plain[-1])
            if room <= 0:
                return True
    objects = b"\n".join([*plain, pdf[last:]])
    return _ACTIVE.search(_names(pdf + objects)) is not None or _SHORT.search(_names(objects)) is not None


def _names(data: bytes) -> bytes:
    return _ESCAPED.sub(lambda one: bytes([int(one[1], 16)]), data)
