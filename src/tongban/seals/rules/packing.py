"""Packing a document 打包: files into one zip, the same bytes for the same files, without clock or owner. Pure.

A document is some twelve small files, packed once when it is written and once more with each seal. The standard library's writer asks a
stream for its place several times a file; here the entries are simply put one behind the other. Source: APPNOTE 6.3.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s4B4HL2L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_DAY: Final = 1 << 5 | 1
"""1980-01-01, the first day a zip knows: month 1, day 1."""
_VERSION, _UNIX, _UTF8, _STORED, _DEFLATED = 20, 3, 0x800, 0, 8
_OWNER: Final = 0o600 << 16
_PACKED: Final = (".png", ".esl", ".dat")
"""What deflate makes no smaller."""


def zip_of(files: dict[str, bytes], level: int = 2) -> bytes:
    """The package of `files` by path, in their order; `level` as zlib's, 0 packs nothing (打包)."""
    bodies: list[bytes] = []
    listed: list[bytes] = []
    at = 0
    for path, content in files.items():
        name = path.encode()
        flags = 0 if path.isascii() else _UTF8
        way, body = _STORED, content
        if level and not path.endswith(_PACKED):
            packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
            way, body = _DEFLATED, packer.compress(content) + packer.flush()
        crc = zlib.crc32(content)
        bodies += (_LOCAL.pack(b"PK\x03\x04", _VERSION, flags, way, 0, _DAY, crc, len(body), len(content), len(name), 0), name, body)
        listed += (
            _CENTRAL.pack(
                b"PK\x01\x02", _VERSION, _UNIX, _VERSION, 0, flags, way, 0, _DAY, crc, len(body), len(content), len(name), 0, 0, 0, 0, _OWNER, at
            ),
            name,
        )  # fmt: skip
        at += _LOCAL.size + len(name) + len(body)
    index = b"".join(listed)
    end = _END.pack(b"PK\x05\x06", 0, 0, len(files), len(files), len(index), at, 0)
    return b"".join((*bodies, index, end))
