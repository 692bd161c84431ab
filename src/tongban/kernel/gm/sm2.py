"""SM2 keys (公钥算法): signing, verifying, encrypting short secrets.

One form for all: a signature is 64 bytes r‖s with signer id 1234567812345678, a ciphertext is DER SM2Cipher
(C1C3C2, GM/T 0009). Source: GB/T 32918, federation.md 1.

>>> key = Sm2PrivateKey.generate()
>>> key.public.verify(b"a letter", key.sign(b"a letter"))
True
>>> key.public.verify(b"another", key.sign(b"a letter"))
False
"""

from __future__ import annotations

import secrets
from functools import cache
from typing import Protocol

from tongban.kernel.gm import curve
from tongban.kernel.gm.encoding import SM2_N, der_to_raw, raw_to_der
from tongban.kernel.gm.errors import BadEncoding, BadKey, CannotOpen
from tongban.kernel.gm.gmssl import Gmssl
from tongban.kernel.gm.hashes import sm3
from tongban.kernel.gm.libcrypto import SIGNER_ID, SPKI_PREFIX, Libcrypto


class BackendKey(Protocol):
    """A key as a backend holds it; signatures are DER here and only here."""

    def sign(self, data: bytes) -> bytes: ...
    def verify(self, data: bytes, der: bytes) -> bool: ...
    def encrypt(self, plain: bytes) -> bytes: ...
    def decrypt(self, der: bytes) -> bytes: ...


class Backend(Protocol):
    """One implementation of SM2 (国密后端)."""

    @property
    def name(self) -> str: ...
    def private(self, d: bytes, point: bytes) -> BackendKey: ...
    def public(self, point: bytes) -> BackendKey: ...
    def point_of(self, d: bytes) -> bytes: ...


@cache
def backend() -> Backend:
    """The implementation this process uses: libcrypto if it can sign, or else gmssl-pyx."""
    try:
        found = Libcrypto()
        d = (1).to_bytes(32, "big")
        point = found.point_of(d)
        key = found.private(d, point)
        if point == curve.write_point(curve.G) and key.verify(b"probe", key.sign(b"probe")):
            return found
    except (OSError, BadKey, CannotOpen):
        pass  # no SM2 in this libcrypto: a build without it, or none at all
    return Gmssl()


class Sm2PublicKey:
    """A public key, on the curve for certain (公钥)."""

    __slots__ = ("_key", "point")

    def __init__(self, point: bytes, *, using: Backend | None = None) -> None:
        """`point`: 65 bytes 04‖x‖y or 64 bytes x‖y. Raises BadKey, also for a point off the curve."""
        self.point: bytes = curve.write_point(curve.read_point(point))
        self._key = (using or backend()).public(self.point)

    @classmethod
    def from_spki(cls, der: bytes, *, using: Backend | None = None) -> Sm2PublicKey:
        """The key of a DER SubjectPublicKeyInfo. Raises BadKey."""
        if len(der) != len(SPKI_PREFIX) + 65 or not der.startswith(SPKI_PREFIX):
            raise BadKey("gm.spki", "not the SubjectPublicKeyInfo of an SM2 key")
        return cls(der[len(SPKI_PREFIX) :], using=using)

    @property
    def spki(self) -> bytes:
        """The DER SubjectPublicKeyInfo, 91 bytes."""
        return SPKI_PREFIX + self.point

    @property
    def fingerprint(self) -> bytes:
        """SM3 of the SubjectPublicKeyInfo, 32 bytes (公钥指纹)."""
        return sm3(self.spki)

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature`, 64 bytes r‖s, is this key's over `data`. Malformed ones are simply false."""
        try:
            der = raw_to_der(signature)
        except BadEncoding:
            return False
        return self._key.verify(data, der)

    def message_digest(self, data: bytes) -> bytes:
        """The e of a signature over `data`: SM3(Z ‖ data) with the fixed signer id, for a device that signs digests. GB/T 32918.2."""
        numbers = b"".join(one.to_bytes(32, "big") for one in (curve.A, curve.B, *curve.G))
        z = sm3((len(SIGNER_ID) * 8).to_bytes(2, "big") + SIGNER_ID + numbers + self.point[1:])
        return sm3(z + data)

    def verify_der(self, data: bytes, der: bytes) -> bool:
        """As `verify`, for the DER signatures of X.509 and electronic seals; strict DER only."""
        try:
            return self.verify(data, der_to_raw(der))
        except BadEncoding:
            return False

    def encrypt(self, plain: bytes) -> bytes:
        """`plain`, 1 to 255 bytes, for the holder of the private key: DER SM2Cipher. Raises BadEncoding."""
        if not 1 <= len(plain) <= 255:
            raise BadEncoding("gm.sm2_size", "SM2 encrypts 1 to 255 bytes; wrap a key, not a message")
        return self._key.encrypt(plain)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sm2PublicKey) and other.point == self.point

    def __hash__(self) -> int:
        return hash(self.point)

    def __repr__(self) -> str:
        return f"Sm2PublicKey({self.fingerprint.hex()[:16]}…)"


class Sm2PrivateKey:
    """A private key in memory (私钥). Its repr says nothing."""

    __slots__ = ("_d", "_key", "public")

    def __init__(self, d: bytes, *, using: Backend | None = None) -> None:
        """`d`: 32 bytes, big-endian, within [1, n-2]. Raises BadKey."""
        curve.read_scalar(d)
        library = using or backend()
        self._d = d
        self.public = Sm2PublicKey(library.point_of(d), using=using)
        self._key = library.private(d, self.public.point)

    @classmethod
    def generate(cls, *, using: Backend | None = None) -> Sm2PrivateKey:
        """A new key from the system's randomness."""
        return cls((secrets.randbelow(SM2_N - 2) + 1).to_bytes(32, "big"), using=using)

    @classmethod
    def from_bytes(cls, d: bytes) -> Sm2PrivateKey:
        """The key whose `to_bytes` was `d`. Raises BadKey."""
        return cls(d)

    def to_bytes(self) -> bytes:
        """The private number, 32 bytes: for a KeyStore and nobody else."""
        return self._d

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`: 64 bytes r‖s."""
        return der_to_raw(self._key.sign(data))

    def decrypt(self, der: bytes) -> bytes:
        """The plaintext of a DER SM2Cipher made for this key. Raises CannotOpen."""
        return self._key.decrypt(der)

    def __repr__(self) -> str:
        return "Sm2PrivateKey(‹secret›)"
