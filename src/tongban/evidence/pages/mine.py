"""HTML door of 我的材料: what was handed in, where it is used; taken out or saved, never shown in our origin."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response, Stream

from tongban import ui
from tongban.evidence.actions import remove
from tongban.evidence.errors import MaterialUnknown
from tongban.evidence.model import Material, Use
from tongban.evidence.queries import given, materials, openable, uses
from tongban.kernel.actor import Actor
from tongban.kernel.ids import is_uuid
from tongban.kernel.node import Node

Req = Request[Any, Any, Any]
HereNode = NamedDependency[Node]
Asking = NamedDependency[Actor]
Part = FromPath[str]


class Mine(msgspec.Struct, frozen=True):
    """One file in the list with its uses (一份材料)."""

    material: Material
    uses: tuple[Use, ...]


class MaterialsPage(msgspec.Struct, frozen=True):
    """What /me/materials draws (我的材料)."""

    title: str
    mine: tuple[Mine, ...]
    removed: bool
    back: str = "/me"
    back_label: str = "返回我的"


@get("/me/materials")
async def listed(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """我的材料: newest first, with where each has been used."""
    actor.require(1)
    actor.require_self("看交过的材料")
    async with node.db.reading() as tx:
        found = [Mine(one, await uses(tx, actor.person, one.id)) for one in await materials(tx, node, actor.person)]
    page = MaterialsPage(title="我的材料", mine=tuple(found), removed="removed" in request.query_params)
    return ui.page(request, "evidence/materials.html", page)


@get("/me/materials/{material_id:str}")
async def download(node: HereNode, actor: Asking, material_id: Part) -> Stream:
    """The file itself, piece by piece, as an attachment only. Another person's id is not found (T-42)."""
    actor.require(1)
    actor.require_self("看交过的材料")
    if not is_uuid(material_id):
        raise MaterialUnknown
    async with node.db.reading() as tx:
        found, secret = await openable(tx, node, actor.person, material_id)
    content = await given(node, found.address, secret)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name.reveal())}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "no-store",
        "Content-Length": str(content.byte_count),
    }
    return Stream(content.pieces, media_type=found.media_type, headers=headers)


@post("/me/materials/{material_id:str}/remove")
async def take_out(request: Req, node: HereNode, actor: Asking, material_id: Part) -> Response[Any]:
    """移除: gone from the list; a file that a case uses stays with the case."""
    await ui.form(request)
    actor.require(1)
    actor.require_self("看交过的材料")
    if not is_uuid(material_id):
        raise MaterialUnknown
    async with node.db.transaction() as tx:
        if not await remove(tx, node, actor, material_id):
            raise MaterialUnknown
    return ui.see_other("/me/materials?removed=1")


ROUTES: list[Any] = [listed, download, take_out]
