"""How a credential looks on paper (证照版面): one layout for all types, from the template alone. Pure."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date, datetime

import segno

from tongban import seals
from tongban.credentials.model import CredentialType

_MARGIN = 22.0
_INK = "#16202e"
_FRAME = "#8a6d3b"
_HANGING = "，。；：、）》”！？"  # never at the head of a line


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
) -> seals.Document:
    """The document of one credential, to be sealed at `seal_place` (版式文件)."""
    wide, high = (297.0, 210.0) if kind.landscape else (210.0, 297.0)
    marks: list[seals.Mark] = [
        seals.Box(8, 8, wide - 16, high - 16, width=1.2, color=_FRAME, fill="#fffdf6"),
        seals.Box(11, 11, wide - 22, high - 22, width=0.4, color=_FRAME),
        seals.Text(wide / 2, 42, kind.title, 15 if kind.landscape else 12, align="center"),
        seals.Text(wide / 2, 52, f"编号 {number}", 4.2, font="sans", align="center"),
    ]
    shown = [
        (field.name, _words(field.kind, values[field.key]))
        for field in kind.fields
        if values.get(field.key) and not field.derive
    ]
    until = "长期" if valid_until is None else day_words(valid_until)
    shown.append(("有效期", f"{day_words(valid_from)} 至 {until}"))
    seals.width_of("".join(name + value for name, value in shown) + kind.title + org_name, 1)
    marks += _rows(shown, wide, high)
    marks += [
        seals.Image(_MARGIN, high - 58, 32, 32, qr_png(identifier)),
        seals.Text(_MARGIN, high - 21, identifier, 2.7, font="sans"),
        seals.Text(wide - 52, high - 34, org_name, 4.6, align="center"),
        seals.Text(wide - 52, high - 27, day_words(issued.date()), 4.6, align="center"),
    ]
    stamps = (seals.Text(wide / 2, high - 64, "演示 不作凭证", 14, color="#e6dcc4", align="center"),) if demo else ()
    page = seals.Page(tuple(marks), stamps, wide, high)
    words = {"证照名称": kind.name, "证照标识": identifier, "证照类型代码": kind.code, "颁发机构": org_name}
    return seals.Document(id, kind.name + ("（演示）" if demo else ""), org_name, issued, (page,), words)


def seal_place(kind: CredentialType) -> seals.Placement:
    """Where the department's seal stands: over its name and the date."""
    wide, high = (297.0, 210.0) if kind.landscape else (210.0, 297.0)
    return seals.Placement(0, wide - 72, high - 56)


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


def _rows(shown: list[tuple[str, str]], wide: float, high: float) -> list[seals.Mark]:
    """Label and value lines, two columns on a wide sheet; smaller when there is much to say."""
    for size in (5.0, 4.4, 3.8, 3.2, 2.8):
        marks, end = _try_rows(shown, wide, high, size)
        if end <= high - 78:
            return marks
    return marks


def _try_rows(shown: list[tuple[str, str]], wide: float, high: float, size: float) -> tuple[list[seals.Mark], float]:
    columns = 2 if wide > high else 1
    width = (wide - 2 * _MARGIN) / columns
    label = max(seals.width_of(name, size) for name, _ in shown) + size
    marks: list[seals.Mark] = []
    tops = [68.0] * columns
    for name, value in shown:
        column = tops.index(min(tops))
        left = _MARGIN + column * width
        marks.append(seals.Text(left, tops[column], name, size, color=_FRAME))
        for line in wrap(value, size, width - label - 4):
            marks.append(seals.Text(left + label, tops[column], line, size, color=_INK))
            tops[column] += size * 1.5
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
