"""How a credential looks on paper (证照版面): one layout for all types, from the template alone. Pure."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date, datetime

import msgspec
import segno

from tongban import seals
from tongban.credentials.model import CredentialType
from tongban.credentials.model.types import Paper
from tongban.kernel.clock import CHINA

_MARGIN = 22.0
_INK = "#16202e"
_MARK_SIZE = 4.6
_HANGING = "，。；：、）》”！？"  # never at the head of a line


class _Sheet(msgspec.Struct, frozen=True):
    """Where things stand on a sheet (版面尺寸), mm from the top or, below zero, from the bottom."""

    title: float
    title_size: float
    number: float
    rows: float
    rows_end: float
    qr: float
    organisation: float
    day: float
    stamp: float
    seal: float
    sizes: tuple[float, ...] = (5.0, 4.4, 3.8, 3.2, 2.8)


_SHEETS = {
    "a4": _Sheet(42, 12, 52, 68, -78, 32, -34, -27, -64, 40),
    "a4_wide": _Sheet(42, 15, 52, 68, -78, 32, -34, -27, -64, 40),
    "a5_wide": _Sheet(25, 8, 32, 42, -54, 26, -28, -22, -46, 34, (4.2, 3.8, 3.4, 3.0, 2.6, 2.3)),
}


def document(
    kind: CredentialType,
    values: Mapping[str, str],
    *,
    id: str,  # noqa: A002  # the credential's id
    identifier: str,
    number: str,
    org_name: str,
    issued: datetime,
    valid_from: date,
    valid_until: date | None,
    demo: bool,
    watermark: str = "",
) -> seals.Document:
    """The document of one credential, to be sealed at `seal_place` (版式文件); `watermark` stands across a copy."""
    sheet, (wide, high) = _SHEETS[kind.paper.size], kind.paper.millimetres
    colour = kind.paper.colour
    marks: list[seals.Mark] = [
        seals.Box(8, 8, wide - 16, high - 16, width=1.2, color=colour, fill=kind.paper.ground),
        seals.Box(11, 11, wide - 22, high - 22, width=0.4, color=colour),
        seals.Text(wide / 2, sheet.title, kind.title, sheet.title_size, align="center"),
        seals.Text(wide / 2, sheet.number, f"编号 {number}", 4.2, font="sans", align="center"),
    ]
    shown = [
        (field.name, _words(field.kind, values[field.key]), field.key in kind.paper.large)
        for field in kind.fields
        if values.get(field.key) and not field.derive
    ]
    until = "长期" if valid_until is None else day_words(valid_until)
    shown.append(("有效期", f"{day_words(valid_from)} 至 {until}", False))
    seals.width_of("".join(name + value for name, value, _ in shown) + kind.title + org_name, 1)
    marks += _rows(shown, sheet, kind.paper)
    marks += [
        seals.Image(_MARGIN, high - 26 - sheet.qr, sheet.qr, sheet.qr, qr_png(identifier)),
        seals.Text(_MARGIN, high - 21, identifier, 2.7, font="sans"),
        seals.Text(wide - 52, high + sheet.organisation, org_name, 4.6 if len(org_name) < 18 else 3.6, align="center"),
        seals.Text(wide - 52, high + sheet.day, day_words(issued.date()), 4.6, align="center"),
    ]
    if kind.paper.note:
        marks.append(seals.Text(_MARGIN, high - 15, kind.paper.note, 2.7, font="sans", color=colour))
    marks += _across(watermark, wide, high)
    stamps = (seals.Text(wide / 2, high + sheet.stamp, "演示 不作凭证", sheet.title_size, color="#e6dcc4", align="center"),) if demo else ()
    page = seals.Page(tuple(marks), stamps, wide, high)
    words = {"证照名称": kind.name, "证照标识": identifier, "证照类型代码": kind.code, "颁发机构": org_name}
    if watermark:
        words["用途"] = watermark
    title = kind.name + ("（加注件）" if watermark else "") + ("（演示）" if demo else "")
    return seals.Document(id, title, org_name, issued, (page,), words)


def watermark(who: str, reason: str, at: datetime) -> str:
    """What stands across a copy that an office fetched (水印): who, what for, when; nothing else can be done with it."""
    return f"仅供{who}“{reason}”使用，{at.astimezone(CHINA):%Y-%m-%d %H:%M}调取"


def _across(text: str, wide: float, high: float) -> list[seals.Mark]:
    """The watermark in lines over the whole page, light enough to read what is under it."""
    if not text:
        return []
    marks: list[seals.Mark] = []
    lines, top = wrap(text, _MARK_SIZE, wide - 2 * _MARGIN), 20.0
    while top < high - 14:
        for line in lines:
            marks.append(seals.Text(wide / 2, top, line, _MARK_SIZE, font="sans", color="#b9c4d6", align="center"))
            top += _MARK_SIZE * 1.3
        top += 26
    return marks


def seal_place(kind: CredentialType) -> seals.Placement:
    """Where the department's seal stands: over its name and the date."""
    sheet, (wide, high) = _SHEETS[kind.paper.size], kind.paper.millimetres
    return seals.Placement(0, wide - 52 - sheet.seal / 2, high - 16 - sheet.seal, sheet.seal, sheet.seal)


