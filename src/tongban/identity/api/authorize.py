"""The authorization endpoint 授权端点: the browser arrives, and leaves by 303 with an answer, or first sees a page of ours.

An error goes to a verified redirect only; everything else is a page (T-08).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from litestar import get, post
from litestar.response import Response

from tongban import ui
from tongban.identity.actions import client_book, client_logout, provider
from tongban.identity.actions.client_book import Known, Turned, find
from tongban.identity.actions.resolve import SESSION_COOKIE, STAFF_COOKIE
from tongban.identity.api.wire import AnyRequest, form_of, query_of
from tongban.identity.errors import ProtocolError, failure
from tongban.identity.model import Session
from tongban.identity.pages.browser import HereNode
from tongban.identity.rules import requests
from tongban.identity.rules.clients import Client
from tongban.kernel.node import Node

_MOST_LOOKS = 3


@get("/oidc/authorize")
async def authorize(request: AnyRequest, node: HereNode) -> Response[Any]:
    """Answer a request from the person's session, or send the person to sign in, step up or consent."""
    try:
        return await _go(request, node, query_of(request))
    except ProtocolError as error:
        raise failure("identity.request_wrong") from error


@post("/oidc/authorize", status_code=200)
async def authorize_by_post(request: AnyRequest, node: HereNode) -> Response[Any]:
    """The same by POST (OpenID Connect Core 3.1.2.1): no cookie comes with a POST of another site, so on by a GET of ours."""
    try:
        form = await form_of(request)
        client = (await _known(node, form, fresh=True)).client
        if "request_uri" in form:
            return ui.see_other(_address(form["client_id"], form["request_uri"]))
        return ui.see_other(_address(client.id, await _push(node, client, form)))
    except _Told as told:
        return ui.see_other(told.url)
    except ProtocolError as error:
        raise failure("identity.request_wrong") from error


async def _go(request: AnyRequest, node: Node, query: dict[str, str]) -> Response[Any]:
    for _ in range(_MOST_LOOKS):
        uri = query.get("request_uri", "")
        known = await _known(node, query, fresh=not uri)
        client = known.client
        if not uri:
            try:
                uri = await _push(node, client, query)
            except _Told as told:
                return ui.see_other(told.url)
        name = STAFF_COOKIE if client.kind == "staff_tool" else SESSION_COOKIE
        try:
            answer, session = await provider.authorize(node, known, uri, request.cookies.get(name, ""))
        except Turned:
            continue
        if not answer.todo:
            return ui.see_other(answer.url)
        client_logout.leaves_for(node, client)
        return ui.see_other(_way(node, client, uri, session, answer))
    raise failure("identity.request_over")


async def _known(node: Node, form: dict[str, str], *, fresh: bool) -> Known:
    """The client a request names. Without one, or with a suspended one, the person sees a page and is sent nowhere.

    `fresh` when no statement follows that asks whether its row is still the same.
    """
    if fresh:
        client_book.forget(node, form.get("client_id", ""))
    known = await find(node, form.get("client_id", "")) if form.get("client_id") else None
    if known is None or known.client.status == "ended":
        raise failure("identity.client_unknown")
    if known.client.status != "active":
        raise failure("identity.client_suspended", link="在首页搜同一件事，或者打 12345")
    return known


class _Told(Exception):
    """An error that goes to the client by its verified redirect."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


async def _push(node: Node, client: Client, form: dict[str, str]) -> str:
    """A request that came through the browser: the plain profile only, judged like a pushed one."""
    redirect = requests.redirect_of(form, client)
    try:
        if not client.plain:
            raise ProtocolError("invalid_request", "a pushed authorization request is required")  # noqa: TRY301  one way for both to tell the client
        async with node.db.alone() as tx:
            return await provider.push(tx, node, client, form, "")
    except ProtocolError as error:
        told, state = {"error": error.error, "error_description": error.why}, form.get("state", "")
        state = state if len(state) <= 1024 and state.isascii() else ""
        raise _Told(provider.back_to(redirect, told, state, node.settings.base_url)) from None


def _way(node: Node, client: Client, uri: str, session: Session | None, answer: provider.Answer) -> str:
    """The page of ours where the person does what is asked; it leads back here."""
    back = _address(client.id, uri)
    if answer.todo == "consent":
        return "/consent?" + urlencode({"client_id": client.id, "request_uri": uri})
    if client.kind == "staff_tool":
        return "/staff/login?" + urlencode({"next": back, **({"again": "1"} if answer.again else {})})
    visitor = session is not None and session.home is not None
    if answer.todo == "step_up" and not (visitor and client.kind == "node"):
        return f"/step-up?level={answer.level}&next={quote(back, safe='')}"
    if visitor and client.kind != "node" and session is not None:
        return "/login/go?" + urlencode({"home": str(session.home), "next": back, "fresh": "1"})
    level = answer.level if session is not None else 0
    if session is not None and level > provider.level_of(node, session):
        return f"/step-up?level={max(2, level)}&next={quote(back, safe='')}"
    hint = {"hint": answer.login_hint} if answer.login_hint else {}
    return "/login?" + urlencode({"next": back, **({"again": "1"} if session is not None else {}), **hint})


def _address(client_id: str, uri: str) -> str:
    return "/oidc/authorize?" + urlencode({"client_id": client_id, "request_uri": uri})


@get("/oidc/decline")
async def decline(request: AnyRequest, node: HereNode) -> Response[Any]:
    """The person does not want to go on: back to the asking client with `access_denied`."""
    client_id, uri = request.query_params.get("client_id", ""), request.query_params.get("request_uri", "")
    async with node.db.transaction() as tx:
        answer = await provider.decline(tx, node, client_id, uri)
    return ui.see_other(answer.url or _address(client_id, uri))


ROUTES = [authorize, authorize_by_post, decline]
