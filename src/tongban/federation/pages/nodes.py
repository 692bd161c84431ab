"""HTML door of the post 节点与信件 (federation.md 11): who is there, what waits, what a person must decide."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.federation.actions import directory as directory_actions
from tongban.federation.actions import enrol, officers, park, receive
from tongban.federation.actions.alarm import resolve_alarm
from tongban.federation.actions.compact import NAME
from tongban.federation.actions.office import RECOVERS, area, office
from tongban.federation.errors import LetterStuck
from tongban.federation.model import (
    Alarm,
    ComeHome,
    Enrolment,
    Invitation,
    Invited,
    Outbox,
    Parked,
    Proposal,
    Recovery,
    Revoked,
)
from tongban.federation.queries.directory import alarms
from tongban.federation.queries.enrolments import enrolments, own_digits, own_status
from tongban.federation.queries.mail import outbox, parked
from tongban.federation.queries.mending import (
    Break,
    Expected,
    breaks,
    expected,
    last_retention,
    proposals,
    recoveries,
    to_return,
    to_settle,
)
from tongban.federation.queries.nodes import LetterView, NodeRow, directory_changes, letter_view, node_rows
from tongban.federation.rules import directory as rules
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotFound, Refusal, Refusals
from tongban.kernel.node import Node

_Ask = Request[Any, Any, Any]
REASONS = {
    "unknown_kind": "还不认得这种信，升级后自动重收", "unknown_version": "还不认得这一版，升级后自动重收",
    "behind": "前面有一封关于同一件事的信在等", "handler_failed": "办理时出错，会自动再试", "cannot_open": "用本节点的密钥打不开",
    "malformed": "内容不合规", "revoked_key": "签名的密钥已撤销",
}  # fmt: skip
_MEMBERSHIP = {
    "none": "还没有申请入网", "asked": "已申请，等枢纽核对", "joining": "已同意，等枢纽回访", "active": "已入网", "leaving": "正在退出",
    "suspended": "已被暂停", "gone": "已退出",
}  # fmt: skip
_TRUST = {"fresh": "有效", "stale": "已过期，只认原有的节点和密钥", "expired": "过期超过 30 天，只能办本地的事"}


def why(reason: str, error: str | None) -> str:
    """Why a letter waits, in a sentence (为什么停放): the words of the room that could not take it, where it has some."""
    stuck = next((one.words for one in LetterStuck.__subclasses__() if one.code == error), "")
    return stuck or REASONS.get(reason, reason)


class Waiting(msgspec.Struct, frozen=True):
    """A parked letter with its reason in a sentence."""

    letter: Parked
    reason: str


class Figure(msgspec.Struct, frozen=True):
    value: str
    label: str


class NodesPage(msgspec.Struct, frozen=True, kw_only=True):
    """What /staff/nodes draws."""

    title: str
    nodes: tuple[NodeRow, ...]
    figures: tuple[Figure, ...]
    alarms: tuple[Alarm, ...]
    waiting: tuple[Waiting, ...]
    outbox: Outbox
    membership: str
    digits: tuple[str, ...]
    directory: str
    trust: str
    changes: tuple[str, ...]
    enrolments: tuple[Enrolment, ...]
    is_hub: bool
    may_operate: bool
    may_enrol: bool
    may_trust: bool
    errors: Refusals = ()
    heading: str = "节点互联"
    recovering: bool = False
    breaks: tuple[Break, ...] = ()
    recoveries: tuple[Recovery, ...] = ()
    to_settle: tuple[Settling, ...] = ()
    to_return: tuple[tuple[str, int], ...] = ()
    proposals: tuple[Asked, ...] = ()
    invitations: tuple[Expected, ...] = ()
    revoked: tuple[Revoked, ...] = ()
    status_options: tuple[dict[str, str], ...] = ()
    whys: dict[str, str] = {}
    state_words: dict[str, str] = {}
    may_revoke: bool = False
    retention: str = ""


class Settling(msgspec.Struct, frozen=True):
    """A letter that came home and needs a person, with words for its state."""

    letter: ComeHome
    state: str


class Asked(msgspec.Struct, frozen=True):
    """A proposal in words; `own`: asked by whoever looks."""

    proposal: Proposal
    words: str
    own: bool
    may: bool


class LetterPage(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of one letter draws: its head and what became of it."""

    title: str
    letter: LetterView
    reason: str
    may_operate: bool
    may_confirm: bool
    errors: Refusals = ()
    back: str = "/staff/nodes"


class InvitedPage(msgspec.Struct, frozen=True, kw_only=True):
    """The code, shown this once."""

    title: str
    invitation: Invitation
    back: str = "/staff/nodes"


ROUTES = (
    ui.Route("/staff/nodes", "/staff/nodes", who=("staff",)),
    ui.Route("/staff/nodes/letters/{letter_id:str}", who=("staff",), fixture="a parked letter"),
)


