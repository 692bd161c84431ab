"""The gate against the real node: real guide pages, real headers, real weight; the demo's apps come out published."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
import uvicorn

from tongban import catalogue, service_apps
from tongban.federation.tests.make import free_port
from tongban.main.app import build_app
from tongban.main.set_up import set_up
from tongban.service_apps import queries
from tongban.service_apps.actions import seed_demo


@asynccontextmanager
async def served(node):
    config = uvicorn.Config(
        build_app(node, clocks=False), host="127.0.0.1", port=node.settings.bind_port, log_level="warning", access_log=False,
        lifespan="off", http="httptools", ws="none", timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await running


@pytest.mark.parametrize("node_id", ["510000", "500000"])
async def test_the_demo_apps_pass_and_are_published(make_node, node_id):
    port = free_port()
    node = await make_node(node_id, base_url=f"http://127.0.0.1:{port}", bind_port=port)
    await set_up(node)
    async with served(node):
        await seed_demo(node)
    async with node.db.reading() as tx:
        apps = await service_apps.apps(tx)
        reports = {one.name: await queries.report(tx, one.id) for one in apps}
        reachable = [await catalogue.item(tx, ref.task_code) for one in apps for ref in one.draft.items]
    wrong = [f"{name}: {one.rule} {one.place} {one.text}" for name, report in reports.items() for one in report.failed]
    assert wrong == []
    assert apps
    assert {one.state for one in apps} == {"published"}
    assert all(reachable)
    assert all(len(report.pages) >= 2 for report in reports.values())
