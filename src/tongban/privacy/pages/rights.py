"""我的信息: the entrance to one's rights, a copy and the closing of the account."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import Response

from tongban import ui
from tongban.kernel.actor import Actor
from tongban.privacy.actions import wards

Req = Request[Any, Any, Any]
Asking = NamedDependency[Actor]


class RightsPage(msgspec.Struct, frozen=True):
    """What /me/rights draws (我的信息)."""

    title: str = "我的信息"
    back: str = "/me"
    back_label: str = "返回我的"
    tab: str = "me"
    childs: bool = False


@get("/me/rights")
async def rights(request: Req, actor: Asking) -> Response[Any]:
    """我的信息: what can be done with everything that is kept here."""
    actor.require(1)
    actor.require_self("管自己的信息")
    return ui.page(request, "privacy/rights.html", RightsPage(childs=wards.acts_as_guardian(actor)))


ROUTES: list[Any] = [rights]
