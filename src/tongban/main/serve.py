"""Run one node in this process 运行节点: uvicorn on uvloop; ends cleanly on Ctrl-C and SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys

import uvicorn
import uvloop

from tongban import federation
from tongban.kernel import log as logs
from tongban.kernel.node import Node
from tongban.kernel.settings import Settings
from tongban.main import memory

LEAVING_SECONDS = 2.0
"""How long tasks that are still there when everything is closed have to end; the process does not stay for them."""


class _Server(uvicorn.Server):
    """Says `ready` on standard output when the port answers, so that whoever started us need not ask."""

    def __init__(self, config: uvicorn.Config, node: Node) -> None:
        super().__init__(config)
        self._node = node

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        federation.hang_up(self._node)  # waiting long polls would hold the connections open
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write("ready\n")
            sys.stdout.flush()


def settle() -> None:
    """The interpreter as a node that serves has it (安顿), once everything is read in."""
    gc.freeze()  # what stands now stands for ever: of 197,000 objects 2,000 are garbage, and finding them took a twentieth of a start
    gc.set_threshold(10_000, 20, 20)  # most of a request dies by itself; looking after every 700 objects was a twentieth of the work
    gc.enable()
    sys.setswitchinterval(0.001)  # a signature worked out beside the loop (kernel/beside) waits 1 ms for its turn, not 5


async def serve(settings: Settings) -> None:
    """Serve until told to stop (运行). The caller's loop is used; returns when all is closed."""
    memory.few_arenas()  # before the first thread asks for any
    gc.disable()  # while the rooms are read in nothing dies; looking for what died is a tenth of a start
    from tongban.main.app import build_app
    from tongban.main.set_up import set_up

    logs.set_up(json=settings.log_json)
    async with Node.open(settings) as node:
        await set_up(node)
        app = build_app(node)
        settle()
        config = uvicorn.Config(
            app, host=settings.bind_host, port=settings.bind_port, http="httptools", loop="uvloop",
            lifespan="on", access_log=False, log_level="warning", server_header=False, timeout_keep_alive=75,
            timeout_graceful_shutdown=4, backlog=2048,
        )  # fmt: skip
        await _Server(config, node).serve()


def run(settings: Settings) -> None:
    """`serve` with a loop of its own, and an end of the process even when a task swallows every cancellation (运行到底).

    The loop's own end would wait for such a task for ever. Everything is closed by then: nothing is lost by leaving.
    """

    async def whole() -> None:
        await serve(settings)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for one in left:
            one.cancel()
        if left and (await asyncio.wait(left, timeout=LEAVING_SECONDS))[1]:
            logs.log("main.left", level=logging.ERROR, count=sum(not one.done() for one in left))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)

    uvloop.run(whole())
