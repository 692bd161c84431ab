"""公民身份号码 ID numbers of citizens (GB 11643-1999)."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

import msgspec

from tongban.kernel.gm.fields import Personal
from tongban.kernel.ids.checks import digits_only, mod_11_2, normal
from tongban.kernel.ids.errors import BadIdentifier

PROVINCES: Final = frozenset(
    str(number)
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83), (91, 91))
    for number in range(first, last + 1)
)
"""First two digits that were ever issued: GB/T 2260, 81 to 83 of residence permits, 91 of foreigners' permits."""


class IdNumber(msgspec.Struct, frozen=True):
    """An 18-character ID number with the right check character (公民身份号码). Its repr and str tell nothing.

    >>> IdNumber.parse("11010519491231002x").birth
    datetime.date(1949, 12, 31)
    >>> IdNumber.parse("11010519491231002X")
    ‹personal›
    """

    value: str

    @classmethod
    def parse(cls, text: str, *, today: date | None = None) -> IdNumber:
        """The number as typed: blanks, full-width forms and a small x are understood. Raises BadIdentifier.

        The division is the one of *issue*: abolished codes stay valid, so only its province is looked at. With `today`
        a birth date in the future is refused.
        """
        number = normal(text)
        if len(number) != 18:
            raise BadIdentifier("ids.id_number_length", "身份证号应该是 18 位，请数一数是不是少了或多了")
        if not digits_only(number[:17], 17) or number[17] not in "0123456789X":
            raise BadIdentifier("ids.id_number_form", "身份证号只有数字，最后一位可能是 X，请检查有没有输错")
        if number[:2] not in PROVINCES:
            raise BadIdentifier("ids.id_number_region", "身份证号的前两位不对，请对照身份证再看一遍")
        birth = _birth(number)
        if birth is None or (today is not None and birth > today):
            raise BadIdentifier("ids.id_number_birth", "身份证号里的出生日期不对，请对照身份证再看一遍")
        if mod_11_2(number[:17]) != number[17]:
            raise BadIdentifier("ids.id_number_check", "身份证号有一位输错了，请对照身份证再看一遍")
        return cls(number)

    @classmethod
    def make(cls, region: str, birth: date, order: int) -> IdNumber:
        """An invented number (演示) with a valid check character; `order` 0 to 999, odd for men. Raises BadIdentifier."""
        if not 0 <= order <= 999:
            raise BadIdentifier("ids.id_number_form", "顺序码是 0 到 999")
        body = f"{region}{birth:%Y%m%d}{order:03d}"
        if not digits_only(body, 17):
            raise BadIdentifier("ids.id_number_form", "行政区划是 6 位数字")
        return cls.parse(body + mod_11_2(body))

    @property
    def region(self) -> str:
        """The six-digit division where the number was first issued."""
        return self.value[:6]

    @property
    def birth(self) -> date:
        """The date of birth."""
        return date(int(self.value[6:10]), int(self.value[10:12]), int(self.value[12:14]))

    @property
    def sex(self) -> Literal["male", "female"]:
        """By the order number: odd male, even female."""
        return "male" if int(self.value[16]) % 2 else "female"

    def age(self, on: date) -> int:
        """Full years on that day; a birthday counts from that day on (周岁)."""
        return on.year - self.birth.year - ((on.month, on.day) < (self.birth.month, self.birth.day))

    @property
    def masked(self) -> str:
        """As pages show it at first: the region's six and the last two characters stay."""
        return self.value[:6] + "*" * 10 + self.value[16:]

    @property
    def personal(self) -> Personal:
        """The number as a Personal value."""
        return Personal(self.value)

    def __repr__(self) -> str:
        return "‹personal›"

    __str__ = __repr__


def _birth(number: str) -> date | None:
    try:
        birth = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None
    return birth if birth.year >= 1850 else None
