"""Verifying a sealed PDF (PDF 验章): each refusal with its own reason, the first step that fails is named. Never raises.

    container (harmless file) → format (a seal is there, PAdES) → signature value → signer (a node's root issued the certificate,
    valid then) → seal validity (status lists) → document (covers the file, nothing but seals added since) → time stamp

The signature is pyHanko's matter, also what was added after it; whom to trust, the seal's state and the stamp are ours.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from datetime import datetime
from typing import Any

from asn1crypto import parser, x509
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.general import SigningError
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from tongban.seals.model import Anchors, Signed, Verdict
from tongban.seals.rules import container, p256, pdf_reading, stamp
from tongban.seals.rules.standing import Failed, ended, in_force

# what it says of a stranger's certificate is our verdict's matter, and names people
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)
_BROKEN = (
    SignatureValidationError, SigningError, PdfError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError,
    NotImplementedError, RecursionError,
)  # fmt: skip


def check(pdf: bytes, anchors: Anchors) -> Verdict:
    """Whether every seal on the PDF holds and nothing but seals was added since (PDF 验章)."""
    seals: list[Signed] = []
    try:
        found = _seals_on(pdf)
        for one in found:
            seals.append(Signed(str(one.field_name)))
            try:
                seals[-1] = asyncio.run(_one(one, anchors, last=one is found[-1], seals=seals))
            except _BROKEN:
                raise Failed("format", "签名读不懂", str(one.field_name)) from None
    except Failed as failed:
        return Verdict(False, failed.step, failed.sentence, failed.file, tuple(seals))
    return Verdict(True, sentence=ended(seals), seals=tuple(seals))


def _seals_on(pdf: bytes) -> list[Any]:
    try:
        found = list(pdf_reading.read(pdf).embedded_signatures)
    except container.Refused as why:
        raise Failed("container", why.sentence, why.file) from None
    except _BROKEN:
        raise Failed("format", "签名读不懂") from None
    if not found:
        raise Failed("format", "这份文件没有盖章")
    return found


async def _one(found: Any, anchors: Anchors, *, last: bool, seals: list[Signed]) -> Signed:
    field, signer = str(found.field_name), found.signer_info
    if found.sig_object.get("/SubFilter") != "/ETSI.CAdES.detached" or found.sig_object_type != "/Sig":
        raise Failed("format", "不是印章签名", field)
    if found.pkcs7_content[parser.peek(found.pkcs7_content) :].strip(b"\0"):
        raise Failed("format", "签名后面藏了别的内容", field)
    said: datetime = found.self_reported_timestamp
    certificate = found.signer_cert.dump()
    token = _token(signer)
    known = p256.holder_of(certificate, anchors.pdf_makers, said, "seal")
    seals[-1] = Signed(field, known.es_id if known else "", known.name if known else "", said)
    # a token that does not hold is told last; until then it says nothing
    stamped, why_not = _stamped(token, signer["signature"].native, anchors)
    status = await async_validate_pdf_signature(
        found, ValidationContext([x509.Certificate.load(one) for one in anchors.pdf_makers] or [found.signer_cert], moment=said)
    )
    if not status.valid:
        raise Failed("signature", "签名值不对", field)
    if not status.intact:
        raise Failed("document", "盖章以后被改过", field)
    if known is None or p256.holder_of(certificate, anchors.roots_for(anchors.pdf_makers, known.es_id), said, "seal") is None:
        raise Failed("signer", "盖章的证书不在信任的名单里，或者那时不能用", field)
    in_force(anchors, known.es_id, said, stamped)
    whole = SignatureCoverageLevel.ENTIRE_FILE if last else SignatureCoverageLevel.ENTIRE_REVISION
    if status.coverage is None or status.coverage.value < whole.value:
        raise Failed("document", "有内容没有受印章保护", field)
    if not last and not (isinstance(status.modification_level, ModificationLevel) and status.docmdp_ok):
        raise Failed("document", "盖章以后被改过", field)
    if why_not:
        raise Failed("time", why_not, field)
    return Signed(field, known.es_id, known.name, said, True, stamped, anchors.revoked.get(known.es_id))


def _token(signer: Any) -> bytes | None:
    for one in signer["unsigned_attrs"]:
        if one["type"].native == "signature_time_stamp_token":
            token: bytes = one["values"][0].dump()
            return token
    return None


def _stamped(token: bytes | None, signature: bytes, anchors: Anchors) -> tuple[datetime | None, str]:
    if token is None:
        return None, ""
    try:
        return stamp.stamped_at(token, "sha256", hashlib.sha256(signature).digest(), anchors.pdf_makers), ""
    except stamp.BadStamp as why:
        return None, str(why)
