"""Notices to staff 给工作人员的通知: written in the transaction of what they tell, so nobody is told late or of nothing."""

from __future__ import annotations

from datetime import timedelta

from tongban.identity.queries import staff
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

QUIET = timedelta(hours=1)


async def tell(tx: Tx, node: Node, to: str, *, kind: str, words: str, link: str = "") -> None:
    """One notice to one member of staff 通知一位同事; no citizen in the words."""
    await tx.execute(
        "INSERT INTO staff_notice (staff, id, kind, words, link, at) VALUES ($1, $2, $3, $4, $5, $6)",
        to, uuid7(), kind, words, link, node.clock.now(),
    )  # fmt: skip


async def tell_holders(
    tx: Tx, node: Node, *, action: str, division: str, kind: str, words: str, link: str = "", org: str = "", besides: tuple[str, ...] = ()
) -> int:
    """The notice to everybody who may do `action` there, but for some 通知有这项权限的人; how many were told."""
    found = [one for one in await staff.staff_of_role(tx, node, action, division=division, org=org) if one.subject not in besides]
    for one in found:
        await tell(tx, node, one.subject, kind=kind, words=words, link=link)
    return len(found)


async def alert(node: Node, actor: Actor, kind: str, words: str) -> None:
    """Tell the security officers 报警, in a transaction of its own: what was refused is undone, the alert stays.

    Each is a row of the auditors' register; again within an hour for the same clerk and kind nobody is told twice.
    """
    log("identity.staff_alert", kind=kind, node=node.id)
    async with node.db.transaction() as tx:
        await put_alert(tx, node, actor, kind, words)


async def put_alert(tx: Tx, node: Node, actor: Actor, kind: str, words: str) -> None:
    """As `alert`, in the caller's transaction."""
    member = await staff.staff_member(tx, node, actor.subject)
    division = member.division if member else _whole(node)
    await tx.execute(
        "INSERT INTO staff_alert (id, staff, unit, division, kind, at) VALUES ($1, $2, $3, $4, $5, $6)",
        uuid7(), actor.subject, actor.unit, division, kind, node.clock.now(),
    )  # fmt: skip
    said = f"{words}：{actor.unit or '工作人员'}，工号 {actor.staff_id}"
    if await tx.fetchval(
        "SELECT 1 FROM staff_notice WHERE kind = $1 AND words = $2 AND at > $3 LIMIT 1", "alert." + kind, said, node.clock.now() - QUIET
    ):
        return
    await tell_holders(
        tx, node, action="identity.alerts", division=division, kind="alert." + kind, words=said, link="/staff/proposals", besides=(actor.subject,)
    )


async def tell_alert(tx: Tx, node: Node, kind: str, words: str, link: str) -> None:
    """Tell the security officers of the whole node of something no member of staff did 提醒安全员."""
    await tell_holders(tx, node, action="identity.alerts", division=_whole(node), kind="alert." + kind, words=words, link=link)


def _whole(node: Node) -> str:
    return (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")
