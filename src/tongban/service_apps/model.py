"""Nouns of 应用管理: an app, what it carries, what the gate found, and how it runs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Channel = Literal["h5", "pc", "kiosk", "webview"]
CHANNELS: tuple[Channel, ...] = ("h5", "pc", "kiosk", "webview")
CHANNEL_WORDS: dict[str, str] = {"h5": "手机", "pc": "电脑", "kiosk": "自助机", "webview": "小程序"}
State = Literal["draft", "registered", "check_failed", "checked", "reviewed", "published", "suspended", "withdrawn"]
STATE_WORDS: dict[str, str] = {
    "draft": "草稿",
    "registered": "等检查",
    "check_failed": "检查没过",
    "checked": "等审核",
    "reviewed": "审过了，等发布",
    "published": "运行中",
    "suspended": "已暂停",
    "withdrawn": "已下架",
}
Severity = Literal["error", "warning"]


class ServiceLevel(msgspec.Struct, frozen=True):
    """What the owner promises (服务承诺): minutes up of 1,000, answer time, when a person answers the telephone."""

    available_per_mille: int
    answer_ms: int
    support_hours: str


class ItemRef(msgspec.Struct, frozen=True, order=True):
    """A service item the app carries (承载的事项), pinned to a version; `digest` is the item's identity."""

    task_code: str
    version: int
    digest: str = ""
    name: str = ""


class Draft(msgspec.Struct, frozen=True):
    """What the operator writes down (登记内容). `contact` is the unit's service line, never a person's number."""

    name: str
    owner_name: str
    owner_org: str
    division: str
    contact_unit: str
    contact_phone: str
    service_level: ServiceLevel | None
    items: tuple[ItemRef, ...]
    channels: tuple[Channel, ...]
    pages: tuple[str, ...] = ()


class ServiceApp(msgspec.Struct, frozen=True):
    """A service app (应用) of this node. `digest` is SM3 over the canonical draft and version; review pins it."""

    id: str
    draft: Draft
    version: int
    state: State
    digest: str
    published_channels: tuple[Channel, ...]
    submitted_by: str
    reviewed_by: str
    reviewed_digest: str
    checked_digest: str
    updated_at: datetime

    @property
    def name(self) -> str:
        """The app's name."""
        return self.draft.name


class PublishedApp(msgspec.Struct, frozen=True):
    """An app published somewhere in the nation, as the letter tells it (已发布应用)."""

    id: str
    node: str
    name: str
    owner_name: str
    contact_unit: str
    contact_phone: str
    version: int
    digest: str
    channels: tuple[Channel, ...]
    items: tuple[ItemRef, ...]
    published_at: datetime


class Rule(msgspec.Struct, frozen=True):
    """One rule of the access standard (接入规范的一条). `fix` is what to do, in plain words."""

    id: str
    check: str
    severity: Severity
    title: str
    fix: str
    source: str
    limit: str = ""


class Finding(msgspec.Struct, frozen=True):
    """What one rule found (检查结果). `place` names page and element; `fix` how to mend it."""

    rule: str
    title: str
    severity: Severity
    passed: bool
    text: str
    fix: str = ""
    place: str = ""


class GateReport(msgspec.Struct, frozen=True):
    """One run of the machine gate (自动检查报告) over one digest. It passes when no error is left."""

    id: str
    app: str
    digest: str
    at: datetime
    ms: int
    findings: tuple[Finding, ...]
    pages: tuple[str, ...]

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Errors found: what stops publication."""
        return tuple(one for one in self.findings if not one.passed and one.severity == "error")

    @property
    def warned(self) -> tuple[Finding, ...]:
        """Warnings: a person should look."""
        return tuple(one for one in self.findings if not one.passed and one.severity == "warning")

    @property
    def passes(self) -> bool:
        """Whether the app may go to review."""
        return not self.failed


class HistoryRow(msgspec.Struct, frozen=True):
    """One step of an app's life (流转记录); `by` is a staff id, drawn as the unit's role on pages."""

    at: datetime
    name: str
    from_state: str
    to_state: str
    by: str
    by_words: str
    reason: str
    digest: str
    leaf: str


class Figures(msgspec.Struct, frozen=True):
    """How an app runs (运行数字) over a span: visits, errors (status ≥ 500), mean and 95th percentile in ms."""

    app: str
    channel: str
    visits: int
    errors: int
    mean_ms: int
    p95_ms: int
