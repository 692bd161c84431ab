"""Builders of 应用管理 tests: officers, a draft, a page server on loopback, facts of a good page."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from tongban import catalogue, service_apps
from tongban.kernel.actor import Actor, Assignment
from tongban.service_apps.model import Draft, ItemRef, ServiceLevel
from tongban.service_apps.rules import read_page
from tongban.service_apps.rules.standard import Facts, Fetched, ItemFacts

ACTIONS = ("register", "check", "review", "publish", "suspend", "withdraw", "see")
HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(self)",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
CSS = """:root { --ink: #16202e; --ink-2: #435062; --ink-3: #586577; --brand: #0b57b0; --ok: #0d6b3f; --warn: #8a4a00;
  --bad: #b3261e; --bg: #f1f4f8; --surface: #fff; --tap: 48px; --hit: 44px;
  --fs-xs: .875rem; --fs-sm: .875rem; --fs-md: .9375rem; --fs-body: 1.0625rem }
[data-mode=elder]:not([data-channel=kiosk]) { --tap: 64px; --hit: 60px; --fs-xs: 1.125rem; --fs-sm: 1.25rem; --fs-md: 1.375rem;
  --fs-body: 1.5rem }
@media (min-width:1024px) { :root { --hit: 1px } }
"""


def html(mode: str = "", *, head: str = "", body: str = "<p>三个工作日办好</p>", h1: str = "企业开办") -> str:
    elder = ' data-mode="elder"' if mode == "elder" else ""
    return (
        f'<!doctype html><html lang="zh-CN"{elder}><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>企业开办</title>'
        f'<link rel="stylesheet" href="/static/a.css">{head}</head><body><a class="skip" href="#main">跳到正文</a>'
        f'<main id="main"><h1>{h1}</h1>{body}</main></body></html>'
    )


def fetched(mode: str = "", *, text: str | None = None, **more: Any) -> Fetched:
    return Fetched(
        **{
            "path": "/s/1", "mode": mode, "status": 200, "headers": HEADERS,
            "page": read_page(html(mode) if text is None else text), "bytes_sent": 20_000, "stylesheet": CSS, **more,
        }
    )  # fmt: skip


def wanted(*items: ItemRef, **more: Any) -> Draft:
    return Draft(
        **{
            "name": "企业开办", "owner_name": "成都市市场监管局（演示）", "owner_org": "11510100DEM000014N", "division": "510100",
            "contact_unit": "企业开办专区", "contact_phone": "028-12345678",
            "service_level": ServiceLevel(995, 2000, "工作日 9:00 到 17:00"), "items": items, "channels": ("h5", "pc"), **more,
        }
    )  # fmt: skip


def facts(*pages: Fetched, draft: Draft | None = None, items: tuple[ItemFacts, ...] | None = None) -> Facts:
    return Facts(
        draft=draft or wanted(ItemRef("T", 1)),
        items=(ItemFacts("T", 1, "企业开办", present=True, ours=True, channels=("h5", "pc")),) if items is None else items,
        pages=pages or (fetched(), fetched("elder")),
    )


def officer(name: str, *actions: str, division: str = "510000") -> Actor:
    held = frozenset(f"service_apps.{one}" for one in (actions or ACTIONS))
    return Actor(kind="staff", subject=name, staff_id=name, unit="运营处", assignments=(Assignment("o", held, division),))


REGISTRAR, REVIEWER = officer("registrar", "register", "check", "see"), officer("reviewer", "review", "publish", "suspend", "withdraw", "see")


async def shelved(node: Any) -> None:
    """The reference data and this node's definitions, as at start."""
    async with node.db.transaction() as tx:
        await catalogue.load_reference(tx, node.settings.items_dir / "reference")
        await catalogue.shelve(tx, node)


async def company(node: Any) -> ItemRef:
    """企业设立登记 of 四川, as a reference."""
    async with node.db.reading() as tx:
        for one in (*await catalogue.drafts(tx), *await catalogue.changed_since(tx, None)):
            found = await catalogue.item(tx, one.task_code, one.version)
            if found is not None and found.service == "company_setup":
                return ItemRef(one.task_code, one.version)
    raise LookupError("company_setup")


@asynccontextmanager
async def pages(port: int, answer: Any = html) -> AsyncIterator[list[str]]:
    """A page server on loopback: every guide answers what `answer(mode)` says, in both modes. Gives the paths asked for."""
    asked: list[str] = []

    async def guide(request: web.Request) -> web.Response:
        mode = request.cookies.get("tb_mode", "")
        asked.append(f"{request.path} {mode}".strip())
        text = answer(mode)
        text = await text if inspect.isawaitable(text) else text
        return web.Response(text=text, content_type="text/html", headers=HEADERS)

    async def style(_request: web.Request) -> web.Response:
        return web.Response(text=CSS, content_type="text/css")

    app = web.Application()
    app.add_routes([web.get("/static/a.css", style), web.get("/{path:.*}", guide)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield asked
    finally:
        await runner.cleanup()


async def until_checked(node: Any, draft: Draft) -> Any:
    """Draft → registered → checked, by the registrar; the app and its report."""
    async with node.db.transaction() as tx:
        app = await service_apps.draft(tx, node, REGISTRAR, draft)
        app = await service_apps.register(tx, node, REGISTRAR, app.id)
    report = await service_apps.check(node, REGISTRAR, app.id)
    async with node.db.reading() as tx:
        return await service_apps.app(tx, app.id), report


async def until_reviewed(node: Any, draft: Draft) -> Any:
    app, _ = await until_checked(node, draft)
    async with node.db.transaction() as tx:
        return await service_apps.review(tx, node, REVIEWER, app.id, agree=True, reason="走了一遍", digest=app.digest)


def changed(draft: Draft, **more: Any) -> Draft:
    return msgspec.structs.replace(draft, **more)
