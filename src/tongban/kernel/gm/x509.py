"""Certificates with SM2 and SM3 (数字证书): the hub's root, the nodes' certificates, requests, and chain checks.

`cryptography` reads such certificates but neither signs nor verifies them, so the ASN.1 is asn1crypto's and the
signatures are ours; `openssl verify -vfyopt distid:1234567812345678` agrees (tests/conformance). A node's subject is
`C=CN, O=<organisation>, CN=<node id>` and its SAN is `urn:tongban:node:<id>`. Source: GB/T 20518, federation.md 2.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal, Protocol

import msgspec
from asn1crypto import core, csr, keys, x509

from tongban.kernel.gm.encoding import raw_to_der
from tongban.kernel.gm.errors import CertificateRefused
from tongban.kernel.gm.hashes import sm3
from tongban.kernel.gm.sm2 import Sm2PublicKey

Use = Literal["sign", "encrypt", "directory", "ca"]
SM2_WITH_SM3: Final = "1.2.156.10197.1.501"
LEAF_DAYS: Final = 398
ROOT_DAYS: Final = 3650
URN: Final = "urn:tongban:node:"
_KEPT_SIZE: Final = 4096
KEY_USAGES: Final[dict[Use, frozenset[str]]] = {
    "sign": frozenset({"digital_signature", "non_repudiation"}),
    "encrypt": frozenset({"key_encipherment", "data_encipherment"}),
    "directory": frozenset({"digital_signature"}),
    "ca": frozenset({"key_cert_sign", "crl_sign"}),
}
_KNOWN_CRITICAL: Final = frozenset({"basic_constraints", "key_usage", "subject_alt_name"})

keys.NamedCurve.register("sm2p256v1", "1.2.156.10197.1.301", 32)


class SigningKey(Protocol):
    """What signs certificates and requests: an Sm2PrivateKey or a Signer of a KeyStore."""

    @property
    def public(self) -> Sm2PublicKey: ...
    def sign(self, data: bytes) -> bytes: ...


class Certificate(msgspec.Struct, frozen=True):
    """A certificate as read, not yet trusted (证书). Times are aware, UTC."""

    der: bytes
    common_name: str
    organisation: str
    node: str
    """The node id of the SAN URN, or empty."""
    public: Sm2PublicKey
    serial: int
    not_before: datetime
    not_after: datetime
    key_usage: frozenset[str]
    is_ca: bool
    path_length: int | None
    subject: bytes
    """The subject's DER Name; `issuer` the issuer's."""
    issuer: bytes
    critical: frozenset[str] = frozenset()
    """The extensions that who does not know them must refuse."""

    @property
    def fingerprint(self) -> bytes:
        """SM3 of the DER certificate, 32 bytes (证书指纹)."""
        return sm3(self.der)

    @property
    def use(self) -> Use | None:
        """What the key usages make it, or None."""
        return next((use for use, wanted in KEY_USAGES.items() if wanted == self.key_usage), None)


class Request(msgspec.Struct, frozen=True):
    """A certificate request whose own signature was checked (证书请求)."""

    common_name: str
    organisation: str
    node: str
    public: Sm2PublicKey


def make_root(key: SigningKey, *, common_name: str, organisation: str, at: datetime, days: int = ROOT_DAYS) -> bytes:
    """A self-signed root, DER (根证书): 10 years, may have issuing CAs below it."""
    name = _name(common_name, organisation)
    return _issue(key, name, name, key.public, "ca", "", at, days, key.public, None)


def make_leaf(
    issuer: Certificate,
    issuer_key: SigningKey,
    *,
    public: Sm2PublicKey,
    common_name: str,
    organisation: str,
    use: Use,
    at: datetime,
    node: str = "",
    days: int = LEAF_DAYS,
) -> bytes:
    """A certificate for `public`, DER, at most 398 days and never beyond its issuer's (终端证书).

    `use`: sign, encrypt, directory (federation.md 2), or ca for an issuing CA without CAs below. `node`: puts the SAN
    URN. Raises CertificateRefused if the issuer may not issue or the days are too many.
    """
    if not issuer.is_ca or issuer.public != issuer_key.public:
        raise CertificateRefused("x509.issuer", "the issuer is no CA or the key is not its")
    if use != "ca" and days > LEAF_DAYS:
        raise CertificateRefused("x509.days", f"more than {LEAF_DAYS} days")
    until = min(at + timedelta(days=days), issuer.not_after)
    subject, above = _name(common_name, organisation), x509.Name.load(issuer.subject)
    path_length = 0 if use == "ca" else None
    return _issue(issuer_key, subject, above, public, use, node, at, until, issuer.public, path_length)


def make_csr(key: SigningKey, *, node: str, organisation: str) -> bytes:
    """A PKCS#10 request of a node, DER, signed by the key it is for (possession). Any key may make one."""
    body = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": _name(node, organisation),
            "subject_pk_info": keys.PublicKeyInfo.load(key.public.spki),
            "attributes": [{"type": "extension_request", "values": [[_san(node)]]}],
        }
    )
    signature = raw_to_der(key.sign(body.dump()))
    request: bytes = csr.CertificationRequest(
        {
            "certification_request_info": body,
            "signature_algorithm": {"algorithm": SM2_WITH_SM3},
            "signature": core.OctetBitString(signature),
        }
    ).dump()
    return request


