"""OFD writer 版式文件: one Document as GB/T 33190-2016: vector text with its own font subset, lines, pictures, stamps.

Pure and repeatable: the same Document gives the same bytes. Units are millimetres.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from tongban.kernel.clock import CHINA
from tongban.seals.model import Box, Document, Image, Line, Mark, Page, Text
from tongban.seals.rules import fonts
from tongban.seals.rules.packing import zip_of

NAMESPACE: Final = "http://www.ofdspec.org/2016"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


async def compose(document: Document) -> bytes:
    """As `build_ofd`, in a thread: fonts are slow the first time (制作版式文件). Raises MissingGlyph."""
    return await asyncio.to_thread(build_ofd, document)


def build_ofd(document: Document) -> bytes:
    """The OFD bytes of `document`, unsealed (制作版式文件). Raises MissingGlyph for a character without a glyph."""
    return zip_of(_Book(document).files(), level=0)  # sealing packs it again, and small


@lru_cache(maxsize=8192)
def _n(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


@lru_cache(maxsize=256)
def _rgb(colour: str) -> str:
    return " ".join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))


class _Book:
    """The ids, fonts and pictures of one document while it is written."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._last = 0
        self._font_ids = {face: self._id() for face in self._faces()}
        self._image_ids: dict[bytes, int] = {}

    def files(self) -> dict[str, bytes]:
        # first: brings every character of the document into memory at once, where each line would open the large font again
        resources = {f"Doc_0/Res/font_{face}.ttf": self._font(face) for face in self._font_ids}
        pages = {f"Doc_0/Pages/Page_{at}/Content.xml": self._page(page) for at, page in enumerate(self.document.pages)}
        page_ids = [self._id() for _ in self.document.pages]
        stamps = {at: self._stamps(page) for at, page in enumerate(self.document.pages) if page.stamps}
        resources |= {f"Doc_0/Res/image_{number}.png": png for png, number in self._image_ids.items()}
        text = {
            "OFD.xml": self._entry(),
            "Doc_0/Document.xml": self._root(page_ids, annotated=bool(stamps)),
            "Doc_0/PublicRes.xml": self._fonts_xml(),
            "Doc_0/DocumentRes.xml": self._images_xml(),
            **pages,
        }
        if stamps:
            listed = "".join(
                f'<ofd:Page PageID="{page_ids[at]}"><ofd:FileLoc>Page_{at}/Annotation.xml</ofd:FileLoc></ofd:Page>'
                for at in stamps
            )
            text["Doc_0/Annots/Annotations.xml"] = (
                f'<ofd:Annotations xmlns:ofd="{NAMESPACE}">{listed}</ofd:Annotations>'
            )
            text |= {f"Doc_0/Annots/Page_{at}/Annotation.xml": xml for at, xml in stamps.items()}
        return {path: (_HEAD + xml).encode() for path, xml in text.items()} | resources

    def _id(self) -> int:
        self._last += 1
        return self._last

    def _faces(self) -> list[fonts.Face]:
        used = {
            mark.font for page in self.document.pages for mark in (*page.marks, *page.stamps) if isinstance(mark, Text)
        }
        return sorted(used)

    def _font(self, face: fonts.Face) -> bytes:
        marks = (mark for page in self.document.pages for mark in (*page.marks, *page.stamps))
        return fonts.subset("".join(mark.text for mark in marks if isinstance(mark, Text) and mark.font == face), face)

    def _entry(self) -> str:
        doc = self.document
        day = doc.created.astimezone(CHINA).date().isoformat()
        words = "".join(
            f"<ofd:CustomData Name={quoteattr(name)}>{escape(value)}</ofd:CustomData>"
            for name, value in doc.keywords.items()
        )
        return (
            f'<ofd:OFD xmlns:ofd="{NAMESPACE}" Version="1.1" DocType="OFD"><ofd:DocBody><ofd:DocInfo>'
            f"<ofd:DocID>{escape(doc.id.replace('-', ''))}</ofd:DocID><ofd:Title>{escape(doc.title)}</ofd:Title>"
            f"<ofd:Author>{escape(doc.author)}</ofd:Author><ofd:CreationDate>{day}</ofd:CreationDate>"
            "<ofd:Creator>tongban</ofd:Creator><ofd:CreatorVersion>1</ofd:CreatorVersion>"
            + (f"<ofd:CustomDatas>{words}</ofd:CustomDatas>" if words else "")
            + "</ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>"
        )

    def _root(self, page_ids: list[int], *, annotated: bool) -> str:
        first = self.document.pages[0]
        listed = "".join(
            f'<ofd:Page ID="{number}" BaseLoc="Pages/Page_{at}/Content.xml"/>' for at, number in enumerate(page_ids)
        )
        return (
            f'<ofd:Document xmlns:ofd="{NAMESPACE}"><ofd:CommonData><ofd:MaxUnitID>{self._last}</ofd:MaxUnitID>'
            f"<ofd:PageArea><ofd:PhysicalBox>0 0 {_n(first.width)} {_n(first.height)}</ofd:PhysicalBox></ofd:PageArea>"
            "<ofd:PublicRes>PublicRes.xml</ofd:PublicRes><ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes></ofd:CommonData>"
            f"<ofd:Pages>{listed}</ofd:Pages>"
            + ("<ofd:Annotations>Annots/Annotations.xml</ofd:Annotations>" if annotated else "")
            + "</ofd:Document>"
        )

    def _fonts_xml(self) -> str:
        listed = "".join(
            f'<ofd:Font ID="{number}" FontName="{fonts.FAMILY[face]}" FamilyName="{fonts.FAMILY[face]}">'
            f"<ofd:FontFile>font_{face}.ttf</ofd:FontFile></ofd:Font>"
            for face, number in self._font_ids.items()
        )
        return f'<ofd:Res xmlns:ofd="{NAMESPACE}" BaseLoc="Res"><ofd:Fonts>{listed}</ofd:Fonts></ofd:Res>'

    def _images_xml(self) -> str:
        listed = "".join(
            f'<ofd:MultiMedia ID="{number}" Type="Image" Format="PNG"><ofd:MediaFile>image_{number}.png</ofd:MediaFile></ofd:MultiMedia>'
            for number in self._image_ids.values()
        )
        media = f"<ofd:MultiMedias>{listed}</ofd:MultiMedias>" if listed else ""
        return f'<ofd:Res xmlns:ofd="{NAMESPACE}" BaseLoc="Res">{media}</ofd:Res>'

    def _page(self, page: Page) -> str:
        return (
            f'<ofd:Page xmlns:ofd="{NAMESPACE}"><ofd:Area><ofd:PhysicalBox>0 0 {_n(page.width)} {_n(page.height)}</ofd:PhysicalBox></ofd:Area>'
            f'<ofd:Content><ofd:Layer ID="{self._id()}" Type="Body">{self._marks(page.marks)}</ofd:Layer></ofd:Content></ofd:Page>'
        )

    def _stamps(self, page: Page) -> str:
        day = self.document.created.astimezone(CHINA).date().isoformat()
        return (
            f'<ofd:PageAnnot xmlns:ofd="{NAMESPACE}"><ofd:Annot ID="{self._id()}" Type="Stamp" '
            f'Creator={quoteattr(self.document.author)} LastModDate="{day}">'
            f'<ofd:Appearance Boundary="0 0 {_n(page.width)} {_n(page.height)}">{self._marks(page.stamps)}</ofd:Appearance>'
            "</ofd:Annot></ofd:PageAnnot>"
        )

    def _marks(self, marks: Iterable[Mark]) -> str:
        return "".join(self._mark(mark) for mark in marks)

    def _mark(self, mark: Mark) -> str:
        match mark:
            case Text():
                return self._text(mark)
            case Line():
                return self._line(mark)
            case Box():
                return self._box(mark)
            case Image():
                number = self._image_ids.get(mark.png) or self._image_ids.setdefault(mark.png, self._id())
                return (
                    f'<ofd:ImageObject ID="{self._id()}" Boundary="{_n(mark.x)} {_n(mark.y)} {_n(mark.w)} {_n(mark.h)}" '
                    f'CTM="{_n(mark.w)} 0 0 {_n(mark.h)} 0 0" ResourceID="{number}"/>'
                )

    def _text(self, mark: Text) -> str:
        if not mark.text:
            return ""
        steps = [one * mark.size / fonts.EM + mark.spread for one in fonts.advances(mark.text, mark.font)]
        width = sum(steps) - mark.spread
        left = mark.x - {"left": 0.0, "center": width / 2, "right": width}[mark.align]
        rise = mark.size * fonts.ASCENT / fonts.EM
        delta = f' DeltaX="{" ".join(_n(one) for one in steps[:-1])}"' if len(steps) > 1 else ""
        return (
            f'<ofd:TextObject ID="{self._id()}" Boundary="{_n(left)} {_n(mark.y - rise)} {_n(width)} {_n(mark.size * 1.2)}" '
            f'Font="{self._font_ids[mark.font]}" Size="{_n(mark.size)}"><ofd:FillColor Value="{_rgb(mark.color)}"/>'
            f'<ofd:TextCode X="0" Y="{_n(rise)}"{delta}>{escape(mark.text)}</ofd:TextCode></ofd:TextObject>'
        )

    def _line(self, mark: Line) -> str:
        left, top = min(mark.x1, mark.x2), min(mark.y1, mark.y2)
        wide, high = abs(mark.x2 - mark.x1) + mark.width, abs(mark.y2 - mark.y1) + mark.width
        half = mark.width / 2
        path = f"M {_n(mark.x1 - left + half)} {_n(mark.y1 - top + half)} L {_n(mark.x2 - left + half)} {_n(mark.y2 - top + half)}"
        return (
            f'<ofd:PathObject ID="{self._id()}" Boundary="{_n(left - half)} {_n(top - half)} {_n(wide)} {_n(high)}" '
            f'LineWidth="{_n(mark.width)}"><ofd:StrokeColor Value="{_rgb(mark.color)}"/>'
            f"<ofd:AbbreviatedData>{path}</ofd:AbbreviatedData></ofd:PathObject>"
        )

    def _box(self, mark: Box) -> str:
        half = mark.width / 2
        right, low = _n(mark.w + half), _n(mark.h + half)
        fill = f'<ofd:FillColor Value="{_rgb(mark.fill)}"/>' if mark.fill else ""
        return (
            f'<ofd:PathObject ID="{self._id()}" Boundary="{_n(mark.x - half)} {_n(mark.y - half)} {_n(mark.w + mark.width)} '
            f'{_n(mark.h + mark.width)}" LineWidth="{_n(mark.width)}"{" Fill=" + chr(34) + "true" + chr(34) if mark.fill else ""}>'
            f'<ofd:StrokeColor Value="{_rgb(mark.color)}"/>{fill}<ofd:AbbreviatedData>M {_n(half)} {_n(half)} L {right} {_n(half)} '
            f"L {right} {low} L {_n(half)} {low} C</ofd:AbbreviatedData></ofd:PathObject>"
        )
