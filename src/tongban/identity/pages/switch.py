"""The switch 切换身份: oneself, a company, a family member; one login, and always visible who is meant."""

from __future__ import annotations

from urllib.parse import urlencode

from litestar import get, post

from tongban import federation, ui
from tongban.identity.actions import acting, visiting
from tongban.identity.errors import refusal
from tongban.identity.pages import browser
from tongban.identity.pages.agent_views import SwitchPage, SwitchRow
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.queries import mandates as queries
from tongban.identity.rules import typed
from tongban.identity.rules.mandates import Mandate, book
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals, SignInNeeded
from tongban.kernel.node import Node

AFTER = "/me"


@get("/me/switch")
async def show(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """现在替谁办: whoever I can act for now; `for` marks one, `next` is where it goes on."""
    actor.require(1)
    return await _page(request, node, actor)


async def _page(request: AnyRequest, node: Node, actor: Actor, errors: Refusals = (), asked: str = "") -> AnyResponse:
    says = None
    if _visits(node, actor):
        actor.require(visiting.LEVEL)
        says = await visiting.ask(node, actor)
    async with node.db.reading() as tx:
        usable = await _choices(tx, node, actor)
        listed = (await federation.directory(tx)).node(actor.home) if _visits(node, actor) else None
    wanted = request.query_params.get("for", "")
    rows = [_row(one, actor, wanted) for one in usable]
    page = SwitchPage(
        self_name=actor.name.reveal() if actor.name else "自己", acting=actor.for_name.reveal() if actor.for_subject and actor.for_name else "",
        ended=actor.acting_ended, companies=tuple(row for row, one in zip(rows, usable, strict=True) if one.kind == "organisation"),
        family=tuple(row for row, one in zip(rows, usable, strict=True) if one.kind == "person"),
        next=typed.own_path(request.query_params.get("next", ""), AFTER), asked=asked or request.query_params.get("asked", ""),
        home_url=f"{listed.base_url}/me/switch" if listed else "", home_name=listed.name if listed else "", errors=errors,
        home_away=says is not None and says.answer is None,
    )  # fmt: skip
    return ui.page(request, "identity/switch.html", page, status=422 if errors else 200)


def _visits(node: Node, actor: Actor) -> bool:
    return actor.home not in {"", node.id}


async def _choices(tx: Tx, node: Node, actor: Actor) -> tuple[Mandate, ...]:
    """Whom one can act for here: of a visitor what the home showed, still to be proven, and what was granted here."""
    if _visits(node, actor):
        return await queries.shown_by(tx, node, actor.subject, actor.home)
    return await queries.usable(tx, node, actor.subject)


def _row(one: Mandate, actor: Actor, wanted: str) -> SwitchRow:
    return SwitchRow(
        id=one.id, name=one.grantor_name.reveal(), hint=book().words(one.basis) + ("，点这里接着看" if one.id == wanted else ""),
        current=one.id == actor.mandate, needs_consent=one.basis == "guardian",
    )  # fmt: skip


@post("/me/switch", status_code=200)
async def switch(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Act for somebody, or for oneself again; the session goes on under a new cookie value."""
    form = await ui.form(request)
    actor.require(1)
    session = await browser.citizen_session(request, node)
    if session is None:
        raise SignInNeeded
    next_path = typed.own_path(form["next"], AFTER)
    if form["mandate"] in {"", "self"}:
        async with node.db.transaction() as tx:
            opened = await acting.leave(tx, node, session)
        return await browser.take(request, node, ui.see_other(next_path), opened)
    async with node.db.reading() as tx:
        found = next((one for one in await _choices(tx, node, actor) if one.id == form["mandate"]), None)
    if found is not None and found.basis == "legal_rep":
        if actor.acr < (level := acting.BEGIN_LEVEL["legal_rep"]):
            # the step-up comes back to the switch page, where one more tap is needed (the row says so): a GET never switches
            there = "/me/switch?" + urlencode({"for": found.id, "next": next_path})
            return ui.see_other("/step-up?" + urlencode({"level": level, "next": there}))
        if not found.copy:
            await acting.freshen(node, _as(actor, found), level=3)
    if found is not None and found.basis == "guardian" and form["agree"] != "yes":
        return await _page(request, node, actor, (refusal("identity.guardian_consent", f"agree-{found.id}"),))
    if found is not None and found.copy:
        await visiting.admit(node, found)
    async with node.db.transaction() as tx:
        opened = await acting.begin(tx, node, actor, session, form["mandate"], guardian_consents=form["agree"] == "yes")
    return await browser.take(request, node, ui.see_other(next_path), opened)


def _as(actor: Actor, found: Mandate) -> Actor:
    import msgspec

    return msgspec.structs.replace(actor, for_subject=found.grantor, mandate=found.id, basis=found.basis)


@post("/me/switch/ask", status_code=200)
async def ask(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """查我名下的企业和孩子: both registers are asked, once, because the person said so; level 2."""
    form = await ui.form(request)
    actor.require(2)
    if actor.home not in {"", node.id}:
        return ui.see_other("/me/switch")
    whole = await acting.powers_by_law(node, actor)
    query = {"asked": "all" if whole else "part", "next": typed.own_path(form["next"], AFTER)}
    return ui.see_other("/me/switch?" + urlencode(query))


ROUTES = [show, switch, ask]
