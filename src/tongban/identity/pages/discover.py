"""The hub's one question 找账号所在地 (identity.md 6.2): a phone, a number or a place, and on to the visited node.

The answer has the same shape and takes the same work whether the number is known or not (identity.md 8, R-8): a stranger is
introduced to the visited node itself, where an account can be opened or, after the match, is found elsewhere.
"""

from __future__ import annotations

from urllib.parse import urlencode

from litestar import get, post

from tongban import federation, ui
from tongban.identity.actions import introduce
from tongban.identity.actions.introduce import Place
from tongban.identity.errors import failure, refusal
from tongban.identity.pages import browser
from tongban.identity.pages.browser import HOME_COOKIE, AnyRequest, AnyResponse, HereNode
from tongban.identity.pages.login import AFTER
from tongban.identity.pages.views import DiscoverPage
from tongban.identity.rules.home import short_name
from tongban.identity.rules.typed import kind_of, own_path
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node


@get("/discover")
async def discover(request: AnyRequest, node: HereNode) -> AnyResponse:
    """The question; nothing is asked when this browser was introduced to another node before."""
    if node.settings.role != "hub":
        return ui.see_other("/login/elsewhere")
    visited, to = request.query_params.get("v", node.id), own_path(request.query_params.get("to", ""), AFTER)
    known = request.cookies.get(HOME_COOKIE, "")
    async with node.db.reading() as tx:
        places = await introduce.places(tx)
    # who comes from the very node remembered has been there and says the account is elsewhere
    if known and known != visited and "again" not in request.query_params and any(one.id == known for one in places):
        return ui.see_other(await _introduced(node, visited, known, "", to))
    return _ask(request, node, places, visited, to)


def _ask(
    request: AnyRequest, node: Node, places: list[Place], visited: str, to: str, who: str = "", errors: Refusals = ()
) -> AnyResponse:
    page = DiscoverPage(visited=visited, to=to, who=who, places=tuple(places), here=node.settings.name, errors=errors)
    return ui.page(request, "identity/discover.html", page, status=422 if errors else 200)


@post("/discover", status_code=200)
async def found(request: AnyRequest, node: HereNode) -> AnyResponse:
    """A phone, number or place was typed, or a place chosen: on to the visited node, which goes on to the home."""
    if node.settings.role != "hub":
        raise failure("identity.client_unknown")
    form = await ui.form(request)
    visited, to, who = form["v"], own_path(form["to"], AFTER), form["who"]
    async with node.db.reading() as tx:
        places = await introduce.places(tx)
    place, handle = form["place"] or _named(places, who), ""
    if not place:
        if kind_of(who) is None:
            return _ask(request, node, places, visited, to, who, (refusal("identity.who_or_place", "who"),))
        async with node.db.transaction() as tx:
            address = request.client.host if request.client else ""
            known = await introduce.introduce(
                tx, node, who, visited=visited, address=address, browser=request.cookies.get("__Host-tb_f", "")
            )
        if not known.home:  # asked at a node that opens no accounts: the place is all that is left to ask
            return _ask(request, node, places, visited, to, who, (refusal("identity.home_unknown", "who"),))
        place, handle = known.home, known.handle
    response = ui.see_other(await _introduced(node, visited, place, handle, to))
    browser.put(response, HOME_COOKIE, place, seconds=browser.LONG)
    return response


def _named(places: list[Place], who: str) -> str:
    """The node of a typed place name, empty when it is none."""
    text = who.strip()
    return next((one.id for one in places if text and text in (one.name, short_name(one.name))), "")


async def _introduced(node: Node, visited: str, home: str, handle: str, to: str) -> str:
    """The visited node's address that starts the sign-in with this home: the same address for every home."""
    async with node.db.reading() as tx:
        listed = await federation.directory(tx)
    at, homes = listed.node(visited), listed.node(home)
    if at is None or homes is None:
        raise failure("identity.client_unknown")
    query = {"iss": homes.base_url, "target_link_uri": to}
    if handle:
        query["login_hint"] = handle
    return f"{at.base_url}/login/initiate?{urlencode(query)}"


ROUTES = [discover, found]
