"""Pages of signing in 登录页面: /login, /login/code, /login/name, by passkey, and /logout."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from urllib.parse import quote

import msgspec
from litestar import get, post
from litestar.response import Response

from tongban import ui
from tongban.identity import providers
from tongban.identity.actions import ending, first_time, introduce, passkey, register, roam, sessions, sign_in
from tongban.identity.actions.resolve import SESSION_COOKIE
from tongban.identity.errors import SENTENCES, failure
from tongban.identity.model import LoginStep, OpenedSession
from tongban.identity.pages import browser, homes
from tongban.identity.pages.browser import (
    HOME_COOKIE,
    NOROAM_COOKIE,
    ROAM_COOKIE,
    TX_COOKIE,
    AnyRequest,
    AnyResponse,
    Asking,
    HereNode,
)
from tongban.identity.pages.locks import locked_session
from tongban.identity.pages.views import CodePage, LaterPage, LeftPage, LoginPage, NamePage
from tongban.identity.providers.phone_status import Status
from tongban.identity.providers.phone_status import ask as ask_status
from tongban.identity.queries.sessions import why_ended
from tongban.identity.rules import throttle as limits
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.typed import came_from, own_path
from tongban.kernel.errors import Failure, Refusals
from tongban.kernel.log import log
from tongban.kernel.node import Node

AFTER = "/me"


def status_of(refusals: Refusals) -> int:
    """The HTTP status of refusals drawn on a page: that of the first."""
    return next((SENTENCES[one.code][0] for one in refusals if one.code in SENTENCES), 422)


@get("/login")
async def login(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """The first step; before it, silent roaming when the home is known and elsewhere (identity.md 6.2)."""
    query = request.query_params
    next_path = own_path(query.get("next", ""), AFTER)
    continuing = next_path.startswith("/oidc/authorize")
    if actor.kind == "citizen" and "again" not in query:
        return ui.see_other(next_path)
    if "again" not in query and await locked_session(request, node) is not None:
        return ui.see_other("/unlock?next=" + quote(next_path, safe=""))
    if not continuing and (home := _other_home(request, node, next_path)):
        try:
            way = await roam.start(node, home, next_path=next_path, silent=True)
        except Failure as error:
            log("identity.no_silent_roaming", peer=home, code=error.failure_code)
        else:
            response = ui.see_other(way.url)
            browser.put(response, ROAM_COOKIE, way.cookie, seconds=1800)
            browser.put(response, NOROAM_COOKIE, "leaving", seconds=browser.LEAVING_SECONDS)
            return response
    if query.get("hint") and node.settings.role == "province" and (typed := await introduce.fetch_hint(node, query["hint"])):
        return await _begin(request, node, typed, next_path)
    return await _first(request, node, next_path)


def _other_home(request: AnyRequest, node: Node, next_path: str) -> str:
    """The node to ask silently, empty when there is none or it said no a while ago."""
    link = came_from(next_path)
    home = link or request.cookies.get(HOME_COOKIE, "")
    if not home.isalnum() or home == node.id or browser.stays(request, node, invited=bool(link)):
        return ""
    return home


async def _first(request: AnyRequest, node: Node, next_path: str, who: str = "", errors: Refusals = ()) -> AnyResponse:
    reason = None
    if cookie := request.cookies.get(SESSION_COOKIE, ""):
        async with node.db.reading() as tx:
            reason = await why_ended(tx, node, cookie)
    notice = ""
    if reason in ("logout_elsewhere", "all_devices", "ended_at_home", "theft"):
        notice = SENTENCES["identity.signed_out_elsewhere"][1]
    elif reason in ("replaced", "another_person"):
        notice = SENTENCES["identity.session_replaced"][1]
    elif reason == "time":
        notice = SENTENCES["identity.session_ended"][1]
    page = LoginPage(
        next=next_path, who=who, notice=notice, opens_accounts=node.settings.role == "province",
        elsewhere="/login/elsewhere?next=" + quote(next_path, safe=""), here=node.settings.name, errors=errors,
        scan="/scan?new=1&next=" + quote(next_path, safe=""), certificate="/login/certificate?next=" + quote(next_path, safe=""),
        voice="/login/voice?next=" + quote(next_path, safe=""),
    )  # fmt: skip
    return ui.page(request, "identity/login.html", page, status=status_of(errors) if errors else 200)


@post("/login", status_code=200)
async def begin(request: AnyRequest, node: HereNode) -> AnyResponse:
    """A phone or number was typed: send the code, go on to the next step."""
    form = await ui.form(request)
    return await _begin(request, node, form["who"], own_path(form["next"], AFTER))


async def _begin(request: AnyRequest, node: Node, who: str, next_path: str) -> AnyResponse:
    if node.settings.role != "province":
        return ui.see_other("/login/elsewhere?next=" + quote(next_path, safe=""))
    async with node.db.alone() as tx:
        begun = await sign_in.begin(tx, node, who, next_path=next_path, level=1, browser=browser.browser_of(request))
    if isinstance(begun, tuple):
        return await _first(request, node, next_path, who, begun)
    response = ui.see_other("/login/code")
    browser.put(response, TX_COOKIE, begun.cookie, seconds=1800)
    return response


@get("/login/code")
async def code_page(request: AnyRequest, node: HereNode) -> AnyResponse:
    """The second step."""
    async with node.db.reading() as tx:
        found = await sign_in.where_shown(tx, node, request.cookies.get(TX_COOKIE, ""))
    if found is None or found[0].step in ("done", "dead"):
        return ui.see_other("/login")
    if found[0].step == "name":
        return ui.see_other("/login/name")
    return _code(request, *found)


def _code(request: AnyRequest, step: LoginStep, text: str, number: str = "", errors: Refusals = ()) -> AnyResponse:
    page = CodePage(
        back="/login?next=" + quote(step.next, safe=""), sent_to=step.phone_masked, ask_number=step.ask_number, number=number,
        demo_text=text, digits=step.digits, errors=errors,
    )  # fmt: skip
    return ui.page(request, "identity/code.html", page, status=status_of(errors) if errors else 200)


@post("/login/code", status_code=200)
async def code(request: AnyRequest, node: HereNode) -> AnyResponse:
    """The code was typed: sign in, or ask the name of somebody new."""
    form = await ui.form(request)
    cookie = request.cookies.get(TX_COOKIE, "")
    next_path, found = await _entered(request, node, cookie, form)
    if isinstance(found, LoginStep):
        return ui.see_other("/login/name")
    if isinstance(found, tuple):
        async with node.db.reading() as tx:
            now = await sign_in.where_shown(tx, node, cookie)
        if now is None or now[0].step == "dead":
            return await _first(request, node, next_path, errors=found)
        return _code(request, *now, form["number"], found)
    return await browser.take(request, node, ui.see_other(next_path), found)


async def _entered(request: AnyRequest, node: Node, cookie: str, form: ui.Form) -> tuple[str, OpenedSession | LoginStep | Refusals]:
    """Where the person wanted to go, and what came of the code; looked at again when another try came in between."""
    for _ in range(limits.TRIES + 1):
        async with node.db.alone() as tx:
            row = await sign_in.look(tx, node, cookie)
        asked = sign_in.phone_to_ask(node, row)
        reassigned = asked is not None and sign_in.no_longer_theirs(
            await _phone_status(node, row["provider_way"], *asked), asked[1], node.clock.now()
        )
        with suppress(sign_in.LookAgain):
            here = browser.browser_of(request)
            return row["next"], await sign_in.enter_code(node, row, form["code"], form["number"], here, reassigned=reassigned)
    raise failure("identity.tx_gone")


async def _phone_status(node: Node, way: str | None, phone: str, used_at: datetime) -> Status:
    provider = providers.phone_status(node, way or "works")
    return await ask_status(provider, phone, used_at, seconds=FACTORS.providers.phone_status_seconds)


@post("/login/resend", status_code=200)
async def resend(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Another code; the one before is void."""
    await ui.form(request)
    cookie = request.cookies.get(TX_COOKIE, "")
    async with node.db.transaction() as tx:
        refused = await sign_in.send_code(tx, node, cookie)
        now = await sign_in.where_shown(tx, node, cookie)
    if refused and now is not None:
        return _code(request, *now, errors=tuple(msgspec.structs.replace(one, field="code") for one in refused))
    return ui.see_other("/login/code")


