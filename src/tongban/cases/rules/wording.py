"""Plain words (说人话): dates, days and states as people say them. Pure. ux.md 5."""

from __future__ import annotations

from datetime import date, datetime

from tongban.cases.model import Clock
from tongban.kernel.clock import CHINA

_WEEKDAYS = "一二三四五六日"
CLOCK_WORDS: dict[str, str] = {
    "intake": "答复收不收",
    "correction": "补材料",
    "decision": "办好",
    "first_review": "初审",
    "delivery": "把结果送到",
}
UNSURE = "（明年放假安排公布后可能会变）"
SAID_NOW: dict[str, str] = {
    "submitted": "交上去了，正在送往受理部门",
    "received": "送到了，受理部门在看材料齐不齐",
    "to_correct": "材料还差一点，补上就接着办",
    "accepted": "收下了，开始算时限",
    "under_review": "正在审核",
    "special_procedure": "正在做法律规定的检验、鉴定或听证，时限停着",
    "transferring": "正在移交给有权办的部门",
    "transferred": "换了一个部门接着办",
    "granted": "通过了，正在做结果",
    "refused": "没有通过，正在送决定书",
    "finished": "办好了，结果在下面",
    "delivered": "办好了，结果送到了",
    "reviewed": "办好了，也评过了",
    "closed": "办好了，已经归档",
    "not_accepted": "没有收，理由和该去哪里写在下面",
    "correction_lapsed": "补材料过了期限，这次申请结束了，可以重新申请",
    "withdrawn": "按你说的撤回了",
    "void": "这件作废了，理由写在下面",
}
"""What a person reads first on the page of a case (ux.md 5); the law's own words are in process.yaml and on the papers."""
SAID_STATES: dict[str, str] = {
    "draft": "还没交",
    "submitted": "正在送往",
    "received": "送到了，等答复",
    "to_correct": "等你补材料",
    "accepted": "收下了",
    "under_review": "审核中",
    "special_procedure": "特别程序中，停表",
    "transferring": "移交中",
    "transferred": "已移交",
    "granted": "通过了",
    "refused": "没有通过",
    "finished": "办好了",
    "delivered": "结果已送到",
    "reviewed": "已评价",
    "closed": "已归档",
    "not_accepted": "没有收",
    "correction_lapsed": "补材料过了期限",
    "withdrawn": "已撤回",
    "discarded": "已删除",
    "void": "已作废",
}
"""States as a person reads them in a list; the law's own words stay in process.yaml."""


def day(value: date) -> str:
    """A day with its weekday: 11 月 25 日（周三）.

    >>> day(date(2026, 11, 25))
    '11 月 25 日（周三）'
    """
    return f"{value.month} 月 {value.day} 日（周{_WEEKDAYS[value.weekday()]}）"


def moment(value: datetime) -> str:
    """A moment in China time: 11 月 16 日 09:12."""
    local = value.astimezone(CHINA)
    return f"{local.month} 月 {local.day} 日 {local:%H:%M}"


def clock_time(value: datetime) -> str:
    """The time of day in China: 10:42."""
    return f"{value.astimezone(CHINA):%H:%M}"


def length(days: int, unit: str) -> str:
    """How long, in words: 5 个工作日, 60 天, 当场."""
    if days == 0:
        return "当场"
    return f"{days} 个工作日" if unit == "working" else f"{days} 天"


def due(clock: Clock | None) -> str:
    """What a clock promises, always with a date: 最晚 11 月 28 日（周六）办好. Empty when nothing runs."""
    if clock is None:
        return ""
    if clock.paused_on is not None:
        return f"{day(clock.paused_on)}起停表，恢复后接着算"
    unsure = UNSURE if clock.provisional else ""
    return f"最晚 {day(clock.due_on)}{CLOCK_WORDS[clock.kind]}{unsure}"


def state(name: str) -> str:
    """A state in plain words."""
    return SAID_STATES[name]
