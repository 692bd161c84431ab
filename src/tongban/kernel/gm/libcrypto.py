"""SM2 by the system's libcrypto (系统密码库), through ctypes.

Security updates come from the operating system, the interpreter lock is released while it works, and it is as fast as
`openssl speed`. The signer id is always set: OpenSSL's default is the empty one, which other GM software refuses.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_size_t, c_void_p, create_string_buffer
from typing import TYPE_CHECKING, Any, Final, Self

from tongban.kernel.gm.errors import BadKey, CannotOpen

SIGNER_ID: Final = b"1234567812345678"
SPKI_PREFIX: Final = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
_PKCS8_WHOLE: Final = bytes.fromhex("308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b0201010420")
_PKCS8_BARE: Final = bytes.fromhex("3041020100301306072a8648ce3d020106082a811ccf5501822d042730250201010420")

# name: (result, arguments), as the manual pages give them
_SIGNATURES: Final[dict[str, tuple[type | None, list[object]]]] = {
    "d2i_AutoPrivateKey": (c_void_p, [c_void_p, POINTER(c_char_p), c_long]),
    "d2i_PUBKEY": (c_void_p, [c_void_p, POINTER(c_char_p), c_long]),
    "i2d_PUBKEY": (c_int, [c_void_p, POINTER(c_char_p)]),
    "EVP_PKEY_free": (None, [c_void_p]),
    "EVP_PKEY_CTX_new": (c_void_p, [c_void_p, c_void_p]),
    "EVP_PKEY_CTX_free": (None, [c_void_p]),
    "EVP_PKEY_CTX_set1_id": (c_int, [c_void_p, c_char_p, c_size_t]),
    "EVP_MD_CTX_new": (c_void_p, []),
    "EVP_MD_CTX_free": (None, [c_void_p]),
    "EVP_MD_CTX_set_pkey_ctx": (None, [c_void_p, c_void_p]),
    "EVP_sm3": (c_void_p, []),
    "EVP_DigestSignInit": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p]),
    "EVP_DigestVerifyInit": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p]),
    "EVP_DigestSign": (c_int, [c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t]),
    "EVP_DigestVerify": (c_int, [c_void_p, c_char_p, c_size_t, c_char_p, c_size_t]),
    "EVP_PKEY_encrypt_init": (c_int, [c_void_p]),
    "EVP_PKEY_encrypt": (c_int, [c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t]),
    "EVP_PKEY_decrypt_init": (c_int, [c_void_p]),
    "EVP_PKEY_decrypt": (c_int, [c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t]),
    "ERR_clear_error": (None, []),
}
_LONG: Final = frozenset({"EVP_DigestSign", "EVP_DigestVerify", "EVP_PKEY_encrypt", "EVP_PKEY_decrypt"})
"""What takes long lets the interpreter go. The rest is over sooner than another thread could take a turn, and taking it
back would cost a busy program more than the call."""


class _Library:
    """The functions of `_SIGNATURES`, each called the way that suits it (函数表)."""

    def __init__(self) -> None:
        long, short = _open(ctypes.CDLL), _open(ctypes.PyDLL)
        for name, (result, arguments) in _SIGNATURES.items():
            found = getattr(long if name in _LONG else short, name, None)
            if found is None:
                raise OSError(f"libcrypto lacks {name}")
            found.restype, found.argtypes = result, arguments
            setattr(self, name, found)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class Libcrypto:
    """The SM2 backend over libcrypto (国密后端). Raises OSError where the library or a function is missing."""

    name = "libcrypto"

    def __init__(self) -> None:
        self._c = _Library()

    def private(self, d: bytes, point: bytes) -> LibcryptoKey:
        """A private key ready for signing and decrypting."""
        return LibcryptoKey(
            self._c, self._load("d2i_AutoPrivateKey", _PKCS8_WHOLE + d + b"\xa1\x44\x03\x42\x00" + point)
        )

    def public(self, point: bytes) -> LibcryptoKey:
        """A public key ready for verifying and encrypting."""
        return LibcryptoKey(self._c, self._load("d2i_PUBKEY", SPKI_PREFIX + point))

    def point_of(self, d: bytes) -> bytes:
        """The public point of a private number, 65 bytes, in the library's constant-time code."""
        key = LibcryptoKey(self._c, self._load("d2i_AutoPrivateKey", _PKCS8_BARE + d))
        return key.spki()[len(SPKI_PREFIX) :]

    def _load(self, function: str, der: bytes) -> int:
        pointer = c_char_p(der)
        handle = getattr(self._c, function)(None, byref(pointer), len(der))
        if not handle:
            self._c.ERR_clear_error()
            raise BadKey("gm.key", "libcrypto does not take this key")
        return int(handle)


