"""Pages of correcting a register 纠错页面 (R-304): the person's own at any node, the desk at the register's owner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from urllib.parse import quote
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from tongban import federation, ui
from tongban.identity.actions import dispute_desk, disputes
from tongban.identity.errors import refusal
from tongban.identity.model import DeskDispute, Dispute, UsedBefore
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.providers.evidence import Carried, evidence_room
from tongban.identity.queries import desk as queries
from tongban.identity.rules import disputes as rules
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, NotFound, Refusals
from tongban.kernel.node import Node
from tongban.ui import Option

STATES = {"open": "核实中", "proposed": "等复核", "upheld": "已更正", "refused": "没有更正", "withdrawn": "已撤回"}


class DisputeRow(msgspec.Struct, frozen=True):
    """One line of a list of disputes."""

    href: str
    text: str
    hint: str
    state: str


class DisputesPage(msgspec.Struct, frozen=True, kw_only=True):
    """我的纠错: what was disputed, and what used a value before it was corrected."""

    title: str = "登记信息有错"
    back: str = "/me"
    tab: str = "me"
    rows: tuple[DisputeRow, ...]
    used: tuple[UsedBefore, ...]


class NewDisputePage(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, and what is right 提出纠错. `matched` is false before the register matched the person."""

    title: str = "改登记信息"
    back: str = "/me/disputes"
    matched: bool
    options: tuple[Option, ...]
    attribute: str = ""
    claimed: str = ""
    note: str = ""
    visit_on: str = ""
    files: bool
    days: int
    errors: Refusals = ()


class DisputePage(msgspec.Struct, frozen=True, kw_only=True):
    """One dispute of the person 纠错进度, with both reasons when it is decided."""

    title: str
    back: str = "/me/disputes"
    one: Dispute
    words: str
    state: str
    remedy: str
    evidence: tuple[Carried, ...]
    register: str


class DeskPage(msgspec.Struct, frozen=True, kw_only=True):
    """The desk's list 纠错受理, and what this clerk had a hand in."""

    title: str = "登记纠错"
    rows: tuple[DisputeRow, ...]
    handled: tuple[DisputeRow, ...]


class DeskOnePage(msgspec.Struct, frozen=True, kw_only=True):
    """One dispute on the desk: the register's value beside the claim, the evidence, and the act that is next."""

    title: str
    back: str = "/staff/disputes"
    one: DeskDispute
    words: str
    state: str
    origin: str
    home: str
    evidence: tuple[Carried, ...]
    may_decide: bool
    may_confirm: bool
    reason: str = ""
    uphold: str = ""
    agree: str = ""
    errors: Refusals = ()


