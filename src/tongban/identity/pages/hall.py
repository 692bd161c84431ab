"""Desk pages of mandates 当面办代办: made with both persons present, stopped for whoever gave one; alerts about agents for many."""

from __future__ import annotations

from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath

from tongban import ui
from tongban.identity.actions import acting, hall, mandates, sessions
from tongban.identity.pages.agent_views import AlertRow, AlertsPage, HallPage
from tongban.identity.pages.agents import TERMS, mandate_row
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.queries.offers import items_for
from tongban.identity.queries.persons import person
from tongban.identity.rules.mandates import Mandate, book
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, Refusal, Refusals
from tongban.kernel.node import Node

ASKED = ("grantor_name", "grantor_number", "agent_name", "agent_number")
LOOKED_UP = ("stop_name", "stop_number")
KINDS = {"many": "同时替 {n} 个人代办", "fast": "7 天里新接了 {n} 个人的代办"}


def _may(actor: Actor, action: str) -> None:
    actor.require_staff()
    if not holds(actor, action):
        raise NotAllowed


@get("/staff/mandates")
async def form_page(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Both are here, both documents are on the counter: one page."""
    _may(actor, "identity.hall_mandate")
    return await _page(request, node, {}, made=request.query_params.get("made", ""))


async def _page(
    request: AnyRequest, node: Node, typed: dict[str, str], *, chosen: tuple[str, ...] = (), acts: tuple[str, ...] = (), errors: Refusals = (),
    made: str = "", given: tuple[Mandate, ...] | None = None,
) -> AnyResponse:
    async with node.db.reading() as tx:
        names = await items_for(tx, node, "person")
        rows = tuple([
            msgspec.structs.replace(await mandate_row(tx, node, one, mine=True), title=f"{one.agent_name.reveal()}替{one.grantor_name.reveal()}办")
            for one in given or ()
        ])  # fmt: skip
    page = HallPage(
        sets=book().sets("person"), items=tuple(ui.Option(code, name) for code, name in names.items()),
        acts=tuple(ui.Option(one.code, one.words) for one in book().act),
        terms=tuple(ui.Option(value, words) for value, words in TERMS if int(value) <= book().days("hall")),
        typed={name: typed.get(name, "") for name in (*ASKED, *LOOKED_UP, "set_name", "days")}, chosen=chosen,
        chosen_acts=acts or ("view", "draft", "submit", "receive"), made=made, errors=errors, given=rows, looked=given is not None,
    )  # fmt: skip
    return ui.page(request, "identity/hall.html", page, status=422 if errors else 200)


@post("/staff/mandates", status_code=200)
async def make(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Both are found in the register, then the mandate begins at once; each reading is in the ledger of the person read."""
    form = await ui.form(request)
    _may(actor, "identity.hall_mandate")
    typed = {name: form[name] for name in (*ASKED, "set_name", "days")}
    wrong: list[Refusal] = []
    found = {}
    for side in ("grantor", "agent"):
        got = await mandates.find(node, form[f"{side}_name"], form[f"{side}_number"])
        if isinstance(got, tuple):
            wrong += [Refusal(one.code, one.sentence, f"{side}_{one.field}") for one in got]
        else:
            found[side] = got
    days = int(form["days"]) if form["days"].isdigit() and len(form["days"]) < 4 else 0
    wanted = mandates.Wanted(items=form.all("items"), set_name=form["set_name"], acts=form.all("acts"), days=days)
    if not wrong:
        async with node.db.reading() as tx:
            names = await items_for(tx, node, "person")
        async with node.db.transaction() as tx:
            made = await hall.grant_at_hall(tx, node, actor, found["grantor"], found["agent"], wanted, names=names)
        if not isinstance(made, tuple):
            return ui.see_other("/staff/mandates?made=1")
        wrong += made
    return await _page(request, node, typed, chosen=wanted.items, acts=wanted.acts, errors=tuple(wrong))


@post("/staff/mandates/stop", status_code=200)
async def find_given(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Who gave a mandate stands at the counter: what is running, each with one button."""
    form = await ui.form(request)
    _may(actor, "identity.hall_mandate")
    async with node.db.transaction() as tx:
        found = await hall.given_at_hall(tx, node, actor, form["stop_name"], form["stop_number"])
    if isinstance(found, tuple):
        wrong = tuple(Refusal(one.code, one.sentence, f"stop_{one.field}") for one in found)
        return await _page(request, node, {name: form[name] for name in LOOKED_UP}, errors=wrong)
    return await _page(request, node, {}, given=found.mandates)


@post("/staff/mandates/stop/{mandate_id:uuid}", status_code=200)
async def stop(request: AnyRequest, node: HereNode, actor: Asking, mandate_id: FromPath[UUID]) -> AnyResponse:
    """停止: at once, while the person is at this counter."""
    await ui.form(request)
    _may(actor, "identity.hall_mandate")
    async with node.db.transaction() as tx:
        await hall.stop_at_hall(tx, node, actor, str(mandate_id))
    node.bell.ring(sessions.BELL)
    return ui.see_other("/staff/mandates?made=stopped")


@get("/staff/mandates/alerts")
async def alerts(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Agents for unusually many people, to look at; nothing is blocked by it (T-86)."""
    _may(actor, "identity.alerts")
    async with node.db.reading() as tx:
        rows = await tx.fetch("SELECT agent, id, kind, grantors, at FROM mandate_alert WHERE seen_at IS NULL ORDER BY at DESC LIMIT 100")
        shown = []
        for row in rows:
            known = await person(tx, node, row["agent"])
            name = known.name_masked.reveal() if known and known.name_masked else "（没有姓名）"
            words = KINDS[row["kind"]].format(n=row["grantors"])
            shown.append(AlertRow(id=row["id"], name=name, words=words, at=acting.moment(row["at"])))
    return ui.page(request, "identity/alerts.html", AlertsPage(rows=tuple(shown)))


@post("/staff/mandates/alerts/{alert_id:uuid}", status_code=200)
async def seen(request: AnyRequest, node: HereNode, actor: Asking, alert_id: FromPath[UUID]) -> AnyResponse:
    """Looked at: it goes off the list, with who looked."""
    await ui.form(request)
    _may(actor, "identity.alerts")
    async with node.db.transaction() as tx:
        await tx.execute(
            "UPDATE mandate_alert SET seen_at = $2, seen_by = $3 WHERE id = $1 AND seen_at IS NULL", str(alert_id), node.clock.now(), actor.staff_id
        )
    return ui.see_other("/staff/mandates/alerts")


ROUTES = [form_page, make, find_given, stop, alerts, seen]
