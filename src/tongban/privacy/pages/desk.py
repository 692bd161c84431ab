"""窗口办个人信息的事: a clerk receives what a person, or a relative of somebody who died, asks for; the paper to be printed afterwards."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import consent, evidence, identity, ui
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, Refusals
from tongban.kernel.node import Node
from tongban.privacy.actions import desk as verbs
from tongban.privacy.actions.relatives import Typed, check
from tongban.privacy.errors import RightUnknown
from tongban.privacy.model.desk import KIND_WORDS, DeskRight, Told
from tongban.privacy.queries import desk as queries
from tongban.privacy.rules.relatives import Word, relatives, word_of
from tongban.ui import Option

Req = Request[Any, Any, Any]
Here = NamedDependency[Node]
Asking = NamedDependency[Actor]
PLACE = "/staff/rights"
ATTRIBUTES = (Option("name", "姓名"), Option("sex", "性别"), Option("born", "出生日期"), Option("nation", "民族"), Option("address", "户籍地址"))
STATES = {"waiting": ("等同事确认", "warn"), "done": ("办好了", "ok"), "refused": ("没有办", "bad")}


class DeskPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/rights draws: the form of a person who is here, and what this clerk received."""

    title: str = "窗口办个人信息的事"
    kinds: tuple[Option, ...] = tuple(Option(code, KIND_WORDS[code]) for code in ("copy", "closing", "stop", "alive"))
    rows: tuple[DeskRight, ...] = ()
    states: dict[str, tuple[str, str]]
    name: str = ""
    number: str = ""
    kind: str = ""
    errors: Refusals = ()


class RelativePage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/rights/relative draws: who is here, who died, the papers."""

    title: str = "近亲属来办"
    back: str = PLACE
    typed: Typed = Typed()
    kinds: tuple[Option, ...] = tuple(Option(code, KIND_WORDS[code]) for code in ("copy", "correct", "closing"))
    relations: tuple[Option, ...]
    death_papers: tuple[Option, ...]
    kinship_papers: tuple[Option, ...]
    attributes: tuple[Option, ...] = ATTRIBUTES
    errors: Refusals = ()


class RightPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/rights/{id} draws: where it stands, the papers seen, the paper to print while the person is here."""

    title: str
    back: str = PLACE
    right: DeskRight
    state: tuple[str, str]
    rows: tuple[tuple[str, str], ...]
    mine: bool
    address: str = ""


def _options(known: tuple[Word, ...]) -> tuple[Option, ...]:
    return tuple(Option(one.code, one.words) for one in known)


