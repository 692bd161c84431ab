"""Logout endpoints 退出端点: the back channel a home speaks to us by, and where a client sends a person who signs out.

The person answers on a page of ours (`pages/sign_out`), never by a link alone (T-10).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from litestar import get, post
from litestar.response import Response

from tongban import ui
from tongban.identity.actions import ending
from tongban.identity.api.wire import NO_STORE, AnyRequest, form_of, problem, query_of
from tongban.identity.errors import ProtocolError
from tongban.identity.pages.browser import HereNode
from tongban.identity.pages.sign_out import PARAMETERS, asked


@get("/oidc/logout")
async def end_session(request: AnyRequest, node: HereNode) -> Response[Any]:
    """RP-Initiated Logout 1.0: the person is asked, then goes where the client registered."""
    try:
        return await asked(request, node, query_of(request))
    except ProtocolError:
        return await asked(request, node, {})


@post("/oidc/logout", status_code=200)
async def end_session_by_post(request: AnyRequest) -> Response[Any]:
    """The same by POST, on by a GET of ours, as no cookie comes with a POST of another site."""
    try:
        form = await form_of(request)
    except ProtocolError:
        form = {}
    return ui.see_other("/oidc/logout?" + urlencode({name: form[name] for name in PARAMETERS if name in form}))


@post("/oidc/backchannel", status_code=200)
async def backchannel(request: AnyRequest, node: HereNode) -> Response[Any]:
    """A home says a session ended (OpenID Connect Back-Channel Logout); the letter makes it certain."""
    try:
        form = await form_of(request)
        await ending.heard_push(node, form.get("logout_token", ""))
    except ProtocolError as error:
        return problem(error)
    return Response({}, headers=NO_STORE)


ROUTES = [end_session, end_session_by_post, backchannel]
