"""Pages about where an account lives 账号所在地: already has one, moving it, and the dispute before the first match."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import msgspec
from litestar import get, post

from tongban import federation, ui
from tongban.identity.actions import first_time, introduce, move
from tongban.identity.model import Match, MatchAsked, OpenedSession
from tongban.identity.pages import browser
from tongban.identity.pages.browser import TX_COOKIE, AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.pages.views import NamePage
from tongban.identity.rules.home import short_name
from tongban.kernel.db import Tx
from tongban.kernel.errors import LevelNeeded, Refusals
from tongban.kernel.node import Node


class ExistsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The person has an account elsewhere 已有账号: sign in with it, or move it here."""

    title: str
    text: str
    sign_in: str
    move: str
    here: str
    place: str


class HomePage(msgspec.Struct, frozen=True, kw_only=True):
    """Where my account lives 账号所在地, and a move under way."""

    title: str = "账号所在地"
    back: str = "/me"
    tab: str = "me"
    home: str
    here: str
    at_home: bool
    may_come: bool
    moving: move.Moving | None
    away: tuple[tuple[str, str], ...] = ()
    other: str = ""


async def exists_page(request: AnyRequest, node: Node, answer: Match, next_path: str) -> AnyResponse:
    """Drawn instead of a second account (identity.md 2): the choice is the person's."""
    home = answer.home or node.id
    async with node.db.reading() as tx:
        listed = (await federation.directory(tx)).node(home)
        moved = await tx.fetchval("SELECT true FROM account WHERE subject = $1 AND status = 'moved' AND moved_to = $2", answer.subject, home)
    place = listed.name if listed else node.settings.name
    here = home == node.id
    page = ExistsPage(
        title=f"账号搬到{place}了" if moved else f"你在{place}已有账号", place=short_name(place), here=node.settings.name,
        text="用它登录就行，不用再注册。登录以后会自动回来。",
        sign_in="/login?" + urlencode({"next": next_path}) if here else "/login/go?" + urlencode({"home": home, "next": next_path}),
        move="" if here or moved else "/login/go?" + urlencode({"home": home, "next": "/me/home"}),
    )  # fmt: skip
    return ui.page(request, "identity/exists.html", page, status=409)


@get("/me/home")
async def where(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Where the account lives; at the home, a move that waits can be stopped; elsewhere it can be asked for."""
    actor.require(1)
    async with node.db.reading() as tx:
        moving = await move.running(tx, actor.subject)
        nodes = (await federation.directory(tx)).nodes
        others = [one for one in await introduce.places(tx) if one.id != node.id]
    names = {one.id: one.name for one in nodes}
    home = actor.home or node.id
    page = HomePage(
        home=names.get(home, home), here=node.settings.name, at_home=home == node.id,
        may_come=home != node.id and node.settings.role == "province" and actor.subject.startswith("n") and not actor.for_subject,
        moving=moving, other=names.get(moving.other, moving.other) if moving else "",
        away=tuple((one.name, f"{one.url}/me/home?from={node.id}") for one in others) if home == node.id else (),
    )  # fmt: skip
    return ui.page(request, "identity/home.html", page)


@post("/me/home/move", status_code=200)
async def come(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Ask the old home to let the account come here; level 3 first."""
    await ui.form(request)
    try:
        await move.ask(node, actor)
    except LevelNeeded as needed:
        return ui.see_other(f"/step-up?level={needed.level}&next=" + quote("/me/home", safe=""))
    return ui.see_other("/me/home")


@post("/me/home/stop", status_code=200)
async def stop(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """停止: at the old home, one tap, no higher level."""
    await ui.form(request)
    actor.require(1)
    async with node.db.transaction() as tx:
        await move.stop(tx, node, actor.subject)
    return ui.see_other("/me/home")


@post("/login/name/dispute", status_code=200)
async def dispute(request: AnyRequest, node: HereNode) -> AnyResponse:
    """The register writes the name otherwise and the person says it is wrong: signed in at level 1, on to the dispute."""
    form = await ui.form(request)
    cookie = request.cookies.get(TX_COOKIE, "")
    async with node.db.transaction() as tx:
        asked = await first_time.asks(tx, node, cookie, form["name"], form["number"])
        opened = asked if isinstance(asked, tuple) else await _unmatched(tx, node, cookie, asked, request)
    if isinstance(opened, tuple):
        return ui.page(request, "identity/name.html", NamePage(name=form["name"], number=form["number"], errors=opened), status=422)
    return await browser.take(request, node, ui.see_other("/me/disputes/new?attribute=name"), opened)


async def _unmatched(tx: Tx, node: Node, cookie: str, asked: MatchAsked, request: AnyRequest) -> OpenedSession | Refusals:
    """An account at level 1 under a subject of this node alone; the register is asked again when the dispute is decided."""
    opened = await first_time.complete(tx, node, cookie, asked, None, browser.browser_of(request))
    if not isinstance(opened, tuple):
        await tx.execute("DELETE FROM match_pending WHERE subject = $1", opened.session.subject)
    return opened


ROUTES = [where, come, stop, dispute]
