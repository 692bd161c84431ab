"""Builders for the space's tests: its doors around a real node, with people who only exist here."""

from __future__ import annotations

from typing import Any

import httpx
from litestar import Litestar, Request
from litestar.di import Provide

from tongban import ui
from tongban.kernel.actor import NOBODY, Actor
from tongban.kernel.gm import Personal
from tongban.space import pages
from tongban.space.queries import places
from tongban.ui import pages as ui_pages

PERMIT = "11500103DEM000022Q4000799902000"
HTML = {"accept": "text/html"}


def citizen(subject: str = "c1space", acr: int = 2) -> Actor:
    """An invented resident, signed in."""
    return Actor(kind="citizen", subject=subject, acr=acr, name=Personal("演示甲"), home="500000", sid="s-1")


def app(node: Any, actor: Actor = NOBODY) -> Litestar:
    """The doors of space and ui around a node, asked by `actor`."""

    async def provide_node() -> Any:
        return node

    async def provide_actor(request: Request[Any, Any, Any]) -> Actor:
        request.state["actor"] = actor
        return actor

    made = Litestar(
        [*ui_pages.routes, *pages.routes],
        dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)},
        exception_handlers=ui.exception_handlers, before_send=[ui.before_send], openapi_config=None, logging_config=None,
    )  # fmt: skip
    wiring = ui.Wiring(secret=b"s" * 32, site="重庆市", place="500000", organiser="重庆市", demo=True, place_name=places.place_name)
    ui.wire(made, wiring)
    return made


def browser(node: Any, actor: Actor = NOBODY) -> httpx.AsyncClient:
    """A client with its own cookies."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app(node, actor)), base_url="https://500000.test", headers=HTML)
