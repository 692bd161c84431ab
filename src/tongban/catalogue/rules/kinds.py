"""What each kind of field takes 字段类型检查: one function a kind, each giving a sentence or None."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

from tongban.catalogue.model import Column, Field
from tongban.kernel import ids

CHECKS: dict[str, Callable[[Field, str, date | None], str | None]] = {}
Check = Callable[[Field, str, date | None], str | None]
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
MOBILE = re.compile(r"1[3-9]\d{9}")
AMOUNT = re.compile(r"\d{1,12}(\.\d{1,2})?")
NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,4})?")
ACCOUNT = re.compile(r"\d{8,30}")
REGION = re.compile(r"[1-9]\d{5}")
RELATIVE = re.compile(r"today(?:([+-])(\d{1,5}))?")
MOBILE_LENGTH = 11
ID_LENGTH = 18
CODE_LENGTH = 18


def _kind(*names: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        for name in names:
            CHECKS[name] = check
        return check

    return register


def squeezed(text: str) -> str:
    """Without the blanks and dashes people put into numbers (去空格)."""
    return re.sub(r"[\s\-\u3000]", "", text)


@_kind("text", "textarea", "address", "signature")
def text(field: Field, given: str, _today: date | None) -> str | None:
    """Plain text: length and no invisible characters 文字."""
    if CONTROL.search(given):
        return f"{field.label}里有看不见的特殊字符，请删掉重新输入"
    least = max(field.min_length, 5 if field.kind == "address" else 0)
    if len(given) < least:
        return f"{field.label}太短，至少写 {least} 个字"
    if len(given) > field.max_length:
        return f"{field.label}太长，最多 {field.max_length} 个字，现在有 {len(given)} 个"
    return None


@_kind("id_number")
def id_number(field: Field, given: str, _today: date | None) -> str | None:
    """公民身份号码, GB 11643: 18 characters with their check character."""
    number = squeezed(given).upper()
    if len(number) != ID_LENGTH:
        short = ID_LENGTH - len(number)
        return f"{field.label}{'少了' if short > 0 else '多了'} {abs(short)} 位，应该是 18 位"
    try:
        ids.IdNumber.parse(number)
    except ValueError:
        return f"{field.label}不对，请对照证件再看一遍，特别是最后一位"
    return None


@_kind("credit_code")
def credit_code(field: Field, given: str, _today: date | None) -> str | None:
    """统一社会信用代码, GB 32100: 18 characters with their check character."""
    code = squeezed(given).upper()
    if len(code) != CODE_LENGTH:
        short = CODE_LENGTH - len(code)
        return f"{field.label}{'少了' if short > 0 else '多了'} {abs(short)} 位，应该是 18 位"
    try:
        ids.CreditCode.parse(code)
    except ValueError:
        return f"{field.label}不对，请对照营业执照再看一遍"
    return None


@_kind("mobile")
def mobile(field: Field, given: str, _today: date | None) -> str | None:
    """A mobile number of the mainland, 11 digits 手机号."""
    number = squeezed(given)
    if not number.isdigit():
        return f"{field.label}只能是数字"
    if len(number) != MOBILE_LENGTH:
        short = MOBILE_LENGTH - len(number)
        return f"{field.label}{'少了' if short > 0 else '多了'} {abs(short)} 位，应该是 11 位数字"
    return None if MOBILE.fullmatch(number) else f"{field.label}应该以 13 到 19 开头，请再看一遍"


def bound_day(text: str, today: date | None) -> date | None:
    """A limit of a date field: an ISO date, `today`, `today+30`, `today-365`; None when it cannot be said."""
    relative = RELATIVE.fullmatch(text)
    if relative is None:
        return date.fromisoformat(text) if text else None
    if today is None:
        return None
    days = int(relative[2] or 0)
    return today - timedelta(days=days) if relative[1] == "-" else today + timedelta(days=days)


def _spoken(day: date) -> str:
    return f"{day.year} 年 {day.month} 月 {day.day} 日"


@_kind("date")
def day(field: Field, given: str, today: date | None) -> str | None:
    """A calendar date, `YYYY-MM-DD`, within `minimum` and `maximum` 日期."""
    try:
        value = date.fromisoformat(given)
    except ValueError:
        return f"{field.label}不是一个日期，请按年、月、日填写，例如 2026-11-25"
    first, last = bound_day(field.minimum, today), bound_day(field.maximum, today)
    if first and value < first:
        return f"{field.label}不能早于 {_spoken(first)}"
    if last and value > last:
        return f"{field.label}不能晚于 {_spoken(last)}"
    return None


@_kind("money", "number")
def amount(field: Field, given: str, _today: date | None) -> str | None:
    """A number within `minimum` and `maximum`; money has at most two decimals 金额、数字."""
    plain = given.replace(",", "").replace("，", "")
    shape = AMOUNT if field.kind == "money" else NUMBER
    if not shape.fullmatch(plain):
        return f"{field.label}要填数字" + ("，最多两位小数" if field.kind == "money" else "")
    value = Decimal(plain)
    if field.minimum and value < Decimal(field.minimum):
        return f"{field.label}不能小于 {field.minimum}"
    if field.maximum and value > Decimal(field.maximum):
        return f"{field.label}不能大于 {field.maximum}"
    return None


@_kind("select")
def choice(field: Field, given: str, _today: date | None) -> str | None:
    """One of the options 单选."""
    return None if any(one.value == given for one in field.options) else f"请在列出的选项里选{field.label}"


@_kind("region")
def region(field: Field, given: str, _today: date | None) -> str | None:
    """A division code of six digits, one of the options where there are any 行政区划."""
    if field.options and all(one.value != given for one in field.options):
        return f"请从列表里选{field.label}"
    return None if REGION.fullmatch(given) else f"请从列表里选{field.label}"


@_kind("bank_account")
def account(field: Field, given: str, _today: date | None) -> str | None:
    """A bank account, 8 to 30 digits 银行账号."""
    return None if ACCOUNT.fullmatch(squeezed(given)) else f"{field.label}应该是 8 到 30 位数字，请对照银行卡再看一遍"


def as_field(column: Column) -> Field:
    """A table's column judged like a field of its own 列当字段."""
    return Field(
        name=column.name, label=column.label, kind=column.kind, required=column.required,
        options=column.options, max_length=column.max_length,
    )


NORMALISED: dict[str, Callable[[str], str]] = {
    "id_number": lambda text: squeezed(text).upper(),
    "credit_code": lambda text: squeezed(text).upper(),
    "mobile": squeezed,
    "bank_account": squeezed,
    "money": lambda text: text.replace(",", "").replace("，", ""),
    "number": lambda text: text.replace(",", "").replace("，", ""),
}
"""How a typed text is written down, by kind (规范写法)."""


def normalised(kind: str, text: str) -> str:
    """The text as it is kept: without blanks at the ends, numbers without the blanks inside."""
    stripped = text.strip()
    return NORMALISED.get(kind, str)(stripped)
