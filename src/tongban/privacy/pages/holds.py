"""Back office 后台: runs of the retention clock with their counts, and legal holds, proposed here and approved by another (R-804)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import identity, ui
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, Refusals
from tongban.kernel.node import Node
from tongban.privacy.actions import holds as verbs
from tongban.privacy.errors import HoldGone
from tongban.privacy.model.closing import LegalHold, Run
from tongban.privacy.queries import holds as queries
from tongban.privacy.queries.known import holdings
from tongban.privacy.queries.runs import runs
from tongban.privacy.rules.times import times
from tongban.ui import Option

Req = Request[Any, Any, Any]
Here = NamedDependency[Node]
Asking = NamedDependency[Actor]
SHOWN = (Option("yes", "现在就告诉"), Option("no", "法律不让说，结束时再告诉"))


class RunsPage(msgspec.Struct, frozen=True, kw_only=True):
    """到期清理: the last runs; `titles` are the tables in words."""

    title: str = "到期清理"
    runs: tuple[Run, ...]
    titles: dict[str, str]
    terms: tuple[tuple[str, str, int, bool], ...]


class HoldsPage(msgspec.Struct, frozen=True, kw_only=True):
    """法定保留: those in force and ended, and the form that proposes one."""

    title: str = "法定保留"
    holds: tuple[LegalHold, ...]
    options: tuple[Option, ...] = SHOWN
    typed: verbs.Wanted
    shown: str = "yes"
    most_days: int
    errors: Refusals = ()


class HoldPage(msgspec.Struct, frozen=True, kw_only=True):
    """One hold, and the form that proposes its early end."""

    title: str = "一项法定保留"
    back: str = "/staff/holds"
    hold: LegalHold
    typed: str = ""
    errors: Refusals = ()


@get("/staff/retention")
async def retention_page(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """到期清理: counts only, nobody in them."""
    actor.require_may("privacy.retention_see", division=verbs.division_of(node))
    async with node.db.reading() as tx:
        found = await runs(tx)
    page = RunsPage(
        runs=found, titles={one.table: one.title or one.table for one in holdings()},
        terms=tuple((one.title or one.table, one.table, one.term.kept.days, one.term.verified) for one in holdings() if one.term),
    )  # fmt: skip
    return ui.page(request, "privacy/retention.html", page)


def _may(node: Node, actor: Actor) -> bool:
    division = verbs.division_of(node)
    return actor.may("privacy.hold_propose", division=division) or actor.may("privacy.hold_approve", division=division)


def _sees(node: Node, actor: Actor) -> None:
    actor.require_staff()
    if not _may(node, actor):
        raise NotAllowed


@get("/staff/holds")
async def list_page(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """法定保留: the list, and the form."""
    _sees(node, actor)
    return await _list(request, node, verbs.Wanted())


async def _list(request: Req, node: Node, typed: verbs.Wanted, errors: Refusals = ()) -> Response[Any]:
    async with node.db.reading() as tx:
        found = await queries.listed(tx, node)
    page = HoldsPage(holds=found, typed=typed, shown="yes" if typed.shown else "no", most_days=times().hold.most_days, errors=errors)
    return ui.page(request, "privacy/holds.html", page, status=422 if errors else 200)


@post("/staff/holds", status_code=200)
async def propose(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """Propose one; it holds when another one has approved."""
    form = await ui.form(request)
    _sees(node, actor)
    typed = verbs.Wanted(
        case_number=form["case_number"].strip(), number=form["number"].strip().upper(), name=form["name"].strip(), basis=form["basis"].strip(),
        reason=form["reason"].strip(), until=form["until"].strip(), shown=form["shown"] != "no",
    )  # fmt: skip
    async with node.db.transaction() as tx:
        made = await verbs.propose(tx, node, actor, typed)
    return ui.see_other(f"/staff/proposals/{made.id}") if isinstance(made, identity.Proposal) else await _list(request, node, typed, made)


@get("/staff/holds/{hold_id:uuid}")
async def one_page(request: Req, node: Here, actor: Asking, hold_id: FromPath[UUID]) -> Response[Any]:
    """One hold with basis and reason."""
    _sees(node, actor)
    return await _one(request, node, str(hold_id))


async def _one(request: Req, node: Node, hold_id: str, typed: str = "", errors: Refusals = ()) -> Response[Any]:
    async with node.db.reading() as tx:
        found = await queries.one(tx, node, hold_id)
    if found is None:
        raise HoldGone
    return ui.page(request, "privacy/hold.html", HoldPage(hold=found, typed=typed, errors=errors), status=422 if errors else 200)


@post("/staff/holds/{hold_id:uuid}", status_code=200)
async def end(request: Req, node: Here, actor: Asking, hold_id: FromPath[UUID]) -> Response[Any]:
    """Propose its early end."""
    form = await ui.form(request)
    _sees(node, actor)
    async with node.db.transaction() as tx:
        made = await verbs.propose_end(tx, node, actor, str(hold_id), form["reason"].strip())
    if isinstance(made, identity.Proposal):
        return ui.see_other(f"/staff/proposals/{made.id}")
    return await _one(request, node, str(hold_id), form["reason"], made)


ROUTES: list[Any] = [retention_page, list_page, propose, one_page, end]
