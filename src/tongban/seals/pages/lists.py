"""印章清单: the seals of my departments, found by word and state, the applications under way."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import Response

from tongban import ui
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed
from tongban.kernel.node import Node
from tongban.seals import queries
from tongban.seals.model import Application, Seal
from tongban.seals.rules.rights import allowed_for

STATES = (("", "全部"), ("active", "在用"), ("suspended", "停用"), ("revoked", "已注销"))


class Chip(msgspec.Struct, frozen=True):
    """One filter link."""

    href: str
    text: str
    current: bool


class SealsPage(msgspec.Struct, frozen=True):
    """What /staff/seals draws."""

    title: str
    seals: tuple[Seal, ...]
    applications: tuple[Application, ...]
    may_apply: bool
    chips: tuple[Chip, ...]
    words: str
    state: str


def sees(actor: Actor) -> None:
    """Somebody who sees the seals of some department here, else NotAllowed."""
    actor.require_staff()
    if not any("seals.see" in one.actions for one in actor.assignments):
        raise NotAllowed


@get("/staff/seals")
async def list_seals(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """电子印章: those of my departments."""
    sees(actor)
    words, state = request.query_params.get("q", "").strip()[:60], request.query_params.get("state", "")
    state = state if state in {one for one, _ in STATES} else ""
    async with node.db.reading() as tx:
        found = await queries.seals_of(tx, words=words, state=state)
        waiting = await queries.applications(tx)
    page = SealsPage(
        "电子印章",
        tuple(one for one in found if allowed_for(node, actor, "seals.see", one.org_code)),
        tuple(one for one in waiting if allowed_for(node, actor, "seals.see", one.org_code)),
        any("seals.apply" in one.actions for one in actor.assignments),
        tuple(Chip(f"/staff/seals?state={code}" if code else "/staff/seals", text, code == state) for code, text in STATES),
        words,
        state,
    )
    return ui.page(request, "seals/seals.html", page)


routes = [list_seals]
