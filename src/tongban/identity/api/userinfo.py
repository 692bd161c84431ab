"""The userinfo endpoint 用户信息端点 (OpenID Connect Core 5.3): GET, or POST with the token in the header.

A token in the body is taken from the plain profile only (RFC 6750 2.2); FAPI 2 clients show theirs with a proof.
"""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.response import Response

from tongban.identity.actions import provider_access
from tongban.identity.api.wire import NO_STORE, AnyRequest, form_of, problem
from tongban.identity.errors import ProtocolError
from tongban.identity.pages.browser import HereNode
from tongban.kernel.node import Node


@get("/oidc/userinfo")
async def userinfo(request: AnyRequest, node: HereNode) -> Response[Any]:
    """The claims granted, of a living session."""
    return await _answer(request, node, "GET", request.headers.get("authorization", ""))


@post("/oidc/userinfo", status_code=200)
async def userinfo_by_post(request: AnyRequest, node: HereNode) -> Response[Any]:
    """The same by POST."""
    header = request.headers.get("authorization", "")
    if not header:
        try:
            form = await form_of(request)
        except ProtocolError:
            form = {}
        header = f"Bearer {form['access_token']}" if "access_token" in form else ""
    return await _answer(request, node, "POST", header)


async def _answer(request: AnyRequest, node: Node, method: str, header: str) -> Response[Any]:
    scheme, _, token = header.partition(" ")
    proofs = [value for name, value in request.headers.multi_items() if name.lower() == "dpop"]
    try:
        if not token:
            raise ProtocolError("invalid_token", "an access token is required", status=401)  # noqa: TRY301
        if len(proofs) > 1:
            raise ProtocolError("invalid_dpop_proof", "exactly one DPoP proof is required", status=401)  # noqa: TRY301
        claims = await provider_access.userinfo(node, token.strip(), scheme.lower(), proofs[0] if proofs else "", method)
    except ProtocolError as error:
        answer = problem(error)
        kind = "Bearer" if scheme.lower() == "bearer" else "DPoP"
        answer.set_header("WWW-Authenticate", f'{kind} error="{error.error}"' + (', algs="Ed25519 ES256"' if kind == "DPoP" else ""))
        return answer
    return Response(claims, headers=NO_STORE)


ROUTES = [userinfo, userinfo_by_post]
