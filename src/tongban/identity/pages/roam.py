"""Pages between nodes 跨节点登录页面: choosing a home, going there, coming back, and the hub's one question."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from litestar import get, post
from litestar.params import FromPath

from tongban import federation, ui
from tongban.identity.actions import introduce, issuers, roam
from tongban.identity.errors import SENTENCES, failure
from tongban.identity.pages import browser
from tongban.identity.pages.browser import (
    ROAM_COOKIE,
    AnyRequest,
    AnyResponse,
    Asking,
    HereNode,
)
from tongban.identity.pages.login import AFTER
from tongban.identity.pages.views import OnwardPage, PlacesPage
from tongban.identity.rules.typed import own_path
from tongban.kernel.node import Node


@get("/login/elsewhere")
async def elsewhere(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Choose where the account is; the hub can look it up when it is there (identity.md 6.4)."""
    next_path = own_path(request.query_params.get("next", ""), AFTER)
    async with node.db.reading() as tx:
        places = await introduce.places(tx)
        hub = (await federation.directory(tx)).node(node.settings.hub)
    notice, hub_url = "", ""
    if node.settings.role == "hub":
        hub_url = f"/discover?{urlencode({'v': node.id, 'to': next_path})}"
    elif hub is not None and await introduce.hub_ready(node):
        hub_url = f"{hub.base_url}/discover?{urlencode({'v': node.id, 'to': next_path})}"
    else:
        notice = SENTENCES["identity.hub_away"][1].format(place=node.settings.name)
    page = PlacesPage(
        back="/login?next=" + quote(next_path, safe=""), next=quote(next_path, safe=""),
        places=(*(one for one in places if one.id != node.id), *_outsiders(node)), hub_url=hub_url, notice=notice,
    )  # fmt: skip
    return ui.page(request, "identity/places.html", page)


def _outsiders(node: Node) -> tuple[introduce.Place, ...]:
    """Outside providers as places to choose; what they are good for stands beside the name."""
    return tuple(introduce.Place(one.id, f"{one.name}（能看、能存草稿）", one.url) for one in issuers.outsiders(node))


@get("/login/go")
async def go(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Go to the home and sign in there."""
    query = request.query_params
    return await _leave_for(
        node, query.get("home", ""), own_path(query.get("next", ""), AFTER), level=0, session=None, fresh=query.get("fresh") == "1"
    )


@get("/login/initiate")
async def initiate(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Third-party initiated sign-in (OpenID Connect Core 4): the issuer must be a node, the target a path of ours (T-23)."""
    query = request.query_params
    home = await issuers.named(node, query.get("iss", "").rstrip("/"))
    if not home:
        raise failure("identity.client_unknown")
    target = _own_target(node, query.get("target_link_uri", ""))
    if actor.kind == "citizen":
        return ui.see_other(target)
    return await _leave_for(node, home, target, level=0, session=None, login_hint=query.get("login_hint", "")[:128])


@post("/login/initiate", status_code=303)
async def initiate_posted(request: AnyRequest) -> AnyResponse:
    """The same asked by POST, as the standard lets a third party do; nothing is changed by it."""
    body = (await request.body())[:4096].decode("ascii", "replace")
    asked = {name: value for name, value in parse_qsl(body, max_num_fields=20) if name in ("iss", "login_hint", "target_link_uri")}
    return ui.see_other("/login/initiate?" + urlencode(asked))


def _own_target(node: Node, target: str) -> str:
    """A target of ours as a path. Raises `identity.client_unknown` for anything that would leave this host."""
    if not target:
        return AFTER
    base, given = urlsplit(node.settings.base_url), urlsplit(target)
    if given.scheme or given.netloc:
        if (given.scheme, given.netloc) != (base.scheme, base.netloc):
            raise failure("identity.client_unknown")
        target = given.path + (f"?{given.query}" if given.query else "")
    path = own_path(target, "")
    if not path:
        raise failure("identity.client_unknown")
    return path


async def _leave_for(
    node: Node, home: str, next_path: str, *, level: int, session: str | None, login_hint: str = "", fresh: bool = False
) -> AnyResponse:
    if home == node.id:
        hint = "&hint=" + quote(login_hint, safe="") if login_hint else ""
        return ui.see_other("/login?next=" + quote(next_path, safe="") + hint)
    way = await roam.start(node, home, next_path=next_path, silent=False, level=level, session=session, login_hint=login_hint, fresh=fresh)
    response = ui.see_other(way.url)
    browser.put(response, ROAM_COOKIE, way.cookie, seconds=2100)
    return response


@get("/oidc/callback/{home:str}")
async def callback(request: AnyRequest, node: HereNode, home: FromPath[str]) -> AnyResponse:
    """Back from the home: one address an issuer (T-04), this browser only (T-10)."""
    cookie = request.cookies.get(ROAM_COOKIE, "")
    query = {name: value for name, value in request.query_params.items() if isinstance(value, str)}
    back = await roam.come_back(
        node, home, query, cookie, browser.agent_of(request), request.cookies.get(browser.DEVICE_COOKIE)
    )
    if back.opened is not None:
        response = await browser.take(request, node, ui.see_other(back.next), back.opened)
        browser.drop(response, ROAM_COOKIE)
        return response
    if back.silent:
        response = ui.see_other("/login?next=" + quote(back.next, safe=""))
        browser.stay(node, response, browser.REFUSED_SECONDS)
    else:
        page = OnwardPage(
            title="这次没有登录成" if back.error != "access_denied" else "没有核验",
            text="填过的都在。可以再来一次，也可以带身份证去大厅办。", next=back.next,
            again=f"/login/go?{urlencode({'home': home, 'next': back.next})}" if back.error != "access_denied" else "",
        )  # fmt: skip
        response = ui.page(request, "identity/onward.html", page)
    browser.drop(response, ROAM_COOKIE)
    return response


@get("/step-up/go")
async def step_up_elsewhere(request: AnyRequest, node: HereNode) -> AnyResponse:
    """A visitor's level is raised at the home (identity.md 6.3); this node sees no factor."""
    session = await browser.citizen_session(request, node)
    next_path = own_path(request.query_params.get("next", ""), AFTER)
    level = request.query_params.get("level", "3")
    if session is None or session.home is None:
        return ui.see_other("/login?next=" + quote(next_path, safe=""))
    return await _leave_for(
        node, session.home, next_path, level=int(level) if level in ("1", "2", "3", "4") else 3, session=session.id
    )


ROUTES = [elsewhere, go, initiate, initiate_posted, callback, step_up_elsewhere]
