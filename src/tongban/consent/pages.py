"""HTML door of 授权: the page at the moment of need, my consents, taking one back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.consent.actions import answer, withdraw
from tongban.consent.errors import AskGone
from tongban.consent.model import Ask, Consent
from tongban.consent.queries import consent_of, consents, pending
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node


class AskPage(msgspec.Struct, frozen=True):
    """What /consent/{id} draws: one purpose, two equal buttons."""

    title: str
    ask: Ask
    back: str
    back_label: str = "返回上一步"


class ConsentsPage(msgspec.Struct, frozen=True):
    """What /me/consents draws: what holds now, and what has ended."""

    title: str
    holding: tuple[Consent, ...]
    ended: tuple[Consent, ...]
    done: bool
    back: str = "/me"
    back_label: str = "返回我的"


class WithdrawPage(msgspec.Struct, frozen=True):
    """What /me/consents/{id} draws: the effect first, then the one button."""

    title: str
    consent: Consent
    holds: bool
    errors: Refusals = ()
    back: str = "/me/consents"
    back_label: str = "返回授权记录"


def _channel(request: Request[Any, Any, Any]) -> str:
    return request.cookies.get("tb_channel", "h5")


@get("/consent/{ask_id:uuid}")
async def show(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], ask_id: FromPath[UUID]) -> Response[Any]:
    """授权: who gives, who gets, which fields, for what, until when. Answered already: on with the journey."""
    actor.require(level=1)
    actor.require_self("授权记录")
    async with node.db.reading() as tx:
        found = await pending(tx, actor.person, str(ask_id))
    if found is None:
        raise AskGone
    if found.answer is not None:
        return ui.see_other(found.back)
    title = found.ask.title or f"可以用{found.ask.giver_name}的{'、'.join(found.ask.fields)}吗"
    return ui.page(request, "consent/ask.html", AskPage(title=title, ask=found.ask, back=found.back))


@post("/consent/{ask_id:uuid}")
async def take(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], ask_id: FromPath[UUID]) -> Response[Any]:
    """Take the answer: `choice` is yes or no; anything else asks again."""
    actor.require(level=1)
    actor.require_self("授权记录")
    form = await ui.form(request)
    if form["choice"] not in {"yes", "no"}:
        return ui.see_other(f"/consent/{ask_id}")
    async with node.db.transaction() as tx:
        back = await answer(tx, node, actor, str(ask_id), agrees=form["choice"] == "yes", channel=_channel(request))
    return ui.see_other(back)


@get("/me/consents")
async def mine(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """授权记录: everything I allowed, each with 撤回."""
    actor.require(level=1)
    actor.require_self("授权记录")
    async with node.db.reading() as tx:
        found = await consents(tx, actor.person)
    now = node.clock.now()
    page = ConsentsPage(
        title="授权记录",
        holding=tuple(one for one in found if one.holds(now)),
        ended=tuple(one for one in found if not one.holds(now)),
        done=request.query_params.get("done") == "1",
    )
    return ui.page(request, "consent/consents.html", page)


@get("/me/consents/{consent_id:uuid}")
async def effect(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], consent_id: FromPath[UUID]) -> Response[bytes]:
    """撤回: what stops, what cannot be undone, one button."""
    actor.require(level=1)
    actor.require_self("授权记录")
    async with node.db.reading() as tx:
        found = await consent_of(tx, actor.person, str(consent_id))
    if found is None:
        raise AskGone
    page = WithdrawPage(title="撤回这份授权", consent=found, holds=found.holds(node.clock.now()))
    return ui.page(request, "consent/withdraw.html", page)


@post("/me/consents/{consent_id:uuid}")
async def take_back(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], consent_id: FromPath[UUID]) -> Response[Any]:
    """Withdraw, then show the list."""
    actor.require(level=1)
    actor.require_self("授权记录")
    await ui.form(request)
    async with node.db.transaction() as tx:
        done = await withdraw(tx, node, actor, str(consent_id), channel=_channel(request))
    if isinstance(done, Consent):
        return ui.see_other("/me/consents?done=1")
    raise AskGone


routes = [show, take, mine, effect, take_back]
