"""Published at one node, seen at all with the same digest in seconds, gone from all as fast."""

from __future__ import annotations

import asyncio
import time

import pytest
from litestar import Request, Response, get
from litestar.params import FromPath

from tongban import catalogue, service_apps
from tongban.catalogue import letters as item_letters
from tongban.federation.tests.make import nation
from tongban.service_apps import letters
from tongban.service_apps.errors import AppNotBelieved
from tongban.service_apps.tests.make import CSS, HEADERS, REVIEWER, company, html, shelved, until_reviewed, wanted

ALL = {**item_letters.LETTERS, **letters.LETTERS}


def routes():
    """A page for every guide and its stylesheet, as the node itself would serve them."""
    @get("/s/{code:str}")
    async def guide(request: Request, code: FromPath[str]) -> Response[str]:
        return Response(html(request.cookies.get("tb_mode", "")), media_type="text/html", headers=HEADERS)

    @get("/static/a.css")
    async def style() -> Response[str]:
        return Response(CSS, media_type="text/css")

    return [guide, style]


async def seen(node, code):
    async with node.db.reading() as tx:
        item = await catalogue.item(tx, code)
        app = await service_apps.app_of_item(tx, code)
        return (item.digest if item else None, app.digest if app else None)


async def until(nodes, code, wanted_there):
    while [await seen(node, code) for node in nodes.values()] != [wanted_there] * len(nodes):  # noqa: ASYNC110  what is waited for is rows
        await asyncio.sleep(0.05)


async def test_published_and_withdrawn_everywhere_in_less_than_five_seconds(make_node):
    async with nation(make_node, "510000", "500000", letters_too=ALL, routes=routes, clocks=True) as nodes:
        home = nodes["510000"]
        for node in nodes.values():
            await shelved(node)
        draft = wanted(await company(home))
        code = draft.items[0].task_code
        app = await until_reviewed(home, draft)
        async with home.db.transaction() as tx:
            await service_apps.publish(tx, home, REVIEWER, app.id, channels=("h5", "pc"))
        started = time.monotonic()
        async with asyncio.timeout(20):
            await until(nodes, code, (app.draft.items[0].digest, app.digest))
        assert time.monotonic() - started < 5
        async with home.db.transaction() as tx:
            await service_apps.withdraw(tx, home, REVIEWER, app.id, reason="并入新应用")
        started = time.monotonic()
        async with asyncio.timeout(20):
            await until(nodes, code, (None, None))
        assert time.monotonic() - started < 5


async def test_old_news_and_other_peoples_apps_change_nothing(make_node, node):
    async with node.db.transaction() as tx:
        told = service_apps.PublishedApp(
            id="019aa5c0-0000-7000-8000-000000000001", node="510000", name="企业开办", owner_name="成都", contact_unit="x",
            contact_phone="028-12345678", version=1, digest="sm3:1", channels=("h5",), items=(), published_at=node.clock.now(),
        )  # fmt: skip
        from tongban.service_apps.actions import take_over

        assert await take_over(tx, node, "510000", told, "published", 5)
        assert not await take_over(tx, node, "510000", told, "withdrawn", 4)
        with pytest.raises(AppNotBelieved):
            await take_over(tx, node, "500000", told, "withdrawn", 9)
        assert [one.id for one in await service_apps.published_apps(tx)] == [told.id]
        assert await take_over(tx, node, "510000", told, "withdrawn", 6)
        assert await service_apps.published_apps(tx) == ()


