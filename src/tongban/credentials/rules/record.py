"""The canonical record of a credential and the status list (证照数据): what the issuer signs. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from tongban.credentials.model import STATE_CODE, State, StatusList
from tongban.kernel.gm import b64, jcs

PLACES: Final = 65_536
LIST_BYTES: Final = PLACES // 2
LIST_HOURS: Final = 24
"""Beyond this age a list proves nothing (decisions D-14)."""


def record(
    *,
    identifier: str,
    type_code: str,
    type_version: int,
    issuer: str,
    org_code: str,
    org_name: str,
    holder_kind: str,
    holder_name: str,
    number: str,
    data: Mapping[str, str],
    issued_ms: int,
    valid_from: date,
    valid_until: date | None,
    list_no: int,
    list_index: int,
    ofd_digest: str,
    previous: str,
) -> bytes:
    """The canonical JSON of a credential (证照数据), which the issuing node signs with SM2."""
    return jcs(
        {
            "v": 1,
            "identifier": identifier,
            "type": type_code,
            "type_version": type_version,
            "issuer": issuer,
            "organisation": {"code": org_code, "name": org_name},
            "holder": {"kind": holder_kind, "name": holder_name},
            "number": number,
            "data": dict(data),
            "issued_at": issued_ms,
            "valid_from": valid_from.isoformat(),
            "valid_until": valid_until.isoformat() if valid_until else None,
            "status": {"list": list_no, "index": list_index},
            "ofd": ofd_digest,
            "previous": previous,
        }
    )


def list_record(issuer: str, list_no: int, at: datetime, packed: bytes) -> dict[str, Any]:
    """What is signed of a status list (状态清单), and sent: four bits a place, zlib, base64url."""
    return {"v": 1, "issuer": issuer, "list": list_no, "at": milliseconds(at), "bits": b64(packed)}


def with_state(packed: bytes, index: int, state: State) -> bytes:
    """The packed list with one place changed (改一位)."""
    bits = bytearray(unpack(packed))
    if len(bits) < LIST_BYTES:
        bits += bytes(LIST_BYTES - len(bits))
    nibble = 0 if state == "valid" else STATE_CODE[state]
    at, high = index >> 1, index & 1
    bits[at] = (bits[at] & 0x0F) | nibble << 4 if high else (bits[at] & 0xF0) | nibble
    return zlib.compress(bytes(bits), 9)


def unpack(packed: bytes) -> bytes:
    """The four-bit places of a packed list. Raises ValueError for anything too large or broken."""
    try:
        opened = zlib.decompressobj()
        bits = opened.decompress(packed, LIST_BYTES + 1)
        if len(bits) > LIST_BYTES or not opened.eof or opened.unused_data:
            raise ValueError("not a status list")
    except zlib.error as why:
        raise ValueError("not a status list") from why
    return bits


def status_list(issuer: str, list_no: int, at: datetime, packed: bytes) -> StatusList:
    """A status list ready to be asked. Raises ValueError."""
    return StatusList(issuer, list_no, at, unpack(packed))


def exceptions(packed: bytes) -> int:
    """How many places are not valid (清单里的例外)."""
    return sum((one & 15 != 0) + (one >> 4 != 0) for one in unpack(packed) if one)


def period(day: date) -> str:
    """The quarter a list belongs to (清单期次).

    >>> period(date(2026, 11, 22))
    '2026Q4'
    """
    return f"{day.year}Q{(day.month + 2) // 3}"


def milliseconds(at: datetime) -> int:
    """Unix milliseconds."""
    return round(at.timestamp() * 1000)
