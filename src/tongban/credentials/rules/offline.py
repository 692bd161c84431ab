"""Showing without network 离线出示 (decisions D-5): what a phone adds to an entry that its home signed for it. Pure.

The home signs an entry for a key of the phone (label 12, valid at most 24 hours); for each showing the phone signs
{digest of the entry, iat, jti}, valid 60 seconds, with that P-256 key. On the screen: `GZ1:` + Base45 of the CBOR array
[entry, {6: iat, 7: jti}, signature]. One entry and one key serve one showing, so that two showings have nothing in common
(T-54); docs/presentation.md has the bytes.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

ENTRY_SECONDS: Final = 24 * 3600
KEY_BYTES: Final = 33
MOST_KEYS: Final = 12
_HALF: Final = 32
_SIG_HEAD: Final = b"\x84\x6aSignature1\x43\xa1\x01\x26\x40\x58\x38"
_ES256: Final = ec.ECDSA(hashes.SHA256())


class Device(msgspec.Struct, frozen=True):
    """What the phone added (手机的签名): time, number, and its signature over the entry's bytes."""

    entry: bytes
    iat: int
    jti: bytes
    signature: bytes


def device_part(message: list[Any]) -> Device:
    """The three parts of an offline code as read from CBOR. Raises ValueError, TypeError, KeyError for another shape."""
    entry, said, signature = message
    if type(entry) is not bytes or type(signature) is not bytes or type(said) is not dict or said.keys() != {6, 7}:
        raise TypeError("not an offline code")
    iat, jti = said[6], said[7]
    if type(iat) is not int or not 0 <= iat < 1 << 32 or type(jti) is not bytes or len(jti) != 8 or len(signature) != 2 * _HALF:
        raise ValueError("iat, cti or signature")
    return Device(entry, iat, jti, signature)


def signed_bytes(entry: bytes, iat: int, jti: bytes) -> bytes:
    """What the phone signs: COSE Sig_structure (ES256) over {6: iat, 7: jti, -65538: SHA-256 of the entry}.

    The digest is not sent: whoever checks has the entry and makes it.
    """
    payload = b"\xa3\x06\x1a" + iat.to_bytes(4, "big") + b"\x07\x48" + jti + b"\x3a\x00\x01\x00\x01\x58\x20" + hashlib.sha256(entry).digest()
    return _SIG_HEAD + payload


def device_holds(device: Device, key: bytes) -> bool:
    """Whether the signature was made by the phone's key that the home named in the entry (验设备签名)."""
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
        r, s = (int.from_bytes(half, "big") for half in (device.signature[:_HALF], device.signature[_HALF:]))
        public.verify(encode_dss_signature(r, s), signed_bytes(device.entry, device.iat, device.jti), _ES256)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_keys(packed: bytes) -> tuple[bytes, ...]:
    """The keys a phone sent (设备公钥), 33 bytes each, on the curve and all different. Raises ValueError."""
    count, rest = divmod(len(packed), KEY_BYTES)
    if rest or not 0 < count <= MOST_KEYS:
        raise ValueError("a number of keys nobody sends")
    keys = tuple(packed[at : at + KEY_BYTES] for at in range(0, len(packed), KEY_BYTES))
    if len(set(keys)) != count:
        raise ValueError("one key twice")
    for key in keys:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    return keys
