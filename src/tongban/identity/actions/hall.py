"""A mandate made at a hall 大厅当面授权: a clerk has both persons and both documents there, so it begins at once (identity.md 2)."""

from __future__ import annotations

from tongban.identity.actions import mandates
from tongban.identity.actions.mandates import Agent, Wanted
from tongban.identity.actions.reasons import open_visit
from tongban.identity.errors import failure, refusal
from tongban.identity.rules import mandates as rules
from tongban.identity.rules.mandates import Mandate
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusals
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node


async def grant_at_hall(
    tx: Tx, node: Node, clerk: Actor, grantor: Agent, agent: Agent, wanted: Wanted, *, names: dict[str, str]
) -> Mandate | Refusals:
    """A clerk saw both persons and their documents 大厅当面授权: good at once, no waiting; both readings go to the ledger.

    Raises NotAllowed without `identity.hall_mandate`.
    """
    clerk.require_staff()
    if not holds(clerk, "identity.hall_mandate"):
        raise NotAllowed
    found = mandates.judge(wanted, kind="person", names=names)
    if not mandates.is_granted(found):
        return found  # type: ignore[return-value]
    items, version = found
    if agent.subject == grantor.subject:
        return (refusal("identity.agent_self", "number"),)
    for one in (grantor, agent):
        if clerk.own_or_family(one.subject):
            raise failure("identity.own_case")
        if await tx.fetchval("SELECT true FROM person WHERE subject = $1 AND name IS NOT NULL", one.subject):
            visit = await open_visit(tx, node, clerk, one.number.reveal(), one.name.reveal())
            if isinstance(visit, tuple):
                return visit
    now = node.clock.now()
    made = await mandates.put(tx, node, {
        "id": uuid7(), "grantor": grantor.subject, "agent": agent.subject, "basis": "hall", "items": items,
        "set_name": wanted.set_name if version else "", "set_version": version, "acts": mandates.ordered(wanted.acts), "from_at": now,
        "until_at": rules.longest("hall", now, wanted.days), "wait_until": None, "granted_acr": 4, "granted_by_subject": "",
        "granted_staff": clerk.staff_id, "granted_node": node.id, "agent_node": agent.home, "state": "active", "offered_until": now,
        "accepted_at": now, "grantor_name": grantor.name, "agent_name": agent.name,
    })  # fmt: skip
    if agent.home == node.id:
        await mandates.look_at_agent(tx, node, agent.subject)
    else:
        await mandates.letter_to(tx, node, agent.home, made, "mandate.offered", mandates.body_of(made, ""))
    await mandates.tell(tx, node, grantor.subject, made, "mandate.granted", "办好了一份代办", f"{agent.name.reveal()}可以替你办事了。不想让办了，随时停。")
    return made
