"""The doors of the ways to sign in, of recovery and of devices 登录方式的页面, put together for `pages/__init__`."""

from __future__ import annotations

from typing import Any

from tongban import ui
from tongban.identity.pages import scan, session

LISTED: tuple[ui.Route, ...] = (
    ui.Route("/scan", "/scan"),
    ui.Route("/scan/state", fixture="JSON"),
    ui.Route("/scan/{ident:str}", fixture="a code drawn a moment ago"),
    ui.Route("/session/ending", "/session/ending?next=/me", ("citizen",)),
)
ROUTES: list[Any] = [*scan.ROUTES, *session.ROUTES]
