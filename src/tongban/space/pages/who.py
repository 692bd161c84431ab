"""Who looks 谁在看: asked by every public page of the space."""

from __future__ import annotations

from typing import Any

from litestar import Request

from tongban import identity, notifications, ui
from tongban.kernel.actor import NOBODY, Actor
from tongban.kernel.node import Node

Req = Request[Any, Any, Any]


async def who(request: Req, node: Node) -> Actor:
    """Who looks; asked only when there is a session cookie, so that the public entrance needs no database."""
    if not any(name in request.cookies for name in ui.SESSION_COOKIES):
        return NOBODY
    actor = await identity.resolve(node, request.cookies, path=request.url.path)
    request.state["actor"] = actor
    if actor.kind == "citizen":
        async with node.db.reading() as tx:
            request.state["unread"] = await notifications.unread(tx, actor.subject)
    return actor
