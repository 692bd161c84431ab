"""Pages of members of staff 人员: who is here, their roles and keys, inviting, suspending, leaving (identity.md 9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath

from tongban import ui
from tongban.identity.actions import joining
from tongban.identity.actions.staff import Proposed
from tongban.identity.errors import failure
from tongban.identity.model import Proposal, StaffMember
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.pages.login import status_of
from tongban.identity.queries import staff as queries
from tongban.identity.rules.roles import holds, roles
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, Refusals
from tongban.kernel.node import Node

SEE = "identity.staff_see"


class MemberRow(msgspec.Struct, frozen=True):
    """One member of staff in the list."""

    subject: str
    staff_no: str
    name: str
    unit: str
    roles: str
    state: str
    state_kind: str


class PeoplePage(msgspec.Struct, frozen=True, kw_only=True):
    """Who works here 人员."""

    title: str = "人员"
    rows: tuple[MemberRow, ...]
    may_invite: bool
    typed: dict[str, str]
    errors: Refusals = ()


class RoleRow(msgspec.Struct, frozen=True):
    """One assignment 任职."""

    id: str
    name: str
    where: str
    items: str
    until: str
    by: str


class MemberPage(msgspec.Struct, frozen=True, kw_only=True):
    """One member of staff 一位同事."""

    title: str
    row: MemberRow
    held: tuple[RoleRow, ...]
    options: tuple[ui.Option, ...]
    own: bool
    suspended: bool
    may_assign: bool
    may_suspend: bool
    may_invite: bool
    typed: dict[str, str]
    errors: Refusals = ()
    back: str = "/staff/people"


@get("/staff/people")
async def people(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """The members of the units this administrator answers for."""
    return await _list(request, node, actor)


async def _list(request: AnyRequest, node: Node, actor: Actor, errors: Refusals = (), typed: dict[str, str] | None = None) -> AnyResponse:
    actor.require_staff()
    if not holds(actor, SEE):
        raise NotAllowed
    async with node.db.reading() as tx:
        found = [one for one in await queries.all_staff(tx, node) if actor.may(SEE, division=one.division, org=one.org)]
    page = PeoplePage(
        rows=tuple(_row(one) for one in found[:200]), may_invite=holds(actor, "identity.staff_invite"), typed=typed or {}, errors=errors
    )
    return ui.page(request, "identity/people.html", page, status=status_of(errors) if errors else 200)


def _row(one: StaffMember) -> MemberRow:
    state, kind = ("停用", "bad") if one.suspended else ("在岗", "ok") if one.joined else ("等加入", "warn")
    return MemberRow(one.subject, one.staff_no, one.name.reveal(), one.unit, queries.role_names(one.roles) or "还没有岗位", state, kind)


@post("/staff/people", status_code=200)
async def invite(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Propose to invite somebody; another administrator confirms."""
    form = await ui.form(request)
    actor.require_staff()
    typed = {name: form[name] for name in ("staff_no", "name", "unit", "org", "division", "department", "citizen_number")}
    async with node.db.transaction() as tx:
        made = await joining.invite(tx, node, actor, joining.Newcomer(**typed))
    return ui.see_other(f"/staff/proposals/{made.id}") if isinstance(made, Proposal) else await _list(request, node, actor, made, typed)


@get("/staff/people/{member:str}")
async def member_page(request: AnyRequest, node: HereNode, actor: Asking, member: FromPath[str]) -> AnyResponse:
    """One member of staff: roles, state, what can be proposed."""
    return await _one(request, node, actor, member)


