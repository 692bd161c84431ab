"""Pages of break-glass 紧急访问: open, name a person, look, end; review and delay by others (identity.md 9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath

from tongban import ui
from tongban.identity.actions import emergency
from tongban.identity.actions.emergency import Card
from tongban.identity.errors import failure
from tongban.identity.model import Glass
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.pages.login import status_of
from tongban.identity.queries import staff as queries
from tongban.identity.queries.emergency import glass, glass_persons, glasses, readings
from tongban.identity.rules.emergency import GROUNDS, LIMITS
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, NotFound, Refusals
from tongban.kernel.node import Node

REVIEW, DELAY = "identity.break_glass_review", "identity.break_glass_delay"
VERDICTS = {None: ("等复核", "warn"), "in_order": ("合规", "ok"), "not_in_order": ("不合规", "bad")}


class GlassRow(msgspec.Struct, frozen=True):
    """One access in words."""

    one: Glass
    reason: str
    by: str
    told: str
    persons: int
    readings: int
    verdict: str
    verdict_kind: str


class GlassesPage(msgspec.Struct, frozen=True, kw_only=True):
    """Opening one, and those this person has to do with 紧急访问."""

    title: str = "紧急访问"
    rows: tuple[GlassRow, ...]
    may_open: bool
    level: int
    minutes: int
    persons: int
    reasons: tuple[ui.Option, ...]
    colleagues: tuple[ui.Option, ...]
    typed: dict[str, str]
    errors: Refusals = ()


class NamedRow(msgspec.Struct, frozen=True):
    """One named person: the place only."""

    place: int
    way: str
    at: datetime


class GlassPage(msgspec.Struct, frozen=True, kw_only=True):
    """One access 一次紧急访问."""

    title: str
    row: GlassRow
    running: bool
    named: tuple[NamedRow, ...]
    said: str
    may_review: bool
    may_delay: bool
    last_day: str
    card: Card | None = None
    place: int = 0
    ref: str = ""
    errors: Refusals = ()
    back: str = "/staff/emergency"


@get("/staff/emergency")
async def listed(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """What I opened or was told of; for security officers all of their area."""
    return await _list(request, node, actor)


async def _list(request: AnyRequest, node: Node, actor: Actor, errors: Refusals = (), typed: dict[str, str] | None = None) -> AnyResponse:
    actor.require_staff()
    judge = holds(actor, REVIEW) or holds(actor, DELAY)
    async with node.db.reading() as tx:
        everybody = {one.subject: one for one in await queries.all_staff(tx, node)}
        found = [one for one in await glasses(tx, staff="" if judge else actor.subject) if _sees(actor, one)]
        rows = [_row(one, {key: each.staff_no for key, each in everybody.items()}, len(await glass_persons(tx, one.id)), await readings(tx, one.id))
                for one in found]  # fmt: skip
    me = everybody.get(actor.subject)
    colleagues = [one for one in everybody.values() if me and one.subject != me.subject and not one.suspended and one.division[:2] == me.division[:2]]
    page = GlassesPage(
        rows=tuple(rows), may_open=holds(actor, "identity.break_glass"), level=actor.acr, minutes=LIMITS.minutes, persons=LIMITS.persons,
        reasons=tuple(ui.Option(one.code, one.words) for one in GROUNDS.values()),
        colleagues=tuple(ui.Option(one.subject, f"{one.unit}，工号 {one.staff_no}") for one in colleagues[:100]), typed=typed or {}, errors=errors,
    )  # fmt: skip
    return ui.page(request, "identity/emergencies.html", page, status=status_of(errors) if errors else 200)


def _sees(actor: Actor, one: Glass) -> bool:
    return actor.subject in (one.staff, one.told) or any(actor.may(action, division=one.division, org=one.org) for action in (REVIEW, DELAY))


def _row(one: Glass, numbers: dict[str, str], persons: int, count: int) -> GlassRow:
    words, kind = VERDICTS[one.verdict]
    return GlassRow(
        one, GROUNDS[one.reason].words if one.reason in GROUNDS else one.reason, numbers.get(one.staff, "已离岗"),
        numbers.get(one.told, "已离岗"), persons, count, words, kind,
    )  # fmt: skip


@post("/staff/emergency", status_code=200)
async def open_it(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Break the glass."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        made = await emergency.open_glass(tx, node, actor, reason=form["reason"], said=form["said"], told=form["told"])
    if isinstance(made, tuple):
        return await _list(request, node, actor, made, {name: form[name] for name in ("reason", "said", "told")})
    return ui.see_other(f"/staff/emergency/{made}")


@get("/staff/emergency/{glass_id:uuid}")
async def one(request: AnyRequest, node: HereNode, actor: Asking, glass_id: FromPath[UUID]) -> AnyResponse:
    """One access: its ground, its time, how many were read; no person is shown here."""
    return await _one(request, node, actor, str(glass_id))


async def _one(
    request: AnyRequest, node: Node, actor: Actor, glass_id: str, *, card: Card | None = None, place: int = 0, ref: str = "", errors: Refusals = ()
) -> AnyResponse:
    actor.require_staff()
    async with node.db.reading() as tx:
        found = await glass(tx, glass_id)
        if found is None:
            raise NotFound
        if not _sees(actor, found):
            raise NotAllowed
        numbers = {each.subject: each.staff_no for each in await queries.all_staff(tx, node)}
        named = await glass_persons(tx, found.id)
        row = _row(found, numbers, len(named), await readings(tx, found.id))
        sealed: bytes = await tx.fetchval("SELECT said FROM break_glass WHERE id = $1", glass_id)
    other = actor.subject not in (found.staff, found.told)
    page = GlassPage(
        title="一次紧急访问", row=row, running=found.staff == actor.subject and found.ended_at is None and found.until > node.clock.now(),
        named=tuple(NamedRow(each.place, "办件编号" if each.way == "case" else "证件号", each.named_at) for each in named)
        if found.staff == actor.subject else (),
        said=node.cipher.open("staff", "break_glass.said", glass_id, sealed).reveal(),
        may_review=other and found.verdict is None and actor.may(REVIEW, division=found.division, org=found.org),
        may_delay=other and actor.may(DELAY, division=found.division, org=found.org),
        last_day=f"{found.opened_at + timedelta(days=LIMITS.delay_days):%Y-%m-%d}", card=card, place=place, ref=ref, errors=errors,
    )  # fmt: skip
    answer = ui.page(request, "identity/emergency.html", page, status=status_of(errors) if errors else 200)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@post("/staff/emergency/{glass_id:uuid}/look", status_code=200)
async def look(request: AnyRequest, node: HereNode, actor: Asking, glass_id: FromPath[UUID]) -> AnyResponse:
    """Name a person, or look again at one already named; written down before anything is shown."""
    form = await ui.form(request)
    card, place = None, int(form["place"]) if form["place"].isdigit() and len(form["place"]) < 4 else 0
    async with node.db.transaction() as tx:
        if not place:
            named = await emergency.name_person(tx, node, actor, str(glass_id), form["ref"])
            if isinstance(named, tuple):
                return await _one(request, node, actor, str(glass_id), ref=form["ref"], errors=named)
            place = named
        card = await emergency.look(tx, node, actor, str(glass_id), place)
    return await _one(request, node, actor, str(glass_id), card=card, place=place)


@post("/staff/emergency/{glass_id:uuid}/end", status_code=200)
async def end(request: AnyRequest, node: HereNode, actor: Asking, glass_id: FromPath[UUID]) -> AnyResponse:
    """End it before its hour."""
    await ui.form(request)
    async with node.db.transaction() as tx:
        await emergency.close(tx, node, actor, str(glass_id))
    return ui.see_other(f"/staff/emergency/{glass_id}")


@post("/staff/emergency/{glass_id:uuid}/review", status_code=200)
async def review(request: AnyRequest, node: HereNode, actor: Asking, glass_id: FromPath[UUID]) -> AnyResponse:
    """A security officer's judgement."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        wrong = await emergency.review(tx, node, actor, str(glass_id), in_order=form["verdict"] == "in_order", words=form["words"])
    return await _one(request, node, actor, str(glass_id), errors=wrong) if wrong else ui.see_other(f"/staff/emergency/{glass_id}")


@post("/staff/emergency/{glass_id:uuid}/delay", status_code=200)
async def delay(request: AnyRequest, node: HereNode, actor: Asking, glass_id: FromPath[UUID]) -> AnyResponse:
    """Hold the persons' ledger lines back until a day, with the article."""
    form = await ui.form(request)
    try:
        until = datetime.strptime(form["until"], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        until = node.clock.now() - timedelta(days=1)
    if not form["basis"]:
        raise failure("identity.emergency_delay", most=LIMITS.delay_days)
    async with node.db.transaction() as tx:
        wrong = await emergency.delay(tx, node, actor, str(glass_id), until=until, basis=form["basis"])
    return await _one(request, node, actor, str(glass_id), errors=wrong) if wrong else ui.see_other(f"/staff/emergency/{glass_id}")


ROUTES = [listed, open_it, one, look, end, review, delay]
