"""没有网络时 without network: preparing a phone, the two empty pages that open offline, what an offline verifier holds and tells later."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.credentials.actions import ended, verify
from tongban.credentials.actions import offline as verbs
from tongban.credentials.errors import CardGone, KeysRefused
from tongban.credentials.pages.show import option
from tongban.credentials.pages.verify import window
from tongban.credentials.pages.wallet import LEVEL, card_row, elsewhere
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries.offline import held
from tongban.credentials.queries.types import purposes, type_of
from tongban.credentials.rules import chooser, offline
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed
from tongban.kernel.gm import b64, unb64
from tongban.kernel.node import Node

LARGEST = 4096


class PreparePage(msgspec.Struct, frozen=True):
    """What /wallet/{id}/offline draws: which set goes into the phone, what that means, and how to end it."""

    title: str
    card_id: str
    name: str
    options: tuple[ui.Option, ...]
    chosen: str
    hours: int
    times: int
    stopped: bool
    back: str
    back_label: str = "返回证照"


class ShellPage(msgspec.Struct, frozen=True):
    """An empty page that the browser fills from its own store (离线外壳)."""

    title: str


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A look of a window that had no network (补报): what the holder's home needs to write it down."""

    home: Annotated[str, msgspec.Meta(max_length=20)]
    opaque: Annotated[str, msgspec.Meta(max_length=30)]
    jti: Annotated[str, msgspec.Meta(max_length=16)]
    at: int
    fields: Annotated[tuple[Annotated[str, msgspec.Meta(max_length=40)], ...], msgspec.Meta(max_length=20)]


@get("/wallet/{card_id:uuid}/offline")
async def choose(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]
) -> Response[Any]:
    """存到手机: the least first; the form shows itself where the browser can keep a key."""
    away = await elsewhere(node, actor)
    if away is not None:
        return away
    actor.require_self("出示证照")
    async with node.db.reading() as tx:
        card = await queries.card(tx, node, actor.person, str(card_id))
    kind = type_of(node, card.type_code) if card else None
    if card is None or kind is None:
        raise CardGone
    found = chooser.choices(kind, purposes(node))
    page = PreparePage(
        "没网也能出示", card.id, card.type_name, tuple(option(one) for one in found), found[0].disclosure.id, offline.ENTRY_SECONDS // 3600, 8,
        request.query_params.get("done") == "stopped", f"/wallet/{card.id}",
    )  # fmt: skip
    return ui.page(request, "credentials/prepare.html", page)


@post("/wallet/{card_id:uuid}/offline", status_code=200)
async def prepare(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]
) -> Response[Any]:
    """Sign an entry for each key of this phone; the private halves never leave it."""
    actor.require(LEVEL)
    form = await ui.form(request)
    try:
        keys = offline.read_keys(unb64(form["keys"]))
    except ValueError:
        raise KeysRefused from None
    async with node.db.transaction() as tx:
        made = await verbs.prepare(tx, node, actor, str(card_id), form["d"], keys)
        card = await queries.card(tx, node, actor.person, str(card_id))
    kind = type_of(node, card.type_code) if card else None
    if card is None or kind is None:
        raise CardGone
    body = {
        "owner": verbs.owner_mark(node, actor), "at": int(node.clock.now().timestamp()), "card": str(card.id), "name": card.type_name,
        "hint": card_row(card, kind, node.clock.today()).hint, "seen": chooser.choice(kind, purposes(node), form["d"]).seen,
        "until": int(made[0].expires_at.timestamp()), "entries": [{"id": one.id, "cose": b64(one.cose)} for one in made],
    }  # fmt: skip
    return Response(body, headers={"Cache-Control": "no-store"})


@post("/wallet/{card_id:uuid}/offline/stop")
async def stop(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]
) -> Response[Any]:
    """停止离线出示: a lost phone's entries are worth nothing to a verifier who asks the home."""
    actor.require(LEVEL)
    await ui.form(request)
    async with node.db.transaction() as tx:
        if await queries.card(tx, node, actor.person, str(card_id)) is None:
            raise CardGone
        await verbs.stop(tx, actor, str(card_id))
    return ui.see_other(f"/wallet/{card_id}/offline?done=stopped")


@get("/wallet/offline")
async def wallet_shell(request: Request[Any, Any, Any]) -> Response[Any]:
    """The empty wallet of a phone without network; it says the same to everybody."""
    return ui.page(request, "credentials/offline_wallet.html", ShellPage("没网也能出示"))


@get("/verify/offline")
async def verify_shell(request: Request[Any, Any, Any]) -> Response[Any]:
    """The verifier's page that works without network; empty until the browser fills it."""
    return ui.page(request, "credentials/offline_verify.html", ShellPage("离线核对"))


@get("/verify/offline/data.json")
async def data(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[Any]:
    """Keys, marks, types and this window's purpose, for a device that will have no network."""
    one = await window(request, node)
    async with node.db.transaction() as tx:
        await ended.publish(tx, node)
        found = await held(tx, node, one)
    return Response(found, headers={"Cache-Control": "no-store"})


@post("/verify/offline/told", status_code=200)
async def told(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[Any]:
    """A registered window tells of a look it made without network; 503 keeps it on the device for another try."""
    if not ui.from_our_page(request):
        raise NotAllowed
    one = await window(request, node)
    if one is None:
        raise NotAllowed("这个查验窗口没有登记")
    raw = await request.body()
    try:
        said = msgspec.json.decode(raw[:LARGEST], type=Told)
        opaque, jti = unb64(said.opaque, length=16), unb64(said.jti, length=8) if said.jti else b""
        at = datetime.fromtimestamp(said.at / 1000, UTC)
    except (msgspec.MsgspecError, ValueError, OverflowError):
        raise KeysRefused from None
    done = await verify.told_later(node, one, home=said.home, opaque=opaque, jti=jti, at=at, fields=said.fields)
    return Response({"done": done}, status_code=200 if done else 503)


routes = [choose, prepare, stop, wallet_shell, verify_shell, data, told]
