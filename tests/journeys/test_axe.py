"""Every page that can be opened, in both modes: axe, target sizes, smallest words, titles, and no sideways scrolling.

The list of pages is the app's own list of GET routes. A route that is neither looked at nor named with a reason fails.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tongban.main import rooms
from tongban.main.demo.nation import Nation
from tongban.main.demo.tour.story import Story

from .eyes import Eyes, Visit
from .pages import A_FILE, GOES_ON, NOT_A_PAGE, PAGES
from .world import World

pytestmark = [pytest.mark.browser, pytest.mark.nation]
LATER = "later:"
"""Before an address: looked at when the second half of the story has been told."""


def get_routes() -> set[str]:
    """Every path this app answers to GET."""
    found: set[str] = set()
    for one in rooms.routes():
        doors = [(each.path, handler) for each in one.routes for handler in each.route_handlers] if hasattr(one, "routes") else [(path, one) for path in one.paths]
        found |= {path for path, handler in doors if "GET" in getattr(handler, "http_methods", ())}
    return found


def visits(*, later: bool) -> list[Visit]:
    """Who looks at what in this half; a desk has one density, so its people look once."""
    return [
        Visit(template, who, address.removeprefix(LATER), mode)
        for template, looks in PAGES.items() for who, address in looks if address.startswith(LATER) == later
        for mode in (("",) if "-" in who.split("@")[0] else ("", "elder"))
    ]  # fmt: skip


async def test_every_route_is_named() -> None:
    named, routes = NOT_A_PAGE | A_FILE | GOES_ON | set(PAGES), get_routes()
    assert routes - named == set(), "a new page: add it to PAGES, or say why it is none"
    assert named - routes == set(), "no longer a route"


async def test_every_page_in_both_modes(nation: Nation, chromium: Any, invent: Callable[[], Awaitable[Story]], lending: Any) -> None:
    world = World(await invent(), await invent(), await invent())
    await world.build()
    await world.unlinked(nation)
    eyes = Eyes(chromium, world, lending)
    try:
        await eyes.walk(visits(later=False))
        await world.later()
        await eyes.walk(visits(later=True))
    finally:
        print("\n".join(eyes.wrong))
        await eyes.close()
    for (mode, title), templates in eyes.titles.items():
        if len(templates) > 1:
            eyes.wrong.append(f"title “{title}” {mode} on {sorted(templates)}")
    assert eyes.wrong == [], f"{len(eyes.wrong)} defects on {eyes.looked} pages:\n" + "\n".join(eyes.wrong)
