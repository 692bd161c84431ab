"""取名录: a steward takes a list of another office as one file, under the grant this node holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import get, post
from litestar.response import Response, Stream

from tongban import ui
from tongban.exchange.actions.post import division
from tongban.exchange.actions.take_list import ListTaken, given_fields, take_list
from tongban.exchange.errors import ResourceGone
from tongban.exchange.model import HeldGrant, Resource, Unavailable
from tongban.exchange.pages.door import Asking, HereNode, Part, Req, address
from tongban.exchange.queries import definition, held_grants
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.node import Node

_PIECE = 64 * 1024


class ListPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/sharing/lists/{resource} draws."""

    title: str
    resource: Resource
    field_words: str
    held: tuple[HeldGrant, ...]
    typed: dict[str, str]
    back: str
    errors: Refusals = ()
    back_label: str = "返回这项资源"


@get("/staff/sharing/lists/{resource_id:str}")
async def ask_list(request: Req, node: HereNode, actor: Asking, resource_id: Part) -> Response[bytes]:
    """取名录: what for, which place."""
    return await _page(request, node, actor, resource_id, {}, ())


@post("/staff/sharing/lists/{resource_id:str}", status_code=200)
async def take(request: Req, node: HereNode, actor: Asking, resource_id: Part) -> Response[Any]:
    """The file, when all of it is here; else why not, and nothing of it. A POST, since both logs get a line."""
    form = await ui.form(request)
    typed = {one: form[one].strip() for one in ("purpose", "purpose_words", "place")}
    found = await _list(node, actor, resource_id)
    got = await take_list(node, actor, found, held=await _held(node, found), **typed)
    if isinstance(got, Unavailable):
        return await _page(request, node, actor, resource_id, typed, (Refusal("exchange.list_cut", f"没有取全，取到的部分没有留。{got.sentence}", "purpose"),))
    if isinstance(got, tuple):
        return await _page(request, node, actor, resource_id, typed, got)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(_name(found, typed, got))}",
        "Content-Length": str(got.size), "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
    }  # fmt: skip
    return Stream(_bytes(got), media_type="text/csv", headers=headers)


def _name(found: Resource, typed: dict[str, str], got: ListTaken) -> str:
    return f"{found.name}-{typed['place']}-{got.rows}行.csv"


def _bytes(got: ListTaken) -> Iterator[bytes]:
    with got.file:
        while piece := got.file.read(_PIECE):
            yield piece


async def _list(node: Node, actor: Actor, resource_id: str) -> Resource:
    actor.require_may("exchange.propose", division=division(node))
    async with node.db.reading() as tx:
        found = await definition(tx, resource_id)
    if found is None or found.key != "list" or found.owner == node.id:
        raise ResourceGone
    return found


async def _held(node: Node, found: Resource) -> tuple[HeldGrant, ...]:
    async with node.db.reading() as tx:
        return tuple(one for one in await held_grants(tx) if one.resource == found.id and one.state == "active")


async def _page(request: Req, node: Node, actor: Actor, resource_id: str, typed: dict[str, str], errors: Refusals) -> Response[bytes]:
    found = await _list(node, actor, resource_id)
    held = await _held(node, found)
    typed = {"purpose": held[0].purpose if held else "", "place": division(node), "purpose_words": "", **typed}
    page = ListPage(
        title=f"取{found.name}", resource=found, field_words="、".join(found.words(given_fields(found, held, typed["purpose"]))), held=held, typed=typed,
        back=address(found.id), errors=errors,
    )  # fmt: skip
    return ui.page(request, "exchange/list.html", page, status=422 if errors else 200)


routes = [ask_list, take]
