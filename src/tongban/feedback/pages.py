"""HTML doors of 好差评: rate a service, the desk for bad reviews, public figures."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.feedback import queries
from tongban.feedback.actions import answer_review, check_review, fix_review, open_review, submit
from tongban.feedback.errors import NothingToReview, ReviewGone
from tongban.feedback.model import HANDLING_WORDS, LEVELS, Figures, Handling, Reviewable, Written
from tongban.feedback.rules import terms
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, Refusals
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node


class ReviewPage(msgspec.Struct, frozen=True):
    """What /review/{case} draws before the review is given; nothing is chosen."""

    title: str
    what: Reviewable
    token: str
    indicators: tuple[ui.Option, ...]
    ticked: tuple[str, ...]
    text: str
    call_me: bool
    longest: int
    contact_days: int
    fix_days: int
    back: str
    errors: Refusals = ()
    back_label: str = "返回办件详情"
    nav_title: str = "评一评"


class GivenPage(msgspec.Struct, frozen=True):
    """What /review/{case} draws afterwards: what was given, and the answer."""

    title: str
    what: Reviewable
    level: str
    bad: bool
    given_at: datetime
    reply: Personal | None
    contact_days: int
    fix_days: int
    back: str
    back_label: str = "返回办件详情"
    nav_title: str = "评一评"


class DeskRow(msgspec.Struct, frozen=True):
    """One bad review in the list and on its page."""

    one: Handling
    level: str
    state: str
    due: date
    due_words: str
    late: bool
    indicators: str


class DeskPage(msgspec.Struct, frozen=True):
    """What /staff/reviews draws: open ones on the left, the chosen one on the right."""

    title: str
    rows: tuple[DeskRow, ...]
    chosen: DeskRow | None
    may_handle: bool
    done: bool
    typed: str
    errors: Refusals = ()


class FiguresPage(msgspec.Struct, frozen=True):
    """What /reviews draws: public figures of each item here."""

    title: str
    rows: tuple[tuple[str, Figures], ...]
    needed: int
    back: str = "/"


def _options() -> tuple[ui.Option, ...]:
    return tuple(ui.Option(one.code, one.words) for one in terms().indicator)


@get("/review/{case_id:uuid}")
async def show(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], case_id: FromPath[UUID]) -> Response[bytes]:
    """评一评: five levels, none chosen; after it is given, what was given."""
    actor.require(level=1)
    async with node.db.transaction() as tx:
        what, token = await open_review(tx, node, actor, str(case_id))
        given = await queries.review_of_case(tx, node, actor.person, str(case_id))
    if given is None:
        return _page(request, what, token, Written(level=0))
    level, at, reply = given
    page = GivenPage(
        title=f"{what.item_name}：你评过了",
        what=what,
        level=LEVELS[level],
        bad=level <= 2,
        given_at=at,
        reply=reply,
        contact_days=terms().contact_working_days,
        fix_days=terms().fix_working_days,
        back=f"/cases/{case_id}",
    )
    return ui.page(request, "feedback/given.html", page)


def _page(
    request: Request[Any, Any, Any], what: Reviewable, token: str, written: Written, *, errors: Refusals = ()
) -> Response[bytes]:
    page = ReviewPage(
        title=f"评一评：{what.item_name}",
        what=what,
        token=token,
        indicators=_options(),
        ticked=written.indicators,
        text=written.text,
        call_me=written.call_me,
        longest=terms().longest_text,
        contact_days=terms().contact_working_days,
        fix_days=terms().fix_working_days,
        back=f"/cases/{what.case_id}",
        errors=errors,
    )
    return ui.page(request, "feedback/review.html", page, status=422 if errors else 200)


@post("/review/{case_id:uuid}")
async def give(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], case_id: FromPath[UUID]) -> Response[Any]:
    """Give it, once; a second time shows what was given."""
    actor.require(level=1)
    form = await ui.form(request)
    grade = form["grade"]
    written = Written(
        level=int(grade) if grade in {"1", "2", "3", "4", "5"} else 0,
        indicators=form.all("indicators"),
        text=form["text"],
        call_me=form["call_me"] == "yes",
    )
    async with node.db.transaction() as tx:
        done = await submit(tx, node, actor, str(case_id), form["token"], written)
        what = await queries.reviewable(tx, node, actor.person, str(case_id))
    if what is None:
        raise NothingToReview
    if isinstance(done, tuple) and what.reviewed_at is None:
        return _page(request, what, form["token"], written, errors=done)
    return ui.see_other(f"/review/{case_id}")


def _row(one: Handling, today: date) -> DeskRow:
    words = {indicator.code: indicator.words for indicator in terms().indicator}
    first = one.state == "open"
    return DeskRow(
        one=one,
        level=LEVELS[one.review.level],
        state=HANDLING_WORDS[one.state],
        due=one.contact_by if first else one.fix_by,
        due_words="前核实" if first else "前改好、回复",
        late=one.late(today),
        indicators="、".join(words[code] for code in one.review.indicators if code in words),
    )


def _scope(actor: Actor) -> tuple[bool, bool]:
    actor.require_staff()
    held = {action for one in actor.assignments for action in one.actions}
    if not held & {"feedback.see", "feedback.handle"}:
        raise NotAllowed
    return "feedback.see" in held, "feedback.handle" in held


async def _desk(
    request: Request[Any, Any, Any],
    node: Node,
    actor: Actor,
    review_id: str | None,
    *,
    errors: Refusals = (),
    typed: str = "",
) -> Response[bytes]:
    _scope(actor)
    done = request.query_params.get("state") == "answered"
    async with node.db.reading() as tx:
        found = await queries.handlings(tx, node, state="answered" if done else "")
        one = await queries.handling(tx, node, review_id) if review_id else None
    mine = [row for row in found if _may_see(actor, row)]
    if review_id and (one is None or not _may_see(actor, one)):
        raise ReviewGone
    today = node.clock.today()
    page = DeskPage(
        title="处置一条差评" if one else "差评处置",
        rows=tuple(_row(row, today) for row in mine),
        chosen=_row(one, today) if one else None,
        may_handle=one is not None
        and actor.may("feedback.handle", division=one.review.division, org=one.review.org),
        done=done,
        typed=typed,
        errors=errors,
    )
    return ui.page(request, "feedback/desk.html", page, status=422 if errors else 200)


def _may_see(actor: Actor, one: Handling) -> bool:
    return any(
        actor.may(action, division=one.review.division, org=one.review.org)
        for action in ("feedback.see", "feedback.handle")
    )


@get("/staff/reviews")
async def desk(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """差评处置: what has to be answered, the next clock first."""
    return await _desk(request, node, actor, None)


@get("/staff/reviews/{review_id:uuid}")
async def desk_one(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], review_id: FromPath[UUID]) -> Response[bytes]:
    """One bad review: what was said, where it stands, the next step."""
    return await _desk(request, node, actor, str(review_id))


@post("/staff/reviews/{review_id:uuid}")
async def handle(request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], review_id: FromPath[UUID]) -> Response[Any]:
    """The next step: check, fix, or answer."""
    actor.require_staff()
    form = await ui.form(request)
    one, text = str(review_id), form["text"]
    async with node.db.transaction() as tx:
        match form["act"]:
            case "check":
                done: Handling | Refusals = await check_review(tx, node, actor, one, cause=text)
            case "fix":
                done = await fix_review(tx, node, actor, one, fix=text)
            case _:
                done = await answer_review(tx, node, actor, one, reply=text)
    if isinstance(done, tuple):
        shown = tuple(msgspec.structs.replace(each, field="text" if each.field else None) for each in done)
        return await _desk(request, node, actor, one, errors=shown, typed=text)
    return ui.see_other(f"/staff/reviews/{review_id}")


@get("/reviews")
async def public(request: Request[Any, Any, Any], node: NamedDependency[Node]) -> Response[bytes]:
    """好差评: public figures, small groups withheld."""
    async with node.db.reading() as tx:
        rows = tuple([(name, await queries.figures(tx, code)) for code, name in await queries.rated_items(tx)])
    return ui.page(
        request, "feedback/figures.html", FiguresPage(title="好差评", rows=rows, needed=terms().smallest_group)
    )


routes = [show, give, desk, desk_one, handle, public]
