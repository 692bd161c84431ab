"""Pages about the session itself 会话页面: it ends soon, 继续用, the gesture that unlocks it."""

from __future__ import annotations

from litestar import get, post
from litestar.response import Response

from tongban import ui
from tongban.identity.actions import sessions
from tongban.identity.errors import SENTENCES
from tongban.identity.pages import browser
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.pages.views import EndingPage
from tongban.identity.rules.typed import own_path


@get("/session/ending")
async def ending(request: AnyRequest, actor: Asking) -> AnyResponse:
    """Two minutes before the end, for a browser without JavaScript: one line and 继续用. Looking at it is no sign of life."""
    next_path = own_path(request.query_params.get("next", ""), "/me")
    if actor.kind != "citizen":
        return ui.see_other(ui.own_path("/login?next=" + next_path))
    left = request.scope["state"]["sign_in"].left
    page = EndingPage(next=next_path, left=max(1, left), sentence=SENTENCES["identity.session_ended"][1])
    return ui.page(request, "identity/ending.html", page)


@post("/session/keep", status_code=200)
async def keep(request: AnyRequest, node: HereNode) -> AnyResponse:
    """继续用: the end is put off, and back to where the person was."""
    form = await ui.form(request)
    next_path = own_path(form["next"], "/me")
    session = await browser.citizen_session(request, node)
    asks_json = request.headers.get("accept", "").startswith("application/json")
    if session is None:
        return Response({"left": 0}, status_code=401) if asks_json else ui.see_other("/login?next=" + next_path)
    async with node.db.transaction() as tx:
        await sessions.keep_on(tx, node, session)
    node.bell.ring(sessions.BELL)
    if not asks_json:
        return ui.see_other(next_path)
    kept = await browser.citizen_session(request, node)
    left = 0 if kept is None else int((min(kept.idle_until, kept.ends_at) - node.clock.now()).total_seconds())
    return Response({"left": left}, headers={"Cache-Control": "no-store"})


ROUTES = [ending, keep]
