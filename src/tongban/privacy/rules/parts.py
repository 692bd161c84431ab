"""How a part travels and rests 一处的内容怎样装: records one after the other, so that neither end holds more than one file at once.

A record is the length of its head (4 bytes), the length of its body (8 bytes), the head (a key in UTF-8) and the body. The
first is `part`, the `Gathered`; every other is a file under its key.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator

from tongban.privacy.errors import CopyBroken

FIRST = "part"
_SIZES = struct.Struct(">IQ")
_LONGEST_KEY = 200


def record(key: str, body: bytes) -> bytes:
    """One record (一条)."""
    name = key.encode()
    return _SIZES.pack(len(name), len(body)) + name + body


async def records(pieces: AsyncIterator[bytes], *, largest: int) -> AsyncIterator[tuple[str, bytes]]:
    """The records in the bytes that `pieces` gives (拆开), one in memory at a time. Raises CopyBroken for what is none."""
    held = bytearray()
    async for piece in pieces:
        held += piece
        while (size := _size(held, largest)) is not None and len(held) >= size:
            keys, _ = _SIZES.unpack_from(held)
            start = _SIZES.size + keys
            yield held[_SIZES.size : start].decode("utf-8", "replace"), bytes(held[start:size])
            del held[:size]
    if held:
        raise CopyBroken


def _size(held: bytearray, largest: int) -> int | None:
    if len(held) < _SIZES.size:
        return None
    keys, body = _SIZES.unpack_from(held)
    if keys > _LONGEST_KEY or body > largest:
        raise CopyBroken
    return int(_SIZES.size + keys + body)
