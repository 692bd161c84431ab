"""后台: 取用审计 for auditors and 共享授权 for data stewards."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import consent, ui
from tongban.consent import Line
from tongban.exchange.actions import approve, end, propose, refuse
from tongban.exchange.actions.post import division
from tongban.exchange.model import CLASS_WORDS, Grant, Resource
from tongban.exchange.pages.door import Chip, chips, day, number
from tongban.exchange.queries import grants, whole
from tongban.exchange.rules import day_end
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

STATES = {"proposed": "等批", "active": "有效", "refused": "没同意", "ended": "停了"}


class AuditPage(msgspec.Struct, frozen=True):
    """What /staff/audit draws: the same lines the persons see, without their subjects."""

    title: str
    lines: tuple[Line, ...]
    persons: int
    without_case: int
    only_odd: bool


class GrantRow(msgspec.Struct, frozen=True):
    """One grant with the words of its resource."""

    grant: Grant
    name: str
    field_words: tuple[str, ...]
    state_words: str
    own: bool


class SharingPage(msgspec.Struct, frozen=True):
    """What /staff/sharing draws: our resources, the demands that wait, the grants."""

    title: str
    chips: tuple[Chip, ...]
    resources: tuple[Resource, ...]
    class_words: dict[str, str]
    rows: tuple[GrantRow, ...]
    may_propose: bool
    may_approve: bool
    options: tuple[ui.Option, ...]
    field_options: tuple[ui.Option, ...]
    typed: dict[str, str]
    errors: Refusals = ()


@get("/staff/audit")
async def audit(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """取用审计: who read what, why, and that the person sees it too."""
    actor.require_may("exchange.audit", division=division(node))
    only_odd = request.query_params.get("show") == "odd"
    async with node.db.reading() as tx:
        rows = await consent.lines_everyone(tx, node.id, limit=200)
    lines = tuple(line for _, line in rows if not only_odd or (line.kind == "view" and not line.about))
    page = AuditPage(
        title="取用审计",
        lines=lines,
        persons=len({subject for subject, _ in rows}),
        without_case=sum(1 for _, line in rows if line.kind == "view" and not line.about),
        only_odd=only_odd,
    )
    return ui.page(request, "exchange/audit.html", page)


async def _sharing(
    request: Request[Any, Any, Any],
    node: Node,
    actor: Actor,
    *,
    errors: Refusals = (),
    typed: dict[str, str] | None = None,
) -> Response[bytes]:
    async with node.db.reading() as tx:
        found = await grants(tx)
        ours = tuple(one.resource for one in await whole(tx, owner=node.id) if one.state == "active")
        known = {one.resource.id: one.resource for one in await whole(tx, owner=node.id)}
    rows = []
    for one in found:
        kept = known.get(one.resource)
        rows.append(
            GrantRow(
                grant=one,
                name=kept.name if kept else one.resource,
                field_words=kept.words(one.fields) if kept else one.fields,
                state_words=STATES[one.state],
                own=one.proposed_by == actor.staff_id,
            )
        )
    page = SharingPage(
        title="共享授权",
        chips=chips("/staff/sharing"),
        resources=ours,
        class_words=CLASS_WORDS,
        rows=tuple(rows),
        may_propose=actor.may("exchange.propose", division=division(node)),
        may_approve=actor.may("exchange.approve", division=division(node)),
        options=tuple(ui.Option(one.id, one.name) for one in ours),
        field_options=tuple(
            ui.Option(f"{one.id}:{f.name}", f"{one.name}：{f.words}") for one in ours for f in one.fields
        ),
        typed=typed or {},
        errors=errors,
    )
    return ui.page(request, "exchange/sharing.html", page, status=422 if errors else 200)


@get("/staff/sharing")
async def sharing(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """共享授权: what we own, who asks, who may call."""
    actor.require_staff()
    if not actor.may("exchange.propose", division=division(node)):
        actor.require_may("exchange.approve", division=division(node))
    return await _sharing(request, node, actor)


@post("/staff/sharing")
async def demand(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[Any]:
    """提出共享需求."""
    form = await ui.form(request)
    wanted = form["resource"]
    chosen = tuple(value.partition(":")[2] for value in form.all("fields") if value.partition(":")[0] == wanted)
    last = day(form["until"])
    async with node.db.transaction() as tx:
        made = await propose(
            tx,
            node,
            actor,
            resource=wanted,
            caller=form["caller"],
            purpose=form["purpose"] or "case.prefill",
            fields=chosen,
            quota_per_day=number(form["quota_per_day"]),
            until=day_end(last) if last else node.clock.now(),
            reason=form["reason"],
        )
    if isinstance(made, tuple):
        typed = {name: form[name] for name in form.names()}
        return await _sharing(request, node, actor, errors=made, typed=typed)
    return ui.see_other("/staff/sharing")


@post("/staff/sharing/{grant_id:uuid}")
async def decide(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], grant_id: FromPath[UUID]) -> Response[Any]:
    """同意、不同意或停止."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        match form["act"]:
            case "approve":
                made: Grant | Refusals = await approve(tx, node, actor, str(grant_id))
            case "refuse":
                made = await refuse(tx, node, actor, str(grant_id), reason=form["reason"])
            case _:
                made = await end(tx, node, actor, str(grant_id), reason=form["reason"])
    if isinstance(made, tuple):
        return await _sharing(request, node, actor, errors=made)
    return ui.see_other("/staff/sharing")


routes = [audit, sharing, demand, decide]
