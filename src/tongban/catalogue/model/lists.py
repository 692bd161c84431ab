"""Lists around the items 清单: basic items, definitions with examples, findings, listings, reference rows, entries."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from tongban.catalogue.model.item import Basis, Item, Question
from tongban.catalogue.model.words import Answers, Audience, Severity


class BasicItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of the basic catalogue 基本目录, kept by the hub; no local item exists without one."""

    catalog_code: str
    name: str
    item_type: str
    department: str
    audience: tuple[Audience, ...]
    legal_basis: tuple[str, ...]
    codes_are_demo: bool = False
    verified: str = "no"
    source: str = ""


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A clerk's example 样例: given these answers on that day, the form says this."""

    name: str
    given: Answers
    step: str = ""
    today: date | None = None
    refused: dict[str, str] = msgspec.field(default_factory=dict)
    visible: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    materials: tuple[str, ...] | None = None


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A definition read from its folder 事项定义: the item, its examples, and where each part stands on disk."""

    item: Item
    folder: str = ""
    examples: tuple[Example, ...] = ()
    lines: dict[str, str] = msgspec.field(default_factory=dict)


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing a rule found 检查发现: rule id, how grave, where, what is wrong, how to mend it."""

    rule: str
    severity: Severity
    where: str
    what: str
    fix: str


class Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published item as lists show it 清单条目: enough to choose by, without the form."""

    task_code: str
    version: int
    digest: str
    name: str
    plain_name: str
    owner_node: str
    division: str
    department: str
    organisation: str
    audience: tuple[str, ...]
    channels: tuple[str, ...]
    themes: tuple[str, ...]
    status: str
    rev: int
    changed_at: datetime


class Division(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """行政区划: six-digit code, name, level, parent, kind (official, statistical, grouping)."""

    code: str
    name: str
    level: str
    parent_code: str
    kind: str


class ReferenceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a national list as imported 参考数据, with how sure it is."""

    list: str
    code: str
    name: str
    parent: str
    note: str
    verified: str
    official: bool
    source: str


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """目录信息: a service known by name and general facts, not handled here; never shown as official."""

    id: str
    kind: Literal["service", "kuasheng"]
    name: str
    plain_name: str
    aliases: tuple[str, ...]
    audience: tuple[Audience, ...]
    department: str
    conditions: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    legal_basis: tuple[Basis, ...] = ()
    statutory: str = ""
    fee: str = ""
    result: str = ""
    faq: tuple[Question, ...] = ()
    modes: tuple[str, ...] = ()
    batch: str = ""
    document: str = ""
    verified: dict[str, str] = msgspec.field(default_factory=dict)
    sources: tuple[str, ...] = ()


class Loaded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a reference import did: rows written per list, lists left alone because nothing changed."""

    written: dict[str, int]
    unchanged: tuple[str, ...]
