"""Pages of scan-to-log-in 扫码登录页面: the code on the computer, the question on the phone (identity.md 3).

Works without JavaScript: the computer's page reloads itself; with it, it asks a small door instead.
"""

from __future__ import annotations

import io
from urllib.parse import quote

import segno
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.identity import providers
from tongban.identity.actions import scan, sessions
from tongban.identity.errors import SENTENCES, failure
from tongban.identity.model import Session
from tongban.identity.pages import browser
from tongban.identity.pages.browser import TX_COOKIE, AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.pages.login import AFTER
from tongban.identity.pages.views import ScanAskPage, ScanDonePage, ScanPage
from tongban.identity.providers.city import ask as ask_city
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.typed import own_path
from tongban.kernel.actor import Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.errors import NotFound, Refusals, SignInNeeded
from tongban.kernel.node import Node


def picture(text: str) -> str:
    """A code as SVG drawn by the server, 4 modules of quiet around it."""
    out = io.BytesIO()
    segno.make(text, error="m", boost_error=False, micro=False).save(
        out, kind="svg", border=4, xmldecl=False, svgns=True, omitsize=True, light="#fff", dark="#16202e"
    )
    return out.getvalue().decode()


async def _city(node: Node, address: str) -> str:
    way = await providers.demo_way(node, "city")
    return await ask_city(providers.city(node, way), address, seconds=FACTORS.providers.city_seconds)


@get("/scan")
async def on_pc(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """The code, the number to pick and how it stands. Without a running transaction a new code is drawn."""
    next_path = own_path(request.query_params.get("next", ""), AFTER)
    if actor.kind == "citizen":
        return ui.see_other(next_path)
    if node.settings.role != "province":
        return ui.see_other("/login/elsewhere?next=" + quote(next_path, safe=""))
    cookie = request.cookies.get(TX_COOKIE, "")
    async with node.db.reading() as tx:
        stands = await scan.at_pc(tx, node, cookie) if scan.address(node, cookie) else None
    if stands is not None and "new" not in request.query_params:
        return _pc(request, node, cookie, stands)
    here = browser.browser_of(request)
    where = await _city(node, here.address)
    async with node.db.transaction() as tx:
        made = await scan.begin(tx, node, next_path=next_path, browser=here, city=where)
        stands = await scan.at_pc(tx, node, made) if isinstance(made, str) else None
    if not isinstance(made, str) or stands is None:
        over = scan.OnPc(state="over", pick=0, next=next_path, left=0)
        return _pc(request, node, "", over, made if isinstance(made, tuple) else ())
    # with `new` the code is drawn once: coming back to this page (it reloads itself) shows the same one
    response = ui.see_other("/scan?next=" + quote(next_path, safe="")) if "new" in request.query_params else _pc(request, node, made, stands)
    browser.put(response, TX_COOKIE, made, seconds=600)
    return response


def _pc(request: AnyRequest, node: Node, cookie: str, stands: scan.OnPc, errors: Refusals = ()) -> AnyResponse:
    text = scan.address(node, cookie)
    state = "over" if stands.state == "used" else stands.state
    page = ScanPage(
        back="/login?next=" + quote(stands.next, safe=""), state=state, pick=stands.pick, left=stands.left, host=node.settings.host,
        svg=picture(text) if text and state == "waiting" else "", again="/scan?new=1&next=" + quote(stands.next, safe=""),
        refresh=FACTORS.scan.refresh_seconds, expired=SENTENCES["identity.scan_expired"][1], errors=errors,
    )  # fmt: skip
    status = 429 if errors else 410 if state == "over" else 200
    return ui.page(request, "identity/scan.html", page, status=status)


@get("/scan/state")
async def state(request: AnyRequest, node: HereNode) -> Response[dict[str, str]]:
    """How the transaction of this computer stands, for the page's script."""
    async with node.db.reading() as tx:
        stands = await scan.at_pc(tx, node, request.cookies.get(TX_COOKIE, ""))
    return Response({"state": "over" if stands is None else stands.state}, headers={"Cache-Control": "no-store"})


@post("/scan/finish", status_code=200)
async def finish(request: AnyRequest, node: HereNode) -> AnyResponse:
    """The phone agreed: sign this computer in. Only its own cookie finishes."""
    await ui.form(request)
    cookie = request.cookies.get(TX_COOKIE, "")
    async with node.db.transaction() as tx:
        done = await scan.finish(tx, node, cookie, browser.browser_of(request))
        stands = await scan.at_pc(tx, node, cookie)
    if not isinstance(done, scan.Finished):
        over = scan.OnPc(state="over", pick=0, next=stands.next if stands else AFTER, left=0)
        return _pc(request, node, cookie, over)
    return await browser.take(request, node, ui.see_other(done.next), done.opened)


async def _phone(request: AnyRequest, node: Node, actor: Actor) -> Session:
    actor.require(level=1)
    session = await browser.citizen_session(request, node)
    if session is None:
        raise SignInNeeded
    scan.must_be_home(session)
    return session


@get("/scan/{ident:str}")
async def on_phone(request: AnyRequest, node: HereNode, actor: Asking, ident: FromPath[str]) -> AnyResponse:
    """What the phone asks before it agrees: which site, where the computer is, when, and which number it shows."""
    await _phone(request, node, actor)
    return await _ask(request, node, ident)


async def _ask(request: AnyRequest, node: Node, ident: str, errors: Refusals = ()) -> AnyResponse:
    async with node.db.reading() as tx:
        found = await scan.at_phone(tx, node, ident)
    if found is None:
        raise NotFound
    if found.state != "waiting" and not errors:
        raise failure("identity.scan_expired")
    here = await _city(node, browser.browser_of(request).address)
    page = ScanAskPage(
        ident=ident, site=node.settings.name, host=node.settings.host, city=found.city, same_city=here == found.city,
        browser=found.browser, at=f"{found.made_at.astimezone(CHINA):%H:%M:%S}", offered=found.offered,
        over=found.state != "waiting", errors=errors,
    )  # fmt: skip
    status = SENTENCES[errors[0].code][0] if errors else 200
    return ui.page(request, "identity/scan_ask.html", page, status=status)


@post("/scan/{ident:str}", status_code=200)
async def answer(request: AnyRequest, node: HereNode, actor: Asking, ident: FromPath[str]) -> AnyResponse:
    """The phone picked a number, or said 不是我."""
    form = await ui.form(request)
    session = await _phone(request, node, actor)
    if form["act"] == "refuse":
        async with node.db.transaction() as tx:
            await scan.refuse(tx, node, session, ident, browser.agent_of(request))
        return ui.page(request, "identity/scan_done.html", ScanDonePage(agreed=False))
    pick = int(form["pick"]) if form["pick"].isascii() and form["pick"].isdigit() and len(form["pick"]) == 2 else 0
    async with node.db.transaction() as tx:
        refused = await scan.agree(tx, node, session, ident, pick, browser.agent_of(request))
    if refused and refused[0].code == "identity.scan_expired":
        raise failure("identity.scan_expired")
    if refused:
        return await _ask(request, node, ident, refused)
    node.bell.ring(sessions.BELL)
    return ui.page(request, "identity/scan_done.html", ScanDonePage(agreed=True))


ROUTES = [on_pc, state, finish, on_phone, answer]
