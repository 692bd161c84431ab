"""Notices and decisions as they stand on paper (文书排版): lines of text on A4 pages. Pure.

Each negative document has facts, law and remedies; each is addressed by case number, never by ID number.
"""

from __future__ import annotations

import unicodedata
from datetime import date, datetime

import msgspec

from tongban import seals
from tongban.cases.model import Case, Correction, Reason, Remedy

LEFT, RIGHT, TOP, BOTTOM = 28.0, 182.0, 40.0, 225.0
SIZE, LEADING = 4.6, 8.6
TITLES: dict[str, str] = {
    "correction": "材料补正告知书",
    "acceptance": "受理通知书",
    "not_accepted": "不予受理通知书",
    "granted": "准予决定书",
    "refused": "不予决定书",
    "special": "特别程序告知书",
    "extended": "延长办理期限告知书",
    "voided": "办件作废告知书",
}


class Paper(msgspec.Struct, frozen=True):
    """A document before it is drawn (文书内容)."""

    kind: str
    paragraphs: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its heading in law."""
        return TITLES[self.kind]


def correction(case: Case, asked: Correction, days: int) -> Paper:
    """一次性告知: every defect, how to mend it, the limit of `days` working days and the last day it can have. Source: 行政许可法 art. 32(1)(4)."""
    lines = [f"你申请的“{case.item_name}”，经审查需要补正以下材料或内容："]
    lines += [f"{n}. {one.title}：{one.why}" for n, one in enumerate(asked.defects, 1)]
    lines.append(f"请在收到本告知书之日起 {days} 个工作日内一次补齐。补正只告知这一次，其他内容不用再交。")
    lines.append(f"你在网上打开它的那天算收到，第三天还没打开也算收到，所以最晚补到 {_long(asked.last_day)}。")
    lines.append("过了期限没有补正的，本次申请结束，可以重新申请。")
    return Paper("correction", tuple(lines))


def acceptance(case: Case, due_on: date) -> Paper:
    """受理通知书, dated. Source: 行政许可法 art. 32(2)."""
    return Paper(
        "acceptance",
        (
            f"你申请的“{case.item_name}”，材料齐全、符合法定形式，依照《中华人民共和国行政许可法》第三十二条，现予受理。",
            f"办理时限从今天起算，最晚 {_long(due_on)} 作出决定。听证、检验、鉴定等法定程序的时间不算在内。",
        ),
    )


def negative(
    case: Case, kind: str, reasons: tuple[Reason, ...], remedies: tuple[Remedy, ...], *, body: str = ""
) -> Paper:
    """不予受理 or 不予: facts, law, the right body where it is not us, remedies (I-12)."""
    said = "不予受理" if kind == "not_accepted" else "不予通过" if kind == "refused" else "作废"
    lines = [f"你申请的“{case.item_name}”，经审查决定{said}。事实和依据如下："]
    lines += [f"{n}. {one.fact}（依据：{one.basis}）" for n, one in enumerate(reasons, 1)]
    if body:
        lines.append(f"这件事应当向 {body} 申请。")
    lines.append("你不同意这个决定的，可以：")
    lines += [f"{one.kind}：{one.within}向{one.body}提出。" for one in remedies]
    return Paper(kind, tuple(lines))


def granted(case: Case, result: str) -> Paper:
    """准予决定书. Source: 行政许可法 art. 38."""
    return Paper(
        "granted",
        (
            f"你申请的“{case.item_name}”，经审查符合法定条件，依照《中华人民共和国行政许可法》第三十八条，决定准予。",
            f"办理结果：{result}。",
        ),
    )


def special(case: Case, kind: str, reason: str, days: int) -> Paper:
    """特别程序告知书: without it a pause does not count (cases.md 3). Source: 行政许可法 art. 45."""
    return Paper(
        "special",
        (
            f"你申请的“{case.item_name}”，需要进行{kind}，大约要 {days} 个工作日，这段时间不计入办理时限。",
            f"原因：{reason}",
        ),
    )


def extended(case: Case, reason: str, due_on: date) -> Paper:
    """延长期限告知书. Source: 行政许可法 art. 42."""
    return Paper(
        "extended",
        (f"你申请的“{case.item_name}”，经本机关负责人批准延长办理期限，最晚 {_long(due_on)} 作出决定。", f"理由：{reason}"),
    )


def draw(paper: Paper, case: Case, *, document_id: str, organisation: str, at: datetime, day: date) -> seals.Document:
    """The document as pages of marks (排版): title, number, paragraphs, office and date at the end for the seal."""
    lines = [f"办件编号：{case.number}", ""]
    for paragraph in paper.paragraphs:
        lines += wrap("　　" + paragraph, RIGHT - LEFT, SIZE)
    lines += ["", ""]
    closing = [organisation, _long(day)]
    fit = int((BOTTOM - TOP) / LEADING)
    pages = [lines[start : start + fit] for start in range(0, len(lines), fit)]
    drawn = []
    for n, page in enumerate(pages):
        marks: list[seals.Mark] = []
        if n == 0:
            marks.append(seals.Text(x=105, y=28, text=paper.title, size=7.5, align="center"))
        marks += [seals.Text(x=LEFT, y=TOP + LEADING * row, text=text, size=SIZE) for row, text in enumerate(page) if text]
        if n == 0:
            marks += [
                seals.Text(x=RIGHT, y=252 + LEADING * row, text=text, size=SIZE, align="right")
                for row, text in enumerate(closing)
            ]
        drawn.append(seals.Page(marks=tuple(marks)))
    return seals.Document(
        id=document_id, title=paper.title, author=organisation, created=at, pages=tuple(drawn), keywords={"case": case.number}
    )


def wrap(text: str, width: float, size: float) -> list[str]:
    """Text broken into lines of at most `width` mm (折行); a Chinese character is `size` wide, a Latin one half."""
    lines, line, used = [], "", 0.0
    for char in text:
        wide = size if unicodedata.east_asian_width(char) in "WFA" else size * 0.55
        if used + wide > width and line and char not in "，。；：、）”！？":
            lines.append(line)
            line, used = "", 0.0
        line, used = line + char, used + wide
    return [*lines, line] if line else lines


def _long(day: date) -> str:
    return f"{day.year} 年 {day.month} 月 {day.day} 日"
