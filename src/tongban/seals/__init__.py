"""统一电子印章 seals: making, keeping, using and revoking seals; OFD documents written and verified (R-410, R-403).

Guide: 建设指南 统一电子印章、统一电子证照; GB/T 38540-2020 (seal v4), GB/T 33190-2016 (OFD), 一枚印章管审批.
Nouns: Document (what is drawn), Seal, Application, HandOver, UseRequest, SealUse, Anchors (whom to trust), Verdict.

    ofd = await seals.compose(document)                                  # off the event loop; a pure build_ofd inside
    seal = await seals.seal_of(tx, org_code, kind="approval")
    sealed = await seals.seal_document(tx, node, seal, ofd, "credential", about="credential:…", officer="s…")
    verdict = await seals.check_ofd(sealed, await seals.anchors(tx))     # verdict.ok, verdict.step, verdict.file
    pdf = await seals.compose_pdf(document)                              # the same document beside it
    sealed = await seals.seal_pdf(tx, node, seal, pdf, "电子证照", about="credential:…", officer="s…")
    verdict = await seals.verify_pdf(sealed, await seals.anchors(tx))
"""

from tongban.seals.actions import ensure_seal, make_seal, revoke_seal, seal_document, seal_pdf, set_up
from tongban.seals.errors import FourEyes, MissingGlyph, NoSeal, NotOurs, SealGone, SealSuspended, SecondNeeded
from tongban.seals.model import (
    Anchors,
    Box,
    Document,
    Image,
    Line,
    Mark,
    Page,
    Period,
    Placement,
    Seal,
    SealUse,
    Signed,
    Text,
    Verdict,
)
from tongban.seals.queries import anchors, seal, seal_of, seals_of, use_of, uses
from tongban.seals.rules.container import Refused as Hostile
from tongban.seals.rules.container import unpack
from tongban.seals.rules.drawing import draw_svg
from tongban.seals.rules.fonts import width_of
from tongban.seals.rules.paper import build_pdf, compose_pdf, verify_pdf
from tongban.seals.rules.verify import check_ofd, verify_ofd
from tongban.seals.rules.writer import build_ofd, compose

__all__ = [
    "Anchors",
    "Box",
    "Document",
    "FourEyes",
    "Hostile",
    "Image",
    "Line",
    "Mark",
    "MissingGlyph",
    "NoSeal",
    "NotOurs",
    "Page",
    "Period",
    "Placement",
    "Seal",
    "SealGone",
    "SealSuspended",
    "SealUse",
    "SecondNeeded",
    "Signed",
    "Text",
    "Verdict",
    "anchors",
    "build_ofd",
    "build_pdf",
    "check_ofd",
    "compose",
    "compose_pdf",
    "draw_svg",
    "ensure_seal",
    "make_seal",
    "revoke_seal",
    "seal",
    "seal_document",
    "seal_of",
    "seal_pdf",
    "seals_of",
    "set_up",
    "unpack",
    "use_of",
    "uses",
    "verify_ofd",
    "verify_pdf",
    "width_of",
]
