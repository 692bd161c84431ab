"""The token endpoint 令牌端点: a code or a refresh token for tokens; one taken back; one asked about (RFC 6749, 7009, 7662)."""

from __future__ import annotations

from typing import Any

from litestar import post
from litestar.response import Response

from tongban.identity.actions import provider_access, provider_client, provider_tokens
from tongban.identity.api.wire import NO_STORE, AnyRequest, form_of, problem
from tongban.identity.errors import ProtocolError
from tongban.identity.pages.browser import HereNode
from tongban.kernel.node import Node


async def _unsupported(_node: Node, _caller: provider_client.Caller, _form: dict[str, str]) -> ProtocolError:
    return ProtocolError("unsupported_grant_type", "authorization_code and refresh_token are offered")


_GRANTS = {"authorization_code": provider_tokens.redeem_by, "refresh_token": provider_tokens.refresh_by}


@post("/oidc/token", status_code=200)
async def token(request: AnyRequest, node: HereNode) -> Response[Any]:
    """A grant for tokens. A refusal is committed too: a code that comes twice ends what it gave."""
    try:
        form = await form_of(request)
        grant = _GRANTS.get(form.get("grant_type", ""), _unsupported)
        answer = await provider_client.judged(
            node, form, request.headers.multi_items(), "/oidc/token", at="token", act=lambda caller: grant(node, caller, form)
        )
    except ProtocolError as error:
        return problem(error)
    if isinstance(answer, ProtocolError):
        return problem(answer)
    return Response(answer, headers=NO_STORE)


@post("/oidc/revoke", status_code=200)
async def revoke(request: AnyRequest, node: HereNode) -> Response[Any]:
    """An own token is worth nothing from now on; a strange one is answered the same way, and left alone."""
    try:
        form = await form_of(request)
        client, _ = await provider_client.authenticate(node, form, request.headers.multi_items(), "/oidc/revoke", at="other")
        async with node.db.transaction() as tx:
            await provider_access.revoke(tx, node, client, form.get("token", ""))
    except ProtocolError as error:
        return problem(error)
    return Response({}, headers=NO_STORE)


@post("/oidc/introspect", status_code=200)
async def introspect(request: AnyRequest, node: HereNode) -> Response[Any]:
    """Whether an own token is good now. A public client proves nothing, so it learns nothing."""
    try:
        form = await form_of(request)
        client, _ = await provider_client.authenticate(node, form, request.headers.multi_items(), "/oidc/introspect", at="other")
        if client.rules.auth == "none":
            raise ProtocolError("unauthorized_client", "a public client cannot introspect")  # noqa: TRY301
        answer = await provider_access.introspect(node, client, form.get("token", ""))
    except ProtocolError as error:
        return problem(error)
    return Response(answer, headers=NO_STORE)


ROUTES = [token, revoke, introspect]
