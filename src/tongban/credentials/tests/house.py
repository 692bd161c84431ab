"""One node behind a real port that can be switched off and on again, for browsers that lose their network."""

from __future__ import annotations

import asyncio

import uvicorn
from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.di import Provide

from tongban import ui
from tongban.credentials import pages
from tongban.credentials.tests import make
from tongban.kernel.actor import NOBODY, Actor
from tongban.kernel.node import Node
from tongban.ui.pages import routes as ui_routes


class House:
    """One node behind a real port that can be switched off and on again."""

    def __init__(self, node: Node, port: int) -> None:
        self.node, self.port, self.base = node, port, f"http://localhost:{port}"

    def app(self) -> Litestar:
        async def provide_node() -> Node:
            return self.node

        async def provide_actor(request: Request) -> Actor:
            request.state["actor"] = make.citizen() if request.cookies.get("who") == "her" else NOBODY
            return request.state["actor"]

        made = Litestar(
            [*ui_routes, *pages.routes], dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)},
            state=State({"node": self.node}), exception_handlers={**ui.exception_handlers}, before_send=[ui.before_send],
            openapi_config=None, logging_config=None,
        )  # fmt: skip
        ui.wire(made, ui.Wiring(secret=b"s" * 32, base_url=self.base, demo=True))
        return made

    async def on(self) -> None:
        self.server = uvicorn.Server(uvicorn.Config(self.app(), host="127.0.0.1", port=self.port, log_level="error", lifespan="off"))
        self.task = asyncio.create_task(self.server.serve())
        while not self.server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.02)

    async def off(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        await self.task
