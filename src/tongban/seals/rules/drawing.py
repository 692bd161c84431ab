"""Drawing an OFD of this writer for the screen and the printer (版式文件转图): one SVG a page, seals included.

Only what this writer writes is understood; text is drawn with the reader's fonts at the glyph places of the document.
"""

from __future__ import annotations

import base64
from typing import Final
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from tongban.seals.errors import NotOurs
from tongban.seals.rules import container, ses, signing

_FAMILIES: Final = {
    "font_serif.ttf": "'Noto Serif CJK SC','Noto Serif SC',SimSun,serif",
    "font_sans.ttf": "'Noto Sans CJK SC','Noto Sans SC',sans-serif",
}


def draw_svg(package: bytes, page: int = 0) -> str:
    """Page `page` as an SVG text in millimetres, with its stamps and seals (画出一页). Raises NotOurs."""
    try:
        files = container.unpack(package)
        roots = container.wholesome(files)
        container.one_document(roots, signing.DOCUMENT)
        return _Drawing(files).page(page)
    except (container.Refused, KeyError, ValueError, IndexError) as why:
        raise NotOurs(str(why)) from why


class _Drawing:
    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files
        self._fonts = {
            one.get("ID", ""): _FAMILIES.get(one.findtext("FontFile", ""), "serif")
            for one in self._xml("Doc_0/PublicRes.xml").findall("Fonts/Font")
        }
        self._pictures = {
            one.get("ID", ""): files["Doc_0/Res/" + one.findtext("MediaFile", "")]
            for one in self._xml("Doc_0/DocumentRes.xml").findall("MultiMedias/MultiMedia")
        }

    def _xml(self, path: str) -> Element:
        return container.read_xml(self._files[path], path)

    def page(self, at: int) -> str:
        listed = self._xml("Doc_0/Document.xml").findall("Pages/Page")[at]
        root = self._xml("Doc_0/" + listed.get("BaseLoc", ""))
        box = root.findtext("Area/PhysicalBox", "0 0 210 297").split()
        layers = [self._objects(one) for one in root.findall("Content/Layer")]
        notes = f"Doc_0/Annots/Page_{at}/Annotation.xml"
        if notes in self._files:
            layers += [self._objects(one) for one in self._xml(notes).findall("Annot/Appearance")]
        for page_id, (x, y, w, h), der in signing.stamps_of(self._files):
            if page_id == listed.get("ID"):
                layers.append(_image(x, y, w, h, ses.read_seal(der).picture))
        wide, high = float(box[2]), float(box[3])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {high:g}" width="{wide:g}mm" height="{high:g}mm">'
            f'<rect width="{wide:g}" height="{high:g}" fill="#ffffff"/>{"".join(layers)}</svg>'
        )

    def _objects(self, parent: Element) -> str:
        return "".join(self._object(one) for one in parent)

    def _object(self, one: Element) -> str:
        x, y, w, h = (float(value) for value in one.get("Boundary", "0 0 0 0").split())
        if one.tag == "TextObject":
            return self._text(one, x, y)
        if one.tag == "PathObject":
            fill = one.find("FillColor")
            data = one.findtext("AbbreviatedData", "").replace("C", "Z")
            return (
                f'<path transform="translate({x:g} {y:g})" d="{escape(data)}" stroke="{_hex(one.find("StrokeColor"))}" '
                f'stroke-width="{float(one.get("LineWidth", "0.3")):g}" fill="{_hex(fill) if fill is not None else "none"}"/>'
            )
        if one.tag == "ImageObject":
            return _image(x, y, w, h, self._pictures[one.get("ResourceID", "")])
        return ""

    def _text(self, one: Element, x: float, y: float) -> str:
        code = one.find("TextCode")
        if code is None or not code.text:
            return ""
        places, at = [x], x
        for step in code.get("DeltaX", "").split():
            at += float(step)
            places.append(at)
        where = " ".join(f"{value:.3f}" for value in places)
        return (
            f'<text x="{where}" y="{y + float(code.get("Y", "0")):.3f}" font-size="{float(one.get("Size", "4")):g}" '
            f'font-family="{self._fonts.get(one.get("Font", ""), "serif")}" fill="{_hex(one.find("FillColor"))}">{escape(code.text)}</text>'
        )


def _hex(colour: Element | None) -> str:
    parts = colour.get("Value", "0 0 0").split() if colour is not None else ["0", "0", "0"]
    return "#" + "".join(f"{min(255, max(0, int(part))):02x}" for part in parts)


def _image(x: float, y: float, w: float, h: float, png: bytes) -> str:
    return f'<image x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" href="data:image/png;base64,{base64.b64encode(png).decode()}"/>'
