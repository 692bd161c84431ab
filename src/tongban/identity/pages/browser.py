"""What a browser brings and takes 浏览器带来和带走的: cookies, words, address. No decisions."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.di import NamedDependency

from tongban.identity.actions import ending, sessions
from tongban.identity.actions.resolve import SESSION_COOKIE, STAFF_COOKIE
from tongban.identity.actions.sign_in import Browser
from tongban.identity.model import OpenedSession, Session
from tongban.identity.queries.sessions import by_cookie
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node

DEVICE_COOKIE = "__Host-tb_dev"
TX_COOKIE = "__Host-tb_tx"
ROAM_COOKIE = "__Host-tb_rt"
HOME_COOKIE = "__Host-tb_home"
NOROAM_COOKIE = "__Host-tb_noroam"
NOROAM_SECONDS = 1800
LEAVING_SECONDS = 20
REFUSED_SECONDS, LEFT_SECONDS = 10, 120  # before a link from the home asks again: longer than a loop, than a sign-out on its way
LONG = 400 * 86400
AnyRequest = Request[Any, Any, Any]
AnyResponse = Response[Any]
HereNode = NamedDependency[Node]
Asking = NamedDependency[Actor]


def agent_of(request: AnyRequest) -> str:
    """The browser's own words about itself."""
    return request.headers.get("user-agent", "")[:300]


def browser_of(request: AnyRequest) -> Browser:
    """What counts for limits and devices."""
    address = request.client.host if request.client else "127.0.0.1"
    return Browser(
        agent=agent_of(request), address=address, device_cookie=request.cookies.get(DEVICE_COOKIE),
        elder=request.cookies.get("tb_mode") == "elder", kiosk=request.cookies.get("tb_channel") == "kiosk",
    )  # fmt: skip


def put(response: AnyResponse, name: str, value: str, *, seconds: int | None) -> None:
    """Set a `__Host-` cookie: Secure, HttpOnly, SameSite=Lax, Path=/ (identity.md 7)."""
    response.set_cookie(key=name, value=value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def drop(response: AnyResponse, name: str) -> None:
    """Take a cookie away."""
    put(response, name, "", seconds=0)


async def citizen_session(request: AnyRequest, node: Node) -> Session | None:
    """The living citizen session of this browser, read from its row."""
    value = request.cookies.get(SESSION_COOKIE, "")
    if not value:
        return None
    async with node.db.reading() as tx:
        return await by_cookie(tx, node, value, staff=False)


async def take(request: AnyRequest, node: Node, response: AnyResponse, opened: OpenedSession) -> AnyResponse:
    """Give the browser its new session and end the one it held before, whoever's it was (T-09)."""
    staff = opened.session.kind == "staff"
    name = STAFF_COOKIE if staff else SESSION_COOKIE
    before = request.cookies.get(name, "")
    if before and before != opened.cookie:
        async with node.db.transaction() as tx:
            old = await by_cookie(tx, node, before, staff=staff)
            if old is not None and old.id != opened.session.id and old.subject == opened.session.subject:
                await sessions.end(tx, old.id, "replaced", node.clock.now())
            elif old is not None and old.id != opened.session.id:
                # another person at this browser: where the one before had been, nobody is signed in any more (T-09)
                await ending.leave(tx, node, old.id, "another_person")
        node.bell.ring(sessions.BELL)
    lasting = opened.session.idle_until - opened.session.seen_at
    put(response, name, opened.cookie, seconds=int(lasting.total_seconds()) if lasting.days >= 1 else None)
    if not staff:
        if opened.device_cookie:
            put(response, DEVICE_COOKIE, opened.device_cookie, seconds=LONG)
        put(response, HOME_COOKIE, opened.session.home or node.id, seconds=LONG)
        for one in (TX_COOKIE, NOROAM_COOKIE):
            if one in request.cookies:
                drop(response, one)
    return response


def leave(node: Node, response: AnyResponse) -> AnyResponse:
    """Take the session away from the browser; the home stays remembered, but nobody is roamed in for a while."""
    drop(response, SESSION_COOKIE)
    stay(node, response, LEFT_SECONDS)
    return response


def stay(node: Node, response: AnyResponse, seconds: int) -> None:
    """Nobody is roamed in for half an hour 先不漫游; a link from the home may ask again after `seconds` (R-303)."""
    put(response, NOROAM_COOKIE, str(int(node.clock.now().timestamp()) + seconds), seconds=NOROAM_SECONDS)


def stays(request: AnyRequest, node: Node, *, invited: bool) -> bool:
    """Whether this browser is not to be sent to its home now; `invited` by a link that comes from there."""
    value = request.cookies.get(NOROAM_COOKIE)
    if value is None:
        return False
    return not (invited and value.isdecimal() and len(value) < 12 and int(value) <= node.clock.now().timestamp())
