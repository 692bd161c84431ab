"""注销账号: one page that says everything, one tap, seven days; and the page of receipts afterwards (R-409, privacy.md 7)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import cases, credentials, identity, ui
from tongban.kernel.actor import Actor
from tongban.kernel.errors import LevelNeeded, Refusal, Refusals
from tongban.kernel.node import Node
from tongban.privacy.actions import closing as verbs
from tongban.privacy.actions import papers, wards
from tongban.privacy.model.closing import LegalHold, Receipt, Waiting
from tongban.privacy.pages.elsewhere import elsewhere
from tongban.privacy.queries import closing as queries
from tongban.privacy.queries import holds
from tongban.privacy.rules.times import times

Req = Request[Any, Any, Any]
Here = NamedDependency[Node]
Asking = NamedDependency[Actor]
HERE = "/me/closing"


class ClosingPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /me/closing draws 注销账号: either what would happen, or what waits and how to stop it."""

    title: str = "注销账号"
    back: str = "/me/rights"
    back_label: str = "返回我的信息"
    tab: str = "me"
    days: int
    waiting: Waiting | None = None
    address: str = ""
    stopped: bool = False
    guardian: bool = False
    childs: bool = False
    goes: tuple[str, ...] = ()
    goes_too: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    stays_too: tuple[str, ...] = ()
    open_cases: tuple[cases.Summary, ...] = ()
    cards: int = 0
    ties: identity.Ties
    staff: bool = False
    held: tuple[LegalHold, ...] = ()


class ReceiptsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The page of receipts 注销回执: the code asked for, then every node's answer."""

    title: str = "注销回执"
    action: str
    opened: bool = False
    closed_at: datetime | None = None
    until: datetime | None = None
    receipts: tuple[Receipt, ...] = ()
    stays: tuple[str, ...] = ()
    errors: Refusals = ()


@get(HERE)
async def show(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """注销账号: what goes, what stays, what stops working; or the closing that waits."""
    actor.require(1)
    await identity.freshen(node, actor, level=3)
    return await _page(request, node, actor)


async def _page(request: Req, node: Node, actor: Actor, *, guardian: bool = False) -> Response[Any]:
    away = await elsewhere(request, node, actor, HERE, title="注销账号", act="注销")
    if away is not None:
        return away
    async with node.db.reading() as tx:
        subject = await wards.whose(tx, node, actor, "注销账号")
        waiting = await queries.waiting(tx, node, subject)
        open_cases = tuple(one for one in await cases.mine(tx, node, subject) if one.open)
        tables = await queries.here(tx, subject)
        goes, stays = queries.goes_of(tables), queries.stays_of(tables)
        page = ClosingPage(
            days=times().closing.days, waiting=waiting, stopped=bool(request.query_params.get("stopped")) and waiting is None, guardian=guardian,
            address=f"{node.settings.base_url}/closed/{waiting.paper.link}" if waiting else "", goes=goes, stays=stays,
            goes_too=tuple(one for one in queries.goes() if one not in goes), stays_too=tuple(one for one in queries.stays() if one not in stays),
            open_cases=open_cases, cards=len(await credentials.of_holder(tx, node, subject)), ties=await queries.ties(tx, node, subject),
            staff=await identity.staff_too(tx, node, subject), held=tuple(one for one in await holds.touching(tx, node, subject) if one.shown),
            childs=bool(actor.for_subject),
        )  # fmt: skip
    return ui.page(request, "privacy/closing.html", page)


@post(HERE, status_code=200)
async def ask(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """The one tap; level 3 first, and back here with it."""
    await ui.form(request)
    actor.require(1)
    await identity.freshen(node, actor, level=3)
    try:
        async with node.db.transaction() as tx:
            waiting = await verbs.ask(tx, node, actor)
    except LevelNeeded as needed:
        return ui.see_other(f"/step-up?level={needed.level}&next=" + quote(HERE, safe=""))
    return await _page(request, node, actor, guardian=True) if waiting is None else ui.see_other(HERE)


@post(HERE + "/stop", status_code=200)
async def stop(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """不注销了: one tap, no higher level."""
    await ui.form(request)
    actor.require(1)
    await identity.freshen(node, actor, level=3)
    async with node.db.transaction() as tx:
        subject = await wards.whose(tx, node, actor, "注销账号")
        if await verbs.stop(tx, node, subject):
            await identity.record_act(tx, node, actor, "keep", what="账号不注销了", about="closing")
    return ui.see_other(HERE + "?stopped=1")


@get("/closed/{link:str}")
async def receipts(request: Req, link: FromPath[str]) -> Response[Any]:
    """The page of receipts asks for the code; without it nothing is told, not even whether there is such a page."""
    return ui.page(request, "privacy/closing_receipts.html", ReceiptsPage(action=f"/closed/{quote(link, safe='')}"))


@post("/closed/{link:str}", status_code=200)
async def open_receipts(request: Req, node: Here, link: FromPath[str]) -> Response[Any]:
    """All nodes' receipts, for whoever has address and code."""
    form = await ui.form(request)
    action = f"/closed/{quote(link, safe='')}"
    async with node.db.transaction() as tx:
        closing = await papers.opened(tx, node, "closing_page", link, form["code"])
        found = await queries.result(tx, closing) if closing else None
    if found is None:
        wrong = Refusal("privacy.receipt_code", "地址和回执码对不上，或者过了一年。照凭条再输一次；连错 5 次要等一小时", "code")
        return ui.page(request, "privacy/closing_receipts.html", ReceiptsPage(action=action, errors=(wrong,)), status=422)
    stays = tuple(dict.fromkeys(one for receipt in found.receipts for one in receipt.stays))
    page = ReceiptsPage(
        action=action, opened=True, closed_at=found.closed_at, until=found.until, receipts=found.receipts, stays=stays
    )
    return ui.page(request, "privacy/closing_receipts.html", page)


ROUTES: list[Any] = [show, ask, stop, receipts, open_receipts]
