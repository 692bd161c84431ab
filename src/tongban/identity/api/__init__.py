"""OpenID Connect endpoints 开放身份接口, the same at every node (identity.md 5): nodes are the only clients yet.

Redirects are 303; errors to machines are JSON with a registered name; a page is shown when no redirect is verified.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from litestar import Request, get, post
from litestar.response import Response

from tongban import ui
from tongban.identity.actions import ending, keys, provider
from tongban.identity.errors import ProtocolError
from tongban.identity.pages import browser
from tongban.identity.pages.browser import HereNode
from tongban.identity.rules.levels import decayed
from tongban.identity.rules.requests import MAX_FORM, single

AnyRequest = Request[Any, Any, Any]
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@get("/.well-known/openid-configuration")
async def discovery(node: HereNode) -> Response[Any]:
    """What this provider offers (OpenID Connect Discovery)."""
    return Response(provider.metadata(node), headers={"Cache-Control": "max-age=300"})


@get("/oidc/jwks")
async def jwks(node: HereNode) -> Response[Any]:
    """The public token keys."""
    async with node.db.transaction() as tx:
        found = await keys.jwks(tx, node)
    return Response(found, headers={"Cache-Control": "max-age=300"})


@post("/oidc/par", status_code=201)
async def par(request: AnyRequest, node: HereNode) -> Response[Any]:
    """A pushed authorization request (RFC 9126)."""
    try:
        form = await _form(request)
        proof = await provider.authenticate(node, form, request.headers.multi_items(), "/oidc/par")
        async with node.db.transaction() as tx:
            uri = await provider.push(tx, node, proof, form)
    except ProtocolError as error:
        return _problem(error)
    return Response({"request_uri": uri, "expires_in": int(provider.REQUEST_LIFE.total_seconds())}, status_code=201, headers=_NO_STORE)


@get("/oidc/authorize")
async def authorize(request: AnyRequest, node: HereNode) -> Response[Any]:
    """The browser arrives with a pushed request: answered from the person's session, or after signing in here."""
    query = request.query_params
    client, uri = query.get("client_id", ""), query.get("request_uri", "")
    session = await browser.citizen_session(request, node)
    async with node.db.transaction() as tx:
        answer = await provider.authorize(tx, node, client, uri, session)
    if not answer.interact:
        return ui.see_other(answer.url)
    back = "/oidc/authorize?" + urlencode({"client_id": client, "request_uri": uri})
    if session is not None and session.home is None:
        level = decayed(session.acr, raised_at=session.raised_at, seen_at=session.seen_at, now=node.clock.now())
        if answer.interact > level or not session.subject.startswith("n"):
            return ui.see_other(f"/step-up?level={max(2, answer.interact)}&next={quote(back, safe='')}")
    again = {"again": "1"} if session is not None else {}
    hint = {"hint": answer.login_hint} if answer.login_hint else {}
    return ui.see_other("/login?" + urlencode({"next": back, **again, **hint}))


@get("/oidc/decline")
async def decline(request: AnyRequest, node: HereNode) -> Response[Any]:
    """The person does not want to go on: back to the asking node with `access_denied`."""
    query = request.query_params
    async with node.db.transaction() as tx:
        url = await provider.refuse(tx, node, query.get("client_id", ""), query.get("request_uri", ""), "access_denied")
    return ui.see_other(url)


@post("/oidc/token", status_code=200)
async def token(request: AnyRequest, node: HereNode) -> Response[Any]:
    """A code for tokens."""
    try:
        form = await _form(request)
        proof = await provider.authenticate(node, form, request.headers.multi_items(), "/oidc/token")
        async with node.db.transaction() as tx:
            answer = await provider.redeem(tx, node, proof, form)
    except ProtocolError as error:
        return _problem(error)
    if isinstance(answer, ProtocolError):
        return _problem(answer)
    return Response(answer, headers=_NO_STORE)


@get("/oidc/userinfo")
async def userinfo(request: AnyRequest, node: HereNode) -> Response[Any]:
    """The claims of a living session, with a DPoP-bound access token."""
    headers = request.headers
    try:
        claims = await provider.userinfo(node, headers.get("authorization", ""), headers.get("dpop", ""), "GET")
    except ProtocolError as error:
        answer = _problem(error)
        answer.set_header("WWW-Authenticate", f'DPoP error="{error.error}", algs="Ed25519 ES256"')
        return answer
    return Response(claims, headers=_NO_STORE)


@post("/oidc/revoke", status_code=200)
async def revoke(request: AnyRequest, node: HereNode) -> Response[Any]:
    """Token revocation (RFC 7009): access tokens live 5 minutes and follow their session, so there is nothing to keep."""
    try:
        form = await _form(request)
        await provider.authenticate(node, form, request.headers.multi_items(), "/oidc/revoke")
    except ProtocolError as error:
        return _problem(error)
    return Response({}, headers=_NO_STORE)


@get("/oidc/logout")
async def end_session() -> Response[Any]:
    """RP-initiated logout: a person signs out by a button of our own page, never by a link (T-10)."""
    return ui.see_other("/me/devices")


@post("/oidc/backchannel", status_code=200)
async def backchannel(request: AnyRequest, node: HereNode) -> Response[Any]:
    """A home says a session ended (OpenID Connect Back-Channel Logout); the letter makes it certain."""
    try:
        form = await _form(request)
        await ending.heard_push(node, form.get("logout_token", ""))
    except ProtocolError as error:
        return _problem(error)
    return Response({}, headers=_NO_STORE)


async def _form(request: AnyRequest) -> dict[str, str]:
    """The urlencoded body, each parameter once, at most 8 KiB. Raises ProtocolError."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
        raise ProtocolError("invalid_request", "a urlencoded form is expected")
    body = await request.body()
    if len(body) > MAX_FORM:
        raise ProtocolError("invalid_request", "too large", status=413)
    try:
        return single(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=40))
    except ValueError:
        raise ProtocolError("invalid_request", "not a urlencoded form") from None


def _problem(error: ProtocolError) -> Response[Any]:
    return Response({"error": error.error, "error_description": error.why}, status_code=error.status, headers=_NO_STORE)


routes: list[Any] = [
    discovery, jwks, par, authorize, decline, token, userinfo, revoke, end_session, backchannel,
]  # fmt: skip
