"""Template filters 模板过滤器: money, dates, masks and groups as people read them (ux.md 5). Pure functions but for the year a page is drawn in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8), "CST")
WEEKDAYS = "一二三四五六日"
BLOCK = 4
_THIS_YEAR: ContextVar[int] = ContextVar("this_year", default=0)


@contextmanager
def in_year(year: int) -> Iterator[None]:
    """Within it days of other years say their year (哪一年); 0: no day does."""
    before = _THIS_YEAR.set(year)
    try:
        yield
    finally:
        _THIS_YEAR.reset(before)


def money(fen: int) -> str:
    """Fen as yuan (分→元).

    >>> money(60000), money(1050), money(0)
    ('600 元', '10.50 元', '0 元')
    """
    yuan, rest = divmod(abs(int(fen)), 100)
    sign = "-" if fen < 0 else ""
    return f"{sign}{yuan}.{rest:02d} 元" if rest else f"{sign}{yuan} 元"


def moment(value: object) -> datetime:
    """A moment in China time (北京时间) from an aware datetime, unix milliseconds or ISO text; naive means UTC."""
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value / 1000, CHINA)
    read = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(CHINA)


def day(value: object) -> date:
    """The calendar day in China of a date, a moment or their ISO text."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and len(value) == len("2026-11-25"):
        return date.fromisoformat(value)
    return moment(value).date()


def short_day(value: object) -> str:
    """`11 月 25 日`, and its year where that is not the year of the page (几月几日); empty for nothing."""
    if not value:
        return ""
    return _day_words(value) if _THIS_YEAR.get() in {0, day(value).year} else full_day(value)


def _day_words(value: object) -> str:
    read = day(value)
    return f"{read.month} 月 {read.day} 日"


def weekday_day(value: object) -> str:
    """`11 月 25 日（周三）`; empty for nothing (日期带星期)."""
    return f"{short_day(value)}（周{WEEKDAYS[day(value).weekday()]}）" if value else ""


def full_day(value: object) -> str:
    """`2026 年 11 月 25 日`; empty for nothing (年月日)."""
    return f"{day(value).year} 年 {_day_words(value)}" if value else ""


def day_time(value: object) -> str:
    """`11 月 25 日 15:21`, China time; empty for nothing (日期和时间)."""
    return f"{short_day(value)} {moment(value):%H:%M}" if value else ""


def clock_time(value: object) -> str:
    """`15:21:40`, China time; empty for nothing (时分秒)."""
    return f"{moment(value):%H:%M:%S}" if value else ""


def iso_time(value: object) -> str:
    """ISO 8601 with offset, for `<time datetime>` and scripts."""
    return moment(value).isoformat(timespec="seconds") if value else ""


def masked(value: object, kind: str = "") -> str:
    """Personal text with the middle hidden (打码). `kind` is name, phone, number or empty to tell by length.

    >>> masked("陈晓雨"), masked("13800138000"), masked("110101199003074477")
    ('陈*雨', '138 **** 8000', '1101 **** **** 4477')
    """
    text = plain(value)
    if kind == "phone" or (not kind and len(text) == 11 and text.isdigit()):
        return f"{text[:3]} **** {text[-4:]}"
    if kind == "number" or (not kind and len(text) in {15, 18}):
        return f"{text[:4]} **** **** {text[-4:]}"
    if len(text) < 3:
        return text[:1] + "*" * (len(text) - 1)
    return text[0] + "*" * (len(text) - 2) + text[-1]


def plain(value: object) -> str:
    """Text, also of a sealed personal value that the page was given on purpose (明文)."""
    reveal = getattr(value, "reveal", None)
    return str(reveal()) if callable(reveal) else str(value)


def same(value: object) -> object:
    """A sentence of ours as it stands, for the standard mode (你)."""
    return value


def polite(value: object) -> object:
    """A sentence of ours as elders read it (您); what is no plain text passes.

    >>> polite("你提交了申请")
    '您提交了申请'
    """
    return value.replace("你", "您") if type(value) is str else value


def blocks(value: object, size: int = BLOCK) -> str:
    """Groups of four (四位一组).

    >>> blocks("26111600342812")
    '2611 1600 3428 12'
    """
    text = plain(value).replace(" ", "")
    return " ".join(text[i : i + size] for i in range(0, len(text), size))


def phone(value: object) -> str:
    """A mobile number in three groups (手机号分组)."""
    text = plain(value)
    return f"{text[:3]} {text[3:7]} {text[7:]}" if len(text) == 11 else text


FILTERS: dict[str, Callable[..., object]] = {
    "money": money,
    "date": weekday_day,
    "day": short_day,
    "full_date": full_day,
    "datetime": day_time,
    "clock": clock_time,
    "iso": iso_time,
    "masked": masked,
    "plain": plain,
    "blocks": blocks,
    "phone": phone,
}
