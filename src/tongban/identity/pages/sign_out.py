"""The page of signing out at a client's wish 从应用退出登录: who asks, one button, and where the way goes on (T-10)."""

from __future__ import annotations

import msgspec
from litestar import post

from tongban import ui
from tongban.identity.actions import client_logout, ending, sessions
from tongban.identity.actions.resolve import SESSION_COOKIE, STAFF_COOKIE
from tongban.identity.errors import SENTENCES
from tongban.identity.pages import browser
from tongban.identity.pages.browser import AnyRequest, AnyResponse, HereNode
from tongban.identity.queries.sessions import by_cookie
from tongban.kernel.node import Node

PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")
_LONGEST = 4000


class SignOutPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /oidc/logout draws 退出登录吗."""

    title: str
    who: str
    fields: tuple[tuple[str, str], ...]
    notice: str = ""
    signed_in: bool = True


async def asked(request: AnyRequest, node: Node, given: dict[str, str]) -> AnyResponse:
    """Ask the person; somebody who is not signed in goes on at once, when there is a registered address to go to."""
    form = {name: given[name] for name in PARAMETERS if 0 < len(given.get(name, "")) <= _LONGEST}
    async with node.db.transaction() as tx:
        found = await client_logout.judge(tx, node, form)
        staff = found.client is not None and found.client.kind == "staff_tool"
        session = await by_cookie(tx, node, request.cookies.get(STAFF_COOKIE if staff else SESSION_COOKIE, ""), staff=staff)
    if session is None and found.target:
        return ui.see_other(found.target)
    if found.client is not None and found.target:
        client_logout.leaves_for(node, found.client)
    page = SignOutPage(
        title="退出登录吗" if session is not None else "已经退出了", who=found.client.name if found.client is not None else "",
        fields=() if found.wrong else tuple(form.items()), notice=SENTENCES["identity.sign_out_wrong"][1] if found.wrong else "",
        signed_in=session is not None,
    )  # fmt: skip
    return ui.page(request, "identity/sign_out.html", page, status=400 if found.wrong else 200)


@post("/oidc/logout/confirm", status_code=200)
async def confirm(request: AnyRequest, node: HereNode) -> AnyResponse:
    """The person pressed the button: signed out here and everywhere this sign-in reached, then on to the registered address."""
    form = await ui.form(request)
    given = {name: form[name] for name in PARAMETERS if form[name]}
    async with node.db.transaction() as tx:
        found = await client_logout.judge(tx, node, given)
        staff = found.client is not None and found.client.kind == "staff_tool"
        session = await by_cookie(tx, node, request.cookies.get(STAFF_COOKIE if staff else SESSION_COOKIE, ""), staff=staff)
        if session is not None and staff:
            await sessions.end(tx, session.id, "logout", node.clock.now())
            await client_logout.tell_soon(tx)
        elif session is not None:
            await ending.leave(tx, node, session.id)
    node.bell.ring(sessions.BELL)
    response = ui.see_other(found.target or ("/staff/login" if staff else "/logout"))
    if staff:
        browser.drop(response, STAFF_COOKIE)
        return response
    return browser.leave(node, response)


ROUTES = [confirm]
