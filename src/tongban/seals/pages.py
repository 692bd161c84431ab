"""印章管理 the back office of seals: what seals there are, making one, its uses, ending it."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, NotFound, Refusal, Refusals
from tongban.kernel.ids import BadIdentifier, CreditCode
from tongban.kernel.node import Node
from tongban.seals import actions, queries
from tongban.seals.model import Seal, SealUse

KINDS = (ui.Option("approval", "审批专用章", "一枚印章管一个部门的审批"), ui.Option("official", "公章"))


class SealsPage(msgspec.Struct, frozen=True):
    """What /staff/seals draws."""

    title: str
    seals: tuple[Seal, ...]
    may_make: bool
    kinds: tuple[ui.Option, ...] = KINDS
    org_code: str = ""
    org_name: str = ""
    kind: str = "approval"
    errors: Refusals = ()


class SealPage(msgspec.Struct, frozen=True):
    """What /staff/seals/{id} draws: the seal and every use of it."""

    title: str
    seal: Seal
    uses: tuple[SealUse, ...]
    may_revoke: bool
    errors: Refusals = ()
    back: str = "/staff/seals"


def _area(node: Node) -> str:
    return (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")


def _may(node: Node, actor: Actor, action: str, org: str) -> bool:
    """Whether the officer may do the action with a seal of that department of this node (T-61)."""
    return actor.may(action, division=_area(node), org=org)


def _require(node: Node, actor: Actor, action: str, org: str) -> None:
    actor.require_may(action, division=_area(node), org=org)


def _sees(actor: Actor) -> None:
    """Somebody who sees the seals of some department here."""
    actor.require_staff()
    if not any("seals.see" in one.actions for one in actor.assignments):
        raise NotAllowed


async def _list(
    request: Request[Any, Any, Any],
    node: Node,
    actor: Actor,
    *,
    org_code: str = "",
    org_name: str = "",
    kind: str = "approval",
    errors: Refusals = (),
) -> Response[Any]:
    async with node.db.reading() as tx:
        found = tuple(one for one in await queries.seals_of(tx) if _may(node, actor, "seals.see", one.org_code))
    page = SealsPage(
        "电子印章",
        found,
        any("seals.make" in one.actions for one in actor.assignments),
        errors=errors,
        org_code=org_code,
        org_name=org_name,
        kind=kind,
    )
    return ui.page(request, "seals/seals.html", page, status=422 if errors else 200)


@get("/staff/seals")
async def list_seals(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """电子印章: those of my departments, and making one."""
    _sees(actor)
    return await _list(request, node, actor)


@post("/staff/seals")
async def make(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """制章: for a department, with a key of its own."""
    _sees(actor)
    form = await ui.form(request)
    _require(node, actor, "seals.make", form["org_code"].strip().upper())
    wrong: list[Refusal] = []
    if len(form["org_name"]) < 4:
        wrong.append(Refusal("seals.org_name", "写上部门全称", "org_name"))
    try:
        code = CreditCode.parse(form["org_code"]).value
    except BadIdentifier as why:
        code = ""
        wrong.append(Refusal("seals.org_code", why.sentence, "org_code"))
    kind: Literal["official", "approval"] = "official" if form["kind"] == "official" else "approval"
    if not wrong:
        async with node.db.transaction() as tx:
            await tx.execute("SELECT pg_advisory_xact_lock(hashtext('seal:' || $1))", code)
            if any(one.kind == kind and one.state == "active" for one in await queries.seals_of(tx, code)):
                wrong.append(Refusal("seals.exists", "这个部门已经有一枚这样的印章，先作废旧的", "org_code"))
            else:
                made = await actions.make_seal(tx, node, actor, org_code=code, org_name=form["org_name"], kind=kind)
                return ui.see_other(f"/staff/seals/{made.id}")
    return await _list(
        request, node, actor, org_code=form["org_code"], org_name=form["org_name"], kind=kind, errors=tuple(wrong)
    )


async def _one(
    request: Request[Any, Any, Any], node: Node, actor: Actor, seal_id: str, errors: Refusals = ()
) -> Response[Any]:
    async with node.db.reading() as tx:
        found = await queries.seal(tx, seal_id)
        used = tuple(
            msgspec.structs.replace(one, officer=one.officer.partition("@")[0])  # they are of this node: its id says nothing more
            for one in await queries.uses(tx, seal_id)
        )
    if found is None or not _may(node, actor, "seals.see", found.org_code):
        raise NotFound("没有这枚印章")
    may_revoke = found.state == "active" and _may(node, actor, "seals.revoke", found.org_code)
    page = SealPage(found.name, found, used, may_revoke, errors)
    return ui.page(request, "seals/seal.html", page, status=422 if errors else 200)


@get("/staff/seals/{seal_id:uuid}")
async def one_seal(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], seal_id: FromPath[UUID]
) -> Response[Any]:
    """一枚印章 and its uses."""
    _sees(actor)
    return await _one(request, node, actor, str(seal_id))


@get("/staff/seals/{seal_id:uuid}/picture.png")
async def picture(
    node: NamedDependency[Node], actor: NamedDependency[Actor], seal_id: FromPath[UUID]
) -> Response[bytes]:
    """The picture of a seal."""
    _sees(actor)
    async with node.db.reading() as tx:
        found = await queries.seal(tx, str(seal_id))
    if found is None or not _may(node, actor, "seals.see", found.org_code):
        raise NotFound("没有这枚印章")
    return Response(found.picture, media_type="image/png")


@post("/staff/seals/{seal_id:uuid}/revoke")
async def revoke(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], seal_id: FromPath[UUID]
) -> Response[Any]:
    """作废: from now on nothing can be sealed with it, and everywhere later sealing is refused."""
    _sees(actor)
    form = await ui.form(request)
    async with node.db.reading() as tx:
        found = await queries.seal(tx, str(seal_id))
    if found is None:
        raise NotFound("没有这枚印章")
    _require(node, actor, "seals.revoke", found.org_code)
    if len(form["reason"]) < 4:
        return await _one(
            request, node, actor, str(seal_id), (Refusal("seals.reason", "写清作废的理由，至少 4 个字", "reason"),)
        )
    async with node.db.transaction() as tx:
        await actions.revoke_seal(tx, node, actor, str(seal_id), form["reason"])
    return ui.see_other(f"/staff/seals/{seal_id}")


routes = [list_seals, make, one_seal, picture, revoke]
ROUTES: list[ui.Route] = [
    ui.Route("/staff/seals", "/staff/seals", who=("staff",)),
    ui.Route("/staff/seals/{seal_id:uuid}", who=("staff",), fixture="a seal"),
]
