"""Mandates at a hall 大厅当面授权: made with both persons and both documents there, so it begins at once; stopped for whoever gave one.

Source: identity.md 2; T-85: who has no phone of their own stops it at a counter.
"""

from __future__ import annotations

import msgspec

from tongban import federation
from tongban.identity.actions import mandates, texting
from tongban.identity.actions.mandates import Agent, Wanted
from tongban.identity.actions.reasons import open_visit, present
from tongban.identity.actions.subjects import statement_of
from tongban.identity.errors import failure, refusal
from tongban.identity.queries import mandates as queries
from tongban.identity.rules import mandates as rules
from tongban.identity.rules import typed
from tongban.identity.rules.home import short_name
from tongban.identity.rules.mandates import Mandate
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import BY_LAW, Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusals
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node


async def grant_at_hall(
    tx: Tx, node: Node, clerk: Actor, grantor: Agent, agent: Agent, wanted: Wanted, *, names: dict[str, str]
) -> Mandate | Refusals:
    """A clerk saw both persons and their documents 大厅当面授权: good at once, no waiting; both readings go to the ledger.

    Only at a hall of the grantor's own home: that is whose word other nodes believe, and where the grantor hears of every act.
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
    if grantor.home != node.id:
        listed = (await federation.directory(tx)).node(grantor.home)
        return (refusal("identity.hall_elsewhere", "grantor_number", place=short_name(listed.name) if listed else grantor.home),)
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
        proof = await statement_of(tx, node, grantor.subject)
        await mandates.letter_to(tx, node, agent.home, made, "mandate.offered", mandates.body_of(made, proof or ""))
    await texting.text_account(
        tx, node, grantor.subject, f"【{node.settings.name}】窗口当面办好了一份代办授权，代办人现在就能替你办事。{texting.stop_words(node, made.id)}"
    )
    await mandates.tell(tx, node, grantor.subject, made, "mandate.granted", "办好了一份代办", f"{agent.name.reveal()}可以替你办事了。不想让办了，随时停。")
    return made


class Given(msgspec.Struct, frozen=True):
    """What somebody at the counter gave and could stop 这个人给出的授权."""

    mandates: tuple[Mandate, ...]


async def given_at_hall(tx: Tx, node: Node, clerk: Actor, name: str, number: str) -> Given | Refusals:
    """A clerk has the person and the document there and looks for what this person gave 窗口查授权; the reading goes to the ledger.

    Raises NotAllowed without `identity.hall_mandate`, Failure `identity.own_case`.
    """
    clerk.require_staff()
    if not holds(clerk, "identity.hall_mandate"):
        raise NotAllowed
    visit = await open_visit(tx, node, clerk, typed.normal(number), typed.normal_name(name))
    if isinstance(visit, tuple):
        return visit
    found = await queries.given(tx, node, visit.subject)
    return Given(tuple(one for one in found if one.state in rules.RUNNING and one.basis not in BY_LAW))


async def stop_at_hall(tx: Tx, node: Node, clerk: Actor, mandate_id: str) -> Mandate:
    """The person at this clerk's counter stops a mandate 窗口停止授权: at once, as if by the own hand, and told on every channel held.

    Raises NotAllowed, Failure `identity.mandate_gone` for whoever is not there or did not give it.
    """
    clerk.require_staff()
    if not holds(clerk, "identity.hall_mandate"):
        raise NotAllowed
    found = await queries.by_id(tx, node, mandate_id, lock=True)
    person = None if found is None else await present(tx, node, found.grantor, clerk.subject)
    if found is None or person is None:
        raise failure("identity.mandate_gone")
    await mandates.stop(tx, node, person, mandate_id)
    await texting.text_account(
        tx, node, found.grantor, f"【{node.settings.name}】你在窗口停掉了一份代办授权，马上管用。不是你本人停的，登录后可以再授权，或者打 12345。"
    )
    await mandates.tell(
        tx, node, found.grantor, found, "mandate.stopped", "停掉了一份代办", f"在窗口停的，{found.agent_name.reveal()}不能再替你办事。不是你本人停的，打 12345。"
    )
    return found
