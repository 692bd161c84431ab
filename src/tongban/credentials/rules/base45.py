"""Base45 (RFC 9285), fast and strict: the letters a QR code holds most densely.

>>> encode(b"Hello!!")
'%69 VD92EX0'
>>> decode("%69 VD92EX0")
b'Hello!!'
"""

from __future__ import annotations

import struct
from typing import Final

ALPHABET: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
# every other byte becomes 255, which makes each group overflow and be refused
_VALUE: Final = bytes(ALPHABET.find(one) if ALPHABET.find(one) >= 0 else 255 for one in range(256))


def encode(data: bytes) -> str:
    """`data` as Base45 text."""
    out = bytearray()
    for at in range(0, len(data) - 1, 2):
        high, low = divmod(data[at] * 256 + data[at + 1], 2025)
        middle, small = divmod(low, 45)
        out += bytes((ALPHABET[small], ALPHABET[middle], ALPHABET[high]))
    if len(data) % 2:
        high, low = divmod(data[-1], 45)
        out += bytes((ALPHABET[low], ALPHABET[high]))
    return out.decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of Base45 text. Raises ValueError for anything `encode` would not write."""
    signs = text.encode("ascii").translate(_VALUE)
    count, rest = divmod(len(signs), 3)
    if rest == 1 or 255 in signs:
        raise ValueError("not Base45")
    end = count * 3
    numbers = [a + 45 * b + 2025 * c for a, b, c in zip(signs[0:end:3], signs[1:end:3], signs[2:end:3], strict=True)]
    try:
        data = struct.pack(f">{count}H", *numbers)
        return data + bytes((signs[-2] + 45 * signs[-1],)) if rest else data
    except (struct.error, ValueError) as why:
        raise ValueError("not Base45") from why
