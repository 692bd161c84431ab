"""The JSON door of search 检索接口."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import Response

from tongban.kernel.node import Node
from tongban.search.queries import find

MOST = 50
LONGEST = 60


@get("/api/search")
async def search(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[bytes]:
    """What fits `q`; `division` six digits, `audience` person or organisation, `channel`, `kind`, `limit` ≤ 50 (检索)."""
    asked = request.query_params
    division = asked.get("division", "")
    limit = int(asked["limit"]) if asked.get("limit", "").isdecimal() and len(asked["limit"]) < 4 else 10
    found = find(
        node, asked.get("q", "")[:LONGEST], division=division if division.isdigit() and len(division) == 6 else "",
        audience=asked.get("audience", ""), channel=asked.get("channel", ""), kind=asked.get("kind", ""), limit=min(limit, MOST),
    )
    return Response(msgspec.json.encode(found), headers={"Cache-Control": "no-cache"}, media_type="application/json")


routes = [search]
