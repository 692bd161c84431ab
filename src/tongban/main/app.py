"""One node's HTTP server and its clocks 应用: every room's doors, letters, calls, jobs and clocks around one Node."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from litestar import Litestar, Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.response import Response
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tongban import federation, identity, notifications, privacy, service_apps, space, ui
from tongban.kernel import jobs
from tongban.kernel.actor import Actor
from tongban.kernel.db import BELL_CHANNEL
from tongban.kernel.errors import NotFound
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.main import menu, resting, rooms

MAX_BODY = 12 * 1024 * 1024


async def provide_node(state: State) -> Node:
    """The node every handler is given (本节点)."""
    node: Node = state.node
    return node


async def provide_actor(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Actor:
    """Who asks, from the cookies of this request (办事的人); the frame of the page reads it from the request's state."""
    arrival = await identity.arrive(node, request.cookies, path=request.url.path, turn=request.method == "GET")
    actor = arrival.actor
    request.state["actor"] = actor
    request.state["sign_in"] = ui.SignInState(left=arrival.left, warn=arrival.warn, note=arrival.note)
    if arrival.cookie is not None:
        name, value, _ = arrival.cookie
        request.cookies[name] = value  # forms of this answer are bound to the new value
        request.state["turned_cookie"] = arrival.cookie
    if actor.kind == "citizen" and request.method == "GET":
        async with node.db.reading() as tx:
            request.state["unread"] = await notifications.unread(tx, actor.subject)
    return actor


@get("/health", opt={"plain": True})
async def health(node: NamedDependency[Node]) -> Response[Any]:
    """Whether this node can serve: its database answers a real query (健康检查)."""
    async with node.db.reading() as tx:
        await tx.fetchval("SELECT 1")
    return Response({"node": node.id, "ok": True}, headers={"Cache-Control": "no-store"})


@get("/metrics", opt={"plain": True})
async def metrics(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[bytes]:
    """Figures for the operator's monitoring, Prometheus text (指标). Strangers get 404: the bearer is `tongban metrics-key`.

    A key and not an address: behind a proxy everybody comes from the proxy's address.
    """
    shown = request.headers.get("authorization", "")
    if not hmac.compare_digest(shown.encode(), f"Bearer {metrics_key(node)}".encode()):
        raise NotFound
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def metrics_key(node: Node) -> str:
    """The bearer that opens /metrics (指标口令), made from a secret of the key store; the same until that is changed."""
    return node.keys.secret("metrics").hex()


def counted(node: Node) -> Any:
    """Middleware: a trace id for each request, and visits, errors and milliseconds for each service app (计数)."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if str(scope["type"]) != "http":
                await app(scope, receive, send)
                return
            # a zero byte in an address is nothing anybody types, and no table takes it
            scope["query_string"] = scope["query_string"].replace(b"%00", b"")
            for name, value in scope.get("path_params", {}).items():
                if isinstance(value, str):
                    scope["path_params"][name] = value.replace("\x00", "")
            scope.setdefault("state", {})["trace"] = secrets.token_hex(8)
            started = time.perf_counter()
            status = 500

            async def watched(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, watched)
            finally:
                spent = (time.perf_counter() - started) * 1000
                service_apps.count(
                    node, path=scope["path"], channel=_channel(scope), status=status, ms=spent,
                    task_code=scope["state"].get("task_code"),
                )  # fmt: skip

        return serve

    return wrap


def _channel(scope: Scope) -> str:
    """h5, or pc when the browser does not call itself a phone's."""
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return "h5" if b"Mobile" in agent else "pc"


@asynccontextmanager
async def _running(app: Litestar) -> AsyncIterator[None]:
    """Start the clocks, the job worker and the bell; end them all at shutdown."""
    node: Node = app.state.node
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(node.db.listen(BELL_CHANNEL, node.bell.ring, stop)),
        asyncio.create_task(jobs.work(node, {name: resting.job(one) for name, one in rooms.job_handlers().items()}, stop)),
        *(asyncio.create_task(jobs.turn(node, resting.clock(one), stop)) for one in rooms.clocks()),
    ]
    log("main.started", node=node.id, port=node.settings.bind_port)
    try:
        yield
    finally:
        stop.set()
        node.bell.ring("*")
        for task in tasks[2:]:  # clocks are safe to cut anywhere: what they do is one transaction
            task.cancel()
        _, late = await asyncio.wait(tasks[:2], timeout=3)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        log("main.stopped", node=node.id)


def build_app(node: Node, *, clocks: bool = True) -> Litestar:
    """The node as an ASGI application (应用). `clocks=False` leaves out everything that runs by itself, for tests."""
    federation.register(
        identity.follow_aliases(rooms.letters()), rooms.calls(), reinstate=rooms.reinstate(), replaces=rooms.replaces()
    )
    privacy.use_holdings(rooms.holdings())
    app = Litestar(
        route_handlers=[health, metrics, *_doors(node)],
        dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)},
        state=State({"node": node}),
        exception_handlers=cast("Any", ui.exception_handlers),
        before_request=resting.gate,
        before_send=[ui.before_send],
        middleware=[counted(node)],
        lifespan=[_running] if clocks else [],
        request_max_body_size=MAX_BODY,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    ui.wire(app, _wiring(node))
    return app


def _doors(node: Node) -> list[Any]:
    """All routes; doors under /demo/ and /dev/ exist on demo nodes only."""
    found = rooms.routes()
    if node.settings.demo:
        return found
    return [one for one in found if not _demo_only(one)]


def _demo_only(handler: Any) -> bool:
    paths = getattr(handler, "paths", None) or {getattr(handler, "path", "")}
    return any(path.startswith(("/demo/", "/dev/")) for path in paths)


def _wiring(node: Node) -> ui.Wiring:
    settings = node.settings
    return ui.Wiring(
        secret=node.keys.secret("form-token"),
        site=settings.name + "通办",
        place=(settings.divisions[0].ljust(6, "0") if settings.divisions else ""),
        base_url=settings.base_url,
        organiser=settings.name,
        demo=settings.demo,
        staff_links=(*menu.STAFF, *((menu.CORRECTIONS,) if settings.node == identity.REGISTER_NODE else ())),
        place_name=space.place_name,
        node_name=lambda node_id: federation.name_of(node, node_id),
        today=node.clock.today,
        staff_notice=lambda: federation.trust_words(node),
        form_action=lambda: (*federation.origins(node), *identity.leaving_to(node)),
    )
