"""The four-eyes inbox 待批: what waits for another pair of eyes, what was decided, what I was told."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath

from tongban import ui
from tongban.identity.actions import joining, proposals
from tongban.identity.actions.ledger import propose_deletion
from tongban.identity.actions.staff import Proposed
from tongban.identity.errors import failure
from tongban.identity.model import Proposal, StaffNotice
from tongban.identity.pages.browser import AnyRequest, AnyResponse, Asking, HereNode
from tongban.identity.pages.login import status_of
from tongban.identity.queries import staff as queries
from tongban.identity.queries.proposals import notices_of, proposal
from tongban.identity.queries.proposals import proposals as listed
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import Actor
from tongban.kernel.errors import NotAllowed, Refusal, Refusals
from tongban.kernel.node import Node

STATES = {"open": ("等批", "warn"), "approved": ("同意了", "ok"), "refused": ("没同意", "bad"), "expired": ("过期了", "mute")}


class ProposalRow(msgspec.Struct, frozen=True):
    """One proposal in words."""

    one: Proposal
    kind: str
    state: str
    state_kind: str
    by: str
    decided: str
    mine: bool
    may_decide: bool


class InboxPage(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for me 待批."""

    title: str = "待批和通知"
    waiting: tuple[ProposalRow, ...]
    done: tuple[ProposalRow, ...]
    notices: tuple[StaffNotice, ...]
    may_delete: bool
    before: str = ""
    errors: Refusals = ()


class ProposalPage(msgspec.Struct, frozen=True, kw_only=True):
    """One proposal with everything that would be carried out."""

    title: str
    row: ProposalRow
    details: tuple[tuple[str, str], ...]
    result: str = ""
    errors: Refusals = ()
    back: str = "/staff/proposals"


@get("/staff/proposals")
async def inbox(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """The proposals this person may decide or made, and what they were told."""
    return await _inbox(request, node, actor)


async def _inbox(request: AnyRequest, node: Node, actor: Actor, errors: Refusals = (), before: str = "") -> AnyResponse:
    actor.require_staff()
    async with node.db.transaction() as tx:
        numbers = {one.subject: one.staff_no for one in await queries.all_staff(tx, node)}
        waiting = [one for one in await listed(tx, open_only=True) if _sees(actor, one) and one.expires_at > node.clock.now()]
        done = [one for one in await listed(tx, open_only=False) if _sees(actor, one)]
        told = await notices_of(tx, actor.subject)
        await tx.execute("UPDATE staff_notice SET seen_at = $2 WHERE staff = $1 AND seen_at IS NULL", actor.subject, node.clock.now())
    page = InboxPage(
        waiting=tuple(_row(actor, one, numbers) for one in waiting), done=tuple(_row(actor, one, numbers) for one in done[:20]), notices=told,
        may_delete=holds(actor, "identity.log_delete"), before=before, errors=errors,
    )  # fmt: skip
    return ui.page(request, "identity/proposals.html", page, status=status_of(errors) if errors else 200)


def _sees(actor: Actor, one: Proposal) -> bool:
    return one.proposed_by == actor.subject or actor.may(proposals.kinds()[one.kind].approve, division=one.division, org=one.org)


def _row(actor: Actor, one: Proposal, numbers: dict[str, str]) -> ProposalRow:
    state, kind = STATES[one.state]
    mine = one.proposed_by == actor.subject
    return ProposalRow(
        one, proposals.kinds()[one.kind].words, state, kind, numbers.get(one.proposed_by, "已离岗"),
        numbers.get(one.decided_by or "", ""), mine, one.state == "open" and not mine and _sees(actor, one),
    )  # fmt: skip


@get("/staff/proposals/{proposal_id:uuid}")
async def one_page(request: AnyRequest, node: HereNode, actor: Asking, proposal_id: FromPath[UUID]) -> AnyResponse:
    """One proposal: what exactly would be done, with its digest."""
    return await _one(request, node, actor, str(proposal_id))


async def _one(request: AnyRequest, node: Node, actor: Actor, proposal_id: str, result: str = "", errors: Refusals = ()) -> AnyResponse:
    actor.require_staff()
    async with node.db.reading() as tx:
        found = await proposal(tx, proposal_id)
        if found is None:
            raise failure("identity.proposal_gone")
        if not _sees(actor, found):
            raise NotAllowed
        numbers = {one.subject: one.staff_no for one in await queries.all_staff(tx, node)}
        sealed: bytes = await tx.fetchval("SELECT body FROM proposal WHERE id = $1", proposal_id)
    body = node.cipher.open_bytes(proposals.GROUP, "proposal.body", proposal_id, sealed)
    row = _row(actor, found, numbers)
    page = ProposalPage(title=f"{row.kind}，{row.state}", row=row, details=_details(found, body, numbers), result=result, errors=errors)
    return ui.page(request, "identity/proposal.html", page, status=status_of(errors) if errors else 200)


def _details(found: Proposal, body: bytes, numbers: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """What would be carried out, in words; the citizen number of a newcomer stays hidden."""
    match found.kind:
        case "staff.join":
            who = msgspec.json.decode(body, type=joining.Newcomer)
            return (
                ("姓名", who.name), ("工号", who.staff_no), ("单位和岗位", who.unit), ("机构代码", who.org or "没填"), ("地区", who.division),
                ("部门", who.department or "没填"), ("本人证件号", "填了，用来回避自己和家人的事" if who.citizen_number else "没填"),
            )  # fmt: skip
        case "staff.assign":
            wanted = msgspec.json.decode(body, type=Proposed)
            return (
                ("给谁", f"工号 {numbers.get(wanted.subject, '已离岗')}"), ("岗位", queries.role_names((wanted.role,))), ("地区", wanted.division),
                ("部门", wanted.org or "所有部门"), ("事项", "所有事项" if "*" in wanted.items else "、".join(wanted.items)),
                ("到期", f"{wanted.until:%Y-%m-%d}" if wanted.until else "长期"),
            )  # fmt: skip
    return (("内容", found.words), *proposals.described(found.kind, body))


@post("/staff/proposals/{proposal_id:uuid}", status_code=200)
async def decide(request: AnyRequest, node: HereNode, actor: Asking, proposal_id: FromPath[UUID]) -> AnyResponse:
    """Approve what was shown, or refuse with a reason."""
    form = await ui.form(request)
    actor.require_staff()
    if form["act"] == "refuse" and len(form["reason"]) < 2:
        return await _one(request, node, actor, str(proposal_id), errors=(Refusal("identity.proposal_reason", "写清为什么不同意", "reason"),))
    result = ""
    async with node.db.transaction() as tx:
        if form["act"] == "refuse":
            await proposals.refuse(tx, node, actor, str(proposal_id), form["reason"])
        else:
            result = await proposals.approve(tx, node, actor, str(proposal_id), form["digest"])
    return await _one(request, node, actor, str(proposal_id), result)


@post("/staff/proposals", status_code=200)
async def propose_old(request: AnyRequest, node: HereNode, actor: Asking) -> AnyResponse:
    """Propose to delete the log of readings past its time."""
    form = await ui.form(request)
    actor.require_staff()
    try:
        before = date.fromisoformat(form["before"])
    except ValueError:
        return await _inbox(request, node, actor, (Refusal("identity.day", "填一个日期，比如 2023-01-01", "before"),), form["before"])
    async with node.db.transaction() as tx:
        made = await propose_deletion(tx, node, actor, before)
    return ui.see_other(f"/staff/proposals/{made.id}") if isinstance(made, Proposal) else await _inbox(request, node, actor, made, form["before"])


ROUTES = [inbox, one_page, decide, propose_old]
