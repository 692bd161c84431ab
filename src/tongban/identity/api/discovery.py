"""Discovery and keys 发现文档和公钥 (OpenID Connect Discovery 1.0, RFC 8414, RFC 7517)."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.response import Response

from tongban.identity.actions import keys
from tongban.identity.model import ACR_PREFIX
from tongban.identity.pages.browser import HereNode
from tongban.identity.rules import clients
from tongban.identity.tokens import ALGORITHMS
from tongban.kernel.node import Node

_CACHED = {"Cache-Control": "max-age=300"}


def metadata(node: Node) -> dict[str, Any]:
    """The provider's description of itself."""
    issuer, algorithms = node.settings.base_url, list(ALGORITHMS)
    signed = {"private_key_jwt": ["private_key_jwt"], "with_none": ["private_key_jwt", "none"]}
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oidc/authorize",
        "pushed_authorization_request_endpoint": f"{issuer}/oidc/par",
        # nodes, government and native clients must push; the narrower profile of outside parties may not (identity.md 5)
        "require_pushed_authorization_requests": True,
        "token_endpoint": f"{issuer}/oidc/token",
        "userinfo_endpoint": f"{issuer}/oidc/userinfo",
        "revocation_endpoint": f"{issuer}/oidc/revoke",
        "introspection_endpoint": f"{issuer}/oidc/introspect",
        "end_session_endpoint": f"{issuer}/oidc/logout",
        "jwks_uri": f"{issuer}/oidc/jwks",
        "scopes_supported": list(clients.scopes()),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public", "pairwise"],
        "acr_values_supported": [f"{ACR_PREFIX}{level}" for level in (1, 2, 3, 4)],
        "claim_types_supported": ["normal"],
        "claims_supported": [*clients.claims(), "iss", "aud", "exp", "iat"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "id_token_signing_alg_values_supported": algorithms,
        "token_endpoint_auth_methods_supported": signed["with_none"],
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": signed["with_none"],
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": signed["private_key_jwt"],
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "display_values_supported": ["page"],
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "ui_locales_supported": ["zh-CN"],
    }


@get("/.well-known/openid-configuration")
async def discovery(node: HereNode) -> Response[Any]:
    """What this provider offers."""
    return Response(metadata(node), headers=_CACHED)


@get("/oidc/jwks")
async def jwks(node: HereNode) -> Response[Any]:
    """The public token keys: current, next, and retired ones for 48 hours."""
    async with node.db.transaction() as tx:
        found = await keys.jwks(tx, node)
    return Response(found, headers=_CACHED)


ROUTES = [discovery, jwks]