@get("/me/disputes")
async def mine(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """The disputes a person opened here, and the things that used an old value."""
    actor.require(1)
    async with node.db.reading() as tx:
        found = await queries.disputes(tx, node, actor.subject)
        used = await queries.used_before(tx, node, actor.subject)
    rows = tuple(
        DisputeRow(f"/me/disputes/{one.id}", _words(one.attribute), f"{one.number}，{one.due_on.month} 月 {one.due_on.day} 日前答复" if one.state == "open" else one.number, STATES[one.state])
        for one in found
    )
    return ui.page(request, "identity/disputes.html", DisputesPage(rows=rows, used=tuple(used)))


@get("/me/disputes/new")
async def new(request: AnyRequest, actor: Asking) -> AnyResponse:
    """The form; the level is asked first, so that nothing typed is lost on the way."""
    actor.require(1 if actor.subject.startswith("l") else 2)
    return _form(request, actor, attribute=request.query_params.get("attribute", ""))


def _form(request: AnyRequest, actor: Actor, *, errors: Refusals = (), **typed: str) -> AnyResponse:
    matched = not actor.subject.startswith("l")
    known = [one for one in rules.book().attribute if matched or one.code == "name"]
    page = NewDisputePage(
        matched=matched, options=tuple(Option(one.code, one.words, f"{one.example}。带上{one.bring}") for one in known), files=evidence_room() is not None,
        days=rules.book().days, errors=errors, **{**typed, "attribute": typed.get("attribute") or ("" if matched else "name")},
    )  # fmt: skip
    return ui.page(request, "identity/dispute_new.html", page, status=422 if errors else 200)


@post("/me/disputes", status_code=200)
async def send(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """What is wrong was typed: to the register's owner. Level 2, or level 1 for a person the register did not match."""
    form = await ui.form(request)
    actor.require(1)
    if not actor.subject.startswith("l") and actor.acr < 2:
        actor.require(2)
    upload = form.file("evidence")
    visit = _day(form["visit_on"])
    wrong: Refusals = (refusal("identity.dispute_visit", "visit_on"),) if form["visit_on"] and visit is None else ()
    found: str | Refusals = wrong
    if not wrong:
        claim = disputes.Claim(
            attribute=form["attribute"], claimed=form["claimed"], note=form["note"][:500], uploads=(upload,) if upload and upload.data else (),
            visit_on=visit,
        )  # fmt: skip
        async with node.db.transaction() as tx:
            found = await disputes.open_dispute(tx, node, actor, claim)
    if isinstance(found, tuple):
        return _form(
            request, actor, errors=found, attribute=form["attribute"], claimed=form["claimed"], note=form["note"], visit_on=form["visit_on"]
        )
    return ui.see_other(f"/me/disputes/{found}")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@get("/me/disputes/{dispute:uuid}")
async def one(request: AnyRequest, node: HereNode, actor: Asking, dispute: FromPath[UUID]) -> AnyResponse:
    """How one stands; after the decision both reasons, after a refusal where to turn."""
    actor.require(1)
    room = evidence_room()
    async with node.db.reading() as tx:
        found = await queries.dispute(tx, node, actor.subject, str(dispute))
        if found is None:
            raise NotFound
        files = await room.listed(tx, node, actor.subject, found.evidence) if room else ()
    known = rules.attribute(found.attribute)
    page = DisputePage(
        title=f"{_words(found.attribute)}纠错", one=found, words=_words(found.attribute), state=STATES[found.state],
        remedy=known.remedy if known else "", evidence=files, register=federation.name_of(node, found.register),
    )  # fmt: skip
    return ui.page(request, "identity/dispute.html", page)


@post("/me/disputes/{dispute:uuid}/withdraw", status_code=200)
async def withdraw(request: AnyRequest, node: HereNode, actor: Asking, dispute: FromPath[UUID]) -> AnyResponse:
    """Take it back."""
    await ui.form(request)
    actor.require(1)
    async with node.db.transaction() as tx:
        if not await disputes.withdraw(tx, node, actor, str(dispute)):
            raise NotFound
    return ui.see_other(f"/me/disputes/{dispute}")


@get("/staff/disputes")
async def desk(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """What waits; attribute, number and day only, nobody's value."""
    _clerk(actor)
    async with node.db.reading() as tx:
        waiting = await queries.waiting_disputes(tx, node)
        handled = await queries.handled_disputes(tx, node, actor.subject)
    rows = tuple(
        _row(one) for one in waiting if actor.may(dispute_desk.DECIDE, division=one.division) or actor.may(dispute_desk.CONFIRM, division=one.division)
    )
    return ui.page(request, "identity/dispute_desk.html", DeskPage(rows=rows, handled=tuple(_row(one) for one in handled)))


def _row(one: DeskDispute) -> DisputeRow:
    return DisputeRow(f"/staff/disputes/{one.id}", f"{one.number}，{_words(one.attribute)}", f"{one.due_on.month} 月 {one.due_on.day} 日前答复", STATES[one.state])


@get("/staff/disputes/{dispute:uuid}")
async def desk_one(request: AnyRequest, node: HereNode, actor: Asking, dispute: FromPath[UUID]) -> AnyResponse:
    """One dispute; the reading is written to the person's ledger before anything is shown."""
    return await _desk_one(request, node, actor, str(dispute))


async def _desk_one(request: AnyRequest, node: Node, actor: Actor, dispute: str, *, errors: Refusals = (), **typed: str) -> AnyResponse:
    _clerk(actor)
    room = evidence_room()
    async with node.db.transaction() as tx:
        found = await dispute_desk.look(tx, node, actor, dispute)
        files = await room.listed(tx, node, found.subject, found.evidence) if room else ()
    page = DeskOnePage(
        title=f"{found.number}，{_words(found.attribute)}", one=found, words=_words(found.attribute), state=STATES[found.state],
        origin=federation.name_of(node, found.origin), home=federation.name_of(node, found.home), evidence=files,
        may_decide=found.state == "open" and actor.may(dispute_desk.DECIDE, division=found.division),
        may_confirm=found.state == "proposed" and found.proposed_by != actor.subject
        and actor.may(dispute_desk.CONFIRM, division=found.division),
        errors=errors, **typed,
    )  # fmt: skip
    return ui.page(request, "identity/dispute_desk_one.html", page, status=422 if errors else 200)


@get("/staff/disputes/{dispute:uuid}/files/{material:uuid}")
async def file(node: HereNode, actor: Asking, dispute: FromPath[UUID], material: FromPath[UUID]) -> Response[bytes]:
    """A file of the dispute, as an attachment only."""
    _clerk(actor)
    room = evidence_room()
    async with node.db.transaction() as tx:
        found = await dispute_desk.look(tx, node, actor, str(dispute))
        if room is None or str(material) not in found.evidence:
            raise NotFound
        name, media_type, content = await room.content(tx, node, found.subject, str(material))
    return Response(content, media_type=media_type, headers={
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}", "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "no-store",
    })  # fmt: skip


@post("/staff/disputes/{dispute:uuid}/decide", status_code=200)
async def decide(request: AnyRequest, node: HereNode, actor: Asking, dispute: FromPath[UUID]) -> AnyResponse:
    """The first clerk decides."""
    return await _judge(request, node, actor, str(dispute), "uphold", dispute_desk.propose)


@post("/staff/disputes/{dispute:uuid}/confirm", status_code=200)
async def confirm(request: AnyRequest, node: HereNode, actor: Asking, dispute: FromPath[UUID]) -> AnyResponse:
    """Another clerk confirms, or sends it back."""
    return await _judge(request, node, actor, str(dispute), "agree", dispute_desk.confirm)


async def _judge(
    request: AnyRequest, node: Node, actor: Actor, dispute: str, field: str, verb: Callable[..., Awaitable[Refusals]]
) -> AnyResponse:
    form = await ui.form(request)
    _clerk(actor)
    wrong: Refusals = (refusal("identity.dispute_decision", field),)
    if form[field] in ("yes", "no"):
        async with node.db.transaction() as tx:
            wrong = await verb(tx, node, actor, dispute, reason=form["reason"], **{field: form[field] == "yes"})
    if wrong:
        return await _desk_one(request, node, actor, dispute, errors=wrong, reason=form["reason"], **{field: form[field]})
    return ui.see_other("/staff/disputes")


def _clerk(actor: Actor) -> None:
    actor.require_staff()
    if not any(action in one.actions for one in actor.assignments for action in (dispute_desk.DECIDE, dispute_desk.CONFIRM)):
        raise NotAllowed


def _words(code: str) -> str:
    known = rules.attribute(code)
    return known.words if known else "登记信息"


ROUTES = [mine, new, send, one, withdraw, desk, desk_one, file, decide, confirm]
