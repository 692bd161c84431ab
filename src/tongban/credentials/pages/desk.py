"""打印取件 the hall's desk: the queue, reserve a blank, print, spoil with two persons, hand over."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import federation, seals, ui
from tongban.credentials.actions import hall as verbs
from tongban.credentials.errors import PrintRefused
from tongban.credentials.model import PrintJob
from tongban.credentials.pages.wallet import svg
from tongban.credentials.queries import prints as queries
from tongban.credentials.queries.keys import node_name
from tongban.credentials.queries.types import halls, type_of
from tongban.credentials.rules import layout, showing
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotFound, Refusals
from tongban.kernel.node import Node

PAPER_LIFE = timedelta(minutes=30)
WORDS = {
    "ordered": "刚收到", "accepted": "待打印", "printed": "待交付", "spoilt": "待重打", "handed_over": "已交付", "expired": "没来领",
    "returned": "退回", "cancelled": "停打",
}  # fmt: skip


class JobRow(msgspec.Struct, frozen=True):
    """One order in the queue (一单): the holder masked."""

    id: str
    holder: str
    type_name: str
    issuer: str
    hall: str
    state: str
    ordered_at: Any
    until: Any
    blank_no: str


class QueuePage(msgspec.Struct, frozen=True):
    """What /desk/prints draws."""

    title: str
    rows: tuple[JobRow, ...]
    done: bool


class JobPage(msgspec.Struct, frozen=True):
    """What /desk/prints/{id} draws: one order and the one step that comes next."""

    title: str
    job: PrintJob
    row: JobRow
    blank: str
    spoil_mine: bool
    errors: Refusals = ()
    typed_blank: str = ""
    back: str = "/desk/prints"


class PaperPage(msgspec.Struct, frozen=True):
    """What /desk/prints/{id}/paper draws: the sheet to print."""

    title: str
    job: PrintJob
    issuer: str
    check_url: str
    check_qr: str
    back: str


def _may(node: Node, actor: Actor) -> tuple[str, ...]:
    """The codes of the halls this officer serves. Raises StaffNeeded, NotAllowed."""
    actor.require_staff()
    mine = tuple(
        one.code for one in halls(node) if one.node == node.id and actor.may("credentials.print", division=one.division)
    )
    if not mine:
        actor.require_may("credentials.print", division="000000")
    return mine


def _row(job: PrintJob, issuer: str) -> JobRow:
    return JobRow(
        job.id, showing.mask(job.holder_name.reveal()), job.type_name, f"{issuer} {job.org_name}", job.hall_name, WORDS[job.state],
        job.ordered_at, job.valid_until, job.blank_no,
    )  # fmt: skip


async def _job(node: Node, actor: Actor, job_id: str) -> PrintJob:
    mine = _may(node, actor)
    async with node.db.reading() as tx:
        found = await queries.job(tx, node, job_id)
    if found is None or found.hall_code not in mine:
        raise NotFound("没有这一单")
    return found


def _on_paper(node: Node, actor: Actor, job: PrintJob) -> PrintJob:
    """The document is drawn for the clerk who heard the pick-up code, while the holder is there; for nobody else (T-60)."""
    if job.state != "printed":
        raise PrintRefused("这一单现在没有可打印的")
    if job.officer != actor.staff_id or node.clock.now() - job.changed_at > PAPER_LIFE:
        raise PrintRefused("证照内容只给核对取证码的人看，半小时内有效", "请持证人再念一次取证码：先报打坏，再重新打印")
    return job


async def _page(
    request: Request[Any, Any, Any], node: Node, actor: Actor, job_id: str, *, errors: Refusals = (), blank: str = ""
) -> Response[Any]:
    job = await _job(node, actor, job_id)
    kind = type_of(node, job.type_code)
    page = JobPage(
        f"{job.type_name}，{WORDS[job.state]}", job, _row(job, await node_name(node, job.issuer)), kind.print.blank if kind else "空白证",
        bool(job.spoil_by) and job.spoil_by == actor.staff_id, errors, blank,
    )  # fmt: skip
    return ui.page(request, "credentials/desk_job.html", page, status=422 if errors else 200)


@get("/desk/prints")
async def queue(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]
) -> Response[Any]:
    """打印取件: what waits at my halls, or what was done."""
    mine = _may(node, actor)
    done = request.query_params.get("done") == "1"
    async with node.db.reading() as tx:
        found = await queries.queue(tx, node, mine, done=done)
    rows = [_row(job, await node_name(node, job.issuer)) for job in found]
    return ui.page(request, "credentials/desk_queue.html", QueuePage("打印取件", tuple(rows), done))


@get("/desk/prints/{job_id:uuid}")
async def one_job(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], job_id: FromPath[UUID]
) -> Response[Any]:
    """One order and its next step."""
    return await _page(request, node, actor, str(job_id))


@post("/desk/prints/{job_id:uuid}/print")
async def print_it(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], job_id: FromPath[UUID]
) -> Response[Any]:
    """Check the holder, reserve the blank, go to the sheet."""
    await _job(node, actor, str(job_id))
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        made = await verbs.print_paper(
            tx,
            node,
            actor,
            str(job_id),
            code=form["code"],
            blank_no=form["blank_no"],
            identity_checked=form["identity"] == "yes",
        )
    if isinstance(made, tuple):
        return await _page(request, node, actor, str(job_id), errors=made, blank=form["blank_no"])
    return ui.see_other(f"/desk/prints/{job_id}/paper")


@get("/desk/prints/{job_id:uuid}/paper")
async def sheet(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], job_id: FromPath[UUID]
) -> Response[Any]:
    """The sheet to print: the document, and who issued, where printed, which blank, and a code that checks."""
    job = _on_paper(node, actor, await _job(node, actor, str(job_id)))
    found = await federation.present(node)
    listed = found.node(job.issuer) if found else None
    base = listed.base_url if listed else node.settings.base_url
    url = f"{base}/verify/paper/{job.id}"
    page = PaperPage(
        f"打印{job.type_name}",
        job,
        await node_name(node, job.issuer),
        url,
        layout.qr_svg(url),
        f"/desk/prints/{job.id}",
    )
    return ui.page(request, "credentials/desk_paper.html", page)


@get("/desk/prints/{job_id:uuid}/picture.svg")
async def picture(node: NamedDependency[Node], actor: NamedDependency[Actor], job_id: FromPath[UUID]) -> Response[str]:
    """The document drawn, while a paper of it is being made."""
    job = _on_paper(node, actor, await _job(node, actor, str(job_id)))
    async with node.db.reading() as tx:
        ofd = await queries.job_ofd(tx, node, job.id)
    if ofd is None:
        raise NotFound("没有这份文件")
    return svg(await asyncio.to_thread(seals.draw_svg, ofd))


@post("/desk/prints/{job_id:uuid}/spoilt")
async def spoilt(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], job_id: FromPath[UUID]
) -> Response[Any]:
    """打坏了: said by one, confirmed by another."""
    job = await _job(node, actor, str(job_id))
    await ui.form(request)
    async with node.db.transaction() as tx:
        if job.spoil_by:
            await verbs.destroy(tx, node, actor, job.id)
        else:
            await verbs.say_spoilt(tx, node, actor, job.id)
    return ui.see_other(f"/desk/prints/{job_id}")


@post("/desk/prints/{job_id:uuid}/hand-over")
async def hand_over(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], job_id: FromPath[UUID]
) -> Response[Any]:
    """交付: both sign."""
    await _job(node, actor, str(job_id))
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        made = await verbs.hand_over(tx, node, actor, str(job_id), received_by=form["received_by"])
    if isinstance(made, tuple):
        return await _page(request, node, actor, str(job_id), errors=made)
    return ui.see_other(f"/desk/prints/{job_id}")


routes = [queue, one_job, print_it, sheet, picture, spoilt, hand_over]
