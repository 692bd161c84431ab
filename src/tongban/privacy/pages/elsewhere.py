"""The account lives at another node 账号不在这里: one page for every right that is used at home only."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.response import Response

from tongban import federation, ui
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node


class ElsewherePage(msgspec.Struct, frozen=True, kw_only=True):
    """Where the person goes for it 到那里办: `act` is what is done there, in words after 到那里."""

    title: str
    act: str
    back: str = "/me/rights"
    back_label: str = "返回我的信息"
    tab: str = "me"
    place: str
    href: str


async def elsewhere(request: Request[Any, Any, Any], node: Node, actor: Actor, path: str, *, title: str, act: str) -> Response[Any] | None:
    """That page for a person whose home is another node; None for who is at home here, and for a guardian who acts for a child."""
    if actor.for_subject or actor.home in ("", node.id):
        return None
    found = await federation.present(node)
    listed = found.node(actor.home) if found else None
    page = ElsewherePage(title=title, act=act, place=listed.name if listed else actor.home, href=(listed.base_url if listed else "") + path)
    return ui.page(request, "privacy/elsewhere.html", page)
