"""Time stamps 时间戳 (RFC 3161): our own clock signs when a signature value was there. Pure; time comes in.

The token is CMS SignedData over TSTInfo, signed with P-256 by a certificate for time stamping only; the imprint is SM3
for a seal on OFD and SHA-256 for one on PDF. `openssl ts -verify` is its judge. The policy number is ours (2.25, from a
UUID), since no public policy was applied for. That the imprint of a seal's stamp is over the signature value is
GB/T 38540 as known from implementations only [K].
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
from asn1crypto import cms, tsp, x509

from tongban.seals.rules import asn1, p256

Imprint = Literal["sm3", "sha256"]
SM3_OID: Final = "1.2.156.10197.1.401"
POLICY: Final = "2.25.211484063815730168541392174601282107921"
_OIDS: Final = {"sm3": SM3_OID, "sha256": "2.16.840.1.101.3.4.2.1"}
_LARGEST: Final = 64 * 1024


class BadStamp(Exception):
    """A token that is none, or not over this value, or from a clock nobody vouches for (时间戳不对)."""


_SIGNED_DATA, _TST_INFO = asn1.oid("1.2.840.113549.1.7.2"), asn1.oid("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE, _SIGNING_TIME, _MESSAGE_DIGEST, _SIGNED_BY = (
    asn1.oid(f"1.2.840.113549.1.9.{one}") for one in ("3", "5", "4", "16.2.47")
)
_SHA256 = asn1.tlv(asn1.SEQUENCE, asn1.oid(_OIDS["sha256"]))
_ECDSA_SHA256 = asn1.tlv(asn1.SEQUENCE, asn1.oid("1.2.840.10045.4.3.2"))
_POLICY = asn1.oid(POLICY)
_IMPRINTS = {name: asn1.tlv(asn1.SEQUENCE, asn1.oid(oid), b"\x05\x00") for name, oid in _OIDS.items()}


class Clock(msgspec.Struct, frozen=True):
    """Our stamping clock (时间戳服务): its key and its certificate, DER."""

    key: p256.P256Key
    certificate: bytes

    def stamp(self, imprint: Imprint, hashed: bytes, at: datetime, nonce: int | None = None) -> bytes:
        """A token, DER ContentInfo: `hashed` was there at `at`, whole seconds (盖时间戳)."""
        moment = at.astimezone(UTC)
        info = asn1.tlv(
            asn1.SEQUENCE, asn1.integer(1), _POLICY, asn1.tlv(asn1.SEQUENCE, _IMPRINTS[imprint], asn1.octets(hashed)),
            asn1.integer(secrets.randbits(127) | 1 << 126), asn1.tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode()),
            asn1.integer(nonce) if nonce is not None else b"",
        )  # fmt: skip
        attributes = _attributes(info, self.certificate, moment)
        return _token(info, self.certificate, attributes, self.key.sign(asn1.tlv(asn1.SET, attributes)))


def _attributes(info: bytes, certificate: bytes, moment: datetime) -> bytes:
    """The signed attributes, in DER's order of a set (签名属性)."""
    mark = asn1.tlv(asn1.SEQUENCE, asn1.tlv(asn1.SEQUENCE, asn1.tlv(asn1.SEQUENCE, asn1.octets(hashlib.sha256(certificate).digest()))))
    values = {
        _CONTENT_TYPE: _TST_INFO,
        _SIGNING_TIME: asn1.tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode()),
        _MESSAGE_DIGEST: asn1.octets(hashlib.sha256(info).digest()),
        _SIGNED_BY: mark,
    }
    return b"".join(sorted(asn1.tlv(asn1.SEQUENCE, kind, asn1.tlv(asn1.SET, value)) for kind, value in values.items()))


def _token(info: bytes, certificate: bytes, attributes: bytes, signature: bytes) -> bytes:
    issuer, serial = _issuer_and_serial(certificate)
    signer = asn1.tlv(
        asn1.SEQUENCE, asn1.integer(1), asn1.tlv(asn1.SEQUENCE, issuer, serial), _SHA256, asn1.tlv(asn1.FIRST, attributes), _ECDSA_SHA256, asn1.octets(signature)
    )
    content = asn1.tlv(asn1.SEQUENCE, _TST_INFO, asn1.tlv(asn1.FIRST, asn1.octets(info)))
    body = asn1.tlv(asn1.SEQUENCE, asn1.integer(3), asn1.tlv(asn1.SET, _SHA256), content, asn1.tlv(asn1.FIRST, certificate), asn1.tlv(asn1.SET, signer))
    return asn1.tlv(asn1.SEQUENCE, _SIGNED_DATA, asn1.tlv(asn1.FIRST, body))


@lru_cache(maxsize=32)
def _issuer_and_serial(certificate: bytes) -> tuple[bytes, bytes]:
    found: Any = x509.Certificate.load(certificate)
    return found.issuer.dump(), found["tbs_certificate"]["serial_number"].dump()


def stamped_at(token: bytes, imprint: Imprint, hashed: bytes, roots: tuple[bytes, ...]) -> datetime:
    """When `hashed` was stamped, by a clock below one of `roots` (验时间戳). Raises BadStamp with the reason."""
    try:
        return _read(token, imprint, hashed, roots)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as why:
        raise BadStamp("时间戳读不懂") from why


def _read(token: bytes, imprint: Imprint, hashed: bytes, roots: tuple[bytes, ...]) -> datetime:
    """Nothing is left open: the token must be, byte for byte, the one these parts make."""
    if len(token) > _LARGEST:
        raise BadStamp("时间戳太大")
    body: Any = cms.ContentInfo.load(token, strict=True)["content"]
    info = bytes(body["encap_content_info"]["content"])
    said: Any = tsp.TSTInfo.load(info, strict=True)
    certificate, signature = body["certificates"][0].chosen.dump(), body["signer_infos"][0]["signature"].native
    moment: datetime = said["gen_time"].native
    signed = body["signer_infos"][0]["signed_attrs"].contents
    if signed != _attributes(info, certificate, moment) or token != _token(info, certificate, signed, signature):
        raise BadStamp("时间戳读不懂")
    over = said["message_imprint"]
    if over["hash_algorithm"]["algorithm"].dotted != _OIDS[imprint] or over["hashed_message"].native != hashed:
        raise BadStamp("时间戳不是给这个签名盖的")
    holder = p256.holder_of(certificate, roots, moment, "stamp")
    if holder is None:
        raise BadStamp("盖时间戳的时钟不在信任的名单里")
    if not p256.verified(holder.public, asn1.tlv(asn1.SET, signed), signature):
        raise BadStamp("时间戳的签名不对")
    return moment
