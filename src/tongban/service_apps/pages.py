"""HTML door of 应用管理: the list, the form, one app with its report, review, channels, history and figures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import catalogue, ui
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure, NotAllowed, Refusals
from tongban.kernel.node import Node
from tongban.service_apps import queries
from tongban.service_apps.actions import check, draft, edit, publish, register, resume, review, suspend, withdraw
from tongban.service_apps.errors import AppGone
from tongban.service_apps.model import (
    CHANNEL_WORDS,
    CHANNELS,
    STATE_WORDS,
    Draft,
    Figures,
    Finding,
    GateReport,
    HistoryRow,
    ItemRef,
    PublishedApp,
    ServiceApp,
    ServiceLevel,
)
from tongban.service_apps.rules import failing, transitions

TAGS = {"published": "ok", "check_failed": "bad", "suspended": "bad", "draft": "mute", "withdrawn": "mute"}
CHECKLIST = ("指南说的和真办的一样", "要的数据不多不少", "不通过时说得清理由", "长辈版从头走了一遍", "出了问题退得回去")
NOT_SEEN = "自动检查看的是页面结构、名字、标题、样式变量、响应头和大小。看不到：登录以后的填写页、浏览器算出来的真实大小和颜色、键盘走的顺序、话说得对不对。这些要人看。"


class AppRow(msgspec.Struct, frozen=True):
    """One app in the list."""

    app: ServiceApp
    state: str
    tag: str
    channels: str
    gate: str
    gate_bad: bool
    visits: int
    errors: int
    p95_ms: int
    failing: bool


class Chip(msgspec.Struct, frozen=True):
    """One filter link."""

    href: str
    text: str
    count: int
    current: bool


class AppsPage(msgspec.Struct, frozen=True):
    """What /staff/apps draws."""

    title: str
    rows: tuple[AppRow, ...]
    chips: tuple[Chip, ...]
    words: str
    may_register: bool
    elsewhere: tuple[PublishedApp, ...]


class FormPage(msgspec.Struct, frozen=True):
    """What the registration form draws; `typed` keeps what was typed."""

    title: str
    action: str
    typed: dict[str, str]
    channels: tuple[str, ...]
    items: tuple[str, ...]
    channel_options: tuple[ui.Option, ...]
    item_options: tuple[ui.Option, ...]
    errors: Refusals = ()
    back: str = "/staff/apps"


class HistoryLine(msgspec.Struct, frozen=True):
    """One step as the page tells it."""

    row: HistoryRow
    words: str


class AppPage(msgspec.Struct, frozen=True):
    """What /staff/apps/{id} draws."""

    title: str
    app: ServiceApp
    state: str
    tag: str
    channels: str
    running: PublishedApp | None
    report: GateReport | None
    stale: bool
    failed: tuple[Finding, ...]
    warned: tuple[Finding, ...]
    passed: tuple[Finding, ...]
    history: tuple[HistoryLine, ...]
    figures: tuple[Figures, ...]
    checklist: tuple[str, ...]
    not_seen: str
    channel_options: tuple[ui.Option, ...]
    may: frozenset[str]
    own: bool
    errors: Refusals = ()
    back: str = "/staff/apps"


def _see(actor: Actor, division: str) -> None:
    actor.require_staff()
    wanted = ("service_apps.see", "service_apps.register", "service_apps.review", "service_apps.check")
    if not any(actor.may(one, division=division) for one in wanted):
        raise NotAllowed


def _node_division(node: Node) -> str:
    return (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")


def _anywhere(actor: Actor, action: str) -> bool:
    return any(action in one.actions for one in actor.assignments)


def _words(channels: tuple[Any, ...]) -> str:
    return "、".join(CHANNEL_WORDS[one] for one in channels) or "没选"


@get("/staff/apps")
async def show_list(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """应用登记: every app of this node with state, channels, gate and figures of the last day."""
    actor.require_staff()
    if not (_anywhere(actor, "service_apps.see") or _anywhere(actor, "service_apps.register")):
        raise NotAllowed
    state, words = request.query_params.get("state", ""), request.query_params.get("q", "").strip()
    async with node.db.reading() as tx:
        everything = await queries.apps(tx)
        shown = await queries.apps(tx, state=state if state in STATE_WORDS else "", words=words)
        counted = await queries.figures(tx, since=node.clock.now() - timedelta(days=1))
        now = await queries.figures(tx, since=node.clock.now())
        rows = tuple([await _row(tx, one, counted, now) for one in shown])
        elsewhere = tuple(one for one in await queries.published_apps(tx) if one.node != node.id)
    states = [""] + [one for one in STATE_WORDS if any(app.state == one for app in everything)]
    chips = tuple(
        Chip(
            href="/staff/apps" + (f"?state={one}" if one else ""),
            text=STATE_WORDS.get(one, "全部"),
            count=sum(1 for app in everything if one in ("", app.state)),
            current=one == state,
        )
        for one in states
    )
    page = AppsPage(
        title="应用登记",
        rows=rows,
        chips=chips,
        words=words,
        may_register=_anywhere(actor, "service_apps.register"),
        elsewhere=elsewhere,
    )
    return ui.page(request, "service_apps/apps.html", page)


async def _row(tx: Tx, app: ServiceApp, counted: tuple[Figures, ...], now: tuple[Figures, ...]) -> AppRow:
    report = await queries.report(tx, app.id)
    mine = [one for one in counted if one.app == app.id]
    gate = "没跑" if report is None else "全过" if report.passes else f"{len(report.failed)} 处没过"
    return AppRow(
        app=app,
        state=STATE_WORDS[app.state],
        tag=TAGS.get(app.state, ""),
        channels=_words(app.published_channels or app.draft.channels),
        gate=gate,
        gate_bad=report is not None and not report.passes,
        visits=sum(one.visits for one in mine),
        errors=sum(one.errors for one in mine),
        p95_ms=max((one.p95_ms for one in mine), default=0),
        failing=any(failing(one) for one in now if one.app == app.id),
    )


async def _form(
    request: Request[Any, Any, Any], node: Node, *, title: str, action: str, wanted: Draft | None, errors: Refusals = ()
) -> Response[bytes]:
    async with node.db.reading() as tx:
        known = (*await catalogue.changed_since(tx, None), *await catalogue.drafts(tx))
    # the newest version of each item of ours, also one that was withdrawn
    listed = {one.task_code: one for one in sorted(known, key=lambda one: one.version) if one.owner_node == node.id}
    level = wanted.service_level if wanted else None
    typed = {
        "name": wanted.name if wanted else "",
        "owner_name": wanted.owner_name if wanted else "",
        "owner_org": wanted.owner_org if wanted else node.settings.organisation,
        "division": wanted.division if wanted else _node_division(node),
        "contact_unit": wanted.contact_unit if wanted else "",
        "contact_phone": wanted.contact_phone if wanted else "",
        "available": f"{level.available_per_mille / 10:g}" if level else "",
        "answer_ms": str(level.answer_ms) if level else "",
        "support_hours": level.support_hours if level else "",
        "pages": "\n".join(wanted.pages) if wanted else "",
    }
    page = FormPage(
        title=title,
        action=action,
        typed=typed,
        channels=wanted.channels if wanted else (),
        items=tuple(f"{one.task_code}:{one.version}" for one in wanted.items) if wanted else (),
        channel_options=tuple(ui.Option(one, CHANNEL_WORDS[one]) for one in CHANNELS),
        item_options=tuple(
            ui.Option(f"{one.task_code}:{one.version}", one.plain_name or one.name, f"{one.organisation}，第 {one.version} 版")
            for one in listed.values()
        ),
        errors=errors,
    )
    return ui.page(request, "service_apps/form.html", page, status=422 if errors else 200)


@get("/staff/apps/new")
async def new(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """登记应用: an empty form."""
    actor.require_staff()
    if not _anywhere(actor, "service_apps.register"):
        raise NotAllowed
    return await _form(request, node, title="登记应用", action="/staff/apps/new", wanted=None)


@post("/staff/apps/new")
async def create(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[Any]:
    """Write down and, when asked, hand in."""
    form = await ui.form(request)
    wanted = _draft(form)
    async with node.db.transaction() as tx:
        made = await draft(tx, node, actor, wanted)
        if isinstance(made, ServiceApp) and form["act"] == "register":
            made = await register(tx, node, actor, made.id)
    if not isinstance(made, ServiceApp):
        return await _form(request, node, title="登记应用", action="/staff/apps/new", wanted=wanted, errors=made)
    return ui.see_other(f"/staff/apps/{made.id}")


@get("/staff/apps/{app_id:uuid}/edit")
async def edit_form(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], app_id: FromPath[UUID]) -> Response[bytes]:
    """改: the form with what stands there."""
    async with node.db.reading() as tx:
        app = await queries.app(tx, str(app_id))
    if app is None:
        raise AppGone
    actor.require_may("service_apps.register", division=app.draft.division)
    return await _form(request, node, title=f"改：{app.name}", action=f"/staff/apps/{app.id}/edit", wanted=app.draft)


@post("/staff/apps/{app_id:uuid}/edit")
async def change(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], app_id: FromPath[UUID]) -> Response[Any]:
    """Keep the change, and hand in when asked."""
    form = await ui.form(request)
    wanted = _draft(form)
    async with node.db.transaction() as tx:
        made = await edit(tx, node, actor, str(app_id), wanted)
        if isinstance(made, ServiceApp) and form["act"] == "register":
            made = await register(tx, node, actor, made.id)
    if not isinstance(made, ServiceApp):
        action = f"/staff/apps/{app_id}/edit"
        return await _form(request, node, title=f"改：{wanted.name}", action=action, wanted=wanted, errors=made)
    return ui.see_other(f"/staff/apps/{app_id}")


def _draft(form: ui.Form) -> Draft:
    items = []
    for value in form.all("items"):
        task_code, _, version = value.partition(":")
        if version.isdigit() and len(version) < 6:
            items.append(ItemRef(task_code=task_code, version=int(version)))
    level = None
    if form["available"] or form["answer_ms"] or form["support_hours"]:
        level = ServiceLevel(
            available_per_mille=_per_mille(form["available"]),
            answer_ms=int(form["answer_ms"]) if form["answer_ms"].isdigit() and len(form["answer_ms"]) < 7 else 0,
            support_hours=form["support_hours"],
        )
    return Draft(
        name=form["name"],
        owner_name=form["owner_name"],
        owner_org=form["owner_org"],
        division=form["division"],
        contact_unit=form["contact_unit"],
        contact_phone=form["contact_phone"],
        service_level=level,
        items=tuple(items),
        channels=tuple(one for one in CHANNELS if one in form.all("channels")),
        pages=tuple(line.strip() for line in form["pages"].splitlines() if line.strip()),
    )


def _per_mille(text: str) -> int:
    try:
        value = float(text.rstrip("% "))
    except ValueError:
        return 0
    return round(value * 10) if 0 < value <= 100 else 0


async def _page(
    request: Request[Any, Any, Any], node: Node, actor: Actor, app_id: str, *, errors: Refusals = ()
) -> Response[bytes]:
    async with node.db.reading() as tx:
        app = await queries.app(tx, app_id)
        if app is None:
            raise AppGone
        _see(actor, app.draft.division)
        report = await queries.report(tx, app_id)
        rows = await queries.history(tx, app_id)
        counted = await queries.figures(tx, since=node.clock.now() - timedelta(days=7), app_id=app_id)
        running = await queries.published(tx, app_id)
    table = transitions()
    may = frozenset(
        name
        for name, row in table.items()
        if app.state in row.from_states and actor.may(row.action, division=app.draft.division)
    )
    findings = report.findings if report else ()
    page = AppPage(
        title=f"{app.name} 第 {app.version} 版",
        app=app,
        state=STATE_WORDS[app.state],
        tag=TAGS.get(app.state, ""),
        channels=_words(app.draft.channels),
        running=running,
        report=report,
        stale=report is not None and report.digest != app.digest,
        failed=report.failed if report else (),
        warned=report.warned if report else (),
        passed=tuple(one for one in findings if one.passed),
        history=tuple(HistoryLine(one, table[one.name].words) for one in rows),
        figures=counted,
        checklist=CHECKLIST,
        not_seen=NOT_SEEN,
        channel_options=tuple(ui.Option(one, CHANNEL_WORDS[one]) for one in app.draft.channels),
        may=may,
        own=app.submitted_by == actor.staff_id,
        errors=errors,
    )
    return ui.page(request, "service_apps/app.html", page, status=422 if errors else 200)


@get("/staff/apps/{app_id:uuid}")
async def show(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], app_id: FromPath[UUID]) -> Response[bytes]:
    """One app: where it stands, what the gate found, who did what, how it runs."""
    return await _page(request, node, actor, str(app_id))


@post("/staff/apps/{app_id:uuid}")
async def act(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], app_id: FromPath[UUID]) -> Response[Any]:
    """One step of the life cycle, named by the button."""
    form = await ui.form(request)
    found = await _act(node, actor, str(app_id), form)
    if isinstance(found, tuple):
        return await _page(request, node, actor, str(app_id), errors=found)
    return ui.see_other(f"/staff/apps/{app_id}")


async def _act(node: Node, actor: Actor, app_id: str, form: ui.Form) -> ServiceApp | GateReport | Refusals:
    if form["act"] == "check":
        return await check(node, actor, app_id)
    async with node.db.transaction() as tx:
        match form["act"]:
            case "register":
                return await register(tx, node, actor, app_id)
            case "approve" | "return":
                agree = form["act"] == "approve"
                return await review(tx, node, actor, app_id, agree=agree, reason=form["reason"], digest=form["digest"])
            case "publish":
                chosen = tuple(one for one in CHANNELS if one in form.all("channels"))
                return await publish(tx, node, actor, app_id, channels=chosen)
            case "suspend":
                return await suspend(tx, node, actor, app_id, reason=form["reason"])
            case "resume":
                return await resume(tx, node, actor, app_id)
            case "withdraw":
                return await withdraw(tx, node, actor, app_id, reason=form["reason"])
            case _:
                raise Failure("service_apps.no_such_act", status=400, sentence="没有这一步", todo="回到应用页面再点一次")


routes = [show_list, new, create, edit_form, change, show, act]
