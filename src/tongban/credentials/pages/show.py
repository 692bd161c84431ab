"""出示 showing a card: choose how much, then the code, sixty seconds at a time, with or without JavaScript."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.credentials.actions import wallet as verbs
from tongban.credentials.errors import CardGone
from tongban.credentials.pages.wallet import LEVEL, card_row, elsewhere
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries.types import purposes, type_of
from tongban.credentials.rules import chooser, layout, showing
from tongban.credentials.rules.presentation import LIFETIME_SECONDS
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node

LONGEST_SECONDS = 300
"""A code renews itself this long; then the holder says once more that they are showing it (ux.md 1.5)."""


class ShowPage(msgspec.Struct, frozen=True):
    """What /wallet/{id}/show draws; without `code` the showing has ended."""

    title: str
    card_id: str
    name: str
    icon: str
    holder: str
    warning: str
    disclosure: str
    options: tuple[ui.Option, ...]
    for_whom: tuple[ui.Option, ...]
    meant: str
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    code: str
    digits: str
    at: datetime
    renew: str
    seconds: int
    ended: str
    back: str
    back_label: str = "返回证照"


@get("/wallet/{card_id:uuid}/show")
async def show(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]
) -> Response[Any]:
    """给人看: the least first; `d` chooses the set, `since` is when this showing began."""
    away = await elsewhere(node, actor)
    if away is not None:
        return away
    actor.require_self("出示证照")
    chosen = request.query_params.get("d", "")
    now_ms = node.clock.ms()
    since = _since(request.query_params.get("since", ""), now_ms)
    stopped = request.query_params.get("stopped") == "1"
    over = stopped or now_ms - since > LONGEST_SECONDS * 1000
    made = None
    async with node.db.transaction() as tx:
        card = await queries.card(tx, node, actor.person, str(card_id))
        kind = type_of(node, card.type_code) if card else None
        if card is None or kind is None:
            raise CardGone
        if not over:
            made = await verbs.present(tx, node, actor, card.id, chosen)
    today = node.clock.today()
    ways = chooser.choices(kind, purposes(node))
    picked = chooser.choice(kind, purposes(node), chosen)
    state = showing.state_now(card.state, card.valid_until, today)
    row = card_row(card, kind, today)
    page = ShowPage(
        title="给人看",
        card_id=card.id,
        name=card.type_name,
        icon=kind.icon,
        holder=row.hint,
        warning="" if state == "valid" else row.state,
        disclosure=picked.disclosure.id,
        options=tuple(option(one) for one in ways if not one.purpose_name),
        for_whom=tuple(option(one) for one in ways if one.purpose_name),
        meant=picked.purpose_name,
        seen=picked.seen,
        unseen=picked.unseen,
        code=layout.qr_svg(made.token) if made else "",
        digits=made.digits if made else "",
        at=node.clock.now(),
        renew=f"/wallet/{card.id}/show?d={quote(picked.disclosure.id)}&since={since}",
        seconds=LIFETIME_SECONDS,
        ended="" if not over else "出示停止了" if stopped else "已经出示了 5 分钟，先停一下",
        back=f"/wallet/{card.id}",
    )
    response = ui.page(request, "credentials/show.html", page)
    response.headers["Cache-Control"] = "no-store"
    return response


def option(one: chooser.Choice) -> ui.Option:
    """One way to show, as a choice on a page (一种出示)."""
    return ui.Option(one.disclosure.id, one.disclosure.name, "、".join(one.seen))


def _since(text: str, now_ms: int) -> int:
    began = int(text) if text.isdigit() and len(text) < 16 else now_ms
    return min(began, now_ms)


@post("/wallet/{card_id:uuid}/show/stop")
async def stop(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]
) -> Response[Any]:
    """停止出示: the code on the screen is worth nothing from now on."""
    actor.require(LEVEL)
    await ui.form(request)
    async with node.db.transaction() as tx:
        await verbs.stop(tx, node, actor, str(card_id))
    return ui.see_other(f"/wallet/{card_id}/show?stopped=1")


routes = [show, stop]
