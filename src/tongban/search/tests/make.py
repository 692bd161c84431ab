"""Builders: an index over the real services with some of their aliases held back, and a node with a live index."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import httpx
import msgspec
import yaml
from litestar import Litestar, Request
from litestar.di import Provide

from tongban import catalogue, ui
from tongban.catalogue.actions import service_entry
from tongban.kernel.actor import NOBODY, Actor
from tongban.search import Document, Index, api, pages
from tongban.search.actions import everyday_words, own_pages
from tongban.search.rules.documents import of_entry, of_item, of_page

ITEMS = Path(__file__).resolve().parents[4] / "items"
HELD_BACK = 3
"""Every third alias of a service is no alias of the index: it is a query instead."""


@functools.cache
def services() -> tuple[catalogue.Entry, ...]:
    facts = yaml.load((ITEMS / "reference" / "service_facts.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    return tuple(service_entry(one) for one in facts)


def documents(*, held_back: bool) -> tuple[list[Document], list[tuple[str, str]]]:
    """What to index, and the (query, service) pairs that were held back."""
    words = everyday_words(ITEMS)
    items = {one.item.service: one.item for one in catalogue.load_folder(ITEMS)}
    made = [of_page(page) for page in own_pages(ITEMS)]
    queries = []
    for entry in services():
        out = [alias for n, alias in enumerate(entry.aliases) if held_back and n % HELD_BACK == 0]
        left = tuple(alias for alias in entry.aliases if alias not in out)
        queries += [(alias, entry.id) for alias in out]
        if entry.id in items:
            item = msgspec.structs.replace(items[entry.id], aliases=left)
            made += of_item(item, item.channels, "", words)
        made.append(of_entry(msgspec.structs.replace(entry, aliases=left), words))
    return made, queries


def index(folder: Path, *, held_back: bool = False) -> tuple[Index, list[tuple[str, str]]]:
    made, queries = documents(held_back=held_back)
    found = Index(folder)
    found.write(made, fresh=True)
    return found, queries


def browser(node: Any, actor: Actor = NOBODY) -> httpx.AsyncClient:
    async def provide_node() -> Any:
        return node

    async def provide_actor(request: Request[Any, Any, Any]) -> Actor:
        request.state["actor"] = actor
        return actor

    app = Litestar(
        [*pages.routes, *api.routes],
        dependencies={"node": Provide(provide_node), "actor": Provide(provide_actor)},
        exception_handlers=ui.exception_handlers, before_send=[ui.before_send], openapi_config=None, logging_config=None,
    )
    ui.wire(app, ui.Wiring(secret=b"s" * 32, site="重庆市", place="500000", organiser="重庆市", demo=True))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=node.settings.base_url)
