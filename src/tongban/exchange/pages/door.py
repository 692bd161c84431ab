"""What the steward's doors share 数据共享后台: types of a handler, who may look, the chips on top, words of states."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath

from tongban.exchange.actions.post import division
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node

Req = Request[Any, Any, Any]
HereNode = NamedDependency[Node]
Asking = NamedDependency[Actor]
Part = FromPath[str]

RESOURCE_WORDS = {
    "draft": ("等发布", "warn"), "active": ("提供中", "ok"), "suspended": ("暂停", "bad"), "withdrawn": ("已撤销", "mute"),
    "replaced": ("旧版", "mute"), "refused": ("没发布", "bad"),
}  # fmt: skip
DEMAND_WORDS = {
    "sent": ("等答复", "warn"), "reviewed": ("初审过，等复核", "warn"), "granted": ("已同意", "ok"), "refused": ("没同意", "bad"),
    "disputed": ("有异议，等处理", "warn"), "upheld": ("异议没有成立", "bad"), "withdrawn": ("已撤回", "mute"),
}  # fmt: skip
CORRECTION_WORDS = {
    "sent": ("等核查", "warn"), "checked": ("核查过，等确认", "warn"), "corrected": ("已更正", "ok"), "kept": ("没有错", "mute"),
}  # fmt: skip
ALARM_WORDS = {
    "missing_here": "对方有这次调用，我们没有", "missing_there": "我们有这次调用，对方没有", "differs": "两边记的内容不一样",
    "breadth": "一小时内取用的人数过多", "late": "超过办理期限", "register": "登记库答得不对",
}  # fmt: skip
OUTCOME_WORDS = {
    "asked": "没有等到答复", "given": "给了", "away": "没接通", "busy": "太忙", "no_grant": "没有授权", "no_consent": "本人没同意",
    "quota": "次数用完", "not_found": "没查到", "stopped": "暂停提供", "refused": "没给", "overloaded": "登记库没答",
    "no_reference": "没写办件号", "malformed": "问法不对", "key_reused": "编号重复", "streaming": "正在给", "cut": "断在半路", "no_such_service": "对方还不会",
}  # fmt: skip
FILE_WORDS = {"evidence.content": "材料原件", "cases.document": "办件文书"}


class Chip(msgspec.Struct, frozen=True):
    """One link of the chips on top."""

    href: str
    text: str
    current: bool


def chips(here: str) -> tuple[Chip, ...]:
    """The six parts of 数据共享."""
    found = (
        ("/staff/sharing", "授权"), ("/staff/sharing/resources", "资源目录"), ("/staff/sharing/demands", "共享需求"),
        ("/staff/sharing/corrections", "纠错"), ("/staff/sharing/complaints", "投诉"), ("/staff/sharing/log", "交换日志"),
    )  # fmt: skip
    return tuple(Chip(href, text, href == here) for href, text in found)


def guardian_of(actor: Actor) -> str:
    """Who acts for a child by law here (监护人); empty for anybody else."""
    return actor.subject if actor.for_subject and actor.basis == "guardian" else ""


def require_steward(actor: Actor, node: Node) -> None:
    """A data steward of this node (要数据共享管理员), else NotAllowed or StaffNeeded."""
    actor.require_staff()
    if not actor.may("exchange.propose", division=division(node)):
        actor.require_may("exchange.approve", division=division(node))


def may(actor: Actor, node: Node, act: str) -> bool:
    """Whether the actor holds `exchange.<act>` here."""
    return actor.may(f"exchange.{act}", division=division(node))


def number(text: str) -> int:
    """A count as typed, 0 when it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def day(text: str) -> date | None:
    """A day as typed, None when it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def address(resource_id: str) -> str:
    """Where a resource is looked at."""
    return f"/staff/sharing/resources/{quote(resource_id)}"


__all__ = [
    "ALARM_WORDS", "CORRECTION_WORDS", "DEMAND_WORDS", "FILE_WORDS", "OUTCOME_WORDS", "RESOURCE_WORDS", "Asking", "Chip", "HereNode",
    "Part", "Req", "address", "chips", "day", "guardian_of", "may", "number", "require_steward",
]  # fmt: skip
