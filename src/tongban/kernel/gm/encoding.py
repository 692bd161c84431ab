"""The one written form of bytes and of SM2 signatures (编码).

Inside JSON bytes are base64url without padding; an SM2 signature is 64 bytes r‖s everywhere but in X.509 and
electronic seals, which keep DER. Both readers are strict: exactly one text is accepted for each value.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from tongban.kernel.gm.errors import BadEncoding

SM2_N: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
"""The order of the SM2 group (阶 n). Source: GB/T 32918.5-2017."""

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")


def b64(data: bytes) -> str:
    """`data` as base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64(text: str, *, length: int | None = None) -> bytes:
    """The bytes of `text`, only if it is exactly what `b64` would write. Raises BadEncoding.

    `length`: when given, any other number of bytes is refused.
    """
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise BadEncoding("gm.base64", "not base64url without padding")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as why:
        raise BadEncoding("gm.base64", "not base64url without padding") from why
    if b64(data) != text:  # spare bits set: two texts for one value
        raise BadEncoding("gm.base64", "not the canonical base64url text")
    if length is not None and len(data) != length:
        raise BadEncoding("gm.base64", f"{len(data)} bytes where {length} are wanted")
    return data


def raw_to_der(raw: bytes) -> bytes:
    """A signature r‖s of 64 bytes as DER SEQUENCE{r, s}. Raises BadEncoding unless 1 <= r, s <= n-1."""
    if len(raw) != 64:
        raise BadEncoding("gm.signature_length", f"{len(raw)} bytes where 64 are wanted")
    numbers = [int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")]
    _in_range(numbers)
    body = b"".join(_der_integer(number) for number in numbers)
    return b"\x30" + bytes([len(body)]) + body


def der_to_raw(der: bytes) -> bytes:
    """A DER signature as r‖s, each left-padded to 32 bytes; strict DER only. Raises BadEncoding."""
    if len(der) < 8 or len(der) > 72 or der[0] != 0x30 or der[1] != len(der) - 2:
        raise BadEncoding("gm.signature_der", "not a DER SEQUENCE of two integers")
    r, rest = _read_integer(der[2:])
    s, rest = _read_integer(rest)
    if rest:
        raise BadEncoding("gm.signature_der", "bytes after the signature")
    _in_range([r, s])
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if raw_to_der(raw) != der:
        raise BadEncoding("gm.signature_der", "not minimal DER")
    return raw


def _in_range(numbers: list[int]) -> None:
    if not all(1 <= number < SM2_N for number in numbers):
        raise BadEncoding("gm.signature_range", "r or s outside [1, n-1]")


def _der_integer(number: int) -> bytes:
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(content)]) + content


def _read_integer(der: bytes) -> tuple[int, bytes]:
    if len(der) < 3 or der[0] != 0x02 or not 1 <= der[1] <= 33 or len(der) < 2 + der[1]:
        raise BadEncoding("gm.signature_der", "not a DER SEQUENCE of two integers")
    end = 2 + der[1]
    return int.from_bytes(der[2:end], "big", signed=True), der[end:]
