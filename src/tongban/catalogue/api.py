"""JSON doors of the catalogue 接口: the same definition that draws the pages, with the digest that proves it."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban.catalogue.errors import ItemUnknown
from tongban.catalogue.queries import Current, current, items
from tongban.catalogue.rules import body_of
from tongban.kernel.node import Node

JSON = "application/json"
MOST_KEPT = 1024
_written: dict[tuple[str, int], bytes] = {}


def _written_of(found: Current) -> bytes:
    key = (found.item.digest, found.listing.rev)
    kept = _written.get(key)
    if kept is None:
        if len(_written) >= MOST_KEPT:
            _written.clear()
        kept = _written[key] = msgspec.json.encode(
            {
                "task_code": found.item.task_code, "version": found.item.version, "digest": found.item.digest,
                "status": found.listing.status, "channels": found.listing.channels, "rev": found.listing.rev,
                "item": body_of(found.item),
            }
        )
    return kept


@get("/api/items/{task_code:str}")
async def one_item(request: Request[Any, Any, Any], node: NamedDependency[Node], task_code: FromPath[str]) -> Response[bytes]:
    """One item: digest, state, channels, and the whole definition whose canonical JSON has that digest (同源发布)."""
    found = await current(node, task_code)
    if found is None:
        raise ItemUnknown
    tag = f'"{found.item.digest}/{found.listing.rev}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Item-Digest": found.item.digest}
    if request.headers.get("if-none-match") == tag:
        return Response(b"", status_code=304, headers=headers, media_type=JSON)
    return Response(_written_of(found), headers=headers, media_type=JSON)


@get("/api/items")
async def all_items(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[bytes]:
    """Published items as a list; query: division, audience, theme, department, channel, owner (清单)."""
    asked = request.query_params
    division = asked.get("division", "")
    async with node.db.reading() as tx:
        found = await items(
            tx, division=division if division.isdigit() and len(division) == 6 else "", audience=asked.get("audience", ""),
            theme=asked.get("theme", ""), department=asked.get("department", ""), channel=asked.get("channel", ""),
            owner_node=asked.get("owner", ""),
        )
    return Response(msgspec.json.encode({"items": found}), headers={"Cache-Control": "no-cache"}, media_type=JSON)


routes = [one_item, all_items]
