"""What officers do when something broke 断点、恢复、撤销: HTML doors to verbs that take a person, or two (federation.md 3, 6.2, 11)."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.federation.actions import come_home, officers, park, report, snapshot
from tongban.federation.actions.office import DIRECTORY_BELL, LETTERS_BELL, RECOVERY_BELL, area
from tongban.federation.pages.nodes import shown
from tongban.federation.queries.mending import wanted_snapshot
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Refusal
from tongban.kernel.node import Node

_Ask = Request[Any, Any, Any]
_FIELDS = {
    "revoke_key": ("kid", "why_revoke", ""), "node_status": ("status_node", "why_status", "status"), "open_doors": ("about", "why_doors", ""),
    "load_snapshot": ("snapshot_node", "why_snapshot", ""),
}  # fmt: skip
"""What the four forms of one page call what is asked, why, and the new value."""


@post("/staff/nodes/report")
async def report_break(request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """报告: tell an origin that its history does not fit, with its own signatures."""
    form = await ui.form(request)
    actor.require_may("federation.operate", division=area(node))
    await report.report_diverged(node, form["origin"])
    return ui.see_other("/staff/nodes#breaks")


@post("/staff/nodes/thread")
async def thread(request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """重试 one thread: its lowest letter first."""
    form = await ui.form(request)
    actor.require_may("federation.operate", division=area(node))
    await park.replay_thread(node, form["origin"], form["about"])
    return ui.see_other("/staff/nodes#parked")


@post("/staff/nodes/home/{letter_id:str}")
async def home(
    request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor], letter_id: FromPath[str]
) -> Response[bytes]:
    """处理回来的信: try to put its fact back once more, or close it as dealt with by hand."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        await come_home.settle(tx, node, actor, letter_id, again=form["do"] == "again")
    if form["do"] == "again":
        await come_home.put_all_back(node)
    return ui.see_other("/staff/nodes#recovery")


@post("/staff/nodes/proposals")
async def propose(request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """提出: revoke a key, change a node's status, open the doors before everybody has answered, load a snapshot."""
    form = await ui.form(request)
    kind = form["kind"] if form["kind"] in officers.ROLES else "revoke_key"
    about, why, value = _FIELDS[kind]
    async with node.db.transaction() as tx:
        refusal = await officers.propose(tx, node, actor, kind, form[about].strip(), form[why], form[value] if value else "")
    if refusal is not None:
        beside = why if refusal.field == "reason" else about if refusal.field else ""
        return await shown(request, node, actor, (Refusal(refusal.code, refusal.sentence, beside or None),))
    return ui.see_other("/staff/nodes#two")


@post("/staff/nodes/proposals/{proposal:str}")
async def decide(
    request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor], proposal: FromPath[str]
) -> Response[bytes]:
    """决定: the second officer agrees, and it is done; or refuses."""
    form = await ui.form(request)
    agree = form["decision"] == "agree"
    async with node.db.reading() as tx:
        origin = await wanted_snapshot(tx, proposal) if agree else ""
    got = await snapshot.fetch_snapshot(node, origin) if origin else None
    if origin and got is None:
        return await shown(request, node, actor, (Refusal("federation.no_snapshot", "枢纽和对方都还没有它的快照，过一会儿再同意"),))
    async with node.db.transaction() as tx:
        refusal = await officers.decide(tx, node, actor, proposal, agree=agree)
        if refusal is None and got is not None:
            await snapshot.load_over(tx, node, *got)
    if refusal is not None:
        return await shown(request, node, actor, (refusal,))
    for bell in (DIRECTORY_BELL, RECOVERY_BELL, LETTERS_BELL):
        node.bell.ring(bell)
    return ui.see_other("/staff/nodes#two")


routes: list[Any] = [report_break, thread, home, propose, decide]
