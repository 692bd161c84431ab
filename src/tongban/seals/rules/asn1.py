"""DER 编码: the few values our seals and stamps are written in, put together by hand. Pure.

A seal of a document is written far more often than it is read, and a general ASN.1 library spends most of its time on finding out
what we know beforehand. Reading stays with that library, which refuses what is not DER. Source: ITU-T X.690.

>>> tlv(SEQUENCE, integer(4), octets(b"x")).hex()
'3006020104040178'
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from asn1crypto import core

SEQUENCE: Final = 0x30
SET: Final = 0x31
FIRST: Final = 0xA0
"""The constructed context tag 0: what is explicit or optional."""


def tlv(tag: int, *parts: bytes) -> bytes:
    """One DER value: tag, length, contents."""
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes((tag, size)) + body
    wide = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(wide))) + wide + body


@lru_cache(maxsize=64)
def oid(dotted: str) -> bytes:
    """An object identifier."""
    made: bytes = core.ObjectIdentifier(dotted).dump()
    return made


def integer(value: int) -> bytes:
    """A number that is not negative."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def octets(value: bytes) -> bytes:
    """An octet string."""
    return tlv(0x04, value)


def bits(value: bytes) -> bytes:
    """A bit string of whole octets."""
    return tlv(0x03, b"\x00", value)