HOME_STATES = {"conflict": "和现在的记录对不上", "by_hand": "这类事要人核对后补办", "waiting": "等别的信到了自动补"}
STATE_WORDS = {
    "kept": "等着补回", "known": "本来就有", "reinstated": "已补回", "resent": "只需重发", "waiting": "等别的信", "conflict": "对不上",
    "by_hand": "要人补办", "settled": "已处理",
}  # fmt: skip
WHYS = {"operator": "操作员报告恢复过", "database": "数据库换过或退回过", "diverged": "别的节点持有本节点没有的信"}
_PROPOSED = {"revoke_key": "撤销密钥 {about}", "node_status": "把节点 {about} 改为“{value}”", "open_doors": "不等其余节点，结束恢复", "load_snapshot": "从 {about} 的快照接着读"}
_STATUS_WORDS = {"active": "正常", "suspended": "暂停", "leaving": "正在退出", "gone": "已退出"}


def _asked(node: Node, actor: Actor, one: Proposal) -> Asked:
    words = _PROPOSED[one.kind].format(about=one.about, value=_STATUS_WORDS.get(one.value, one.value))
    return Asked(one, words, one.asked_by == actor.staff_id, actor.may(officers.ROLES[one.kind], division=area(node)))


async def _mending(tx: Tx, node: Node, actor: Actor, page: NodesPage) -> NodesPage:
    """The page with what is broken, what is being mended and what waits for a second officer."""
    found = await office(node).look(node)
    cleaned = await last_retention(tx, NAME)
    return msgspec.structs.replace(
        page, recovering=page.outbox.stopped in RECOVERS, breaks=tuple(await breaks(tx)), recoveries=tuple(await recoveries(tx)),
        to_settle=tuple(Settling(one, HOME_STATES[one.state]) for one in await to_settle(tx)),
        to_return=tuple((await to_return(tx)).items()), proposals=tuple(_asked(node, actor, one) for one in await proposals(tx)),
        invitations=tuple(await expected(tx, node.clock.ms())) if page.is_hub else (), revoked=found.revoked if found else (),
        status_options=tuple({"value": value, "label": label} for value, label in _STATUS_WORDS.items()), whys=WHYS,
        state_words=STATE_WORDS, may_revoke=actor.may("federation.revoke", division=area(node)),
        retention=f"清掉 {sum(cleaned[1].values())} 项" if cleaned else "",
    )  # fmt: skip


async def _nodes_page(tx: Tx, node: Node, actor: Actor, errors: Refusals = ()) -> NodesPage:
    found = await office(node).look(node)
    rows = await node_rows(tx, node)
    waiting, mine = await parked(tx), await outbox(tx)
    connected = sum(1 for row in rows if row.tone != "bad")
    figures = (
        Figure(f"{len(rows)} 个，{connected} 个正常", "节点"),
        Figure(f"{max((row.behind for row in rows), default=0)} 封", "最多落后"),
        Figure(f"{sum(row.parked for row in rows)} 封", "停放的信"),
        Figure(f"{mine.unstamped} 封", "等着发出"),
        Figure(str(found.version) if found else "没有", "目录版本"),
    )
    return NodesPage(
        title="节点互联", nodes=tuple(rows), figures=figures, alarms=tuple(await alarms(tx)),
        waiting=tuple(Waiting(one, why(one.reason, one.error)) for one in waiting), outbox=mine,
        membership=_MEMBERSHIP[await own_status(tx, node.id)], digits=(await own_digits(tx) or ()) if found is None else (),
        directory=str(found.version) if found else "", trust=_TRUST[rules.freshness(found, node.clock.ms())] if found else "",
        changes=tuple(await directory_changes(tx)), enrolments=tuple(await enrolments(tx, status="pending")),
        is_hub=node.id == node.settings.hub, may_operate=actor.may("federation.operate", division=area(node)),
        may_enrol=actor.may("federation.enrol", division=area(node)), may_trust=actor.may("federation.trust", division=area(node)),
        errors=errors,
    )  # fmt: skip


async def shown(request: _Ask, node: Node, actor: Actor, errors: Refusals = ()) -> Response[bytes]:
    """The whole page, with what was wrong in the form that was sent (整页)."""
    actor.require_may("federation.see", division=area(node))
    async with node.db.reading() as tx:
        page = await _mending(tx, node, actor, await _nodes_page(tx, node, actor, errors))
    return ui.page(request, "federation/nodes.html", page, status=422 if errors else 200)


@get("/staff/nodes")
async def nodes(request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """节点互联: one row a node, red first; below what waits and what a person must decide."""
    actor.require_may("federation.see", division=area(node))
    return await shown(request, node, actor)


@get("/staff/nodes/letters/{letter_id:str}")
async def letter(
    request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor], letter_id: FromPath[str]
) -> Response[bytes]:
    """One letter: head, place in the chain, what became of it. Bodies are not shown here."""
    actor.require_may("federation.see", division=area(node))
    return await _letter(request, node, actor, letter_id)


