"""SM4-GCM for messages and fields (分组密码).

System OpenSSL 3.0 has no SM4-GCM, `cryptography` has (its own OpenSSL). Source: GB/T 32907-2016, RFC 8998.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

from tongban.kernel.gm.errors import BadKey, CannotOpen

KEY_BYTES: Final = 16
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
NOT_WRITTEN: Final = (InvalidTag, ValueError)
"""What the library raises for a tag that does not fit: the second when its thread still holds an error of something else."""


def sm4_gcm_encrypt(key: bytes, nonce: bytes, plain: bytes, aad: bytes) -> tuple[bytes, bytes]:
    """(ciphertext, 16-byte tag). Key 16 bytes, nonce 12 bytes, never used twice under one key. Raises BadKey."""
    _check(key, nonce)
    work = Cipher(SM4(key), GCM(nonce)).encryptor()
    work.authenticate_additional_data(aad)
    body = work.update(plain) + work.finalize()
    return body, work.tag


def sm4_gcm_decrypt(key: bytes, nonce: bytes, body: bytes, tag: bytes, aad: bytes) -> bytes:
    """The plaintext, if ciphertext, tag and associated data are the ones written. Raises BadKey, CannotOpen."""
    _check(key, nonce)
    if len(tag) != TAG_BYTES:
        raise CannotOpen("gm.sm4_tag", "the tag is not 16 bytes")
    work = Cipher(SM4(key), GCM(nonce, tag)).decryptor()
    work.authenticate_additional_data(aad)
    try:
        return work.update(body) + work.finalize()
    except NOT_WRITTEN as why:
        raise CannotOpen("gm.sm4_tag", "the ciphertext was changed or belongs elsewhere") from why


class Sm4GcmOpening:
    """Opens what comes piece by piece (边收边解). What `update` gives is believed only when `close` has not raised. Raises BadKey."""

    def __init__(self, key: bytes, nonce: bytes, aad: bytes) -> None:
        _check(key, nonce)
        self._work = Cipher(SM4(key), GCM(nonce)).decryptor()
        self._work.authenticate_additional_data(aad)

    def update(self, body: bytes) -> bytes:
        """The plaintext of the next piece of ciphertext."""
        return self._work.update(body)

    def close(self, tag: bytes) -> None:
        """Raises CannotOpen unless all pieces, key and associated data are the ones written."""
        if len(tag) != TAG_BYTES:
            raise CannotOpen("gm.sm4_tag", "the tag is not 16 bytes")
        try:
            self._work.finalize_with_tag(tag)
        except NOT_WRITTEN as why:
            raise CannotOpen("gm.sm4_tag", "the ciphertext was changed or belongs elsewhere") from why


def _check(key: bytes, nonce: bytes) -> None:
    if len(key) != KEY_BYTES or len(nonce) != NONCE_BYTES:
        raise BadKey("gm.sm4_size", "SM4-GCM takes a 16-byte key and a 12-byte nonce")