@get("/login/name")
async def name_page(request: AnyRequest, node: HereNode) -> AnyResponse:
    """The third step, for somebody new."""
    async with node.db.reading() as tx:
        cookie = request.cookies.get(TX_COOKIE, "")
        step = await sign_in.where(tx, node, cookie)
        if step is None or step.step != "name":
            return ui.see_other("/login")
        number = await sign_in.number_of(tx, node, cookie)
    return ui.page(request, "identity/name.html", NamePage(number=number))


@post("/login/name", status_code=200)
async def name(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Name and number were typed: ask the register, open the account, sign in."""
    form = await ui.form(request)
    cookie = request.cookies.get(TX_COOKIE, "")
    async with node.db.transaction() as tx:
        asked = await first_time.asks(tx, node, cookie, form["name"], form["number"])
        step = await sign_in.where(tx, node, cookie)
    if isinstance(asked, tuple):
        return _name_again(request, form["name"], form["number"], asked)
    answer = await register.ask(node, asked)
    if answer is not None and answer.home not in (None, node.id):
        return await homes.exists_page(request, node, answer, step.next if step else AFTER)
    async with node.db.transaction() as tx:
        opened = await first_time.complete(tx, node, cookie, asked, answer, browser.browser_of(request))
    if isinstance(opened, tuple):
        return _name_again(request, form["name"], form["number"], opened)
    after = step.next if step else AFTER
    if answer is None:  # the register is away: signed in at level 1, and told so before going on
        after = "/login/later?next=" + quote(after, safe="")
    return await browser.take(request, node, ui.see_other(after), opened)


@get("/login/later")
async def later(request: AnyRequest) -> AnyResponse:
    """The register is away: what that means, and on with level 1 (identity.md 11, `identity.register_away`)."""
    _, sentence, todo = SENTENCES["identity.register_away"]
    page = LaterPage(sentence=sentence, todo=todo, next=own_path(request.query_params.get("next", ""), AFTER))
    return ui.page(request, "identity/later.html", page)


def _name_again(request: AnyRequest, typed_name: str, number: str, errors: Refusals) -> AnyResponse:
    page = NamePage(name=typed_name, number=number, errors=errors)
    return ui.page(request, "identity/name.html", page, status=status_of(errors))


@get("/login/passkey/options", media_type="application/json")
async def passkey_options(node: HereNode) -> Response[str]:
    """What the browser's passkey dialogue needs."""
    await passkey.read_in()
    return Response(passkey.asking_options(node), media_type="application/json", headers={"Cache-Control": "no-store"})


@post("/login/passkey", status_code=200)
async def by_passkey(request: AnyRequest, node: HereNode) -> AnyResponse:
    """A passkey answered: sign in."""
    form = await ui.form(request)
    next_path = own_path(form["next"], AFTER)
    async with node.db.transaction() as tx:
        opened = await passkey.sign_in_by(tx, node, form["credential"], browser.browser_of(request))
    if isinstance(opened, passkey.Visitor):
        return await _visitor(request, node, opened, next_path)
    if isinstance(opened, tuple):
        return await _first(request, node, next_path, errors=opened)
    return await browser.take(request, node, ui.see_other(next_path), opened)


async def _visitor(request: AnyRequest, node: Node, visitor: passkey.Visitor, next_path: str) -> AnyResponse:
    """A passkey of this node, but the account is elsewhere: its home signs in; only while it is away, level 1 here (6.4)."""
    try:
        way = await roam.start(node, visitor.home, next_path=next_path, silent=False)
    except Failure as error:
        log("identity.away_sign_in", peer=visitor.home, code=error.failure_code)
        async with node.db.transaction() as tx:
            opened = await passkey.away(tx, node, visitor, browser.browser_of(request))
        return await browser.take(request, node, ui.see_other(next_path), opened)
    response = ui.see_other(way.url)
    browser.put(response, ROAM_COOKIE, way.cookie, seconds=2100)
    return response


@post("/logout", status_code=200)
async def logout(request: AnyRequest, node: HereNode) -> AnyResponse:
    """Sign out here and everywhere this sign-in reached (identity.md 6.5)."""
    await ui.form(request)
    session = await browser.citizen_session(request, node)
    if session is not None:
        async with node.db.transaction() as tx:
            await ending.leave(tx, node, session.id)
        node.bell.ring(sessions.BELL)
    return browser.leave(node, ui.see_other("/logout"))


@get("/logout")
async def left(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Signed out; or, for somebody still signed in, the way home."""
    if actor.kind == "citizen":
        return ui.see_other(AFTER)
    async with node.db.reading() as tx:
        others = any(one.id != node.id for one in await introduce.places(tx))
    also = "这次登录去过的别的省也退出了。" if others else ""
    kiosk = request.cookies.get("tb_channel") == "kiosk"
    gone = "登录和填写的内容都清掉了，这台机器上没有留下你的信息。" if kiosk else ""
    page = LeftPage(text=f"{gone}{also}填到一半的都存着，再登录接着办。", home="/?channel=kiosk" if kiosk else "/")
    response = ui.page(request, "identity/left.html", page)
    if kiosk:  # the next person starts afresh: nothing of this one stays in the browser (identity.md 7)
        response.headers["Clear-Site-Data"] = '"cookies", "storage"'
    return response


ROUTES = [
    login, begin, code_page, code, resend, name_page, name, later, passkey_options, by_passkey, logout, left,
]  # fmt: skip
