"""OpenID Connect endpoints 开放身份接口, the same at every node (identity.md 5): for nodes and for registered clients.

Redirects are 303; errors to machines are JSON with a registered name; a page is shown when no redirect is verified.
"""

from __future__ import annotations

from typing import Any

from tongban.identity.api import authorize, discovery, logout, par, token, userinfo

routes: list[Any] = [
    *discovery.ROUTES, *par.ROUTES, *authorize.ROUTES, *token.ROUTES, *userinfo.ROUTES, *logout.ROUTES,
]  # fmt: skip