def read_csr(der: bytes) -> Request:
    """The request, if its own signature holds and subject and SAN name the same node. Raises CertificateRefused."""
    try:
        request: Any = csr.CertificationRequest.load(der, strict=True)
        body = request["certification_request_info"]
        public = Sm2PublicKey.from_spki(body["subject_pk_info"].dump())
        signed, signature = body.dump(), request["signature"].native
        algorithm = request["signature_algorithm"]["algorithm"].dotted
        subject = body["subject"].native
        extensions = [ext for attribute in body["attributes"] for value in attribute["values"] for ext in value]
        node = _node_of(extensions)
    except (ValueError, TypeError, KeyError, AttributeError) as why:
        raise CertificateRefused("x509.form", "not a PKCS#10 request with an SM2 key") from why
    if algorithm != SM2_WITH_SM3 or not public.verify_der(signed, signature):
        raise CertificateRefused("x509.csr_signature", "the request is not signed by its own key")
    if not node or subject.get("common_name") != node:
        raise CertificateRefused("x509.csr_subject", "subject and SAN do not name one node")
    return Request(node, str(subject.get("organization_name", "")), node, public)


def read(der: bytes) -> Certificate:
    """What a DER certificate says; nothing is verified. Raises CertificateRefused if it cannot be read.

    The few certificates a node meets all day are read once: what bytes say does not change. Large ones are not kept.
    """
    return _kept(der) if len(der) <= _KEPT_SIZE else _read(der)


