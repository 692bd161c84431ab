"""P-256 keys and certificates for what SM2 does not reach (PDF 签名与时间戳的密钥和证书): a root a node, a certificate a seal,
one for the clock that stamps. Pure.

Common readers of PDF and `openssl ts` know P-256 and not SM2 (stack.md 11), so a seal has a second key for them. A
seal's certificate carries its esID as serialNumber of the subject: the status list of seals counts for both keys.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tongban.kernel.gm import digest

Use = Literal["seal", "stamp"]
ROOT_DAYS: Final = 3650
NAME_BYTES: Final = 64
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class P256Key:
    """A P-256 key pair made from 32 bytes of the key store; it signs with SHA-256, DER (密钥)."""

    __slots__ = ("_private",)

    def __init__(self, secret: bytes) -> None:
        wide = HKDF(hashes.SHA256(), 48, None, b"tongban seals P-256").derive(secret)
        self._private = ec.derive_private_key(int.from_bytes(wide) % (_ORDER - 1) + 1, ec.SECP256R1())

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """The public half."""
        return self._private.public_key()

    def sign(self, data: bytes) -> bytes:
        """DER{r, s} over SHA-256 of `data`."""
        return self._private.sign(data, ec.ECDSA(hashes.SHA256()))

    def issue(self, builder: x509.CertificateBuilder) -> bytes:
        """The certificate `builder` describes, signed, DER."""
        return builder.sign(self._private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def __repr__(self) -> str:
        return "P256Key()"


class Holder(msgspec.Struct, frozen=True):
    """What a certificate of a known root says (证书说的): whose seal, which key."""

    name: str
    es_id: str
    public: ec.EllipticCurvePublicKey


def _name(common_name: str, organisation: str, es_id: str = "") -> x509.Name:
    """Names of Chinese units soon pass the 64 bytes that readers allow a common name: it is cut between characters then, and the unit part says it whole."""
    cut = common_name.encode()[:NAME_BYTES].decode(errors="ignore")
    parts = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:64]),
        x509.NameAttribute(NameOID.COMMON_NAME, cut),
    ]
    if cut != common_name:
        parts.insert(2, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, common_name[:64]))
    return x509.Name([*parts, x509.NameAttribute(NameOID.SERIAL_NUMBER, es_id)] if es_id else parts)


def _usage(*, signs: bool, issues: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs, content_commitment=signs, key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=issues, crl_sign=issues, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def make_root(key: P256Key, *, common_name: str, organisation: str, at: datetime) -> bytes:
    """A self-signed root, DER, ten years (根证书); only certificates without further ones below."""
    name, begins = _name(common_name, organisation), at.astimezone(UTC).replace(microsecond=0)
    return key.issue(
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=ROOT_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=False, issues=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public), critical=False)
    )


def make_leaf(
    root: bytes,
    root_key: P256Key,
    *,
    public: ec.EllipticCurvePublicKey,
    common_name: str,
    organisation: str,
    use: Use,
    begins: datetime,
    ends: datetime,
    es_id: str = "",
) -> bytes:
    """A certificate below `root`, DER, never beyond it (终端证书): `seal` for PDF, `stamp` for the clock and nothing else."""
    above = x509.load_der_x509_certificate(root)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name, organisation, es_id))
        .issuer_name(above.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(begins.astimezone(UTC).replace(microsecond=0), above.not_valid_before_utc))
        .not_valid_after(min(ends.astimezone(UTC).replace(microsecond=0), above.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=True, issues=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public), critical=False)
    )
    if use == "stamp":
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return root_key.issue(builder)


def not_after(der: bytes) -> datetime:
    """The end of a certificate (有效期止)."""
    return x509.load_der_x509_certificate(der).not_valid_after_utc


def fingerprint(der: bytes) -> str:
    """SM3 of a certificate (证书指纹), as text."""
    return digest(der)


def holder_of(der: bytes, roots: tuple[bytes, ...], at: datetime, use: Use) -> Holder | None:
    """Who holds a certificate that one of `roots` issued for `use` and that is valid at `at`; None for any other (证书验证)."""
    try:
        leaf = x509.load_der_x509_certificate(der)
        public, usage = leaf.public_key(), leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        extended = [one for one in leaf.extensions if isinstance(one.value, x509.ExtendedKeyUsage)]
        stamps = bool(extended) and extended[0].critical and list(extended[0].value) == [ExtendedKeyUsageOID.TIME_STAMPING]
        right = stamps if use == "stamp" else not extended
        if not right or not usage.digital_signature or usage.key_cert_sign or not isinstance(public, ec.EllipticCurvePublicKey):
            return None
        if not leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc or not isinstance(public.curve, ec.SECP256R1):
            return None
        if not any(_issued(leaf, root, at) for root in roots):
            return None
        name = _one(leaf.subject, NameOID.ORGANIZATIONAL_UNIT_NAME) or _one(leaf.subject, NameOID.COMMON_NAME)
        return Holder(name, _one(leaf.subject, NameOID.SERIAL_NUMBER), public)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, TypeError):
        return None


def _issued(leaf: x509.Certificate, root: bytes, at: datetime) -> bool:
    above = x509.load_der_x509_certificate(root)
    if not above.not_valid_before_utc <= at <= above.not_valid_after_utc:
        return False
    try:
        leaf.verify_directly_issued_by(above)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _one(name: x509.Name, kind: x509.ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(kind)
    return str(found[0].value) if len(found) == 1 else ""


def verified(public: ec.EllipticCurvePublicKey, data: bytes, signature: bytes) -> bool:
    """Whether DER{r, s} over SHA-256 of `data` holds (验签)."""
    try:
        public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
