"""Electronic seals in ASN.1 (电子印章数据格式), version 4 of GB/T 38540-2020: made, read strictly, nothing verified here.

The shapes are those of crypto.md 4. The maker signs DER(eSealInfo), the signer signs DER(toSign); both signatures are
DER{r, s} with signer id 1234567812345678. Reading accepts DER only: what would be written differently is refused.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import msgspec
from asn1crypto import core

from tongban.kernel.gm import Signer, Sm2PublicKey, raw_to_der, sm3
from tongban.seals.rules import asn1
from tongban.seals.rules.container import Refused
from tongban.seals.rules.stamp import Clock

SM2_WITH_SM3: Final = "1.2.156.10197.1.501"
VERSION: Final = 4
_LARGEST: Final = 1024 * 1024
_GENERALIZED_TIME, _IA5 = 0x18, 0x16


class _Header(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [("ID", core.IA5String), ("version", core.Integer), ("Vid", core.IA5String)]


class _Certificates(core.SequenceOf):  # type: ignore[misc]
    _child_spec = core.OctetString


class _CertificateDigest(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [("type", core.PrintableString), ("value", core.OctetString)]


class _CertificateDigests(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _CertificateDigest


class _Property(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [
        ("type", core.Integer),
        ("name", core.UTF8String),
        ("certListType", core.Integer),
        ("certList", core.Any),
        ("createDate", core.GeneralizedTime),
        ("validStart", core.GeneralizedTime),
        ("validEnd", core.GeneralizedTime),
    ]


class _Picture(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [
        ("type", core.IA5String),
        ("data", core.OctetString),
        ("width", core.Integer),
        ("height", core.Integer),
    ]


class _ExtData(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [
        ("extnID", core.ObjectIdentifier),
        ("critical", core.Boolean, {"default": False}),
        ("extnValue", core.OctetString),
    ]


class _ExtDatas(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _ExtData


class _SealInfo(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [
        ("header", _Header),
        ("esID", core.IA5String),
        ("property", _Property),
        ("picture", _Picture),
        ("extDatas", _ExtDatas, {"optional": True}),
    ]


class _Seal(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [
        ("eSealInfo", _SealInfo),
        ("cert", core.OctetString),
        ("signAlgID", core.ObjectIdentifier),
        ("signedValue", core.OctetBitString),
    ]


class _ToSign(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [
        ("version", core.Integer),
        ("eseal", _Seal),
        ("timeInfo", core.GeneralizedTime),
        ("dataHash", core.OctetBitString),
        ("propertyInfo", core.IA5String),
        ("extDatas", _ExtDatas, {"optional": True, "explicit": 0}),
    ]


class _Signature(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar = [
        ("toSign", _ToSign),
        ("cert", core.OctetString),
        ("signatureAlgID", core.ObjectIdentifier),
        ("signature", core.OctetBitString),
        ("timeStamp", core.OctetBitString, {"optional": True, "explicit": 0}),
    ]


class SealFacts(msgspec.Struct, frozen=True):
    """What an SESeal says (印章数据); nothing in it is verified yet. `signed` are the bytes its maker signed."""

    der: bytes
    es_id: str
    name: str
    certificates: tuple[bytes, ...]
    certificate_digests: tuple[bytes, ...]
    made_at: datetime
    valid_from: datetime
    valid_until: datetime
    picture_type: str
    picture: bytes
    maker: bytes
    signed: bytes
    signature: bytes
    algorithm: str

    def lists(self, certificate: bytes) -> bool:
        """Whether a signer's certificate stands in certList, by bytes or by SM3 (签章人在列)."""
        return certificate in self.certificates or sm3(certificate) in self.certificate_digests


class SignatureFacts(msgspec.Struct, frozen=True):
    """What an SES_Signature says (签章数据); nothing in it is verified yet. `signed` are the bytes its signer signed."""

    seal: SealFacts
    signed_at: datetime
    data_hash: bytes
    path: str
    certificate: bytes
    signed: bytes
    signature: bytes
    algorithm: str
    stamp: bytes | None = None


