"""Certificate revocation lists with SM2 (证书撤销列表), for software that does not read the directory. RFC 5280, GB/T 20518.

The `openssl` CLI reads them but does not apply the SM2 signer id to a list's signature (crypto.md 3), so they are checked here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from asn1crypto import core, crl
from asn1crypto import x509 as asn1_x509

from tongban.kernel.gm.encoding import raw_to_der
from tongban.kernel.gm.errors import CertificateRefused
from tongban.kernel.gm.x509 import SM2_WITH_SM3, Certificate, SigningKey

Reason = Literal["key_compromise", "superseded", "cessation_of_operation", "unspecified"]
REASONS: Final[dict[str, Reason]] = {
    "compromise": "key_compromise", "lost": "key_compromise", "superseded": "superseded", "gone": "cessation_of_operation",
}  # fmt: skip


class RevokedCertificate(msgspec.Struct, frozen=True):
    """One certificate that counts no more, from `at` on."""

    serial: int
    at: datetime
    reason: Reason


class RevocationList(msgspec.Struct, frozen=True):
    """A list as read; its signature holds when `read` gave it."""

    number: int
    this_update: datetime
    next_update: datetime
    revoked: dict[int, RevokedCertificate]


def make(
    issuer: Certificate, key: SigningKey, revoked: Iterable[RevokedCertificate], *, number: int, at: datetime, until: datetime
) -> bytes:
    """A list signed by the issuer of the certificates, DER. Raises CertificateRefused if it may not sign lists."""
    if "crl_sign" not in issuer.key_usage or issuer.public != key.public:
        raise CertificateRefused("crl.issuer", "the issuer may not sign lists or the key is not its")
    entries = [
        {
            "user_certificate": one.serial,
            "revocation_date": _time(one.at),
            "crl_entry_extensions": [{"extn_id": "crl_reason", "critical": False, "extn_value": crl.CRLReason(one.reason)}],
        }
        for one in revoked
    ]
    body = crl.TbsCertList(
        {
            "version": "v2",
            "signature": {"algorithm": SM2_WITH_SM3},
            "issuer": asn1_x509.Name.load(issuer.subject),
            "this_update": _time(at),
            "next_update": _time(until),
            **({"revoked_certificates": entries} if entries else {}),
            "crl_extensions": [
                {
                    "extn_id": "authority_key_identifier", "critical": False,
                    "extn_value": asn1_x509.AuthorityKeyIdentifier({"key_identifier": issuer.public.fingerprint[:20]}),
                },
                {"extn_id": "crl_number", "critical": False, "extn_value": core.Integer(number)},
            ],
        }
    )  # fmt: skip
    made: bytes = crl.CertificateList(
        {
            "tbs_cert_list": body,
            "signature_algorithm": {"algorithm": SM2_WITH_SM3},
            "signature": core.OctetBitString(raw_to_der(key.sign(body.dump()))),
        }
    ).dump()
    return made


def read(der: bytes, issuer: Certificate) -> RevocationList:
    """What the list says, if `issuer` signed it. Raises CertificateRefused."""
    try:
        found: Any = crl.CertificateList.load(der, strict=True)
        body = found["tbs_cert_list"]
        algorithms = {found["signature_algorithm"]["algorithm"].dotted, body["signature"]["algorithm"].dotted}
        signed, signature = body.dump(), found["signature"].native
        entries = [_entry(one) for one in body["revoked_certificates"]] if body["revoked_certificates"].native else []
        number = next(int(one["extn_value"].parsed.native) for one in body["crl_extensions"] if one["extn_id"].native == "crl_number")
        made = RevocationList(number, body["this_update"].native, body["next_update"].native, {one.serial: one for one in entries})
        subject = body["issuer"].dump()
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration) as why:
        raise CertificateRefused("crl.form", "not a certificate revocation list") from why
    if algorithms != {SM2_WITH_SM3} or subject != issuer.subject or not issuer.public.verify_der(signed, signature):
        raise CertificateRefused("crl.signature", "not signed by that issuer")
    return made


def _entry(entry: Any) -> RevokedCertificate:
    reason = entry.crl_reason_value
    return RevokedCertificate(
        int(entry["user_certificate"].native), entry["revocation_date"].native, reason.native if reason is not None else "unspecified"
    )


def _time(moment: datetime) -> Any:
    whole = moment.astimezone(UTC).replace(microsecond=0)
    kind = "utc_time" if whole.year < 2050 else "general_time"
    return asn1_x509.Time(name=kind, value=(asn1_x509.UTCTime if kind == "utc_time" else asn1_x509.GeneralizedTime)(whole))
