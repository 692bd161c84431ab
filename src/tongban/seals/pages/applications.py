"""印章申请: applying for a seal, reviewing an application, having the seal made."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, NotFound, Refusal, Refusals
from tongban.kernel.node import Node
from tongban.seals import actions, queries
from tongban.seals.actions.custody import keepers
from tongban.seals.model import Act, Application, Kind
from tongban.seals.pages.lists import sees
from tongban.seals.rules.rights import allowed_for

KINDS = (ui.Option("approval", "审批专用章", "一枚印章管一个部门的审批"), ui.Option("official", "公章"))


class ApplyPage(msgspec.Struct, frozen=True):
    """What the form draws; `typed` keeps what was typed."""

    title: str
    typed: dict[str, str]
    keepers: tuple[ui.Option, ...]
    kinds: tuple[ui.Option, ...] = KINDS
    errors: Refusals = ()
    back: str = "/staff/seals"


class ApplicationPage(msgspec.Struct, frozen=True):
    """What one application draws."""

    title: str
    one: Application
    acts: tuple[Act, ...]
    may_review: bool
    may_make: bool
    own: bool
    errors: Refusals = ()
    back: str = "/staff/seals"


async def _form(
    request: Request[Any, Any, Any], node: Node, actor: Actor, typed: dict[str, str], errors: Refusals = ()
) -> Response[Any]:
    """Everybody who keeps a seal somewhere here is offered; whether for that department is asked when it is sent."""
    orgs = {one.org for one in actor.assignments if "seals.apply" in one.actions}
    async with node.db.reading() as tx:
        found = {one.staff_no: one for org in orgs for one in await keepers(tx, node, org)}
    options = tuple(ui.Option(no, f"{no} {one.unit}") for no, one in sorted(found.items()))
    page = ApplyPage("申请印章", typed, options, errors=errors)
    return ui.page(request, "seals/apply.html", page, status=422 if errors else 200)


def _applies(actor: Actor) -> None:
    actor.require_staff()
    if not any("seals.apply" in one.actions for one in actor.assignments):
        raise NotAllowed


@get("/staff/seals/apply")
async def show_form(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """申请印章: for which department, what for, on what ground, who keeps it."""
    _applies(actor)
    return await _form(request, node, actor, {"kind": "approval"})


@post("/staff/seals/apply")
async def send(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """提交申请."""
    _applies(actor)
    form = await ui.form(request)
    fields = ("org_name", "org_code", "kind", "name", "purpose", "basis", "keeper", "two_persons")
    typed = {name: form[name] for name in fields}
    kind: Kind = "official" if form["kind"] == "official" else "approval"
    async with node.db.transaction() as tx:
        found = await actions.apply(
            tx, node, actor, org_code=form["org_code"], org_name=form["org_name"], kind=kind, name=form["name"],
            purpose=form["purpose"], basis=form["basis"], keeper=form["keeper"], two_persons=form["two_persons"] == "yes",
        )  # fmt: skip
    if isinstance(found, tuple):
        return await _form(request, node, actor, typed, found)
    return ui.see_other(f"/staff/seals/applications/{found.id}")


async def _show(
    request: Request[Any, Any, Any], node: Node, actor: Actor, application_id: str, errors: Refusals = ()
) -> Response[Any]:
    async with node.db.reading() as tx:
        found = await queries.application(tx, application_id)
        acts = await queries.acts(tx, application_id)
    if found is None or not allowed_for(node, actor, "seals.see", found.org_code):
        raise NotFound("没有这份申请")
    own = actor.staff_id == found.applied_by
    page = ApplicationPage(
        f"申请：{found.name}", found, acts,
        may_review=found.state == "applied" and not own and allowed_for(node, actor, "seals.review", found.org_code),
        may_make=found.state == "approved" and actor.staff_id != found.keeper and allowed_for(node, actor, "seals.make", found.org_code),
        own=own, errors=errors,
    )  # fmt: skip
    return ui.page(request, "seals/application.html", page, status=422 if errors else 200)


@get("/staff/seals/applications/{application_id:uuid}")
async def show(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], application_id: FromPath[UUID]
) -> Response[Any]:
    """一份申请, with what can be done now."""
    sees(actor)
    return await _show(request, node, actor, str(application_id))


@post("/staff/seals/applications/{application_id:uuid}/review")
async def review(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], application_id: FromPath[UUID]
) -> Response[Any]:
    """审核: agree to what was read, or refuse with a reason."""
    sees(actor)
    form = await ui.form(request)
    agree = form["act"] == "agree"
    if not agree and len(form["reason"].strip()) < 4:
        wrong = Refusal("seals.reason", "写清不同意的理由，至少 4 个字", "reason")
        return await _show(request, node, actor, str(application_id), (wrong,))
    async with node.db.transaction() as tx:
        await actions.review(tx, node, actor, str(application_id), form["digest"], agree=agree, reason=form["reason"])
    return ui.see_other(f"/staff/seals/applications/{application_id}")


@post("/staff/seals/applications/{application_id:uuid}/make")
async def make(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], application_id: FromPath[UUID]
) -> Response[Any]:
    """制作: key, picture, seal; then it waits for its keeper."""
    sees(actor)
    await ui.form(request)
    async with node.db.transaction() as tx:
        made = await actions.make_applied(tx, node, actor, str(application_id))
    return ui.see_other(f"/staff/seals/{made.id}")


routes = [show_form, send, show, review, make]