async def _one(request: AnyRequest, node: Node, actor: Actor, subject: str, errors: Refusals = (), typed: dict[str, str] | None = None) -> AnyResponse:
    actor.require_staff()
    async with node.db.reading() as tx:
        found = await queries.staff_member(tx, node, subject)
        if found is None:
            raise failure("identity.staff_gone")
        actor.require_may(SEE, division=found.division, org=found.org)
        held = await queries.held_by(tx, subject)
        numbers = {one.subject: one.staff_no for one in await queries.all_staff(tx, node)}
    page = MemberPage(
        title=f"{found.name.reveal()}，工号 {found.staff_no}", row=_row(found), held=tuple(_role(one, numbers) for one in held),
        options=tuple(ui.Option(code, role.name) for code, role in roles().items()), own=actor.subject == subject, suspended=found.suspended,
        may_assign=actor.may("identity.assign", division=found.division, org=found.org),
        may_suspend=actor.may("identity.staff_suspend", division=found.division, org=found.org),
        may_invite=actor.may("identity.staff_invite", division=found.division, org=found.org),
        typed=typed or {"division": found.division, "org": found.org}, errors=errors,
    )  # fmt: skip
    return ui.page(request, "identity/member.html", page, status=status_of(errors) if errors else 200)


def _role(one: queries.Held, numbers: dict[str, str]) -> RoleRow:
    by = "、".join(dict.fromkeys(numbers.get(each, "建节点时给的" if each == "setup" else "已离岗") for each in (one.proposed_by, one.approved_by)))
    until = f"到 {one.until:%Y-%m-%d}" if one.until else "长期"
    return RoleRow(
        one.id, roles()[one.role].name if one.role in roles() else one.role, f"{one.division}，{one.org or '所有部门'}",
        "所有事项" if "*" in one.items else "、".join(one.items), until, by,
    )  # fmt: skip


@post("/staff/people/{member:str}/role", status_code=200)
async def propose_role(request: AnyRequest, node: HereNode, actor: Asking, member: FromPath[str]) -> AnyResponse:
    """Propose a role: area, department, items, end."""
    form = await ui.form(request)
    actor.require_staff()
    items = tuple(one for one in form["items"].replace("，", " ").replace(",", " ").split() if one) or ("*",)
    typed = {name: form[name] for name in ("role", "division", "org", "items", "until")}
    async with node.db.transaction() as tx:
        made = await joining.propose_role(tx, node, actor, Proposed(
            subject=member, role=form["role"], division=form["division"], org=form["org"], items=items, until=_day_end(form["until"]),
            proposed_by=actor.subject,
        ))  # fmt: skip
    return ui.see_other(f"/staff/proposals/{made.id}") if isinstance(made, Proposal) else await _one(request, node, actor, member, made, typed)


@post("/staff/people/{member:str}/take-back/{assignment:uuid}", status_code=200)
async def take_back(request: AnyRequest, node: HereNode, actor: Asking, member: FromPath[str], assignment: FromPath[UUID]) -> AnyResponse:
    """End one assignment at once."""
    await ui.form(request)
    async with node.db.transaction() as tx:
        await joining.take_back(tx, node, actor, member, str(assignment))
    return ui.see_other(f"/staff/people/{member}")


@post("/staff/people/{member:str}/state", status_code=200)
async def change(request: AnyRequest, node: HereNode, actor: Asking, member: FromPath[str]) -> AnyResponse:
    """Suspend or leave at once; lifting it again and a new joining code are proposed."""
    form = await ui.form(request)
    actor.require_staff()
    async with node.db.transaction() as tx:
        match form["act"]:
            case "suspend":
                await joining.suspend(tx, node, actor, member, form["reason"])
            case "leave":
                await joining.leave(tx, node, actor, member, form["reason"])
                return ui.see_other("/staff/people")
            case "restore" | "key" as act:
                made = await joining.propose_for(tx, node, actor, "staff." + act, member)
                return ui.see_other(f"/staff/proposals/{made.id}")
    return ui.see_other(f"/staff/people/{member}")


def _day_end(text: str) -> datetime | None:
    """The end of a typed day in China, None when there is none."""
    try:
        day = datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return day + timedelta(hours=16)  # midnight in China at the end of that day


ROUTES = [people, invite, member_page, propose_role, take_back, change]
