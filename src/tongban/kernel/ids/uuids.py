"""Ids of rows and letters (内部编号): random ones that sort by time, and ones that a cause determines."""

from __future__ import annotations

import uuid

import uuid_utils

from tongban.kernel.gm.hashes import sm3


def uuid7() -> str:
    """A new UUIDv7, lower case (RFC 9562): sorts by the time it was made."""
    return str(uuid_utils.uuid7())


def uuid8(*parts: str) -> str:
    """The UUIDv8 that the concatenated parts determine: SM3 of their UTF-8, cut to 16 bytes (派生编号).

    Doing the same thing again makes the same id, so it happens once. Source: federation.md 5.1.

    >>> uuid8("case.state", "500000", "019aa5c4-02b7-7e55-8a41-6c1de0b7f902")[14]
    '8'
    """
    data = bytearray(sm3("".join(parts).encode("utf-8"))[:16])
    data[6] = data[6] & 0x0F | 0x80
    data[8] = data[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(data)))


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in the one form used here: lower case, hyphens."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
