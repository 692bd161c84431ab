"""Mandates 授权: who may do what for whom. Data from mandates.toml; deny by default; pure (R-301, T-85, T-87, T-88).

`may_act` takes the mandate, the deed, the list of what is never delegated and the moment, and answers with an error code.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from tongban.kernel.actor import BY_LAW
from tongban.kernel.gm import Personal

_FILE = Path(__file__).resolve().parent.parent / "mandates.toml"
Basis = Literal["legal_rep", "org_agent", "family", "guardian", "hall"]
Act = Literal["view", "draft", "submit", "pay", "receive"]
BINDING = frozenset({"submit", "pay"})
"""Acts that bind the person represented: they wait, and they want fresh news of the node whose word the mandate is."""
RUNNING = frozenset({"arriving", "offered", "active"})
"""States of a mandate that is not over."""
ACT_WORDS = {
    "draft": "开始填表", "submit": "提交了申请", "correct": "补了材料", "withdraw": "申请了撤回", "discard": "删了草稿", "print": "预约了领证",
    "begin": "进来办事", "show": "出示了证照", "copy": "要了一份信息副本", "close": "申请了注销", "keep": "停掉了注销",
}  # fmt: skip
"""What was done for another, as a message says it."""


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """A mandate 授权 as its row says; the same `id` at the granting node and at the agent's home."""

    grantor: str
    id: str
    agent: str
    basis: Basis
    items: tuple[str, ...]
    acts: tuple[str, ...]
    from_at: datetime
    until_at: datetime
    granted_acr: int
    granted_node: str
    agent_node: str
    state: str
    offered_until: datetime
    news_at: datetime
    made_at: datetime
    grantor_name: Personal
    agent_name: Personal
    set_name: str = ""
    set_version: int = 0
    wait_until: datetime | None = None
    granted_by_subject: str = ""
    granted_staff: str = ""
    accepted_at: datetime | None = None
    over_at: datetime | None = None
    over_why: str = ""
    told_by: str = ""
    shown: tuple[str, ...] = ()
    grantor_node: str = ""
    moved_to: str = ""
    moved_from: str = ""
    moved_at: datetime | None = None
    arriving_as: str = ""

    @property
    def copy(self) -> bool:
        """Whether this is a visited node's copy of what the agent's home showed 到访节点的副本."""
        return bool(self.told_by)

    @property
    def kind(self) -> Literal["person", "organisation"]:
        """Whom it stands for 个人还是单位."""
        return "organisation" if self.grantor.startswith("o1") else "person"


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to do for another 想办的事: the act, and the item it belongs to when there is one."""

    act: str
    item: str = ""
    item_name: str = ""
    audience: frozenset[str] = frozenset()
    level: int = 0


class Never(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is never delegated 不能代办的一样, with its legal reason."""

    code: str
    words: str
    reason: str
    source: str
    acts: frozenset[str] = frozenset()
    items: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days, hours and counts of mandates."""

    accept_days: int
    remind_days: int
    remote_wait_hours: int
    many_grantors: int
    new_grantors: int
    new_days: int
    news_minutes: int
    law_news_seconds: int
    ask_days: int
    source: str


class Ages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Age bands of minors 年龄档."""

    guardian_only_under: int
    confirm_under: int
    source: str


class BasisRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A basis with its longest term in days."""

    code: str
    words: str
    days: int
    source: str


class ActWord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An act in plain words."""

    code: str
    words: str


class ItemSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named set of items 一组常办事项; a published version never changes."""

    name: str
    version: int
    words: str
    items: tuple[str, ...]
    kind: Literal["person", "organisation"]
    source: str


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything of mandates.toml."""

    limits: Limits
    ages: Ages
    basis: tuple[BasisRule, ...]
    act: tuple[ActWord, ...]
    set: tuple[ItemSet, ...]
    never: tuple[Never, ...]

    def days(self, basis: str) -> int:
        """The longest term of a basis."""
        return next(one.days for one in self.basis if one.code == basis)

    def words(self, code: str) -> str:
        """A basis or act in plain words, the code itself when unknown."""
        known = {one.code: one.words for one in self.basis} | {one.code: one.words for one in self.act}
        return known.get(code, code)

    def sets(self, kind: str) -> tuple[ItemSet, ...]:
        """The newest version of each named set for a kind of grantor."""
        newest = {one.name: one for one in sorted(self.set, key=lambda one: one.version)}
        return tuple(one for one in newest.values() if one.kind == kind)


@cache
def book() -> Book:
    """The data of mandates.toml. Raises msgspec.ValidationError when the file is not right."""
    return msgspec.convert(tomllib.loads(_FILE.read_text("utf-8")), Book)


def alive(mandate: Mandate, now: datetime) -> bool:
    """Accepted, begun, and not over 有效."""
    return mandate.state == "active" and mandate.from_at <= now < mandate.until_at


def covers(mandate: Mandate, deed: Deed) -> bool:
    """Whether the item is within it: by law every item for that kind of person, else only what is named."""
    if mandate.basis in BY_LAW:
        return not deed.item or mandate.kind in deed.audience
    return not deed.item or any(deed.item.endswith(one) for one in mandate.items)


def forbidden(deed: Deed, never: Sequence[Never]) -> Never | None:
    """The entry of the never-delegable list that this deed falls under, None when it may be delegated."""
    return next(
        (
            one
            for one in never
            if deed.act in one.acts
            or (deed.item and any(deed.item.endswith(code) for code in one.items))
            or any(word in deed.item_name for word in one.names)
        ),
        None,
    )


def fresh(mandate: Mandate, deed: Deed, now: datetime, *, here: str, limits: Limits) -> bool:
    """Whether the news of the node whose word it is are young enough for this deed (identity.md 2, 6.4).

    Looking and drafting never wait for news. What rests on a register is asked again at each level-3 act; below that a
    register's letter ends it, and the word of another node counts for minutes.
    """
    if deed.act not in BINDING:
        return True
    by_register = mandate.basis in BY_LAW or bool(mandate.granted_by_subject)
    if by_register and deed.level >= 3:
        return now - mandate.news_at <= timedelta(seconds=limits.law_news_seconds)
    return mandate.granted_node == here or now - mandate.news_at <= timedelta(minutes=limits.news_minutes)


def may_act(mandate: Mandate, deed: Deed, never: Sequence[Never], now: datetime) -> str:
    """Empty when the agent may do it, else the error code 能不能代办: never_delegable, mandate_ended, mandate_scope, mandate_wait.

    The legal representative is the organisation's own hand, so the never-list binds everybody else only.
    """
    if mandate.basis != "legal_rep" and forbidden(deed, never) is not None:
        return "identity.never_delegable"
    if not alive(mandate, now):
        return "identity.mandate_ended"
    if deed.act not in mandate.acts or not covers(mandate, deed):
        return "identity.mandate_scope"
    if deed.act in BINDING and mandate.wait_until is not None and now < mandate.wait_until:
        return "identity.mandate_wait"
    return ""


def longest(basis: str, start: datetime, days: int) -> datetime:
    """The end of a mandate of `days` from `start`, never later than its basis allows."""
    return start + timedelta(days=max(1, min(days, book().days(basis))))


def waits(basis: str, start: datetime) -> datetime | None:
    """Until when a family mandate made from afar may not submit (T-94); none for a hall and for organisations."""
    return start + timedelta(hours=book().limits.remote_wait_hours) if basis == "family" else None
