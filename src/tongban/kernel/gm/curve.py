"""The SM2 curve in plain numbers (推荐曲线): is this a point, and which point belongs to this key.

Only for checks at load and for the fallback; signing never runs here. Source: GB/T 32918.5-2017.
"""

from __future__ import annotations

from typing import Final

from tongban.kernel.gm.encoding import SM2_N
from tongban.kernel.gm.errors import BadKey

P: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A: Final = P - 3
B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
G: Final = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
Point = tuple[int, int]


def read_point(data: bytes) -> Point:
    """The point of 65 bytes 04‖x‖y or 64 bytes x‖y, only if it lies on the curve. Raises BadKey."""
    body = data[1:] if len(data) == 65 and data[0] == 4 else data
    if len(body) != 64:
        raise BadKey("gm.point_form", "a public key is 04‖x‖y, 65 bytes, or x‖y, 64 bytes")
    x, y = int.from_bytes(body[:32], "big"), int.from_bytes(body[32:], "big")
    if x >= P or y >= P or (y * y - (x * x * x + A * x + B)) % P:
        raise BadKey("gm.point_off_curve", "the point is not on the SM2 curve")
    return x, y


def write_point(point: Point) -> bytes:
    """A point as 65 bytes 04‖x‖y."""
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def read_scalar(data: bytes) -> int:
    """The private number of 32 bytes, within [1, n-2]. Raises BadKey."""
    d = int.from_bytes(data, "big")
    if len(data) != 32 or not 1 <= d <= SM2_N - 2:
        raise BadKey("gm.scalar", "a private key is 32 bytes within [1, n-2]")
    return d


def public_point(d: int) -> Point:
    """The point d·G (公钥)."""
    found: Point | None = None
    for bit in f"{d:b}":
        found = _add(found, found)
        if bit == "1":
            found = _add(found, G)
    if found is None:
        raise BadKey("gm.scalar", "zero has no public key")
    return found


def _add(one: Point | None, two: Point | None) -> Point | None:
    if one is None:
        return two
    if two is None:
        return one
    if one[0] == two[0]:
        if (one[1] + two[1]) % P == 0:
            return None
        slope = (3 * one[0] * one[0] + A) * pow(2 * one[1], -1, P) % P
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, P) % P
    x = (slope * slope - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P