def make(
    *,
    es_id: str,
    name: str,
    seal_type: int,
    certificate: bytes,
    at: datetime,
    valid_from: datetime,
    valid_until: datetime,
    picture: bytes,
    size_mm: int,
    maker: bytes,
    maker_key: Signer,
) -> bytes:
    """An SESeal v4, DER (制章): `certificate` is the only one that may sign with it, `maker` the maker's, both DER."""
    body = _SealInfo(
        {
            "header": {"ID": "ES", "version": VERSION, "Vid": "tongban"},
            "esID": es_id,
            "property": {
                "type": seal_type,
                "name": name,
                "certListType": 1,
                "certList": core.Any(_Certificates([certificate])),
                "createDate": _whole(at),
                "validStart": _whole(valid_from),
                "validEnd": _whole(valid_until),
            },
            "picture": {"type": "PNG", "data": picture, "width": size_mm, "height": size_mm},
        }
    )
    signature = raw_to_der(maker_key.sign(body.dump()))
    made: bytes = _Seal({"eSealInfo": body, "cert": maker, "signAlgID": SM2_WITH_SM3, "signedValue": signature}).dump()
    return made


def sign(
    seal: bytes, *, certificate: bytes, key: Signer, at: datetime, data_hash: bytes, path: str, clock: Clock | None = None
) -> bytes:
    """An SES_Signature v4, DER (签章), over the hash of Signature.xml that lies at `path` in the package.

    `clock` adds a time stamp over SM3 of the signature value.
    """
    moment = at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode()
    body = asn1.tlv(
        asn1.SEQUENCE, asn1.integer(VERSION), seal, asn1.tlv(_GENERALIZED_TIME, moment), asn1.bits(data_hash), asn1.tlv(_IA5, path.encode("ascii"))
    )
    signature = raw_to_der(key.sign(body))
    stamped = b"" if clock is None else asn1.tlv(asn1.FIRST, asn1.bits(clock.stamp("sm3", sm3(signature), at)))
    return asn1.tlv(asn1.SEQUENCE, body, asn1.octets(certificate), asn1.oid(SM2_WITH_SM3), asn1.bits(signature), stamped)


def read_seal(der: bytes, path: str = "") -> SealFacts:
    """What an SESeal says. Raises Refused for anything but DER of version 4."""
    try:
        return _seal_facts(_strict(_Seal, der))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, IndexError, RecursionError) as why:
        raise Refused("印章数据读不懂", path) from why


def read_signature(der: bytes, path: str = "") -> SignatureFacts:
    """What an SES_Signature says. Raises Refused for anything but DER of version 4."""
    try:
        found = _strict(_Signature, der)
        body = found["toSign"]
        if body["version"].native != VERSION:
            raise Refused("签章版本不认识", path)
        return SignatureFacts(
            seal=_seal_facts(body["eseal"]),
            signed_at=_aware(body["timeInfo"].native),
            data_hash=body["dataHash"].native,
            path=body["propertyInfo"].native,
            certificate=found["cert"].native,
            signed=body.dump(),
            signature=found["signature"].native,
            algorithm=found["signatureAlgID"].dotted,
            stamp=found["timeStamp"].native,
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, IndexError, RecursionError) as why:
        raise Refused("签章数据读不懂", path) from why


def verified(public: Sm2PublicKey, signed: bytes, signature: bytes, algorithm: str) -> bool:
    """Whether a DER signature holds and its algorithm is SM2 with SM3 (验签)."""
    return algorithm == SM2_WITH_SM3 and public.verify_der(signed, signature)


def _strict(kind: type[Any], der: bytes) -> Any:
    if len(der) > _LARGEST:
        raise ValueError("too large")
    found = kind.load(der, strict=True)
    _ = found.native  # parse everything now, so that a fault shows here
    if kind.load(der, strict=True).dump(force=True) != der:
        raise ValueError("not DER")
    return found


def _seal_facts(found: Any) -> SealFacts:
    body = found["eSealInfo"]
    about = body["property"]
    header = body["header"]
    if header["ID"].native != "ES" or header["version"].native != VERSION:
        raise ValueError("not a seal of version 4")
    whole, digests = (), ()
    listed = about["certList"].dump()
    if about["certListType"].native == 1:
        whole = tuple(_Certificates.load(listed, strict=True).native)
    elif about["certListType"].native == 2:
        digests = tuple(one["value"].native for one in _CertificateDigests.load(listed, strict=True))
    else:
        raise ValueError("a certificate list of unknown kind")
    return SealFacts(
        der=found.dump(),
        es_id=body["esID"].native,
        name=about["name"].native,
        certificates=whole,
        certificate_digests=digests,
        made_at=_aware(about["createDate"].native),
        valid_from=_aware(about["validStart"].native),
        valid_until=_aware(about["validEnd"].native),
        picture_type=body["picture"]["type"].native,
        picture=body["picture"]["data"].native,
        maker=found["cert"].native,
        signed=body.dump(),
        signature=found["signedValue"].native,
        algorithm=found["signAlgID"].dotted,
    )


def _whole(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
