"""A browser against one room's pages, with a real node behind them: for door tests of this and the rooms above."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.di import Provide

from tongban import ui
from tongban.kernel.actor import NOBODY, Actor
from tongban.kernel.node import Node


class Browser:
    """What a person does: look, and send the form of the page they see. `actor` is who they are now."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.actor: Actor = NOBODY
        self.text = ""
        self.token = ""

    async def see(self, path: str, **more: Any) -> httpx.Response:
        answer = await self.client.get(path, headers={"accept": "text/html"}, **more)
        self.text = answer.text
        found = re.search(r'name="tb_token" value="([^"]+)"', answer.text)
        self.token = found[1] if found else self.token
        return answer

    async def send(self, path: str, **fields: Any) -> httpx.Response:
        answer = await self.client.post(
            path, data={"tb_token": self.token, **fields}, headers={"accept": "text/html", "sec-fetch-site": "same-origin"}
        )
        self.text = answer.text
        return answer


@asynccontextmanager
async def browser(node: Node, routes: list[Any]) -> AsyncIterator[Browser]:
    """The room's routes under the real frame, forms and error pages."""
    held: dict[str, Browser] = {}

    async def provide_node() -> Node:
        return node

    async def provide_actor(request: Request[Any, Any, Any]) -> Actor:
        request.state["actor"] = held["browser"].actor
        return held["browser"].actor

    app = Litestar(
        [*routes],
        dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)},
        state=State({"node": node}), before_send=[ui.before_send], exception_handlers=ui.exception_handlers,
        openapi_config=None, logging_config=None,
    )  # fmt: skip
    ui.wire(app, ui.Wiring(secret=b"s" * 32, site="重庆市", place="500000", organiser="重庆市", demo=True))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://500000.test") as client:
        held["browser"] = Browser(client)
        yield held["browser"]