def _read(der: bytes) -> Certificate:
    try:
        found: Any = x509.Certificate.load(der, strict=True)
        body = found["tbs_certificate"]
        constraints, usage = found.basic_constraints_value, found.key_usage_value
        validity = body["validity"].native
        subject = found.subject.native
        return Certificate(
            der=found.dump(),
            common_name=str(subject.get("common_name", "")),
            organisation=str(subject.get("organization_name", "")),
            node=_node_of(body["extensions"]),
            public=Sm2PublicKey.from_spki(body["subject_public_key_info"].dump()),
            serial=int(found.serial_number),
            not_before=validity["not_before"],
            not_after=validity["not_after"],
            key_usage=frozenset(usage.native) if usage is not None else frozenset(),
            is_ca=bool(constraints is not None and constraints.native["ca"]),
            path_length=constraints.native["path_len_constraint"] if constraints is not None else None,
            subject=found.subject.dump(),
            issuer=found.issuer.dump(),
            critical=frozenset(found.critical_extensions),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as why:
        raise CertificateRefused("x509.form", "not an X.509 certificate with an SM2 key") from why


_kept = lru_cache(maxsize=256)(_read)


def verify_chain(
    der: bytes,
    anchors: Iterable[bytes],
    at: datetime,
    *,
    use: Use | None = None,
    node: str | None = None,
    intermediates: Iterable[bytes] = (),
) -> Certificate:
    """The certificate, if a chain of valid signatures leads from it to one of `anchors` (证书链验证).

    Checks, of every link: algorithm, signature, validity at `at` (aware), no unknown critical extension; of every
    issuer: basicConstraints, keyCertSign, path length; of the certificate: `use` and `node` when given. `anchors` and
    `intermediates` are DER. Revocation is the directory's matter. Raises CertificateRefused with the first fault's code.
    """
    certificate = read(der)
    if node is not None and not (certificate.node == node == certificate.common_name):
        raise CertificateRefused("x509.node", "the certificate belongs to another node")
    if use is not None and certificate.use != use:
        raise CertificateRefused("x509.key_usage", f"the key is not for: {use}")
    trusted = [read(anchor) for anchor in anchors]
    _climb(certificate, trusted, [read(one) for one in intermediates], at, 0)
    return certificate


def _climb(
    certificate: Certificate, anchors: Sequence[Certificate], between: Sequence[Certificate], at: datetime, below: int
) -> None:
    """`below`: how many CA certificates stand under `certificate`'s issuer already."""
    if not certificate.not_before <= at <= certificate.not_after:
        raise CertificateRefused("x509.validity", "not valid at that time")
    _refuse_unknown_critical(certificate)
    if any(anchor.der == certificate.der for anchor in anchors):
        return
    if below > 4:
        raise CertificateRefused("x509.path_length", "the chain is too long")
    for issuer in (*anchors, *between):
        if issuer.subject == certificate.issuer and _signed_by(certificate, issuer):
            if not issuer.is_ca or "key_cert_sign" not in issuer.key_usage:
                raise CertificateRefused("x509.issuer", "signed by a certificate that may not issue")
            if issuer.path_length is not None and below > issuer.path_length:
                raise CertificateRefused("x509.path_length", "more CAs than the issuer allows")
            _climb(issuer, anchors, between, at, below + 1)
            return
    raise CertificateRefused("x509.untrusted", "no chain of signatures to a known root")


def _signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether the signature on one is by the key of the other: settled by their bytes alone, so looked at once while they are met."""
    holds = _kept_signature if len(certificate.der) <= _KEPT_SIZE else _signature_holds
    return holds(certificate.der, issuer.public)


def _signature_holds(der: bytes, public: Sm2PublicKey) -> bool:
    found: Any = x509.Certificate.load(der)
    algorithms = {
        found["signature_algorithm"]["algorithm"].dotted,
        found["tbs_certificate"]["signature"]["algorithm"].dotted,
    }
    if algorithms != {SM2_WITH_SM3}:
        raise CertificateRefused("x509.algorithm", "not SM2 with SM3")
    return public.verify_der(found["tbs_certificate"].dump(), found["signature_value"].native)


_kept_signature = lru_cache(maxsize=256)(_signature_holds)


def _refuse_unknown_critical(certificate: Certificate) -> None:
    if certificate.critical - _KNOWN_CRITICAL:
        raise CertificateRefused("x509.critical", "a critical extension is not understood")


def _name(common_name: str, organisation: str) -> Any:
    return x509.Name.build({"country_name": "CN", "organization_name": organisation, "common_name": common_name})


def _san(node: str) -> dict[str, object]:
    name = x509.GeneralName(name="uniform_resource_identifier", value=URN + node)
    return {"extn_id": "subject_alt_name", "critical": False, "extn_value": x509.GeneralNames([name])}


def _node_of(extensions: Iterable[Any]) -> str:
    for extension in extensions:
        if extension["extn_id"].native == "subject_alt_name":
            uris = [str(name.chosen.native) for name in extension["extn_value"].parsed]
            found = [uri.removeprefix(URN) for uri in uris if uri.startswith(URN)]
            return found[0] if len(found) == 1 else ""
    return ""


def _issue(
    key: SigningKey,
    subject: Any,
    issuer: Any,
    public: Sm2PublicKey,
    use: Use,
    node: str,
    at: datetime,
    until: datetime | int,
    above: Sm2PublicKey,
    path_length: int | None,
) -> bytes:
    end = at + timedelta(days=until) if isinstance(until, int) else until
    body = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": int.from_bytes(b"\x01" + secrets.token_bytes(15), "big"),
            "signature": {"algorithm": SM2_WITH_SM3},
            "issuer": issuer,
            "validity": {"not_before": _time(at), "not_after": _time(end)},
            "subject": subject,
            "subject_public_key_info": keys.PublicKeyInfo.load(public.spki),
            "extensions": _extensions(use, node, public, above, path_length),
        }
    )
    signature = raw_to_der(key.sign(body.dump()))
    made: bytes = x509.Certificate(
        {
            "tbs_certificate": body,
            "signature_algorithm": {"algorithm": SM2_WITH_SM3},
            "signature_value": core.OctetBitString(signature),
        }
    ).dump()
    return made


def _extensions(
    use: Use, node: str, public: Sm2PublicKey, above: Sm2PublicKey, path_length: int | None
) -> list[dict[str, object]]:
    is_ca = use == "ca"
    constraints = x509.BasicConstraints({"ca": is_ca, "path_len_constraint": path_length} if is_ca else {"ca": False})
    authority = x509.AuthorityKeyIdentifier({"key_identifier": above.fingerprint[:20]})
    found: list[dict[str, object]] = [
        {"extn_id": "basic_constraints", "critical": True, "extn_value": constraints},
        {"extn_id": "key_usage", "critical": True, "extn_value": x509.KeyUsage(set(KEY_USAGES[use]))},
        {"extn_id": "key_identifier", "critical": False, "extn_value": core.OctetString(public.fingerprint[:20])},
        {"extn_id": "authority_key_identifier", "critical": False, "extn_value": authority},
    ]
    return [*found, _san(node)] if node else found


def _time(moment: datetime) -> Any:
    """Certificate times are whole seconds; beyond 2049 they take the long form (RFC 5280 4.1.2.5)."""
    whole = moment.astimezone(UTC).replace(microsecond=0)
    kind = "utc_time" if whole.year < 2050 else "general_time"
    return x509.Time(name=kind, value=(x509.UTCTime if kind == "utc_time" else x509.GeneralizedTime)(whole))
