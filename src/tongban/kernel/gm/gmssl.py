"""SM2 by gmssl-pyx (备用国密库): a second, independent implementation.

Used where the system's libcrypto has no SM2, and in the tests as a cross-check. Slower (a tenth in signing) and it holds
the interpreter lock. Encrypts 1 to 255 bytes at a time, which is enough for keys.
"""

from __future__ import annotations

import gmssl_pyx

from tongban.kernel.gm import curve
from tongban.kernel.gm.errors import CannotOpen
from tongban.kernel.gm.libcrypto import SIGNER_ID


class Gmssl:
    """The SM2 backend over gmssl-pyx."""

    name = "gmssl-pyx"

    def private(self, d: bytes, point: bytes) -> GmsslKey:
        """A private key ready for signing and decrypting."""
        return GmsslKey(d, point[1:])

    def public(self, point: bytes) -> GmsslKey:
        """A public key ready for verifying and encrypting."""
        return GmsslKey(b"", point[1:])

    def point_of(self, d: bytes) -> bytes:
        """The public point of a private number, 65 bytes."""
        return curve.write_point(curve.public_point(int.from_bytes(d, "big")))


class GmsslKey:
    """One key in raw numbers, as gmssl-pyx takes it."""

    def __init__(self, d: bytes, point: bytes) -> None:
        self._d, self._point = d, point

    def sign(self, data: bytes) -> bytes:
        """The DER signature over Z_A ‖ data."""
        return bytes(gmssl_pyx.sm2_sign(self._d, self._point, data, SIGNER_ID))

    def verify(self, data: bytes, der: bytes) -> bool:
        """Whether the DER signature is this key's over Z_A ‖ data."""
        try:
            return bool(gmssl_pyx.sm2_verify(self._point, data, der, SIGNER_ID))
        except gmssl_pyx.GmsslInnerError:
            return False

    def encrypt(self, plain: bytes) -> bytes:
        """DER SM2Cipher SEQUENCE{x, y, hash, ciphertext}."""
        try:
            return bytes(gmssl_pyx.sm2_encrypt(self._point, plain))
        except gmssl_pyx.GmsslInnerError as why:
            raise CannotOpen("gm.sm2", "gmssl refuses to encrypt") from why

    def decrypt(self, der: bytes) -> bytes:
        """The plaintext of a DER SM2Cipher. Raises CannotOpen."""
        try:
            return bytes(gmssl_pyx.sm2_decrypt(self._d, der))
        except gmssl_pyx.GmsslInnerError as why:
            raise CannotOpen("gm.sm2", "gmssl refuses to decrypt") from why
