"""审计 查看记录: who of the staff read persons, why, how often, and what raised an alert; export under four eyes (R-802, T-65)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.identity.actions import audit
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.queries import readings as looking
from tongban.identity.queries.readings import Filter, Reading, StaffAlert
from tongban.identity.rules.roles import holds, scopes
from tongban.kernel.actor import Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.errors import NotAllowed, NotFound, Refusal, Refusals
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node

WORDS = {"case": "办件", "queue": "分派", "visit": "窗口接待", "dispute": "纠错", "emergency": "紧急访问", "right": "个人信息请求", "hold": "依法保留", "licence": "管理证照", "archive": "归档移交", "audit": "审计"}
ALERTS = {
    "read_without_reason": "没有理由要看一个人，拦下了", "many_read": "一小时内看的人太多", "many_visits": "一小时内窗口核对太多",
    "visit_name_wrong": "窗口核对时号对名不对", "many_audit_pages": "一小时内翻查看记录太多页", "big_export": "导出到了上限",
}  # fmt: skip


class ReadingsPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/readings draws."""

    title: str = "查看记录"
    rows: tuple[tuple[Reading, str], ...]
    alerts: tuple[tuple[StaffAlert, str], ...]
    most: tuple[tuple[str, str, int, int], ...]
    kinds: tuple[dict[str, str], ...]
    typed: dict[str, str]
    query: str
    next: str
    may_export: bool
    may_ask: bool
    exports: tuple[tuple[str, int], ...]
    proposed: str = ""
    errors: Refusals = ()


@get("/staff/readings")
async def register(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """A page of 50 readings with the filter of the address."""
    return await _page(request, node, actor, dict(request.query_params))


async def _page(request: AnyRequest, node: Node, actor: Actor, typed: dict[str, str], errors: Refusals = ()) -> AnyResponse:
    actor.require_staff()
    if not holds(actor, "identity.audit_see"):
        raise NotAllowed
    areas = scopes(actor, audit.SEE)
    wanted, wrong = _filter(typed)
    async with node.db.transaction() as tx:
        await audit.looked(tx, node, actor)
        found = () if wrong else await looking.readings(tx, node, areas, wanted, before=_before(typed))
        alerts = await looking.staff_alerts(tx, areas)
        most = await looking.by_staff(tx, areas, node.clock.now() - timedelta(days=1))
        exports = await audit.waiting_exports(tx, node, actor)
    shown = found[: looking.PAGE]
    kept = {name: value for name, value in typed.items() if name in _NAMES and value}
    after = {**kept, "at": shown[-1].at.isoformat(), "before": shown[-1].id} if len(found) > looking.PAGE else {}
    page = ReadingsPage(
        rows=tuple((one, WORDS.get(one.kind, one.kind)) for one in shown), alerts=tuple((one, ALERTS.get(one.kind, one.kind)) for one in alerts),
        most=most, kinds=tuple({"value": code, "label": words} for code, words in WORDS.items()), typed=kept, query=urlencode(kept),
        next="/staff/readings?" + urlencode(after) if after else "", may_export=holds(actor, audit.EXPORT), may_ask=holds(actor, audit.WHO), exports=exports,
        proposed=typed.get("proposed", ""), errors=errors or wrong,
    )  # fmt: skip
    return ui.page(request, "identity/readings.html", page, status=422 if page.errors else 200)


class WhomPage(msgspec.Struct, frozen=True, kw_only=True):
    """Whom one reading was of: first the question for a reason, then the answer."""

    title: str = "看的是谁"
    back: str = "/staff/readings"
    row: Reading
    words: str
    whys: tuple[dict[str, str], ...]
    found: audit.Whom | None = None
    errors: Refusals = ()


@get("/staff/readings/{reading_id:uuid}/whom")
async def ask_whom(request: AnyRequest, node: HereNode, actor: Asking, reading_id: FromPath[UUID]) -> AnyResponse:
    """The row, and the question for what it is asked; no person yet."""
    async with node.db.reading() as tx:
        row = await audit.reading(tx, node, actor, str(reading_id))
    if row is None:
        raise NotFound
    return _whom(request, row)


@post("/staff/readings/{reading_id:uuid}/whom", status_code=200)
async def whom(request: AnyRequest, node: HereNode, actor: Asking, reading_id: FromPath[UUID]) -> AnyResponse:
    """Name the person of this row, and write that down."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        row = await audit.reading(tx, node, actor, str(reading_id))
        if row is None:
            raise NotFound
        found = await audit.whom(tx, node, actor, row.id, form["why"])
    return _whom(request, row, errors=found) if isinstance(found, tuple) else _whom(request, row, found)


def _whom(request: AnyRequest, row: Reading, found: audit.Whom | None = None, *, errors: Refusals = ()) -> AnyResponse:
    whys = tuple({"value": code, "label": words} for code, words in audit.WHYS.items())
    page = WhomPage(row=row, words=WORDS.get(row.kind, row.kind), whys=whys, found=found, errors=errors)
    return ui.page(request, "identity/reading_whom.html", page, status=422 if errors else 200)


@post("/staff/readings/export", status_code=200)
async def propose(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Ask another auditor for an export of what the filter shows."""
    form = await ui.form(request)
    actor.require_staff()
    typed = {name: form[name] for name in _NAMES}
    wanted, wrong = _filter(typed)
    if wrong:
        return await _page(request, node, actor, typed, wrong)
    async with node.db.transaction() as tx:
        await audit.propose_export(tx, node, actor, wanted)
    return ui.see_other("/staff/readings?proposed=1")


@post("/staff/readings/exports/{export_id:uuid}", status_code=200)
async def take(request: AnyRequest, node: HereNode, actor: Asking, export_id: FromPath[UUID]) -> AnyResponse:
    """Take an approved export, once. A POST, since it can be taken once only."""
    await ui.form(request)
    actor.require_staff()
    async with node.db.transaction() as tx:
        content = await audit.take_export(tx, node, actor, str(export_id))
    headers = {"Content-Disposition": f'attachment; filename="readings-{str(export_id)[-8:]}.csv"', "Cache-Control": "no-store"}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


_NAMES = ("unit", "staff_no", "kind", "since", "until", "same")


def _filter(typed: dict[str, str]) -> tuple[Filter, Refusals]:
    wrong = []
    days: dict[str, datetime | None] = {}
    for name in ("since", "until"):
        text = typed.get(name, "").strip()
        try:
            day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=CHINA) if text else None
        except ValueError:
            wrong.append(Refusal("identity.day", "日期写成 2026-11-01 这样", name))
            day = None
        days[name] = day + timedelta(days=1) if day and name == "until" else day
    same = typed.get("same", "")
    kind = typed.get("kind", "")
    return Filter(
        unit=typed.get("unit", "").strip()[:40], staff_no=typed.get("staff_no", "").strip()[:40], kind=kind if kind in WORDS else "",
        since=days["since"], until=days["until"], same=same if is_uuid(same) else "",
    ), tuple(wrong)  # fmt: skip


def _before(typed: dict[str, str]) -> tuple[datetime, str] | None:
    try:
        at = datetime.fromisoformat(typed.get("at", ""))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC), typed.get("before", "")) if is_uuid(typed.get("before", "")) else None


ROUTES = [register, propose, take, ask_whom, whom]
