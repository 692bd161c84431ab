"""身后安排: one question with four answers, at level 3; nothing has to be chosen (个人信息保护法 49 [K])."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Response

from tongban import identity, ui
from tongban.kernel.actor import Actor
from tongban.kernel.errors import LevelNeeded, Refusals
from tongban.kernel.node import Node
from tongban.privacy.actions import after as verbs
from tongban.privacy.pages.elsewhere import elsewhere
from tongban.privacy.queries import desk as queries
from tongban.privacy.rules.relatives import Choice, relatives

Req = Request[Any, Any, Any]
Here = NamedDependency[Node]
Asking = NamedDependency[Actor]
HERE = "/me/after"


class AfterPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /me/after draws 身后安排: what holds now, and the four answers."""

    title: str = "身后安排"
    back: str = "/me/rights"
    back_label: str = "返回我的信息"
    tab: str = "me"
    now: Choice
    choices: tuple[ui.Option, ...]
    saved: bool = False
    errors: Refusals = ()


@get(HERE)
async def show(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """What holds now, and what else could be said."""
    actor.require(1)
    actor.require_self("身后安排")
    async with node.db.transaction() as tx:
        pressed = await identity.pressed_before(tx, node, actor, HERE, request.query_params.get("go", ""))
        said = await verbs.choose(tx, node, actor, pressed.get("choice", "")) if pressed is not None else None
    if said is None:
        return await _page(request, node, actor)
    return await _page(request, node, actor, said) if isinstance(said, tuple) else ui.see_other(HERE + "?saved=1")


async def _page(request: Req, node: Node, actor: Actor, errors: Refusals = ()) -> Response[Any]:
    away = await elsewhere(request, node, actor, HERE, title="身后安排", act="定")
    if away is not None:
        return away
    async with node.db.reading() as tx:
        now = await queries.choice(tx, actor.subject)
    page = AfterPage(
        now=now, choices=tuple(ui.Option(one.code, one.words, one.hint) for one in relatives().choice),
        saved=bool(request.query_params.get("saved")) and not errors, errors=errors,
    )  # fmt: skip
    return ui.page(request, "privacy/after.html", page, status=422 if errors else 200)


@post(HERE, status_code=200)
async def choose(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """One answer; level 3 first, and back here with it."""
    form = await ui.form(request)
    actor.require(1)
    try:
        async with node.db.transaction() as tx:
            said = await verbs.choose(tx, node, actor, form["choice"])
    except LevelNeeded as needed:
        async with node.db.transaction() as tx:
            return ui.see_other(await identity.step_up_for(tx, node, actor, HERE, {"choice": form["choice"]}, level=needed.level))
    return await _page(request, node, actor, said) if isinstance(said, tuple) else ui.see_other(HERE + "?saved=1")


ROUTES: list[Any] = [show, choose]