class LibcryptoKey:
    """One key held by libcrypto; every operation uses a context of its own, so threads may share it."""

    def __init__(self, c: _Library, handle: int) -> None:
        self._c, self._handle = c, handle

    def __del__(self) -> None:
        self._c.EVP_PKEY_free(self._handle)

    def sign(self, data: bytes) -> bytes:
        """The DER signature over Z_A ‖ data."""
        with _SigningContext(self._c, self._handle) as context:
            self._must(self._c.EVP_DigestSignInit(context.md, None, self._c.EVP_sm3(), None, self._handle), "sign")
            size = c_size_t(128)
            out = create_string_buffer(128)
            self._must(self._c.EVP_DigestSign(context.md, out, byref(size), data, len(data)), "sign")
            return out.raw[: size.value]

    def verify(self, data: bytes, der: bytes) -> bool:
        """Whether the DER signature is this key's over Z_A ‖ data."""
        with _SigningContext(self._c, self._handle) as context:
            self._must(self._c.EVP_DigestVerifyInit(context.md, None, self._c.EVP_sm3(), None, self._handle), "verify")
            good: int = self._c.EVP_DigestVerify(context.md, der, len(der), data, len(data))
            self._c.ERR_clear_error()
            return good == 1

    def encrypt(self, plain: bytes) -> bytes:
        """DER SM2Cipher SEQUENCE{x, y, hash, ciphertext}."""
        return self._transform("EVP_PKEY_encrypt", plain)

    def decrypt(self, der: bytes) -> bytes:
        """The plaintext of a DER SM2Cipher. Raises CannotOpen."""
        return self._transform("EVP_PKEY_decrypt", der)

    def spki(self) -> bytes:
        """The DER SubjectPublicKeyInfo."""
        size = self._c.i2d_PUBKEY(self._handle, None)
        out = create_string_buffer(size)
        self._c.i2d_PUBKEY(self._handle, byref(ctypes.cast(out, c_char_p)))
        return out.raw

    def _transform(self, function: str, data: bytes) -> bytes:
        context = self._c.EVP_PKEY_CTX_new(self._handle, None)
        try:
            self._must(getattr(self._c, function + "_init")(context), function)
            work, size = getattr(self._c, function), c_size_t(0)
            self._must(work(context, None, byref(size), data, len(data)), function)
            out = create_string_buffer(max(size.value, 1))
            self._must(work(context, out, byref(size), data, len(data)), function)
            return out.raw[: size.value]
        finally:
            self._c.EVP_PKEY_CTX_free(context)

    def _must(self, result: int, what: str) -> None:
        if result != 1:
            self._c.ERR_clear_error()
            raise CannotOpen("gm.sm2", f"libcrypto refuses to {what}")


class _SigningContext:
    """The pair of contexts that a signature with a signer id needs; freed digest first, then key."""

    def __init__(self, c: _Library, handle: int) -> None:
        self._c = c
        self._pkey = c.EVP_PKEY_CTX_new(handle, None)
        self.md = c.EVP_MD_CTX_new()

    def __enter__(self) -> Self:
        if self._c.EVP_PKEY_CTX_set1_id(self._pkey, SIGNER_ID, len(SIGNER_ID)) != 1:
            self._c.ERR_clear_error()
            self.__exit__()
            raise BadKey("gm.signer_id", "libcrypto does not take the signer id for this key")
        self._c.EVP_MD_CTX_set_pkey_ctx(self.md, self._pkey)
        return self

    def __exit__(self, *_: object) -> None:
        self._c.EVP_MD_CTX_free(self.md)
        self._c.EVP_PKEY_CTX_free(self._pkey)


def _open(kind: type[ctypes.CDLL]) -> ctypes.CDLL:
    found = ctypes.util.find_library("crypto")  # needs ldconfig or a compiler; a bare system has neither
    for candidate in (found, "libcrypto.so.3", "libcrypto.so", "libcrypto.3.dylib"):
        if candidate:
            try:
                return kind(candidate)
            except OSError:
                continue
    raise OSError("no libcrypto on this system")
