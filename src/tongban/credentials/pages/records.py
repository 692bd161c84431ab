"""出示记录: who looked at a card, a report of a look that was wrong, and the record deleted by its holder."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.credentials.actions import at_home, forgetting, reports
from tongban.credentials.errors import CardGone
from tongban.credentials.model import View
from tongban.credentials.pages.wallet import card_of, elsewhere
from tongban.credentials.queries import credentials as queries
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node

LEVEL = at_home.LEVEL


class RecordsPage(msgspec.Struct, frozen=True):
    """What /wallet/{id}/records draws."""

    title: str
    card_id: str
    name: str
    views: tuple[View, ...]
    done: str
    kept: int
    own: bool
    back: str
    back_label: str = "返回证照"


@get("/wallet/{card_id:uuid}/records")
async def records(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]
) -> Response[Any]:
    """谁看过: who, when, which fields, why, what they were told."""
    away = await elsewhere(node, actor)
    if away is not None:
        return away
    card = await card_of(node, actor, str(card_id))
    async with node.db.reading() as tx:
        found = await queries.views(tx, node, actor.person, str(card_id))
    done = request.query_params.get("done", "")
    page = RecordsPage(
        "出示记录", card.id, card.type_name, found, done if done in {"reported", "deleted"} else "", forgetting.open_reports(found),
        not actor.for_subject, f"/wallet/{card.id}",
    )  # fmt: skip
    return ui.page(request, "credentials/records.html", page)


@post("/wallet/{card_id:uuid}/records/{view_id:uuid}/report")
async def report(
    request: Request[Any, Any, Any],
    node: NamedDependency[Node],
    actor: NamedDependency[Actor],
    card_id: FromPath[UUID],
    view_id: FromPath[UUID],
) -> Response[Any]:
    """举报: this look was not mine, or was too much."""
    actor.require(LEVEL)
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        if not await reports.report(tx, node, actor, str(view_id), form["words"][:500]):
            raise CardGone
    return ui.see_other(f"/wallet/{card_id}/records?done=reported")


@post("/wallet/{card_id:uuid}/records/delete")
async def delete(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], card_id: FromPath[UUID]
) -> Response[Any]:
    """删除出示记录: all of this card's at once."""
    actor.require(LEVEL)
    await ui.form(request)
    await card_of(node, actor, str(card_id))  # somebody else's card is not found
    async with node.db.transaction() as tx:
        await forgetting.forget_views(tx, actor, str(card_id))
    return ui.see_other(f"/wallet/{card_id}/records?done=deleted")


routes = [records, report, delete]
