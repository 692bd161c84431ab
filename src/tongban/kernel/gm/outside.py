"""Keys for parties outside the national algorithms (对外密钥): P-256 and Ed25519, signing inside a device where there is one.

A token from a device signs without the key ever being in memory; from a file the key is held here. Both give the same bytes:
64 of r‖s for ES256, 64 of Ed25519. Source: identity.md 0, stack.md 11.
"""

from __future__ import annotations

from typing import Literal, Protocol

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tongban.kernel.gm.errors import BadKey

Kind = Literal["ES256", "Ed25519"]


class OutsideSigner(Protocol):
    """A P-256 or Ed25519 key that signs (对外签名者)."""

    @property
    def kind(self) -> Kind: ...
    @property
    def public(self) -> bytes:
        """DER SubjectPublicKeyInfo."""
        ...

    def sign(self, data: bytes) -> bytes:
        """64 bytes over `data`: r‖s of ECDSA with SHA-256, or Ed25519."""
        ...


class HeldOutsideKey:
    """Such a key in memory, from a file."""

    __slots__ = ("_private", "kind")

    def __init__(self, kind: Kind, private: bytes) -> None:
        """`private`: DER PKCS#8. Raises BadKey for another kind of key."""
        key = serialization.load_der_private_key(private, None)
        fits = isinstance(key, ec.EllipticCurvePrivateKey if kind == "ES256" else ed25519.Ed25519PrivateKey)
        if not fits:
            raise BadKey("gm.key_use", f"the key is not for {kind}")
        self.kind: Kind = kind
        self._private = key

    @property
    def public(self) -> bytes:
        """DER SubjectPublicKeyInfo."""
        return self._private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, data: bytes) -> bytes:
        """64 bytes over `data`."""
        if isinstance(self._private, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self._private.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        assert isinstance(self._private, ed25519.Ed25519PrivateKey)
        return self._private.sign(data)

    def __repr__(self) -> str:
        return f"HeldOutsideKey({self.kind})"


def make_private(kind: Kind) -> bytes:
    """A new private key, DER PKCS#8."""
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ES256" else ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
