"""Sealing a PDF (PDF 盖章): PAdES with P-256 and our own time stamp, level B-T; the seal's picture is what the eye sees.

SM2 signatures in PDF are not checked by common readers (crypto.md 4), so the seal's second key signs here. Pure: key, clock
and time come in. Everything is added to the file, nothing in it is rewritten, so earlier seals stay whole.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from typing import Any

from asn1crypto import cms, tsp, x509
from PIL import Image as Pictures
from pyhanko.pdf_utils import layout
from pyhanko.pdf_utils.images import PdfImage
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

from tongban.kernel.clock import CHINA
from tongban.seals.errors import NotOurs
from tongban.seals.model import Placement
from tongban.seals.rules import pdf_reading
from tongban.seals.rules.container import Refused
from tongban.seals.rules.paper import Means
from tongban.seals.rules.pdf import MM
from tongban.seals.rules.stamp import Clock

_RESERVED = 8192


class _Signer(signers.Signer):
    """Gives pyHanko signatures of a key it never sees."""

    def __init__(self, means: Means) -> None:
        known = SimpleCertificateStore()
        certificate = x509.Certificate.load(means.certificate)
        known.register_multiple([certificate, x509.Certificate.load(means.root)])
        super().__init__(signing_cert=certificate, cert_registry=known, embed_roots=False)
        self._sign: Callable[[bytes], bytes] = means.key.sign

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """DER{r, s} with SHA-256; a trial run gets as many bytes without a signature."""
        if digest_algorithm.lower() != "sha256":
            raise SigningError("SHA-256 only")
        return bytes(72) if dry_run else self._sign(data)


class _OwnClock(TimeStamper):
    """Our stamping clock behind pyHanko's question (RFC 3161)."""

    def __init__(self, clock: Clock, at: datetime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._clock, self._at = clock, at

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        """A granted answer with a token over the asked imprint."""
        hashed = req["message_imprint"]["hashed_message"].native
        token = self._clock.stamp("sha256", hashed, self._at, nonce=req["nonce"].native)
        return tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(token)})


class _Sealer(signers.PdfSigner):
    """pyHanko's signer, told the time instead of asking the machine."""

    at: datetime

    def init_signing_session(self, pdf_out: Any, existing_fields_only: bool = False) -> Any:
        """The session, at our time."""
        session = super().init_signing_session(pdf_out, existing_fields_only=existing_fields_only)
        session.system_time = self.at
        return session


def sign_pdf(pdf: bytes, means: Means, *, purpose: str, at: datetime, placement: Placement) -> bytes:
    """The PDF with one more seal on it (盖章). Raises NotOurs when it cannot be read safely or has no such page."""
    try:
        reader = pdf_reading.read(pdf)
        page = reader.find_page_for_modification(placement.page)[0].get_object()
        box = [float(one) for one in page["/MediaBox"]]
        number = len(reader.embedded_signatures)
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf), prev=reader)
        left, low = box[0] + placement.x * MM, box[3] - (placement.y + placement.h) * MM
        place = (round(left), round(low), round(left + placement.w * MM), round(low + placement.h * MM))
        field = f"TongbanSeal{number + 1}"
        picture = PdfImage(Pictures.open(io.BytesIO(means.picture)).convert("RGBA"), writer=writer)
        whole = layout.SimpleBoxLayoutRule(layout.AxisAlignment.ALIGN_MID, layout.AxisAlignment.ALIGN_MID, layout.Margins.uniform(0))
        sealer = _Sealer(
            signers.PdfSignatureMetadata(
                field_name=field, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES, reason=purpose, name=means.name,
                docmdp_permissions=MDPPerm.FILL_FORMS,
            ),
            signer=_Signer(means),
            timestamper=_OwnClock(means.clock, at),
            stamp_style=StaticStampStyle(border_width=0, background=picture, background_opacity=1, background_layout=whole),
            new_field_spec=SigFieldSpec(field, on_page=placement.page, box=place),
        )  # fmt: skip
        sealer.at = at.astimezone(CHINA).replace(microsecond=0)
        out = io.BytesIO()
        sealer.sign_pdf(writer, output=out, bytes_reserved=_RESERVED)
    except (Refused, PdfError, SigningError, ValueError, KeyError, IndexError, TypeError, AttributeError) as why:
        raise NotOurs(str(why)) from why
    return out.getvalue()
