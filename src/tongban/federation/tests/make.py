"""Builders for tests of the post: real nodes in one process, each with its own database, keys and HTTP port.

    async with nation(make_node, "cn", "500000", "510000") as nodes:
        await federation.call(nodes["500000"], "510000", "some.service", {...})

The members are enrolled for real (invite, approve, join over loopback HTTP). With `clocks=True` stamper, fetchers and
directory run as in production; with False a test drives them by hand (`await deliver(...)`).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from tongban import federation
from tongban.federation import api, letters, tasks
from tongban.federation.actions.office import DIRECTORY_BELL, office, read_directory
from tongban.federation.actions.pull import pull_once
from tongban.federation.actions.stamp import stamp
from tongban.federation.actions.way import NoAnswer
from tongban.federation.model import Directory
from tongban.kernel import jobs
from tongban.kernel.actor import Actor, Assignment
from tongban.kernel.db import ring
from tongban.kernel.node import Node

MakeNode = Callable[..., Awaitable[Node]]
ACTIONS = frozenset(
    {"federation.enrol", "federation.operate", "federation.trust", "federation.revoke", "federation.see"}
)
NAMES = {
    "cn": ("国家节点（演示）", "hub", ()), "mps": ("公安部（演示）", "ministry", ()), "samr": ("市场监管总局（演示）", "ministry", ()),
    "500000": ("重庆市", "province", ("50",)), "510000": ("四川省", "province", ("51",)),
}  # fmt: skip


def officer(name: str) -> Actor:
    """An officer of the hub with every role of the post; 演示."""
    return Actor(kind="staff", subject=name, staff_id=name, assignments=(Assignment("operator", ACTIONS, "000000"),))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def app_of(node: Node, routes: list[Any]) -> Litestar:
    async def provide_node() -> Node:
        return node

    async def provide_actor() -> Actor:
        return Actor(kind="nobody")

    return Litestar(
        [*routes],
        dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)},
        state=State({"node": node}), openapi_config=None, logging_config=None, request_max_body_size=12 * 1024 * 1024,
    )  # fmt: skip


@asynccontextmanager
async def serving(node: Node, *, routes: list[Any] | None = None, clocks: bool = False) -> AsyncIterator[Node]:
    """The node's federation doors (and `routes`) on its own port, its bell and, if asked, its clocks."""
    config = uvicorn.Config(
        app_of(node, [*api.routes, *(routes or [])]), host="127.0.0.1", port=node.settings.bind_port, log_level="warning",
        access_log=False, lifespan="off", timeout_graceful_shutdown=1, http="httptools", ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[method-assign]
    stop = asyncio.Event()
    tasks_running = [
        asyncio.create_task(_serve(server)),
        asyncio.create_task(node.db.listen("tongban_bell", node.bell.ring, stop)),
    ]
    if clocks:
        tasks_running += [asyncio.create_task(jobs.turn(node, clock, stop)) for clock in tasks.CLOCKS]
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield node
    finally:
        stop.set()
        federation.hang_up(node)
        server.should_exit = True
        node.bell.ring("*")
        for task in tasks_running[2:]:
            task.cancel()
        await asyncio.gather(*tasks_running, return_exceptions=True)


async def _serve(server: uvicorn.Server) -> None:
    """uvicorn without its signal handlers: the test runner keeps its own."""
    await server._serve()


async def make_member(make_node: MakeNode, node_id: str, **more: Any) -> Node:
    """A node with a free port of its own, not enrolled yet."""
    port = free_port()
    name, role, divisions = NAMES.get(node_id, (node_id, "province", (node_id[:2],)))
    return await make_node(
        node_id, name=name, role=role, divisions=divisions, base_url=f"http://{node_id}.localhost:{port}",
        bind_port=port, connect=f"127.0.0.1:{port}", unsigned_per_second=400, open_door_per_second=100, **more,
    )  # fmt: skip


async def enrol(hub: Node, member: Node) -> None:
    """The whole enrolment over HTTP: both must be served. The hub's probe is driven here when its clocks do not run."""
    fingerprint = await federation.make_hub(hub)
    settings = member.settings
    async with hub.db.transaction() as tx:
        invitation = await federation.invite(
            tx, hub, officer("demo-a"),
            federation.Invited(
                node=member.id, name=settings.name, role=settings.role, divisions=settings.divisions,
                organisation=settings.organisation,
            ),
        )  # fmt: skip
    joining = asyncio.create_task(
        federation.join(member, hub.settings.base_url, hub.settings.connect, invitation.code, fingerprint, seconds=30)
    )
    approving = asyncio.create_task(_approve(hub, member.id))
    probing = asyncio.create_task(_activate(hub))
    try:
        await asyncio.gather(joining, approving)
    finally:
        probing.cancel()
        await asyncio.gather(joining, approving, probing, return_exceptions=True)


async def _approve(hub: Node, node_id: str) -> None:
    from tongban.federation.actions.office import ENROLMENT_BELL

    while True:
        since = hub.bell.generation(ENROLMENT_BELL)
        async with hub.db.transaction() as tx:
            waiting = [one for one in await federation.enrolments(tx, status="pending") if one.node == node_id]
            if waiting:
                await federation.approve(tx, hub, officer("demo-b"), waiting[0].id)
                return
        await hub.bell.wait(ENROLMENT_BELL, seconds=1, since=since)


async def _activate(hub: Node) -> None:
    from tongban.federation.actions.enrol import activate_joining
    from tongban.federation.actions.office import ENROLMENT_BELL

    while True:
        await hub.bell.wait(ENROLMENT_BELL, seconds=1)
        await activate_joining(hub)


@asynccontextmanager
async def nation(
    make_node: MakeNode, *node_ids: str, routes: Callable[[], list[Any]] | None = None, clocks: bool = False,
    letters_too: dict[tuple[str, int], Any] | None = None, calls: dict[str, Any] | None = None, **more: Any,
) -> AsyncIterator[dict[str, Node]]:  # fmt: skip
    """Real enrolled nodes, the hub `cn` first; the federation's own letters and calls are registered, and the given ones."""
    federation.register({**letters.LETTERS, **(letters_too or {})}, {**letters.CALLS, **(calls or {})})
    async with AsyncExitStack() as stack:
        nodes: dict[str, Node] = {}
        for node_id in ("cn", *[one for one in node_ids if one != "cn"]):
            node = await make_member(make_node, node_id, **more)
            if node_id == "cn":
                await federation.make_hub(node)
            await stack.enter_async_context(serving(node, routes=routes() if routes else None, clocks=clocks))
            if node_id != "cn":
                await enrol(nodes["cn"], node)
            nodes[node_id] = node
        for node in nodes.values():
            await catch_up(node)
        yield nodes


async def catch_up(node: Node) -> None:
    """Fetch the newest directory now."""
    if node.id != node.settings.hub:
        await federation.refresh(node)


async def deliver(nodes: dict[str, Node]) -> None:
    """Stamp everywhere, let the hub fetch from all, then everybody from the hub: one round, without clocks."""
    hub = nodes["cn"]
    for node in nodes.values():
        await stamp(node)
    for node in nodes.values():
        if node is not hub:
            await _pulled(hub, node.id, [node.id])
    for node in nodes.values():
        if node is not hub:
            await _pulled(node, "cn")


async def _pulled(node: Node, server: str, origins: list[str] | None = None) -> None:
    """One fetch, as a fetcher does it: whoever lost its nonces refuses what was signed in the second before, and is asked again."""
    try:
        await pull_once(node, server, origins, wait=0)
    except NoAnswer as error:
        if error.code != "stale":
            raise
        await pull_once(node, server, origins, wait=0)


@asynccontextmanager
async def old_trust(node: Node, past: timedelta) -> AsyncIterator[None]:
    """The node's directory as if its time had been over for `past`; a node that is not enrolled gets an empty one meanwhile."""
    async with node.db.transaction() as tx:
        row = await tx.fetchrow("SELECT version, trusted FROM directory_version ORDER BY version DESC LIMIT 1")
        found = read_directory(row["trusted"]) if row else Directory("cn", 1, 0, 0, None, (), ())
        aged = msgspec.json.encode(msgspec.structs.replace(found, not_after=node.clock.ms() - int(past.total_seconds() * 1000)))
        await tx.execute(
            "INSERT INTO directory_version (version, signed, digest, trusted, issued_at, not_after, source) VALUES ($1,'','',$2,0,0,'cn')"
            " ON CONFLICT (version) DO UPDATE SET trusted = excluded.trusted", found.version, aged,
        )  # fmt: skip
        await ring(tx, DIRECTORY_BELL)
    office(node).directory = read_directory(aged)
    try:
        yield
    finally:
        async with node.db.transaction() as tx:
            if row:
                await tx.execute("UPDATE directory_version SET trusted = $2 WHERE version = $1", found.version, row["trusted"])
            else:
                await tx.execute("DELETE FROM directory_version")
            await ring(tx, DIRECTORY_BELL)
        office(node).directory = found if row else None
