"""HTML doors of the post 节点与信件 (federation.md 11): one page of the nation's nodes, and what officers do on it."""

from __future__ import annotations

from typing import Any

from tongban.federation.pages import mending, nodes

ROUTES = nodes.ROUTES
routes: list[Any] = [*nodes.routes, *mending.routes]
