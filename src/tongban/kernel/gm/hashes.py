"""SM3 and HMAC-SM3 (杂凑与消息认证码).

The standard library does it through the system's OpenSSL; where that lacks SM3, `cryptography` does it.

>>> sm3(b"abc").hex()
'66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0'
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes as _hashes
from cryptography.hazmat.primitives import hmac as _hmac

from tongban.kernel.gm.encoding import b64

SYSTEM_HAS_SM3 = "sm3" in hashlib.algorithms_available


_EMPTY = hashlib.new("sm3") if SYSTEM_HAS_SM3 else None
"""A hash of nothing to copy from: half the time of looking the algorithm up at every call."""


def _sm3_system(data: bytes) -> bytes:
    hasher = _EMPTY.copy() if _EMPTY is not None else hashlib.new("sm3")
    hasher.update(data)
    return hasher.digest()


def _hmac_system(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sm3")


def _sm3_bundled(data: bytes) -> bytes:
    hasher = _hashes.Hash(_hashes.SM3())
    hasher.update(data)
    return hasher.finalize()


def _hmac_bundled(key: bytes, data: bytes) -> bytes:
    maker = _hmac.HMAC(key, _hashes.SM3())
    maker.update(data)
    return maker.finalize()


_sm3 = _sm3_system if SYSTEM_HAS_SM3 else _sm3_bundled
_hmac_sm3 = _hmac_system if SYSTEM_HAS_SM3 else _hmac_bundled


def sm3(data: bytes) -> bytes:
    """The SM3 hash of `data`, 32 bytes (杂凑值). Source: GB/T 32905-2016."""
    return _sm3(data)


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """The HMAC of `data` under `key` with SM3, 32 bytes (消息认证码). Source: GB/T 15852.2, RFC 2104."""
    return _hmac_sm3(key, data)


def digest(data: bytes) -> str:
    """`data` named by its content (摘要): `"sm3:" + base64url(SM3(data))`. Source: federation.md 1."""
    return "sm3:" + b64(sm3(data))


class Digesting:
    """The digest of what comes piece by piece (边收边算): `update` with each piece, `digest` names all that came so far."""

    def __init__(self) -> None:
        self._system = hashlib.new("sm3") if SYSTEM_HAS_SM3 else None
        self._bundled = None if SYSTEM_HAS_SM3 else _hashes.Hash(_hashes.SM3())

    def update(self, data: bytes) -> None:
        """One piece more."""
        (self._system or self._bundled).update(data)  # type: ignore[union-attr]

    def digest(self) -> str:
        """As `digest` of all the pieces joined."""
        if self._system is not None:
            return "sm3:" + b64(self._system.digest())
        assert self._bundled is not None
        return "sm3:" + b64(self._bundled.copy().finalize())
