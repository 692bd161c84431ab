"""HTML door of a licence's copy (查看证照副本): why it is wanted, how the licence is now beside how it was, the copy once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import get, post
from litestar.response import Response

from tongban import ui
from tongban.cases.actions import licence_copies
from tongban.cases.model import CopyAsked, LicenceTold, Linked
from tongban.cases.pages.door import Asking, HereNode, Part, Req
from tongban.cases.pages.mine import attachment
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

PATH = "/desk/{case_id:str}/licences/{material:str}"
MEDIA = {"pdf": "application/pdf", "ofd": "application/ofd"}
LOOKS = {"valid": "ok", "ended": "bad", "unknown": "warn"}


class LicencePage(msgspec.Struct, frozen=True):
    """What /desk/{case}/licences/{material} draws, before and after asking (查看证照副本)."""

    title: str
    material: str
    where: str
    coming: bool
    at: datetime
    action: str
    longest: int
    told: LicenceTold | None
    look: str
    reason: str
    errors: Refusals
    back: str
    back_label: str = "返回办件"


@get(PATH)
async def show(request: Req, node: HereNode, actor: Asking, case_id: Part, material: Part) -> Response[Any]:
    """查看证照副本: what stands for the material, and the question why."""
    return await _again(request, node, actor, (case_id, material), ())


@post(PATH)
async def ask(request: Req, node: HereNode, actor: Asking, case_id: Part, material: Part) -> Response[Any]:
    """The state now and the button for the copy; kept nowhere, so there is no address to come back to."""
    form = await ui.form(request)
    got = await licence_copies.ask(node, actor, case_id, material, form["reason"])
    if isinstance(got, CopyAsked):
        return ui.page(request, "cases/licence.html", _page(node, got.found, told=got.told, reason=form["reason"]))
    return await _again(request, node, actor, (case_id, material), got, form["reason"], status=422)


@post(PATH + "/copy")
async def take(request: Req, node: HereNode, actor: Asking, case_id: Part, material: Part) -> Response[Any]:
    """打开副本: the file, once, as an attachment; else the page with the reason why not."""
    form = await ui.form(request)
    got = await licence_copies.take(node, actor, case_id, material, form["ticket"])
    if isinstance(got, tuple):
        return await _again(request, node, actor, (case_id, material), got, status=409)
    return attachment(got.content, f"证照副本.{got.form}", MEDIA[got.form])


async def _again(
    request: Req, node: Node, actor: Actor, place: tuple[str, str], wrong: Refusals, reason: str = "", *, status: int = 200
) -> Response[Any]:
    async with node.db.transaction() as tx:
        found = await licence_copies.look(tx, node, actor, *place)
    return ui.page(request, "cases/licence.html", _page(node, found, reason=reason, wrong=wrong), status=status)


def _page(node: Node, found: Linked, *, told: LicenceTold | None = None, reason: str = "", wrong: Refusals = ()) -> LicencePage:
    card = found.card
    return LicencePage(
        title=f"{card.type_name}副本", material=found.title, where=licence_copies.where(node, found), coming=card.state == "coming",
        at=datetime.fromtimestamp(card.at / 1000, UTC), action=f"/desk/{found.case.id}/licences/{found.material}",
        longest=licence_copies.LONGEST, told=told, look=LOOKS[told.standing] if told else "", reason=reason, errors=wrong,
        back=f"/desk/{found.case.id}",
    )  # fmt: skip


routes = [show, ask, take]
ROUTES = [ui.Route(PATH, who=("staff",), fixture="a case with a licence that stands for a material")]
