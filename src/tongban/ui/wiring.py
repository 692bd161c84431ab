"""Wiring 接线: what the house tells the frame, so that ui needs to know no room above it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.connection import ASGIConnection


class StaffLink(msgspec.Struct, frozen=True):
    """One entry of the back office's navigation (后台导航的一项); `icon` is a name of icons.svg.

    `opens`: the staff actions of which one opens the page; none named: everybody of the staff.
    """

    text: str
    href: str
    icon: str = "list"
    opens: tuple[str, ...] = ()


def _no_name(_code: str) -> str:
    return ""


def _same(node_id: str) -> str:
    return node_id


class Wiring(msgspec.Struct, frozen=True):
    """What one node's pages say and allow (接线). One for each app, kept in `app.state.ui`.

    `secret` is 32 bytes for form tokens. `form_action` gives the origins a POST may be redirected to (federation
    hosts: Chromium applies form-action to redirects). `place_name` turns a division code into its short name,
    `node_name` a node id into what people call the node (500000: 重庆市). `staff_notice` is a line above every page of the back
    office while something is wrong with the whole node, else empty. `today`: days of another year say their year.
    """

    secret: bytes
    site: str = "通办"
    place: str = ""
    base_url: str = ""
    organiser: str = ""
    filing: str = "示例 0001"
    hotline: str = "12345"
    demo: bool = False
    staff_links: tuple[StaffLink, ...] = (StaffLink("办件", "/desk", "list"), StaffLink("应用", "/staff/apps", "app"))
    form_action: Callable[[], tuple[str, ...]] = tuple
    place_name: Callable[[str], str] = _no_name
    node_name: Callable[[str], str] = _same
    staff_notice: Callable[[], str] = str
    today: Callable[[], date] | None = None


def wire(app: Litestar, wiring: Wiring) -> None:
    """Give this app its wiring (接线); `main` calls it once at start."""
    app.state["ui"] = wiring


def wiring(connection: ASGIConnection[Any, Any, Any, Any] | Request[Any, Any, Any]) -> Wiring:
    """The wiring of the app that serves this request; LookupError when main has not given it."""
    found = connection.app.state.get("ui")
    if not isinstance(found, Wiring):
        message = "no ui.Wiring in app.state: call ui.wire(app, ui.Wiring(...)) at start"
        raise LookupError(message)  # noqa: TRY004  it is missing, not mistyped
    return found
