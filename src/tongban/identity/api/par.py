"""Pushed authorization requests 推送授权请求 (RFC 9126)."""

from __future__ import annotations

from typing import Any

from litestar import post
from litestar.response import Response

from tongban.identity.actions import provider, provider_client
from tongban.identity.api.wire import NO_STORE, AnyRequest, form_of, problem
from tongban.identity.errors import ProtocolError
from tongban.identity.pages.browser import HereNode


@post("/oidc/par", status_code=201)
async def par(request: AnyRequest, node: HereNode) -> Response[Any]:
    """A request is pushed, judged whole, and kept for 90 s."""
    try:
        form = await form_of(request)
        uri = await provider_client.judged(
            node, form, request.headers.multi_items(), "/oidc/par", at="par", act=lambda caller: provider.push_by(node, caller, form)
        )
    except ProtocolError as error:
        return problem(error)
    answer = {"request_uri": uri, "expires_in": int(provider.REQUEST_LIFE.total_seconds())}
    return Response(answer, status_code=201, headers=NO_STORE)


ROUTES = [par]