@get(PLACE)
async def start(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """The form for who is here in person, and what was received today."""
    return await _start(request, node, actor)


async def _start(request: Req, node: Node, actor: Actor, typed: ui.Form | None = None, errors: Refusals = ()) -> Response[Any]:
    verbs.division_of(actor)
    async with node.db.reading() as tx:
        rows = await queries.of_clerk(tx, node, actor.subject)
    page = DeskPage(
        rows=rows, states=STATES, name=typed["name"] if typed else "", number=typed["number"] if typed else "", kind=typed["kind"] if typed else "", errors=errors
    )
    return ui.page(request, "privacy/desk.html", page, status=422 if errors else 200)


@post(PLACE, status_code=200)
async def receive(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """The clerk saw person and document: on to the second clerk."""
    form = await ui.form(request)
    verbs.division_of(actor)
    async with node.db.transaction() as tx:
        made = await verbs.own(tx, node, actor, kind=form["kind"], number=form["number"].upper(), name=form["name"])
    return await _start(request, node, actor, form, made) if isinstance(made, tuple) else ui.see_other(f"{PLACE}/{made}")


@get(PLACE + "/relative")
async def relative_start(request: Req, actor: Asking) -> Response[Any]:
    """The form for a close relative of somebody who died."""
    verbs.division_of(actor)
    return _relative(request, Typed())


def _relative(request: Req, typed: Typed, errors: Refusals = ()) -> Response[Any]:
    known = relatives()
    page = RelativePage(
        typed=typed, relations=_options(known.relation), death_papers=_options(known.death_paper), kinship_papers=_options(known.kinship_paper), errors=errors
    )
    return ui.page(request, "privacy/desk_relative.html", page, status=422 if errors else 200)


@post(PLACE + "/relative", status_code=200)
async def relative_receive(request: Req, node: Here, actor: Asking) -> Response[Any]:
    """The register is asked who stands here; the rest is on the papers, which are photographed."""
    form = await ui.form(request)
    verbs.division_of(actor)
    told = Told(
        relation=form["relation"], died_on=form["died_on"], death_paper=form["death_paper"], death_number=form["death_number"][:60],
        kinship_paper=form["kinship_paper"], reason=form["reason"][:100], attribute=form["attribute"], claimed=form["claimed"][:100],
    )  # fmt: skip
    typed = Typed(
        kind=form["kind"], number=form["number"].upper(), name=form["name"], dead_number=form["dead_number"].upper(), dead_name=form["dead_name"],
        told=told, death_file=form.file("death_file"), kinship_file=form.file("kinship_file"),
    )  # fmt: skip
    if wrong := check(typed, node.clock.today()):  # everything at once, and before the register is asked
        return _relative(request, typed, wrong)
    asker = await identity.find_at_counter(node, typed.name, typed.number)
    if isinstance(asker, tuple):
        return _relative(request, typed, asker)
    async with node.db.transaction() as tx:
        made = await verbs.relative(tx, node, actor, asker, typed)
    return _relative(request, typed, made) if isinstance(made, tuple) else ui.see_other(f"{PLACE}/{made}")


@get(PLACE + "/{right_id:uuid}")
async def one(request: Req, node: Here, actor: Asking, right_id: FromPath[UUID]) -> Response[Any]:
    """One request; the paper is for the clerk who received it, while the person is at the desk."""
    async with node.db.reading() as tx:
        found = await _seen(tx, node, actor, str(right_id))
        proposal = await identity.proposal(tx, found.proposal)
        whose = await identity.person(tx, node, found.subject)
    mine = found.proposed_by == actor.subject
    state = ("没有办", "bad") if found.state == "waiting" and (proposal is None or proposal.state in ("refused", "expired")) else STATES[found.state]
    told, known = found.told, relatives()
    named = whose.name_masked.reveal() if whose and whose.name_masked else "*"
    rows: tuple[tuple[str, str], ...] = (("谁的信息", named), ("谁来的", "本人"))
    if found.way == "relative":
        rows = (
            ("谁的信息", f"{named}（去世）"), ("谁来的", f"近亲属，{word_of(known.relation, told.relation)}"), ("去世的日子", told.died_on),
            ("去世的证明", f"{word_of(known.death_paper, told.death_paper)}，编号 {told.death_number}"),
            ("亲属关系的证明", word_of(known.kinship_paper, told.kinship_paper)), ("用来办什么", told.reason),
        )  # fmt: skip
    if found.state == "refused":
        rows = (*rows, ("为什么没办", found.result))
    address = ""
    if found.paper and mine:
        address = f"{node.settings.base_url}/{'copies' if found.kind == 'copy' else 'closed'}/{found.paper.link}"
    page = RightPage(title=found.words, right=found, state=state, rows=rows, mine=mine, address=address)
    answer = ui.page(request, "privacy/desk_right.html", page)
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def _seen(tx: Any, node: Node, actor: Actor, right: str) -> DeskRight:
    """A request this member of staff may look at: the own one, or one to confirm. Raises NotAllowed, RightUnknown."""
    actor.require_staff()
    found = await queries.one(tx, node, right)
    if found is None:
        raise RightUnknown
    proposal = await identity.proposal(tx, found.proposal)
    if found.proposed_by != actor.subject and not (proposal and verbs.may_confirm(actor, proposal.division)):
        raise NotAllowed
    if actor.own_or_family(found.subject, found.asker_subject):
        raise NotAllowed
    return found


@get(PLACE + "/{right_id:uuid}/files/{number:int}")
async def file(node: Here, actor: Asking, right_id: FromPath[UUID], number: FromPath[int]) -> Response[Any]:
    """A photographed paper, for the two clerks until it is decided; the look is in the ledger of who brought it."""
    async with node.db.transaction() as tx:
        found = await _seen(tx, node, actor, str(right_id))
        if found.state != "waiting" or not 0 <= number < len(found.told.files):
            raise RightUnknown
        await identity.note_reading(tx, node, actor, "right", found.id, consent.Access(
            subject=found.asker_subject, kind="view", who=actor.unit or node.settings.name, fields=("交来的证明",), purpose="窗口核对近亲属的证明",
            source=node.id, receiver=node.id, basis=relatives().source, about=f"desk:{found.id}",
        ))  # fmt: skip
        opened = await evidence.read(tx, node, found.asker_subject, found.told.files[number])
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="zhengming-{number + 1}"'}
    return Response(opened.content, media_type=opened.material.media_type, headers=headers)


ROUTES: list[Any] = [start, receive, relative_start, relative_receive, one, file]
