"""Pages of staff sign-in 工作人员登录, and the counter check 窗口现场核验."""

from __future__ import annotations

from litestar import get, post
from litestar.response import Response

from tongban import ui
from tongban.identity.actions import joining, sessions, staff, staff_key, step_up, throttle
from tongban.identity.actions.resolve import STAFF_COOKIE
from tongban.identity.errors import refusal
from tongban.identity.model import OpenedSession, Session
from tongban.identity.pages import browser
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.pages.login import status_of
from tongban.identity.pages.views import CounterPage, JoinPage, KeyPage, KeyRow, StaffLoginPage
from tongban.identity.queries import staff as queries
from tongban.identity.queries.sessions import by_cookie
from tongban.identity.rules import levels, paper, typed
from tongban.identity.rules import throttle as throttle_rules
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, Refusals, StaffNeeded
from tongban.kernel.node import Node

AFTER = "/desk"
LOCKED = "离开超过 15 分钟，已经锁上。再核验一次，就回到刚才那一页，办到哪里还在哪里。"
JOINED = "密钥绑好了，用它登录。"
JOIN_PURSE: throttle_rules.Purse = ((throttle_rules.HOUR, FACTORS.joining.block_hour),)


@get("/staff/login")
async def login(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Certificate or passkey; never a code by text (identity.md 9)."""
    next_path = typed.own_path(request.query_params.get("next", ""), AFTER)
    if actor.kind == "staff" and "again" not in request.query_params:
        return ui.see_other(next_path)
    return await _page(request, node, next_path)


async def _locked(request: AnyRequest, node: Node) -> Session | None:
    """The session of this browser that was not used for a quarter of an hour, still within its end (identity.md 7)."""
    async with node.db.reading() as tx:
        found = await by_cookie(tx, node, request.cookies.get(STAFF_COOKIE, ""), staff=True)
    return found if found is not None and node.clock.now() - found.seen_at > levels.STAFF_LOCK else None


async def _page(request: AnyRequest, node: Node, next_path: str, errors: Refusals = ()) -> AnyResponse:
    keys: tuple[KeyRow, ...] = ()
    locked = await _locked(request, node)
    if node.settings.demo:
        async with node.db.reading() as tx:
            keys = tuple(
                KeyRow(one.staff_no, f"{one.name.reveal()}，{one.unit}", queries.role_names(one.roles))
                for one in await queries.all_staff(tx, node, demo_only=True)
            )
    notice = LOCKED if locked else JOINED if "joined" in request.query_params else ""
    page = StaffLoginPage(next=next_path, keys=keys, errors=errors, notice=notice)
    return ui.page(request, "identity/staff_login.html", page, status=status_of(errors) if errors else 200)


@post("/staff/login", status_code=200)
async def sign_in(request: AnyRequest, node: HereNode) -> AnyResponse:
    """A certificate was presented (in the demo: a UKey chosen), or a passkey answered."""
    form = await ui.form(request)
    next_path = typed.own_path(form["next"], AFTER)
    locked = await _locked(request, node)
    async with node.db.transaction() as tx:
        if form["credential"]:
            opened = await staff.by_passkey(tx, node, form["credential"], browser.agent_of(request))
        else:
            opened = await staff.by_certificate(tx, node, form["key"], browser.agent_of(request))
        if locked is not None and not isinstance(opened, tuple):
            opened = await staff.unlock(tx, node, locked, opened, browser.agent_of(request)) or opened
    if isinstance(opened, tuple):
        return await _page(request, node, next_path, opened)
    return await browser.take(request, node, ui.see_other(next_path), opened)


@post("/staff/logout", status_code=200)
async def logout(request: AnyRequest, node: HereNode) -> AnyResponse:
    """End the staff session of this browser."""
    await ui.form(request)
    async with node.db.transaction() as tx:
        session = await by_cookie(tx, node, request.cookies.get(STAFF_COOKIE, ""), staff=True)
        if session is not None:
            await sessions.end(tx, session.id, "logout", node.clock.now())
    node.bell.ring(sessions.BELL)
    response = ui.see_other("/staff/login")
    browser.drop(response, STAFF_COOKIE)
    return response


@get("/staff/join")
async def join_page(request: AnyRequest) -> AnyResponse:
    """An invited newcomer: number and code, then a key of one's own."""
    return ui.page(request, "identity/staff_join.html", _join_page())


def _join_page(staff_no: str = "", errors: Refusals = ()) -> JoinPage:
    return JoinPage(digits=joining.CODE_DIGITS, days=joining.CODE_LIFE.days, staff_no=staff_no, errors=errors)


@post("/staff/join", status_code=200)
async def join(request: AnyRequest, node: HereNode) -> AnyResponse:
    """The code was typed: a session that can bind a key and nothing else."""
    form = await ui.form(request)
    block = throttle_rules.address_block(browser.browser_of(request).address)
    async with node.db.transaction() as tx:
        if wait := await throttle.take(tx, node, f"join:{block}", JOIN_PURSE):
            opened: OpenedSession | Refusals = (refusal("identity.too_many", "code", wait=wait),)
        else:
            opened = await joining.join(tx, node, form["staff_no"].strip(), form["code"], browser.agent_of(request))
    if isinstance(opened, tuple):
        return ui.page(request, "identity/staff_join.html", _join_page(form["staff_no"], opened), status=status_of(opened))
    return await browser.take(request, node, ui.see_other("/staff/key"), opened)


@get("/staff/key")
async def key_page(request: AnyRequest, actor: Asking) -> AnyResponse:
    """Bind a key of a listed model to the own account."""
    actor.require_staff()
    return ui.page(request, "identity/staff_key.html", KeyPage())


@get("/staff/passkey/options", media_type="application/json")
async def passkey_options(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """What the browser needs to bind a key to a staff account, with attestation asked for."""
    actor.require_staff()
    async with node.db.transaction() as tx:
        session = await by_cookie(tx, node, request.cookies.get(STAFF_COOKIE, ""), staff=True)
        if session is None:
            raise StaffNeeded
        options = await staff_key.options(tx, node, session, actor.staff_id)
    return Response(options, media_type="application/json", headers={"Cache-Control": "no-store"})


@post("/staff/passkey", status_code=200)
async def bind(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Keep a staff member's key, bound in a fresh session by certificate, key or joining code."""
    form = await ui.form(request)
    actor.require_staff()
    async with node.db.transaction() as tx:
        session = await by_cookie(tx, node, request.cookies.get(STAFF_COOKIE, ""), staff=True)
        if session is None:
            raise StaffNeeded
        refused = await staff_key.bind(tx, node, session, form["credential"], form["label"], browser.agent_of(request))
    if refused:
        return ui.page(request, "identity/staff_key.html", KeyPage(errors=refused), status=status_of(refused))
    return ui.see_other("/staff/login?joined=1" if "join" in session.amr else AFTER)


@get("/staff/counter")
async def counter(request: AnyRequest, actor: Asking) -> AnyResponse:
    """A clerk at a counter looks at person and document."""
    _may(actor)
    return ui.page(request, "identity/counter.html", CounterPage(digits=step_up.WORD_DIGITS))


@post("/staff/counter", status_code=200)
async def seen(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """The person was seen: the word for the person's phone. Written to the ledger with the hall as reason."""
    form = await ui.form(request)
    _may(actor)
    number, name = typed.normal(form["number"]), typed.normal_name(form["name"])
    word: str | Refusals
    if wrong := typed.check_number(number):
        word = (wrong,)
    else:
        async with node.db.transaction() as tx:
            word = await step_up.see_in_person(tx, node, actor, number, name, actor.unit)
    if isinstance(word, tuple):
        page = CounterPage(digits=step_up.WORD_DIGITS, name=form["name"], number=form["number"], errors=word)
        return ui.page(request, "identity/counter.html", page, status=status_of(word))
    return ui.page(request, "identity/counter.html", CounterPage(digits=step_up.WORD_DIGITS, word=paper.grouped(word)))


def _may(actor: Actor) -> None:
    actor.require_staff()
    if not holds(actor, "identity.counter_check"):
        raise NotAllowed


ROUTES = [login, sign_in, logout, join_page, join, key_page, passkey_options, bind, counter, seen]
