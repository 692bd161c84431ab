"""用印: putting a document forward, seeing it as the second person, the sealed document as an attachment."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote
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
from tongban.seals.actions.request import document_of
from tongban.seals.model import Placement, Seal, UseRequest
from tongban.seals.pages.lists import sees
from tongban.seals.rules.drawing import draw_svg
from tongban.seals.rules.rights import allowed_for, require_for

PLACES = (ui.Option("right", "右下"), ui.Option("middle", "下面正中"), ui.Option("left", "左下"))
_LEFT = {"right": 135.0, "middle": 85.0, "left": 30.0}
_TYPES = {"ofd": "application/ofd", "pdf": "application/pdf"}


class UsePage(msgspec.Struct, frozen=True):
    """What the form draws."""

    title: str
    seal: Seal
    typed: dict[str, str]
    back: str
    places: tuple[ui.Option, ...] = PLACES
    errors: Refusals = ()


class RequestPage(msgspec.Struct, frozen=True):
    """What one request draws."""

    title: str
    seal: Seal
    one: UseRequest
    may_decide: bool
    own: bool
    back: str
    errors: Refusals = ()


async def _usable(node: Node, actor: Actor, seal_id: str) -> Seal:
    async with node.db.reading() as tx:
        found = await queries.seal(tx, seal_id)
    if found is None:
        raise NotFound("没有这枚印章")
    require_for(node, actor, "seals.use", found.org_code)
    if not found.two_persons and found.keeper != actor.staff_id:
        raise NotAllowed
    return found


@get("/staff/seals/{seal_id:uuid}/use")
async def show_form(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], seal_id: FromPath[UUID]
) -> Response[Any]:
    """用印: the document, what for, about what, where the seal goes."""
    sees(actor)
    found = await _usable(node, actor, str(seal_id))
    actions.must_stand(found.state, found, node.clock.now())
    return ui.page(request, "seals/use.html", UsePage(f"用印：{found.name}", found, {"page": "1", "place": "right"}, f"/staff/seals/{seal_id}"))


@post("/staff/seals/{seal_id:uuid}/use")
async def ask(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], seal_id: FromPath[UUID]
) -> Response[Any]:
    """提出用印; a seal for one person seals at once."""
    sees(actor)
    form = await ui.form(request)
    found = await _usable(node, actor, str(seal_id))
    file, at = form.file("file"), form["page"].strip()
    wrong: Refusals = ()
    if file is None:
        wrong = (Refusal("seals.file", "选一份 OFD 或 PDF 文件", "file"),)
    elif not (at.isascii() and at.isdigit() and 1 <= int(at) <= 200):
        wrong = (Refusal("seals.page", "写上盖在第几页，像 1", "page"),)
    else:
        place = Placement(int(at) - 1, _LEFT.get(form["place"], 135.0), 235.0)
        async with node.db.transaction() as tx:
            made = await actions.ask_use(
                tx, node, actor, str(seal_id), document=file.data, title=form["title"], purpose=form["purpose"], about=form["about"],
                placement=place,
            )  # fmt: skip
        if isinstance(made, UseRequest):
            return ui.see_other(f"/staff/seals/requests/{made.id}")
        wrong = made
    typed = {name: form[name] for name in ("title", "purpose", "about", "page", "place")}
    page = UsePage(f"用印：{found.name}", found, typed, f"/staff/seals/{seal_id}", errors=wrong)
    return ui.page(request, "seals/use.html", page, status=422)


async def _show(
    request: Request[Any, Any, Any], node: Node, actor: Actor, request_id: str, errors: Refusals = ()
) -> Response[Any]:
    async with node.db.reading() as tx:
        one = await queries.use_request(tx, request_id)
        found = await queries.seal(tx, one.seal_id) if one else None
    if one is None or found is None or not allowed_for(node, actor, "seals.use", found.org_code):
        raise NotFound("没有这次用印")
    me = actor.staff_id
    may = one.state == "asked" and me != one.asked_by and found.keeper in {me, one.asked_by}
    page = RequestPage(f"用印：{one.title}", found, one, may, me == one.asked_by, f"/staff/seals/{found.id}", errors)
    return ui.page(request, "seals/request.html", page, status=422 if errors else 200)


@get("/staff/seals/requests/{request_id:uuid}")
async def show(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], request_id: FromPath[UUID]
) -> Response[Any]:
    """一次用印, with the document drawn where it can be."""
    sees(actor)
    return await _show(request, node, actor, str(request_id))


@post("/staff/seals/requests/{request_id:uuid}")
async def decide(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], request_id: FromPath[UUID]
) -> Response[Any]:
    """复核: seal it now, or refuse with a reason."""
    sees(actor)
    form = await ui.form(request)
    agree = form["act"] == "agree"
    if not agree and len(form["reason"].strip()) < 4:
        wrong = Refusal("seals.reason", "写清不同意的理由，至少 4 个字", "reason")
        return await _show(request, node, actor, str(request_id), (wrong,))
    async with node.db.transaction() as tx:
        await actions.decide_use(tx, node, actor, str(request_id), form["digest"], agree=agree, reason=form["reason"])
    return ui.see_other(f"/staff/seals/requests/{request_id}")


@get("/staff/seals/requests/{request_id:uuid}/picture.svg")
async def picture(
    node: NamedDependency[Node], actor: NamedDependency[Actor], request_id: FromPath[UUID]
) -> Response[str]:
    """The first page of an OFD, drawn by us: nothing of the file itself runs in the reader's browser."""
    sees(actor)
    async with node.db.reading() as tx:
        one, document = await document_of(tx, node, actor, str(request_id), sealed=False)
    if one.format != "ofd":
        raise NotFound("这种文件请下载了看")
    drawn = await asyncio.to_thread(draw_svg, document, one.page)
    headers = {"Content-Security-Policy": "default-src 'none'; img-src data:; sandbox", "Cache-Control": "no-store"}
    return Response(drawn, media_type="image/svg+xml", headers=headers)


async def _file(node: Node, actor: Actor, request_id: str, *, sealed: bool) -> Response[bytes]:
    sees(actor)
    async with node.db.reading() as tx:
        one, document = await document_of(tx, node, actor, request_id, sealed=sealed)
    name = quote(f"{one.title}.{one.format}")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }  # fmt: skip
    return Response(document, media_type=_TYPES[one.format], headers=headers)


@get("/staff/seals/requests/{request_id:uuid}/document")
async def before(
    node: NamedDependency[Node], actor: NamedDependency[Actor], request_id: FromPath[UUID]
) -> Response[bytes]:
    """The document as put forward, as an attachment only."""
    return await _file(node, actor, str(request_id), sealed=False)


@get("/staff/seals/requests/{request_id:uuid}/sealed")
async def after(
    node: NamedDependency[Node], actor: NamedDependency[Actor], request_id: FromPath[UUID]
) -> Response[bytes]:
    """The sealed document, as an attachment only."""
    return await _file(node, actor, str(request_id), sealed=True)


routes = [show_form, ask, show, decide, picture, before, after]
