"""Pages of the gesture 手势: set, take off, lock now, unlock (identity.md 3)."""

from __future__ import annotations

from urllib.parse import quote

from litestar import get, post

from tongban import ui
from tongban.identity.actions import locks, sessions
from tongban.identity.actions.resolve import SESSION_COOKIE
from tongban.identity.errors import SENTENCES
from tongban.identity.model import Session
from tongban.identity.pages import browser
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.pages.factor_views import LockPage, UnlockPage
from tongban.identity.pages.guards import changing
from tongban.identity.queries.sessions import by_cookie
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.typed import own_path
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node


def _typed(form: ui.Form) -> locks.Typed:
    return locks.Typed(form["gesture"], form["challenge"], form["signature"])


@get("/me/lock")
async def setting(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Draw or type the gesture of this device."""
    return await _setting(request, node, await changing(request, node, actor, level=1))


async def _setting(request: AnyRequest, node: Node, session: Session, errors: Refusals = ()) -> AnyResponse:
    async with node.db.reading() as tx:
        has = await locks.has(tx, session)
    page = LockPage(challenge=locks.challenge(node, session), has=has, minutes=FACTORS.gesture.lock_after_seconds // 60, errors=errors)
    return ui.page(request, "identity/lock.html", page, status=422 if errors else 200)


@post("/me/lock", status_code=200)
async def put_on(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Keep the gesture just drawn."""
    form = await ui.form(request)
    session = await changing(request, node, actor, level=1)
    refused = await locks.put_on(node, session, _typed(form), form["public_key"], browser.agent_of(request))
    node.bell.ring(sessions.BELL)
    return await _setting(request, node, session, refused) if refused else ui.see_other("/me/devices")


@post("/me/lock/off", status_code=200)
async def take_off(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """No gesture on this device any more."""
    await ui.form(request)
    session = await changing(request, node, actor, level=1)
    async with node.db.transaction() as tx:
        await locks.take_off(tx, node, session)
    node.bell.ring(sessions.BELL)
    return ui.see_other("/me/devices")


@post("/me/lock/now", status_code=200)
async def lock_now(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Lock this device at once 马上锁上."""
    await ui.form(request)
    session = await changing(request, node, actor, level=1)
    async with node.db.transaction() as tx:
        if await locks.has(tx, session):
            await sessions.lock(tx, node, session)
    node.bell.ring(sessions.BELL)
    return ui.see_other("/unlock?next=/me")


async def locked_session(request: AnyRequest, node: Node) -> Session | None:
    """The locked session of this browser, None when there is none."""
    value = request.cookies.get(SESSION_COOKIE, "")
    if not value:
        return None
    async with node.db.reading() as tx:
        found = await by_cookie(tx, node, value, staff=False, locked=True)
    return found if found is not None and found.locked_at is not None else None


@get("/unlock")
async def waiting(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Draw or type the gesture; or sign in anew."""
    next_path = own_path(request.query_params.get("next", ""), "/me")
    session = await locked_session(request, node)
    if session is None:
        return ui.see_other(next_path)
    return _waiting(request, node, session, next_path)


def _waiting(request: AnyRequest, node: Node, session: Session, next_path: str, errors: Refusals = ()) -> AnyResponse:
    page = UnlockPage(next=next_path, challenge=locks.challenge(node, session), gone=any(not one.field for one in errors), errors=errors)
    return ui.page(request, "identity/unlock.html", page, status=SENTENCES[errors[0].code][0] if errors else 200)


@post("/unlock", status_code=200)
async def unlock(request: AnyRequest, node: HereNode) -> AnyResponse:
    """The gesture was drawn."""
    form = await ui.form(request)
    next_path = own_path(form["next"], "/me")
    session = await locked_session(request, node)
    if session is None:
        return ui.see_other("/login?next=" + quote(next_path, safe=""))
    done = await locks.unlock(node, session, _typed(form), browser.agent_of(request))
    node.bell.ring(sessions.BELL)
    if isinstance(done, tuple):
        return _waiting(request, node, session, next_path, done)
    return await browser.take(request, node, ui.see_other(next_path), done)


ROUTES = [setting, put_on, take_off, lock_now, waiting, unlock]
