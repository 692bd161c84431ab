"""Builders: the real definitions of the repository, changed where a test says so; a catalogue set up in a database."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import httpx
import msgspec
from litestar import Litestar, Request
from litestar.di import Provide

from tongban import ui
from tongban.catalogue import api, pages
from tongban.catalogue.model import Definition, Item
from tongban.catalogue.queries import load_folder
from tongban.catalogue.rules import identified
from tongban.kernel.actor import NOBODY, SYSTEM, Actor
from tongban.kernel.gm import Personal

ITEMS = Path(__file__).resolve().parents[4] / "items"
COMPANY = "11510100DEM000014N3000199901000"
PERMIT = "11500103DEM000022Q4000799902000"
REMOTE = "12500000DEM00003002002099903000"
ACTOR = SYSTEM
PEOPLE_PHRASE = "样例，以当地公布为准"


@functools.cache
def definitions() -> dict[str, Definition]:
    return {one.item.task_code: one for one in load_folder(ITEMS)}


def item(task_code: str = PERMIT, **changed: Any) -> Item:
    """A real item, with fields changed and its digest made again."""
    return identified(msgspec.structs.replace(definitions()[task_code].item, **changed))


def app(node: Any, actor: Actor = NOBODY) -> Litestar:
    """The catalogue's own doors around a node, asked by `actor`."""

    async def provide_node() -> Any:
        return node

    async def provide_actor(request: Request[Any, Any, Any]) -> Actor:
        request.state["actor"] = actor
        return actor

    made = Litestar(
        [*pages.routes, *api.routes],
        dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)},
        exception_handlers=ui.exception_handlers, before_send=[ui.before_send], openapi_config=None, logging_config=None,
    )
    ui.wire(made, ui.Wiring(secret=b"s" * 32, site="重庆市", place="500000", organiser="重庆市", demo=True))
    return made


def browser(node: Any, actor: Actor = NOBODY) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app(node, actor)), base_url=node.settings.base_url)


def citizen(acr: int = 2) -> Actor:
    return Actor(kind="citizen", subject="n1" + "a" * 32, acr=acr, sid="s", name=Personal("演示甲"), home="500000")


def clerk() -> Actor:
    return Actor(kind="staff", subject="s1", staff_id="s1", name=Personal("演示员"), unit="演示单位")
