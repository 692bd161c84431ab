"""Answers and results in words (答案和结果): what a choice is called, the code of a new organisation. Pure."""

from __future__ import annotations

from datetime import date
from typing import Any

from tongban.cases.model import Case
from tongban.catalogue import Field
from tongban.kernel.gm import sm3
from tongban.kernel.ids import CreditCode

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def said(field: Field | None, answer: Any) -> str:
    """An answer as people read it (答案文字): the label of a choice, rows of a table in the order of its columns, days, yes and no."""
    if not answer and not isinstance(answer, bool):
        return ""
    if isinstance(answer, bool):
        return "是" if answer else "否"
    labels = {one.value: one.label for one in field.options} if field else {}
    if isinstance(answer, str):
        return _date(answer) if field and field.kind == "date" else labels.get(answer, answer)
    if isinstance(answer, list) and answer and isinstance(answer[0], dict):
        if field is None:
            return "；".join("，".join(v for v in row.values() if v) for row in answer)
        shown = [(c.name, f"{c.label} " if c.kind == "money" else "", {o.value: o.label for o in c.options}) for c in field.columns]
        return "；".join("，".join(before + names.get(row[n], row[n]) for n, before, names in shown if row.get(n)) for row in answer)
    return "、".join(labels.get(str(one), str(one)) for one in answer)


def _date(text: str) -> str:
    """A day as people write it; what is no day stays."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{day.year} 年 {day.month} 月 {day.day} 日"


def credit_code(case: Case) -> str:
    """An invented code for the organisation that this case sets up (演示信用代码): the same one however often it is asked.

    Kind 91 (enterprise), the place, `MA` and six characters drawn from the case id, check characters of GB 11714 and
    GB 32100. For demo nodes: in earnest the pool of the market regulator gives the code.
    """
    number = int.from_bytes(sm3(b"credit-code\x00" + case.id.encode())[:8], "big")
    body = "MA"
    for _ in range(6):
        number, digit = divmod(number, len(_ALPHABET))
        body += _ALPHABET[digit]
    value = sum(("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(sign)) * w for sign, w in zip(body, _WEIGHTS, strict=True))
    check = (11 - value % 11) % 11
    return CreditCode.make("91", case.division, body + ("X" if check == 10 else str(check))).value

