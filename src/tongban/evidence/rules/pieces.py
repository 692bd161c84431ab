"""A file sealed piece by piece 分段加密: each piece opens by itself, in its place, of its file, and the last one says that it is the last. Pure.

Layout: pieces of PIECE bytes, the last one shorter or as long, each followed by its tag of 16 bytes; SM4-GCM under a key that
seals this one file. The nonce is 11 bytes number of the piece ‖ 1 byte, 1 for the last. So a piece that was changed, came from
another place or another file, or is missing at the end, opens nothing; what opened is genuine before the rest was read.
The same promises as the frames of a stream between nodes (federation/rules/frames.py), with a key instead of a signature.

Files of before stand whole under one key and nonce (28 bytes); the length of the secret tells them apart.
"""

from __future__ import annotations

import secrets
from typing import Final

from tongban.evidence.errors import ContentDamaged
from tongban.kernel.gm import CannotOpen, sm4_gcm_decrypt, sm4_gcm_encrypt

PIECE: Final = 1024 * 1024
TAG: Final = 16
_AAD: Final = b"tongban evidence pieces 1"
_KEY: Final = 16


def fresh() -> bytes:
    """A key for one file."""
    return secrets.token_bytes(_KEY)


def in_pieces(secret: bytes) -> bool:
    """Whether a file with this secret lies in pieces (分段存的), or whole as those of before."""
    return len(secret) == _KEY


def sealed(secret: bytes, number: int, plain: bytes, *, last: bool) -> bytes:
    """One piece as it is stored (封一段)."""
    body, tag = sm4_gcm_encrypt(secret, _nonce(number, last=last), plain, _AAD)
    return body + tag


def opened(secret: bytes, number: int, stored: bytes, *, last: bool) -> bytes:
    """The content of the piece in that place (开一段). Raises ContentDamaged."""
    try:
        return sm4_gcm_decrypt(secret, _nonce(number, last=last), stored[:-TAG], stored[-TAG:], _AAD)
    except CannotOpen as broken:
        raise ContentDamaged from broken


def measured(stored: int) -> tuple[int, int]:
    """(how many pieces, how many bytes of content) of a file of so many bytes (量一量). Raises ContentDamaged when no file has that size."""
    count = -(-stored // (PIECE + TAG))
    if count < 1 or stored - (count - 1) * (PIECE + TAG) < TAG:
        raise ContentDamaged
    return count, stored - count * TAG


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