def day_words(day: date) -> str:
    """2026 年 11 月 18 日."""
    return f"{day.year} 年 {day.month} 月 {day.day} 日"


def _words(kind: str, value: str) -> str:
    if kind == "date":
        try:
            return day_words(date.fromisoformat(value[:10]))
        except ValueError:
            return value
    return value


def _rows(shown: list[tuple[str, str, bool]], sheet: _Sheet, paper: Paper) -> list[seals.Mark]:
    """Label and value lines, in columns; smaller when there is much to say."""
    marks: list[seals.Mark] = []
    for size in sheet.sizes:
        marks, end = _try_rows(shown, sheet, paper, size)
        if end <= paper.millimetres[1] + sheet.rows_end:
            break
    return marks


def _try_rows(shown: list[tuple[str, str, bool]], sheet: _Sheet, paper: Paper, size: float) -> tuple[list[seals.Mark], float]:
    columns = paper.columns or (2 if paper.wide else 1)
    width = (paper.millimetres[0] - 2 * _MARGIN) / columns
    label = max(seals.width_of(name, size) for name, _, _ in shown) + size
    marks: list[seals.Mark] = []
    tops = [sheet.rows] * columns
    for name, value, large in shown:
        column = tops.index(min(tops))
        left, em = _MARGIN + column * width, size * (1.25 if large else 1)
        marks.append(seals.Text(left, tops[column], name, size, color=paper.colour))
        for line in wrap(value, em, width - label - 4):
            marks.append(seals.Text(left + label, tops[column], line, em, color=_INK))
            tops[column] += em * 1.5
        tops[column] += size * 0.7
    return marks, max(tops)


def wrap(text: str, size: float, width: float) -> list[str]:
    """`text` in lines no wider than `width` mm, broken between any two characters (折行)."""
    seals.width_of(text, size)  # all characters at once: opening a font is dear
    lines, line = [], ""
    for one in " ".join(text.split()):
        if line and one not in _HANGING and seals.width_of(line + one, size) > width:
            lines.append(line)
            line = ""
        line += one
    return [*lines, line] if line or not lines else lines


def qr_png(text: str) -> bytes:
    """A QR picture for paper (纸面二维码), level M."""
    out = io.BytesIO()
    segno.make(text, error="m", boost_error=False, micro=False).save(
        out, kind="png", scale=6, border=2, dark="#0b1a2b", light="#ffffff"
    )
    return out.getvalue()


def qr_svg(text: str) -> str:
    """A QR as inline SVG for the screen (亮证二维码): level M, quiet zone 4, fixed mask (crypto.md 2), dark on white."""
    code = segno.make(text, error="m", mask=3, boost_error=False, micro=False)
    out = io.BytesIO()
    code.save(
        out, kind="svg", xmldecl=False, svgns=True, nl=False, omitsize=True, border=4, dark="#0b1a2b", light="#ffffff",
        svgclass="qr", lineclass=None,
    )  # fmt: skip
    return out.getvalue().decode()
