"""The consent page of sign-in 登录授权页: who asks, what it gets with your own values masked, for what, how long (identity.md 10).

`consent` keeps the rows. A government app shows its notice once, an outside party asks for each thing; 同意 and 不同意 are equal,
optional things are unticked, and a refusal brings the person back to where they were.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec
from litestar import get, post

from tongban import ui
from tongban.identity.actions import client_claims, client_logout, client_people, provider
from tongban.identity.pages import browser
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.rules import clients as rules
from tongban.identity.rules.clients import Client


class Thing(msgspec.Struct, frozen=True):
    """One thing a client wants, in words, with the person's own value masked; `names` are its claims."""

    names: tuple[str, ...]
    words: str
    value: str = ""


class ConsentPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /consent draws 允许这个应用用你的信息吗."""

    title: str
    client: Client
    host: str
    required: tuple[Thing, ...]
    optional: tuple[Thing, ...]
    notice: bool
    until: datetime
    client_id: str
    request_uri: str


@get("/consent")
async def show(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """The page of one request under way; somebody not signed in is sent back to where the sign-in starts."""
    client_id, uri = request.query_params.get("client_id", ""), request.query_params.get("request_uri", "")
    session = await browser.citizen_session(request, node)
    if session is None or actor.kind != "citizen":
        return ui.see_other(_back(client_id, uri))
    async with node.db.transaction() as tx:
        found = await provider.waiting(tx, node, client_id, uri)
        asked = rules.personal((*found.asked.claims, *found.asked.id_claims))
        shown = await client_claims.masked(tx, node, session, asked)
    client = found.client
    client_logout.leaves_for(node, client)
    things = {words: Thing(tuple(one for one in asked if rules.claims()[one].words == words), words, shown.get(words, "")) for words in rules.words_of(asked)}
    notice = client.rules.consent == "notice"
    needed = {words for words, thing in things.items() if notice or set(thing.names) & set(client.required)}
    page = ConsentPage(
        title=f"{client.name}要用你的信息" if notice else f"允许{client.name}用你的信息吗", client=client,
        host=client.sector, required=tuple(one for words, one in things.items() if words in needed),
        optional=tuple(one for words, one in things.items() if words not in needed), notice=notice,
        until=node.clock.now() + timedelta(days=client.consent_days), client_id=client_id, request_uri=uri,
    )  # fmt: skip
    return ui.page(request, "identity/consent.html", page)


@post("/consent", status_code=200)
async def take(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """The answer: yes gives what is required and ticked, no sends `access_denied`; anything else asks again."""
    form = await ui.form(request)
    client_id, uri = form["client_id"], form["request_uri"]
    session = await browser.citizen_session(request, node)
    if session is None or actor.kind != "citizen" or form["choice"] not in {"yes", "no"}:
        return ui.see_other(_back(client_id, uri))
    async with node.db.transaction() as tx:
        if form["choice"] == "no":
            return ui.see_other(await provider.refuse(tx, node, client_id, uri, "access_denied"))
        found = await provider.waiting(tx, node, client_id, uri)
        asked = (*found.asked.claims, *found.asked.id_claims)
        words = {rules.claims()[one].words for one in form.all("claim") if one in rules.claims()}
        ticked = tuple(one for one in rules.personal(asked) if rules.claims()[one].words in words)
        await client_people.give(
            tx, node, actor, found.client, asked=tuple(dict.fromkeys(asked)), ticked=ticked, channel=request.cookies.get("tb_channel", "h5")
        )
    return ui.see_other(_back(client_id, uri))


def _back(client_id: str, uri: str) -> str:
    return "/oidc/authorize?" + urlencode({"client_id": client_id, "request_uri": uri})


ROUTES = [show, take]
