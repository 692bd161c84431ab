"""Who keeps a seal (保管、交接): handed over by one and accepted by the other, each an act with a leaf.

To another unit (移交) a third officer agrees before it is offered. The hand-over is pinned by its digest: what is accepted
is what was offered.
"""

from __future__ import annotations

from tongban import identity
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusal, Refusals
from tongban.kernel.gm import digest, jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.seals.actions.noted import noted, officer
from tongban.seals.errors import Changed, FourEyes, Over, SealGone
from tongban.seals.model import HandOver, Seal
from tongban.seals.queries import hand_over_of
from tongban.seals.queries import seal as find_seal
from tongban.seals.rules.rights import allowed_for, area, require_for


async def keepers(tx: Tx, node: Node, org_code: str) -> tuple[identity.StaffMember, ...]:
    """Who may keep a seal of that department (可以保管的人)."""
    return tuple(await identity.staff_of_role(tx, node, "seals.keep", division=area(node), org=org_code))


async def hand_over(tx: Tx, node: Node, actor: Actor, seal_id: str, keeper: str, reason: str) -> HandOver | Refusals:
    """The keeper hands the seal to the next one (交接、移交). A seal nobody keeps is handed over by who may make seals.

    Raises NotAllowed for anybody else, SealGone when the seal has ended.
    """
    found = await _locked(tx, seal_id)
    if found.keeper:
        require_for(node, actor, "seals.keep", found.org_code)
        if found.keeper != officer(actor):
            raise NotAllowed
    else:
        require_for(node, actor, "seals.make", found.org_code)
    wrong = []
    if keeper == officer(actor):
        wrong.append(Refusal("seals.keeper", "不能交给自己", "keeper"))
    if keeper not in {one.staff_no for one in await keepers(tx, node, found.org_code)}:
        wrong.append(Refusal("seals.keeper", "选一位能保管印章的同事", "keeper"))
    if len(reason.strip()) < 4:
        wrong.append(Refusal("seals.cause", "写清为什么交接，至少 4 个字", "cause"))
    if await tx.fetchval("SELECT 1 FROM seal_custody WHERE seal_id = $1 AND state IN ('to_review', 'offered')", seal_id):
        wrong.append(Refusal("seals.handing_over", "已经有一次交接在等对方接收", "keeper"))
    if wrong:
        return tuple(wrong)
    return await offer(tx, node, actor, found, keeper, reason.strip())


async def offer(tx: Tx, node: Node, actor: Actor, found: Seal, keeper: str, reason: str) -> HandOver:
    """Put the hand-over before its receiver, or before a third officer when it goes to another unit (提出交接)."""
    members = {one.staff_no: one for one in await keepers(tx, node, found.org_code)}
    unit = members[keeper].unit if keeper in members else ""
    between = bool(found.keeper) and unit != actor.unit
    made, giver = uuid7(), officer(actor)
    pinned = _digest(made, found.id, giver, keeper, unit, reason)
    await tx.execute(
        "INSERT INTO seal_custody (seal_id, id, giver, keeper, keeper_unit, reason, between_units, digest, state, offered_at) "
        "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)",
        found.id, made, giver, keeper, unit, reason, between, pinned, "to_review" if between else "offered", node.clock.now(),
    )  # fmt: skip
    await noted(tx, node, actor, found.id, "offered", reason, digest=pinned, to=keeper)
    return _there(await hand_over_of(tx, found.id, made))


async def agree(tx: Tx, node: Node, actor: Actor, seal_id: str, hand_over_id: str, seen: str) -> HandOver:
    """A third officer agrees to a transfer to another unit (移交审核). Raises NotAllowed, FourEyes, Changed, Over."""
    found, one = await _open(tx, seal_id, hand_over_id, seen, "to_review")
    require_for(node, actor, "seals.review", found.org_code)
    if officer(actor) in {one.giver, one.keeper}:
        raise FourEyes("移交要由交和接以外的第三个人审核")
    await tx.execute(
        "UPDATE seal_custody SET state = 'offered', reviewed_by = $3, reviewed_at = $4 WHERE seal_id = $1 AND id = $2",
        seal_id, hand_over_id, officer(actor), node.clock.now(),
    )  # fmt: skip
    await noted(tx, node, actor, seal_id, "agreed", digest=one.digest)
    return _there(await hand_over_of(tx, seal_id, hand_over_id))


async def accept(tx: Tx, node: Node, actor: Actor, seal_id: str, hand_over_id: str, seen: str) -> HandOver:
    """The receiver takes the seal into custody (接收): from now on nobody else keeps it. Raises NotAllowed, Changed, Over."""
    found, one = await _open(tx, seal_id, hand_over_id, seen, "offered")
    if officer(actor) != one.keeper or not allowed_for(node, actor, "seals.keep", found.org_code):
        raise NotAllowed
    now = node.clock.now()
    await tx.execute("UPDATE seal_custody SET state = 'ended', ended_at = $2 WHERE seal_id = $1 AND state = 'held'", seal_id, now)
    await tx.execute(
        "UPDATE seal_custody SET state = 'held', accepted_at = $3 WHERE seal_id = $1 AND id = $2", seal_id, hand_over_id, now
    )
    await tx.execute("UPDATE seal SET keeper = $3 WHERE org_code = $1 AND id = $2", found.org_code, seal_id, one.keeper)
    await noted(tx, node, actor, seal_id, "accepted", digest=one.digest)
    return _there(await hand_over_of(tx, seal_id, hand_over_id))


async def decline(tx: Tx, node: Node, actor: Actor, seal_id: str, hand_over_id: str) -> HandOver:
    """The receiver declines, or the giver takes it back (不接、收回): the seal stays where it was. Raises NotAllowed, Over."""
    _, one = await _open(tx, seal_id, hand_over_id, None, "to_review", "offered")
    actor.require_staff()
    if officer(actor) not in {one.giver, one.keeper}:
        raise NotAllowed
    await tx.execute(
        "UPDATE seal_custody SET state = 'declined', ended_at = $3 WHERE seal_id = $1 AND id = $2", seal_id, hand_over_id, node.clock.now()
    )
    await noted(tx, node, actor, seal_id, "declined", digest=one.digest)
    return _there(await hand_over_of(tx, seal_id, hand_over_id))


async def _open(tx: Tx, seal_id: str, hand_over_id: str, seen: str | None, *states: str) -> tuple[Seal, HandOver]:
    found = await _locked(tx, seal_id)
    one = await hand_over_of(tx, seal_id, hand_over_id)
    if one is None or one.state not in states:
        raise Over
    mark = _digest(one.id, seal_id, one.giver, one.keeper, one.keeper_unit, one.reason)
    if one.digest != mark or (seen is not None and seen != mark):
        raise Changed
    return found, one


async def _locked(tx: Tx, seal_id: str) -> Seal:
    await tx.execute("SELECT 1 FROM seal WHERE id = $1 FOR UPDATE", seal_id)
    found = await find_seal(tx, seal_id)
    if found is None or found.state == "revoked":
        raise SealGone
    return found


def _digest(*parts: str) -> str:
    return digest(jcs([str(one) for one in parts]))


def _there(found: HandOver | None) -> HandOver:
    assert found is not None
    return found
