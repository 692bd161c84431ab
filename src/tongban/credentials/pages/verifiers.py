"""后台的查验方 the back office of verifiers: units with their codes and purposes, pauses, reports of abuse and their answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.credentials.actions import reports, verifiers
from tongban.credentials.model import Verifier
from tongban.credentials.queries.types import purposes
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotFound, Refusal, Refusals
from tongban.kernel.node import Node

STATES = {"active": "在用", "suspended": "暂停了", "stopped": "停用"}


class UnitRow(msgspec.Struct, frozen=True):
    """One verifier unit (查验方) with its checks of the last thirty days."""

    id: str
    name: str
    org_code: str
    purposes: str
    state: str
    windows: int
    checks: int


class VerifiersPage(msgspec.Struct, frozen=True):
    """What /staff/verifiers draws; `code` is shown once, after it was made."""

    title: str
    rows: tuple[UnitRow, ...]
    options: tuple[ui.Option, ...]
    code: str = ""
    unit: str = ""
    name: str = ""
    org_code: str = ""
    chosen: tuple[str, ...] = ()
    errors: Refusals = ()
    waiting: int = 0


class ReportRow(msgspec.Struct, frozen=True):
    """One report (一条举报), as the operator sees it: the look and the words, not the holder."""

    home: str
    id: str
    unit: str
    looked_at: datetime
    purpose: str
    fields: str
    words: str
    reported_at: datetime
    answer: str
    answered_at: datetime | None


class ReportsPage(msgspec.Struct, frozen=True):
    """What /staff/verifiers/reports draws."""

    title: str
    rows: tuple[ReportRow, ...]
    errors: Refusals = ()
    back: str = "/staff/verifiers"
    back_label: str = "返回查验方"


async def _verifiers(
    request: Request[Any, Any, Any], node: Node, page: VerifiersPage | None = None, *, status_code: int = 200
) -> Response[Any]:
    since = node.clock.today().toordinal() - 30
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT v.*, (SELECT count(*) FROM credential_browser b WHERE b.verifier = v.id AND b.stopped_at IS NULL) AS windows, "
            "(SELECT coalesce(sum(checks), 0) FROM credential_check c WHERE c.verifier_group = v.id::text AND c.day >= $1::date) AS checks "
            "FROM credential_verifier v ORDER BY v.state, v.made_at DESC LIMIT 200",
            node.clock.today().fromordinal(since),
        )
    names = {one.id: one.name for one in purposes(node)}
    found = tuple(
        UnitRow(
            row["id"],
            row["name"],
            row["org_code"],
            "、".join(names.get(one, one) for one in row["purposes"]),
            STATES[row["state"]],
            row["windows"],
            row["checks"],
        )
        for row in rows
    )
    options = tuple(ui.Option(one.id, one.name, f"依据《{one.basis}》") for one in purposes(node))
    base = page or VerifiersPage("查验方", (), ())
    async with node.db.reading() as tx:
        waiting = sum(one.answered_at is None for one in await reports.reports(tx, node))
    return ui.page(
        request,
        "credentials/verifiers.html",
        msgspec.structs.replace(base, rows=found, options=options, waiting=waiting),
        status=status_code,
    )


@get("/staff/verifiers")
async def list_verifiers(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """查验方: who may check, for what, how often they did."""
    actor.require_may("credentials.verifiers", division=area(node))
    return await _verifiers(request, node)


@post("/staff/verifiers")
async def make(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """Register a unit; its enrolment code is shown on the answer and never again."""
    actor.require_may("credentials.verifiers", division=area(node))
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        made = await verifiers.make_verifier(
            tx, node, actor, name=form["name"], org_code=form["org_code"], purposes=tuple(form.all("purposes"))
        )
    if isinstance(made[0], Verifier):
        page = VerifiersPage("查验方", (), (), code=str(made[1]), unit=made[0].name)
        return await _verifiers(request, node, page)
    wrong = tuple(one for one in made if isinstance(one, Refusal))
    page = VerifiersPage(
        "查验方", (), (), name=form["name"], org_code=form["org_code"], chosen=tuple(form.all("purposes")), errors=wrong
    )
    return await _verifiers(request, node, page, status_code=422)


@post("/staff/verifiers/{unit_id:uuid}")
async def change(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], unit_id: FromPath[UUID]
) -> Response[Any]:
    """Another code, a pause, or an end."""
    actor.require_may("credentials.verifiers", division=area(node))
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        name = await tx.fetchval("SELECT name FROM credential_verifier WHERE id = $1", str(unit_id))
        if name is None:
            raise NotFound("没有这个查验方")
        if form["act"] == "stop":
            await verifiers.stop_verifier(tx, str(unit_id))
        if form["act"] == "suspend":
            await verifiers.suspend_verifier(tx, str(unit_id), "平台正在核查")
        if form["act"] == "resume":
            await verifiers.resume_verifier(tx, str(unit_id))
        if form["act"] != "code":
            return ui.see_other("/staff/verifiers")
        code = await verifiers.new_code(tx, node, str(unit_id))
    return await _verifiers(request, node, VerifiersPage("查验方", (), (), code=code, unit=name))


async def _reports(request: Request[Any, Any, Any], node: Node, errors: Refusals = ()) -> Response[Any]:
    async with node.db.reading() as tx:
        found = await reports.reports(tx, node)
    rows = tuple(
        ReportRow(
            one.home, one.id, one.unit, one.looked_at, one.purpose, "、".join(one.fields) or "没有看到内容", one.words.reveal() or "没有写",
            one.reported_at, one.answer.reveal() if one.answer else "", one.answered_at,
        )
        for one in found
    )  # fmt: skip
    return ui.page(request, "credentials/reports.html", ReportsPage("举报", rows, errors), status=422 if errors else 200)


@get("/staff/verifiers/reports")
async def list_reports(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """举报: what holders say of our verifier units, the open ones first."""
    actor.require_may("credentials.verifiers", division=area(node))
    return await _reports(request, node)


@post("/staff/verifiers/reports/{home:str}/{report_id:uuid}")
async def answer(
    request: Request[Any, Any, Any],
    node: NamedDependency[Node],
    actor: NamedDependency[Actor],
    home: FromPath[str],
    report_id: FromPath[UUID],
) -> Response[Any]:
    """Answer a report once; its holder reads it in the record and gets a message."""
    actor.require_may("credentials.verifiers", division=area(node))
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        wrong = await reports.answer(tx, node, actor, home, str(report_id), form["words"])
    return await _reports(request, node, wrong) if wrong else ui.see_other("/staff/verifiers/reports")


def area(node: Node) -> str:
    """The whole area of this node as a division code."""
    return (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")


routes = [list_verifiers, make, list_reports, answer, change]
