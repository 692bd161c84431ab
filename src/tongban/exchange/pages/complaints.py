"""这不是我办的: the person's page of one complaint, and the desk that answers (privacy.md 6)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from tongban import consent, ui
from tongban.consent import Line
from tongban.exchange.actions import answer_complaint, complain
from tongban.exchange.actions.complaints import told
from tongban.exchange.errors import ComplaintGone
from tongban.exchange.model import Complaint
from tongban.exchange.pages.door import Asking, Chip, HereNode, Req, chips, guardian_of, may, require_steward
from tongban.exchange.queries import LATEST, complaint, complaints, data_use, of_line
from tongban.exchange.rules import terms
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotFound, Refusals
from tongban.kernel.node import Node

DESK = "/staff/sharing/complaints"


class OwnPage(msgspec.Struct, frozen=True):
    """What /me/data-use/{line}/complaint draws: the line, then a form, or what became of it."""

    title: str
    told: str
    days: int
    owner: str
    complaint: Complaint | None
    words: str
    answer: str
    errors: Refusals
    back: str = "/me/data-use"
    back_label: str = "返回谁用过我的信息"


class Row(msgspec.Struct, frozen=True):
    """One complaint in the list of the desk; what was written stands on its own page only."""

    id: str
    peer: str
    sent_at: Any
    due_on: Any
    late: bool
    open: bool


class ListPage(msgspec.Struct, frozen=True):
    """What /staff/sharing/complaints draws."""

    title: str
    chips: tuple[Chip, ...]
    rows: tuple[Row, ...]


class DeskPage(msgspec.Struct, frozen=True):
    """What one complaint draws for the steward."""

    title: str
    row: Row
    line: str
    told: str
    words: str
    answer: str
    may_answer: bool
    errors: Refusals
    back: str = DESK


async def _line(request: Req, node: Node, actor: Actor, line_id: str) -> Line:
    """The line as the person reads it now, over all nodes; the address says when it was written (`at`). Raises NotFound."""
    at = request.query_params.get("at", "")
    written = int(at) + 1 if at.isascii() and at.isdigit() and len(at) < 15 else LATEST
    found = await data_use(node, actor.person, before=(consent.moment(min(written, LATEST - 1)), line_id), guardian=guardian_of(actor))
    line = next((use.line for use in found.uses if use.line.id == line_id), None)
    if line is None:
        raise NotFound("没有找到这一行，可能那边暂时连不上，过一会再看")
    return line


async def _own(request: Req, node: Node, actor: Actor, line_id: str, words: str = "", errors: Refusals = ()) -> Response[bytes]:
    async with node.db.reading() as tx:
        found = await of_line(tx, node, actor.person, line_id)
    about = found.told.reveal() if found else told(await _line(request, node, actor, line_id))
    page = OwnPage(
        title="这不是我办的", told=about, days=terms().complaint_answer.days, owner=found.peer if found else "", complaint=found,
        words=found.words.reveal() if found else words, answer=found.answer.reveal() if found and found.answer else "", errors=errors,
    )  # fmt: skip
    return ui.page(request, "exchange/complaint.html", page, status=422 if errors else 200)


@get("/me/data-use/{line_id:uuid}/complaint")
async def own(request: Req, node: HereNode, actor: Asking, line_id: FromPath[UUID]) -> Response[bytes]:
    """这不是我办的: the line, what happens next, one button; afterwards where it stands."""
    actor.require(level=1)
    actor.require_self("投诉谁用过信息")
    return await _own(request, node, actor, str(line_id))


@post("/me/data-use/{line_id:uuid}/complaint")
async def send(request: Req, node: HereNode, actor: Asking, line_id: FromPath[UUID]) -> Response[Any]:
    """Send it to the owner with that line attached."""
    actor.require(level=1)
    actor.require_self("投诉谁用过信息")
    form = await ui.form(request)
    line = await _line(request, node, actor, str(line_id))
    async with node.db.transaction() as tx:
        made = await complain(tx, node, actor, line, form["words"])
    if isinstance(made, tuple):
        return await _own(request, node, actor, str(line_id), form["words"], made)
    return ui.see_other(f"/me/data-use/{line_id}/complaint")


def _row(node: Node, one: Complaint) -> Row:
    waiting = one.state == "sent"
    return Row(one.id, one.peer, one.sent_at, one.due_on, waiting and one.due_on < node.clock.today(), waiting)


@get(DESK)
async def desk(request: Req, node: HereNode, actor: Asking) -> Response[bytes]:
    """What people say was not theirs, the first due at the top."""
    require_steward(actor, node)
    async with node.db.reading() as tx:
        found = await complaints(tx, node)
    return ui.page(request, "exchange/complaints.html", ListPage("数据共享", chips(DESK), tuple(_row(node, one) for one in found)))


async def _one(request: Req, node: Node, actor: Actor, complaint_id: str, typed: str = "", errors: Refusals = ()) -> Response[bytes]:
    require_steward(actor, node)
    async with node.db.reading() as tx:
        found = await complaint(tx, node, complaint_id, side="owner")
    if found is None:
        raise ComplaintGone
    page = DeskPage(
        title="这不是我办的", row=_row(node, found), line=found.line, told=found.told.reveal(), words=found.words.reveal(),
        answer=found.answer.reveal() if found.answer else typed, may_answer=found.state == "sent" and may(actor, node, "propose"), errors=errors,
    )  # fmt: skip
    return ui.page(request, "exchange/complaint_desk.html", page, status=422 if errors else 200)


@get(DESK + "/{complaint_id:uuid}")
async def one(request: Req, node: HereNode, actor: Asking, complaint_id: FromPath[UUID]) -> Response[bytes]:
    """One complaint with its line."""
    return await _one(request, node, actor, str(complaint_id))


@post(DESK + "/{complaint_id:uuid}")
async def answer(request: Req, node: HereNode, actor: Asking, complaint_id: FromPath[UUID]) -> Response[Any]:
    """Answer it."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        made = await answer_complaint(tx, node, actor, str(complaint_id), form["answer"])
    if isinstance(made, tuple):
        return await _one(request, node, actor, str(complaint_id), form["answer"], made)
    return ui.see_other(DESK)


routes = [own, send, desk, one, answer]
