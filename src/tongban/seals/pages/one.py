"""一枚印章: what it is, who keeps it, what was sealed with it, what happened to it, and what can be done now."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Response

from tongban import ui
from tongban.kernel.actor import Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.errors import NotFound, Refusal, Refusals
from tongban.kernel.node import Node
from tongban.seals import actions, queries
from tongban.seals.actions.custody import keepers
from tongban.seals.model import Act, HandOver, Seal, SealUse, UseRequest
from tongban.seals.pages.lists import sees
from tongban.seals.rules.rights import allowed_for, require_for

ACTS = {
    "applied": "提出申请", "approved": "审核同意", "refused": "审核不同意", "made": "制成", "offered": "提出交接", "agreed": "同意移交",
    "accepted": "接收保管", "declined": "没有交接", "suspended": "停用", "resumed": "恢复", "lost": "报失", "revoked": "注销", "expired": "到期",
}  # fmt: skip


class SealPage(msgspec.Struct, frozen=True):
    """What /staff/seals/{id} draws."""

    title: str
    seal: Seal
    uses: tuple[SealUse, ...]
    custody: tuple[HandOver, ...]
    acts: tuple[Act, ...]
    requests: tuple[UseRequest, ...]
    keepers: tuple[ui.Option, ...]
    waiting: HandOver | None
    may: frozenset[str]
    words: str = ""
    errors: Refusals = ()
    back: str = "/staff/seals"


def _mays(node: Node, actor: Actor, found: Seal, waiting: HandOver | None) -> frozenset[str]:
    """What this officer can do with this seal now (现在能办的)."""
    me, org = actor.staff_id, found.org_code
    keeps = allowed_for(node, actor, "seals.keep", org)
    mine = keeps and found.keeper == me
    suspends, revokes = allowed_for(node, actor, "seals.suspend", org), allowed_for(node, actor, "seals.revoke", org)
    uses = allowed_for(node, actor, "seals.use", org)
    may = {
        "suspend": found.state == "active" and (mine or suspends),
        "resume": found.state == "suspended" and suspends and found.suspended_by != me,
        "lose": found.state != "revoked" and (mine or revokes),
        "revoke": found.state != "revoked" and revokes,
        "use": found.state == "active" and uses and (found.two_persons or found.keeper == me),
        "hand_over": found.state != "revoked" and waiting is None
        and (mine or (not found.keeper and allowed_for(node, actor, "seals.make", org))),
        "accept": waiting is not None and waiting.state == "offered" and waiting.keeper == me and keeps,
        "decline": waiting is not None and me in {waiting.keeper, waiting.giver},
        "agree": waiting is not None and waiting.state == "to_review" and me not in {waiting.keeper, waiting.giver}
        and allowed_for(node, actor, "seals.review", org),
    }  # fmt: skip
    return frozenset(name for name, allowed in may.items() if allowed)


async def _one(
    request: Request[Any, Any, Any], node: Node, actor: Actor, seal_id: str, errors: Refusals = ()
) -> Response[Any]:
    words = request.query_params.get("q", "").strip()[:60]
    async with node.db.reading() as tx:
        found = await queries.seal(tx, seal_id)
        if found is None or not allowed_for(node, actor, "seals.see", found.org_code):
            raise NotFound("没有这枚印章")
        used, kept = await queries.uses(tx, seal_id, words=words), await queries.custody(tx, seal_id)
        acts, asked = await queries.acts(tx, seal_id), await queries.use_requests(tx, seal_id)
        able = await keepers(tx, node, found.org_code)
    waiting = next((one for one in kept if one.state in {"to_review", "offered"}), None)
    # they are of this node: its id says nothing more
    used = tuple(msgspec.structs.replace(one, officer=one.officer.partition("@")[0]) for one in used)
    options = tuple(ui.Option(one.staff_no, f"{one.staff_no} {one.unit}") for one in able if one.staff_no != actor.staff_id)
    told = tuple(msgspec.structs.replace(one, act=ACTS.get(one.act, one.act)) for one in acts)
    page = SealPage(
        found.name, found, used, kept, told, asked, options, waiting, _mays(node, actor, found, waiting), words, errors
    )
    return ui.page(request, "seals/seal.html", page, status=422 if errors else 200)


@get("/staff/seals/{seal_id:uuid}")
async def one_seal(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], seal_id: FromPath[UUID]
) -> Response[Any]:
    """一枚印章 and all that is known of it."""
    sees(actor)
    return await _one(request, node, actor, str(seal_id))


@get("/staff/seals/{seal_id:uuid}/picture.png")
async def picture(
    node: NamedDependency[Node], actor: NamedDependency[Actor], seal_id: FromPath[UUID]
) -> Response[bytes]:
    """The picture of a seal."""
    sees(actor)
    async with node.db.reading() as tx:
        found = await queries.seal(tx, str(seal_id))
    if found is None or not allowed_for(node, actor, "seals.see", found.org_code):
        raise NotFound("没有这枚印章")
    return Response(found.picture, media_type="image/png")


@post("/staff/seals/{seal_id:uuid}/stand")
async def stand(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], seal_id: FromPath[UUID]
) -> Response[Any]:
    """停用、恢复、报失: a reason each; a loss also says since when."""
    sees(actor)
    form = await ui.form(request)
    act, reason, wrong = form["act"], form["why"].strip(), []
    if len(reason) < 4:
        wrong.append(Refusal("seals.why", "写清理由，至少 4 个字", "why"))
    since = _moment(form["since"]) if act == "lose" else None
    if act == "lose" and since is None:
        wrong.append(Refusal("seals.since", "写上最后一次确定印章在手的时间，像 2026-11-18 09:30", "since"))
    if wrong:
        return await _one(request, node, actor, str(seal_id), tuple(wrong))
    async with node.db.transaction() as tx:
        if act == "lose" and since is not None:
            await actions.lose(tx, node, actor, str(seal_id), since, reason)
        elif act == "resume":
            await actions.resume(tx, node, actor, str(seal_id), reason)
        else:
            await actions.suspend(tx, node, actor, str(seal_id), reason)
    return ui.see_other(f"/staff/seals/{seal_id}")


@post("/staff/seals/{seal_id:uuid}/revoke")
async def revoke(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], seal_id: FromPath[UUID]
) -> Response[Any]:
    """注销: from now on nothing can be sealed with it, and everywhere later sealing is refused."""
    sees(actor)
    form = await ui.form(request)
    async with node.db.reading() as tx:
        found = await queries.seal(tx, str(seal_id))
    if found is None:
        raise NotFound("没有这枚印章")
    require_for(node, actor, "seals.revoke", found.org_code)
    if len(form["reason"]) < 4:
        return await _one(
            request, node, actor, str(seal_id), (Refusal("seals.reason", "写清注销的理由，至少 4 个字", "reason"),)
        )
    async with node.db.transaction() as tx:
        await actions.revoke_seal(tx, node, actor, str(seal_id), form["reason"])
    return ui.see_other(f"/staff/seals/{seal_id}")


@post("/staff/seals/{seal_id:uuid}/hand-over")
async def give(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], seal_id: FromPath[UUID]
) -> Response[Any]:
    """交接: to whom and why."""
    sees(actor)
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        done = await actions.hand_over(tx, node, actor, str(seal_id), form["keeper"], form["cause"])
    if isinstance(done, tuple):
        return await _one(request, node, actor, str(seal_id), done)
    return ui.see_other(f"/staff/seals/{seal_id}")


@post("/staff/seals/{seal_id:uuid}/hand-over/{hand_over_id:uuid}")
async def answer(
    request: Request[Any, Any, Any], node: NamedDependency[Node], actor: NamedDependency[Actor], seal_id: FromPath[UUID],
    hand_over_id: FromPath[UUID],
) -> Response[Any]:  # fmt: skip
    """接收、不接、同意移交."""
    sees(actor)
    form = await ui.form(request)
    async with node.db.transaction() as tx:
        if form["act"] == "accept":
            await actions.accept(tx, node, actor, str(seal_id), str(hand_over_id), form["digest"])
        elif form["act"] == "agree":
            await actions.agree(tx, node, actor, str(seal_id), str(hand_over_id), form["digest"])
        else:
            await actions.decline(tx, node, actor, str(seal_id), str(hand_over_id))
    return ui.see_other(f"/staff/seals/{seal_id}")


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text.strip().replace("T", " ")[:16], "%Y-%m-%d %H:%M").replace(tzinfo=CHINA)
    except ValueError:
        return None


routes = [one_seal, picture, stand, revoke, give, answer]
