"""办件编号 case numbers and 金额 amounts of money."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

import msgspec

from tongban.kernel.ids.checks import digits_only, mod_11_10, normal
from tongban.kernel.ids.errors import BadIdentifier

LARGEST_FEN: Final = 2**53 - 1
_YUAN: Final = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,2}))?")


class CaseNumber(msgspec.Struct, frozen=True, order=True):
    """The number of a case (办件编号), 22 digits: 6 node division, 8 day, 7 sequence, 1 check (decisions.md D-8).

    >>> CaseNumber.make("500000", date(2026, 11, 20), 17).grouped
    '5000 0020 2611 2000 0001 72'
    """

    value: str

    @classmethod
    def parse(cls, text: str) -> CaseNumber:
        """The number as typed, also in groups or with hyphens. Raises BadIdentifier."""
        number = normal(text).replace("-", "")
        if not digits_only(number, 22):
            raise BadIdentifier("ids.case_number_form", "办件编号是 22 位数字，请检查有没有抄漏")
        try:
            date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
        except ValueError as why:
            raise BadIdentifier("ids.case_number_day", "办件编号里的日期不对，请对照回执再看一遍") from why
        if mod_11_10(number[:21]) != number[21]:
            raise BadIdentifier("ids.case_number_check", "办件编号有一位抄错了，请对照回执再看一遍")
        return cls(number)

    @classmethod
    def make(cls, division: str, day: date, sequence: int) -> CaseNumber:
        """The number of the `sequence`-th case (1 to 9,999,999) of a day at a node. Raises BadIdentifier."""
        if not digits_only(division, 6) or not 1 <= sequence <= 9_999_999:
            raise BadIdentifier("ids.case_number_form", "办件编号由 6 位区划、日期和 1 到 9999999 的顺序号组成")
        body = f"{division}{day:%Y%m%d}{sequence:07d}"
        return cls(body + mod_11_10(body))

    @property
    def division(self) -> str:
        """The six digits of the node where it was submitted."""
        return self.value[:6]

    @property
    def day(self) -> date:
        """The day of submission in China."""
        return date(int(self.value[6:10]), int(self.value[10:12]), int(self.value[12:14]))

    @property
    def sequence(self) -> int:
        """Which one of that day."""
        return int(self.value[14:21])

    @property
    def grouped(self) -> str:
        """In groups of four, as people read it aloud."""
        return " ".join(self.value[start : start + 4] for start in range(0, 22, 4))

    def __str__(self) -> str:
        return self.value


class Fen(msgspec.Struct, frozen=True, order=True):
    """An amount of money in fen, a hundredth of a yuan (金额，分). Never negative, never a float.

    >>> Fen.parse("12.5").yuan, str(Fen(0))
    ('12.50', '0.00 元')
    """

    value: int

    def __post_init__(self) -> None:
        if not 0 <= self.value <= LARGEST_FEN:
            raise BadIdentifier("ids.fen_range", "金额超出范围")

    @classmethod
    def parse(cls, text: str) -> Fen:
        """An amount in yuan as typed: `20`, `20.5`, `1,000.00`, with or without 元. Raises BadIdentifier."""
        found = _YUAN.fullmatch(normal(text).removesuffix("元").removeprefix("¥").replace(",", ""))
        if found is None:
            raise BadIdentifier("ids.fen_form", "金额写成数字，最多两位小数，例如 20 或 20.50")
        return cls(int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")))

    @property
    def yuan(self) -> str:
        """In yuan with two decimals."""
        return f"{self.value // 100}.{self.value % 100:02d}"

    def __add__(self, other: Fen) -> Fen:
        return Fen(self.value + other.value)

    def __str__(self) -> str:
        return f"{self.yuan} 元"
