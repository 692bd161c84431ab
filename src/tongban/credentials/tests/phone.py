"""A phone as the test sees it: P-256 keys of `cryptography`, codes put together by cbor2, so that nothing of the product signs."""

from __future__ import annotations

import hashlib
import secrets

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tongban.credentials.rules import base45


class Phone:
    """Some keys, and the codes they sign."""

    def __init__(self, count: int = 2) -> None:
        self.keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(count)]

    @property
    def points(self) -> tuple[bytes, ...]:
        shape = serialization.PublicFormat.CompressedPoint
        return tuple(key.public_key().public_bytes(serialization.Encoding.X962, shape) for key in self.keys)

    def code(self, entry: bytes, iat: int, key: int = 0, jti: bytes = b"") -> str:
        """`GZ1:` text of one showing, by docs/presentation.md."""
        jti = jti or secrets.token_bytes(8)
        payload = cbor2.dumps({6: iat, 7: jti, -65538: hashlib.sha256(entry).digest()})
        r, s = decode_dss_signature(self.keys[key].sign(cbor2.dumps(["Signature1", b"\xa1\x01\x26", b"", payload]), ec.ECDSA(hashes.SHA256())))
        return "GZ1:" + base45.encode(cbor2.dumps([entry, {6: iat, 7: jti}, r.to_bytes(32, "big") + s.to_bytes(32, "big")]))


def parts(text: str) -> tuple[bytes, dict[int, object], bytes]:
    """Entry, what the phone said, and its signature, out of an offline code."""
    entry, said, signature = cbor2.loads(base45.decode(text[4:]))
    return entry, said, signature


def signature_holds(text: str) -> bool:
    """The phone's signature judged by `cryptography` alone, with the key the home named (label 12)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    entry, said, signature = parts(text)
    claim = cbor2.loads(cbor2.loads(entry)[2])[-65537]
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), claim[12])
    payload = cbor2.dumps({6: said[6], 7: said[7], -65538: hashlib.sha256(entry).digest()})
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        public.verify(der, cbor2.dumps(["Signature1", b"\xa1\x01\x26", b"", payload]), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
