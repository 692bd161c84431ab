"""钱包里的文件和经过: the PDF beside the OFD, what its issuer did to a card, and looking for licences elsewhere."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import federation, ui
from tongban.credentials.actions import gathering, papers
from tongban.credentials.errors import CardGone
from tongban.credentials.model import STATE_WORD, Card
from tongban.credentials.model.acts import Event
from tongban.credentials.pages.wallet import LEVEL, elsewhere
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries import issued
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node


class HistoryRow(msgspec.Struct, frozen=True):
    """One thing an issuer did (一次变更)."""

    one: Event
    state: str


class HistoryPage(msgspec.Struct, frozen=True):
    """What /wallet/{id}/history draws."""

    title: str
    card: Card
    rows: tuple[HistoryRow, ...]
    back: str
    back_label: str = "返回证照"


async def _card(node: Node, actor: Actor, card_id: str) -> Card:
    actor.require(LEVEL)
    async with node.db.reading() as tx:
        found = await queries.card(tx, node, actor.person, card_id)
        if found is None or not await queries.within(tx, actor, card_id):
            raise CardGone
    return found


@get("/wallet/{card_id:uuid}/document.pdf")
async def document(
    node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]
) -> Response[bytes]:
    """The sealed PDF as a download; its issuer is asked for it the first time."""
    await _card(node, actor, str(card_id))
    pdf = await papers.card_pdf(node, actor.person, str(card_id))
    return Response(
        pdf, media_type="application/pdf", headers={"Content-Disposition": f'attachment; filename="credential-{str(card_id)[:8]}.pdf"'}
    )  # fmt: skip


@get("/wallet/{card_id:uuid}/history")
async def history(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]
) -> Response[Any]:
    """证照经过: what its issuer did to it, why, by which law."""
    away = await elsewhere(node, actor)
    if away is not None:
        return away
    card = await _card(node, actor, str(card_id))
    async with node.db.reading() as tx:
        found = await issued.card_events(tx, node, actor.person, str(card_id))
    rows = tuple(HistoryRow(one, STATE_WORD.get(one.state, one.state)) for one in found)
    return ui.page(request, "credentials/history.html", HistoryPage("证照经过", card, rows, f"/wallet/{card.id}"))


@post("/wallet/gather")
async def gather(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[Any]:
    """找我的证照: ask the registers of all nodes; what they have comes within seconds."""
    actor.require(LEVEL)
    await ui.form(request)
    silent = await gathering.gather_mine(node, actor)
    names = "、".join(federation.name_of(node, one) for one in silent)
    return ui.see_other("/wallet?done=gathered" if not names else "/wallet?done=gathered-partly")


routes = [document, history, gather]
