"""Route matrix 页面清单: every HTML page with what a check needs to open it. A house test compares it with the app.

A room lists its pages by calling nothing: the test walks `app.routes`, takes the GET handlers that answer HTML, and
fails for each path that no `Route` here or in a room's `pages.ROUTES` covers (ux.md 8: a new route without a matrix
entry fails the build).
"""

from __future__ import annotations

from typing import Literal

import msgspec

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
KIOSK_SIZE = (1080, 1920)
MODES = ("", "elder")

ROUTES: tuple[Route, ...] = (Route("/dev/components", "/dev/components"),)
