"""Route matrix 页面清单: every HTML page with what a check needs to open it. A house test compares it with the app.

A room may keep a list `ROUTES` in its `pages`; `page_paths(app)` is what the app really serves, so that a house test can
say which page nobody looks at (ux.md 8: a new route without a matrix entry fails the build):

    listed = {one.path for one in ui.ROUTES + tuple(every room's pages.ROUTES)}
    assert ui.page_paths(app) <= listed
"""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import Litestar

Who = Literal["nobody", "citizen", "staff", "verifier"]


class Route(msgspec.Struct, frozen=True):
    """One page in the check matrix (清单里的一页).

    `path` is the handler's path template; `example` an address that opens it in the demo (empty: the check needs a
    fixture of the room and says so in `fixture`); `who` the roles it is looked at as; `kiosk` adds 1080×1920.
    """

    path: str
    example: str = ""
    who: tuple[Who, ...] = ("nobody",)
    fixture: str = ""
    kiosk: bool = False


SIZES = ((390, 844), (320, 640), (1280, 800))
MODES = ("", "elder")

ROUTES: tuple[Route, ...] = (Route("/dev/components", "/dev/components"),)


def page_paths(app: Litestar) -> frozenset[str]:
    """The path templates of every GET handler that stands in a room's `pages` (页面地址), static files and the phone's worker left out."""
    return frozenset(
        route.path
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if "GET" in getattr(handler, "http_methods", ()) and ".pages" in handler.fn.__module__ and not route.path.startswith(("/static/", "/sw.js"))
    )
