"""统一电子印章 seals: making, keeping, using and revoking seals; OFD documents written and verified (R-410, R-403).

Guide: 建设指南 统一电子印章、统一电子证照; GB/T 38540-2020 (seal v4), GB/T 33190-2016 (OFD), 一枚印章管审批.
Nouns: Document (what is drawn), Seal, SealUse, Anchors (whom to trust), Verdict (which step failed).

    ofd = await seals.compose(document)                                  # off the event loop; a pure build_ofd inside
    seal = await seals.seal_of(tx, org_code, kind="approval")
    sealed = await seals.seal_document(tx, node, seal, ofd, "credential", about="credential:…", officer="s…")
    verdict = seals.verify_ofd(sealed, await seals.anchors(tx))          # verdict.ok, verdict.step, verdict.file
"""

from tongban.seals.actions import ensure_seal, make_seal, revoke_seal, seal_document, set_up
from tongban.seals.errors import MissingGlyph, NoSeal, NotOurs, SealGone
from tongban.seals.model import (
    Anchors,
    Box,
    Document,
    Image,
    Line,
    Mark,
    Page,
    Placement,
    Seal,
    SealUse,
    Signed,
    Text,
    Verdict,
)
from tongban.seals.queries import anchors, seal, seal_of, seals_of, uses
from tongban.seals.rules.drawing import draw_svg
from tongban.seals.rules.fonts import width_of
from tongban.seals.rules.verify import verify_ofd
from tongban.seals.rules.writer import build_ofd, compose

__all__ = [
    "Anchors",
    "Box",
    "Document",
    "Image",
    "Line",
    "Mark",
    "MissingGlyph",
    "NoSeal",
    "NotOurs",
    "Page",
    "Placement",
    "Seal",
    "SealGone",
    "SealUse",
    "Signed",
    "Text",
    "Verdict",
    "anchors",
    "build_ofd",
    "compose",
    "draw_svg",
    "ensure_seal",
    "make_seal",
    "revoke_seal",
    "seal",
    "seal_document",
    "seal_of",
    "seals_of",
    "set_up",
    "uses",
    "verify_ofd",
    "width_of",
]