async def _letter(request: _Ask, node: Node, actor: Actor, letter_id: str, errors: Refusals = ()) -> Response[bytes]:
    async with node.db.reading() as tx:
        found = await letter_view(tx, letter_id)
    if found is None:
        raise NotFound("没有找到这封信")
    may = actor.may("federation.operate", division=area(node))
    page = LetterPage(
        title=f"{found.origin} 第 {found.seq} 封信", letter=found, reason=why(found.reason, found.error), may_operate=may,
        may_confirm=may and found.asked_by not in {"", actor.staff_id}, errors=errors,
    )  # fmt: skip
    return ui.page(request, "federation/letter.html", page, status=422 if errors else 200)


@post("/staff/nodes/replay")
async def replay(request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """重试: every parked letter now, lowest of each thread first."""
    await ui.form(request)
    actor.require_may("federation.operate", division=area(node))
    await park.replay(node, asked=True)
    return ui.see_other("/staff/nodes")


@post("/staff/nodes/letters/{letter_id:str}/aside")
async def aside(
    request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor], letter_id: FromPath[str]
) -> Response[bytes]:
    """搁置: the first person asks with a reason, the second confirms."""
    form = await ui.form(request)
    actor.require_may("federation.operate", division=area(node))
    async with node.db.transaction() as tx:
        if form["step"] == "confirm":
            refusal = await park.confirm_set_aside(tx, node, actor, letter_id)
        else:
            refusal = await park.ask_to_set_aside(tx, node, actor, letter_id, form["reason"])
    if refusal is not None:
        return await _letter(request, node, actor, letter_id, (refusal,))
    return ui.see_other(f"/staff/nodes/letters/{letter_id}")


@post("/staff/nodes/resume")
async def resume(request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """恢复收信: take letters of a stopped origin again, after a person has looked."""
    form = await ui.form(request)
    actor.require_may("federation.operate", division=area(node))
    async with node.db.transaction() as tx:
        await receive.resume(tx, node, form["origin"])
    return ui.see_other("/staff/nodes")


@post("/staff/nodes/alarm")
async def alarm(request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """处理告警."""
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        await resolve_alarm(tx, node, actor, form["id"])
    return ui.see_other("/staff/nodes")


@post("/staff/nodes/trust")
async def trust(request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """确认密钥: an operator compared the fingerprint by telephone."""
    form = await ui.form(request)
    actor.require_may("federation.trust", division=area(node))
    fingerprint = form["fingerprint"].strip()
    if not fingerprint.startswith("sm3:") or len(fingerprint) != 47:
        return await shown(
            request,
            node,
            actor,
            (Refusal("federation.fingerprint", "指纹以 sm3: 开头，一共 47 个字符，请照原样抄", "fingerprint"),),
        )
    async with node.db.transaction() as tx:
        await directory_actions.trust(tx, node, actor, form["node"].strip(), fingerprint)
        await directory_actions.look_again(tx, node)
    return ui.see_other("/staff/nodes")


@post("/staff/nodes/invite")
async def invite(request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor]) -> Response[bytes]:
    """邀请入网: the code and the root's fingerprint are shown this once."""
    form = await ui.form(request)
    actor.require_may("federation.enrol", division=area(node))
    refusals = _invitation_refusals(form)
    if refusals:
        return await shown(request, node, actor, refusals)
    invited = Invited(
        node=form["node"].strip(), name=form["name"].strip(), role="ministry" if form["role"] == "ministry" else "province",
        divisions=tuple(form["divisions"].split()), organisation=form["organisation"].strip(),
    )  # fmt: skip
    async with node.db.transaction() as tx:
        invitation = await enrol.invite(tx, node, actor, invited)
    return ui.page(request, "federation/invited.html", InvitedPage(title="邀请码，只显示这一次", invitation=invitation))


def _invitation_refusals(form: ui.Form) -> Refusals:
    found: list[Refusal] = []
    if not (form["node"].strip().isascii() and form["node"].strip().isalnum() and 2 <= len(form["node"].strip()) <= 16):
        found.append(Refusal("federation.node_id", "节点编号用 2 到 16 个小写字母或数字，比如 510000", "node"))
    if not form["name"].strip():
        found.append(Refusal("federation.node_name", "请填节点名称，比如 四川省", "name"))
    if len(form["organisation"].strip()) != 18:
        found.append(Refusal("federation.organisation", "统一社会信用代码是 18 位，请核对", "organisation"))
    return tuple(found)


@post("/staff/nodes/enrolments/{enrolment_id:str}")
async def decide(
    request: _Ask, node: NamedDependency[Node], actor: NamedDependency[Actor], enrolment_id: FromPath[str]
) -> Response[bytes]:
    """同意或不同意入网: the second officer, after comparing the digits by telephone."""
    form = await ui.form(request)
    actor.require_may("federation.enrol", division=area(node))
    async with node.db.transaction() as tx:
        if form["decision"] == "approve":
            await enrol.approve(tx, node, actor, enrolment_id)
        else:
            await enrol.refuse(tx, node, actor, enrolment_id, form["reason"] or "未说明")
    return ui.see_other("/staff/nodes")


routes: list[Any] = [nodes, letter, replay, aside, resume, alarm, trust, invite, decide]
