"""PDF writer 版式 PDF: the same Document as the OFD, drawn with the same font subset (R-403). Pure and repeatable.

Units of a Document are millimetres from the upper left corner; PDF counts points from the lower left one. Fonts are
embedded whole as made by `fonts.subset`: characters of the document and no others.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterable
from typing import Final

from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from tongban.seals.model import Box, Document, Image, Line, Mark, Page, Text
from tongban.seals.rules import fonts

MM: Final = 72 / 25.4
# reportlab keeps fonts for the whole process, by name and by face, and gives a known face its first font, whatever is in
# it: one document at a time puts its own in and takes them out again
_lock = threading.Lock()
rl_config.useA85 = 0  # bytes as they are: a quarter shorter than as text


def build_pdf(document: Document) -> bytes:
    """The PDF bytes of `document`, unsealed (制作 PDF). Raises MissingGlyph for a character without a glyph."""
    wanted: dict[fonts.Face, str] = {}
    for page in document.pages:
        for mark in (*page.marks, *page.stamps):
            if isinstance(mark, Text):
                wanted[mark.font] = wanted.get(mark.font, "") + mark.text
    made = {face: fonts.subset(text or " ", face) for face, text in sorted(wanted.items())}
    with _lock:
        names = {face: _put_in(face, font) for face, font in made.items()}
        try:
            return _drawn(document, names)
        finally:
            for name in names.values():
                pdfmetrics.getFont(name).unregister()


def _put_in(face: fonts.Face, font: bytes) -> str:
    name = f"{face}-{hashlib.sha256(font).hexdigest()[:16]}"
    pdfmetrics.registerFont(TTFont(name, io.BytesIO(font)))
    return name


def _drawn(document: Document, names: dict[fonts.Face, str]) -> bytes:
    out = io.BytesIO()
    first = document.pages[0]
    canvas = Canvas(out, pagesize=(first.width * MM, first.height * MM), invariant=1, pageCompression=1, lang="zh-CN")
    canvas.setTitle(document.title)
    canvas.setAuthor(document.author)
    canvas.setCreator("tongban")
    canvas.setKeywords("；".join(f"{name} {value}" for name, value in document.keywords.items()))
    for page in document.pages:
        canvas.setPageSize((page.width * MM, page.height * MM))
        _marks(canvas, page, page.marks, names)
        _marks(canvas, page, page.stamps, names)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _marks(canvas: Canvas, page: Page, marks: Iterable[Mark], names: dict[fonts.Face, str]) -> None:
    for mark in marks:
        match mark:
            case Text():
                _text(canvas, page, mark, names)
            case Line():
                canvas.setStrokeColor(HexColor(mark.color))
                canvas.setLineWidth(mark.width * MM)
                canvas.line(mark.x1 * MM, (page.height - mark.y1) * MM, mark.x2 * MM, (page.height - mark.y2) * MM)
            case Box():
                canvas.setStrokeColor(HexColor(mark.color))
                canvas.setLineWidth(mark.width * MM)
                if mark.fill:
                    canvas.setFillColor(HexColor(mark.fill))
                low = (page.height - mark.y - mark.h) * MM
                canvas.rect(mark.x * MM, low, mark.w * MM, mark.h * MM, stroke=1, fill=int(bool(mark.fill)))
            case Image():
                low = (page.height - mark.y - mark.h) * MM
                canvas.drawImage(ImageReader(io.BytesIO(mark.png)), mark.x * MM, low, mark.w * MM, mark.h * MM, mask="auto")


def _text(canvas: Canvas, page: Page, mark: Text, names: dict[fonts.Face, str]) -> None:
    if not mark.text:
        return
    width = fonts.width_of(mark.text, mark.size, mark.font) + mark.spread * (len(mark.text) - 1)
    left = mark.x - {"left": 0.0, "center": width / 2, "right": width}[mark.align]
    line = canvas.beginText(left * MM, (page.height - mark.y) * MM)
    line.setFont(names[mark.font], mark.size * MM)
    line.setFillColor(HexColor(mark.color))
    if mark.spread:
        line.setCharSpace(mark.spread * MM)
    line.textOut(mark.text)
    canvas.drawText(line)
