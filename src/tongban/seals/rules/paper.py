"""The way to PDF (PDF 的门): what draws, seals and checks PDF is read in at the first use, in the thread that uses it.

reportlab and pyHanko weigh as much as a sixth of a node; one that seals no PDF never reads them.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec

from tongban.seals.model import Anchors, Document, Placement, Verdict
from tongban.seals.rules.p256 import P256Key
from tongban.seals.rules.stamp import Clock


class Means(msgspec.Struct, frozen=True):
    """What a PDF is sealed with (用印的东西): the seal's P-256 key and certificate, its root, its picture, the clock."""

    name: str
    key: P256Key
    certificate: bytes
    root: bytes
    picture: bytes
    clock: Clock


def build_pdf(document: Document) -> bytes:
    """The PDF bytes of `document`, unsealed (制作 PDF). Raises MissingGlyph for a character without a glyph."""
    from tongban.seals.rules import pdf

    return pdf.build_pdf(document)


async def compose_pdf(document: Document) -> bytes:
    """As `build_pdf`, in a thread (制作 PDF). Raises MissingGlyph."""
    return await asyncio.to_thread(build_pdf, document)


def sign_pdf(pdf: bytes, means: Means, *, purpose: str, at: datetime, placement: Placement) -> bytes:
    """The PDF with one more seal on it (盖章). Raises NotOurs when it cannot be read safely or has no such page."""
    from tongban.seals.rules import pdf_signing

    return pdf_signing.sign_pdf(pdf, means, purpose=purpose, at=at, placement=placement)


def check_pdf(pdf: bytes, anchors: Anchors) -> Verdict:
    """Whether every seal on the PDF holds and nothing but seals was added since (PDF 验章). Never raises for what is in it."""
    from tongban.seals.rules import pdf_verify

    return pdf_verify.check(pdf, anchors)


async def verify_pdf(pdf: bytes, anchors: Anchors) -> Verdict:
    """As `check_pdf`, in a thread (PDF 验章)."""
    return await asyncio.to_thread(check_pdf, pdf, anchors)


def pages_of(pdf: bytes) -> int:
    """How many pages a harmless PDF has (页数). Raises Refused for any other."""
    from tongban.seals.rules import pdf_reading

    return int(pdf_reading.read(pdf).root["/Pages"]["/Count"])
