"""共享需求: what we asked others, what others ask us, and at the hub the disputes to decide. Each demand has its page."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.exchange.actions import Wanted, ask, decide, dispute, judge, review, withdraw
from tongban.exchange.errors import DemandGone
from tongban.exchange.model import Demand, HeldGrant, Resource
from tongban.exchange.pages.door import (
    DEMAND_WORDS,
    Asking,
    Chip,
    HereNode,
    Req,
    chips,
    day,
    may,
    number,
    require_steward,
)
from tongban.exchange.queries import definition, demand, demands, held_grants, listed
from tongban.exchange.rules import terms
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

HERE = "/staff/sharing/demands"
PREFILL = "case.prefill"


class Row(msgspec.Struct, frozen=True):
    """One demand in words."""

    demand: Demand
    name: str
    field_words: str
    state_words: str
    state_tag: str
    late: bool
    waits: bool


class HeldRow(msgspec.Struct, frozen=True):
    """One grant we hold, in words."""

    grant: HeldGrant
    name: str
    field_words: str
    days_left: int
    list: bool = False


class DemandsPage(msgspec.Struct, frozen=True):
    """What /staff/sharing/demands draws."""

    title: str
    chips: tuple[Chip, ...]
    ours: tuple[Row, ...]
    theirs: tuple[Row, ...]
    disputes: tuple[Row, ...]
    held: tuple[HeldRow, ...]
    is_hub: bool


class DemandPage(msgspec.Struct, frozen=True):
    """What one demand draws: what is asked, where it stands, what this person may do now."""

    title: str
    row: Row
    answers: tuple[ui.Option, ...]
    act: str
    field_options: tuple[ui.Option, ...]
    grounds: tuple[ui.Option, ...]
    proposal: str
    typed: dict[str, str]
    errors: Refusals = ()
    back: str = HERE
    back_label: str = "返回共享需求"


class NewPage(msgspec.Struct, frozen=True):
    """What the form of a demand draws."""

    title: str
    resource: Resource
    field_options: tuple[ui.Option, ...]
    chosen: tuple[str, ...]
    typed: dict[str, str]
    answer_days: int
    errors: Refusals = ()
    back: str = "/staff/sharing/resources"
    back_label: str = "返回资源目录"


async def _row(tx: Tx, node: Node, one: Demand) -> Row:
    held = await listed(tx, one.resource)
    names = {field.name: field.words for field in held.resource.fields} if held else {}
    words, tag = DEMAND_WORDS[one.state]
    waits = (one.side, one.state) in {("owner", "sent"), ("owner", "reviewed"), ("judge", "disputed"), ("asker", "refused")}
    late = one.due_on < node.clock.today() and one.state in {"sent", "reviewed", "disputed"}
    return Row(one, held.resource.name if held else one.resource, "、".join(names.get(name, name) for name in one.fields), words, tag, late, waits)


@get(HERE)
async def all_demands(request: Req, node: HereNode, actor: Asking) -> Response[bytes]:
    """共享需求: ours, theirs, and disputes at the hub."""
    require_steward(actor, node)
    async with node.db.reading() as tx:
        ours, theirs, disputes = [
            tuple([await _row(tx, node, one) for one in await demands(tx, side)]) for side in ("asker", "owner", "judge")
        ]
        held = tuple([await _held(tx, node, one) for one in await held_grants(tx)])
    page = DemandsPage("共享需求", chips(HERE), ours, theirs, disputes, held, node.id == node.settings.hub)
    return ui.page(request, "exchange/demands.html", page)


async def _held(tx: Tx, node: Node, one: HeldGrant) -> HeldRow:
    found = await listed(tx, one.resource)
    names = {field.name: field.words for field in found.resource.fields} if found else {}
    return HeldRow(
        one, found.resource.name if found else one.resource, "、".join(names.get(name, name) for name in one.fields),
        (one.until - node.clock.now()).days, found is not None and found.resource.key == "list",
    )  # fmt: skip


@get(HERE + "/new")
async def new(request: Req, node: HereNode, actor: Asking) -> Response[bytes]:
    """提出共享需求 for one resource of another node."""
    require_steward(actor, node)
    return await _new_page(request, node, request.query_params.get("resource", ""), {}, (), ())


async def _new_page(
    request: Req, node: Node, resource_id: str, typed: dict[str, str], chosen: tuple[str, ...], errors: Refusals
) -> Response[bytes]:
    async with node.db.reading() as tx:
        found = await definition(tx, resource_id)
    if found is None:
        raise DemandGone
    options = tuple(ui.Option(one.name, one.words, "敏感" if one.sensitive else "") for one in found.fields)
    page = NewPage(f"需要{found.name}", found, options, chosen, typed, terms().demand_answer.days, errors)
    return ui.page(request, "exchange/demand_new.html", page, status=422 if errors else 200)


@post(HERE + "/new")
async def send(request: Req, node: HereNode, actor: Asking) -> Response[Any]:
    """Send it to the owner."""
    form = await ui.form(request)
    chosen = tuple(form.all("fields"))
    wanted = Wanted(
        resource=form["resource"], fields=chosen, purpose=form["purpose"] or PREFILL, purpose_words=form["purpose_words"],
        basis=form["basis"], volume_per_day=number(form["volume_per_day"]), until=day(form["until"]) or date(1970, 1, 1), item=form["item"].strip(),
    )  # fmt: skip
    async with node.db.transaction() as tx:
        made = await ask(tx, node, actor, wanted)
    if isinstance(made, tuple):
        return await _new_page(request, node, wanted.resource, {name: form[name] for name in form.names()}, chosen, made)
    return ui.see_other(f"{HERE}/{made.id}")


@get(HERE + "/{demand_id:uuid}")
async def one_demand(request: Req, node: HereNode, actor: Asking, demand_id: FromPath[UUID]) -> Response[bytes]:
    """One demand."""
    require_steward(actor, node)
    return await _page(request, node, actor, str(demand_id), {}, ())


async def _page(request: Req, node: Node, actor: Actor, demand_id: str, typed: dict[str, str], errors: Refusals) -> Response[bytes]:
    async with node.db.reading() as tx:
        found = await demand(tx, demand_id)
        if found is None:
            raise DemandGone
        held = await listed(tx, found.resource)
        row = await _row(tx, node, found)
    names = {field.name: field.words for field in held.resource.fields} if held else {}
    told = [
        ("哪项资源", row.name), ("哪几项数据", row.field_words), ("用来做什么", found.purpose_words), ("用途代码", found.purpose), ("凭什么要", found.basis),
        ("相关事项", found.item), ("每天大约几次", str(found.volume_per_day)), ("要用到", f"{found.until:%Y-%m-%d}"),
        ("最晚答复", f"{found.due_on:%Y-%m-%d}（{terms().demand_answer.days} 个工作日）"), ("第几次办", str(found.round)),
        ("不同意的理由", "：".join(one for one in (terms().ground(found.reason_code), found.reason) if one)), ("异议", found.dispute),
        ("处理意见", found.judgement),
    ]  # fmt: skip
    if found.state == "granted":
        told.append(("同意的内容", _proposal(found, names)))
    page = DemandPage(
        title=f"{row.name}：共享需求",
        row=row,
        answers=tuple(ui.Option(value, label) for label, value in told if value),
        act=_act(node, actor, found),
        field_options=tuple(ui.Option(name, names.get(name, name)) for name in found.fields),
        grounds=tuple(ui.Option(one.code, one.words) for one in terms().refusal),
        proposal=_proposal(found, names) if found.verdict == "grant" else "不同意：" + "：".join((terms().ground(found.reason_code), found.reason)),
        typed={"per_day": str(found.volume_per_day), "given_until": f"{found.until:%Y-%m-%d}", **typed},
        errors=errors,
    )
    return ui.page(request, "exchange/demand.html", page, status=422 if errors else 200)


def _proposal(found: Demand, names: dict[str, str]) -> str:
    fields = "、".join(names.get(name, name) for name in found.given_fields)
    until = f"{found.given_until:%Y-%m-%d}" if found.given_until else ""
    return f"同意给 {fields}，每天 {found.given_per_day} 次，用到 {until}"


def _act(node: Node, actor: Actor, found: Demand) -> str:
    """The one step this person may take now, or why it waits for somebody else."""
    match found.side, found.state:
        case "owner", "sent":
            return "review" if may(actor, node, "propose") else ""
        case "owner", "reviewed":
            return "own_review" if found.reviewed_by == actor.staff_id else "decide" if may(actor, node, "approve") else ""
        case "judge", "disputed":
            return "judge" if may(actor, node, "approve") else ""
        case "asker", "refused":
            return "dispute" if may(actor, node, "propose") and not found.dispute else ""
        case "asker", "sent" | "disputed":
            return "withdraw" if may(actor, node, "propose") else ""
        case _:
            return ""


@post(HERE + "/{demand_id:uuid}")
async def act(request: Req, node: HereNode, actor: Asking, demand_id: FromPath[UUID]) -> Response[Any]:
    """初审、复核、异议、处理异议、撤回."""
    form = await ui.form(request)
    name = str(demand_id)
    async with node.db.transaction() as tx:
        match form["act"]:
            case "review":
                made = await review(
                    tx, node, actor, name, verdict=form["verdict"], fields=tuple(form.all("fields")), per_day=number(form["per_day"]),
                    until=day(form["given_until"]), reason_code=form["reason_code"], reason=form["reason"],
                )  # fmt: skip
            case "agree":
                made = await decide(tx, node, actor, name, agrees=True)
            case "send_back":
                made = await decide(tx, node, actor, name, agrees=False)
            case "dispute":
                made = await dispute(tx, node, actor, name, words=form["dispute"])
            case "uphold":
                made = await judge(tx, node, actor, name, upholds=True, words=form["judgement"])
            case "again":
                made = await judge(tx, node, actor, name, upholds=False, words=form["judgement"])
            case _:
                made = await withdraw(tx, node, actor, name)
    if isinstance(made, tuple):
        return await _page(request, node, actor, name, {one: form[one] for one in form.names()}, made)
    return ui.see_other(f"{HERE}/{name}")


routes = [all_demands, new, send, one_demand, act]
