"""Builders for tests of mandates at one node: invented people with accounts, mandates given and taken, what was told.

    elder, helper = await someone(node, "刘建国"), await someone(node, "陈晓雨")
    made = await taken(node, elder, helper)
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tongban import federation, identity, notifications
from tongban.identity.actions import mandates
from tongban.identity.actions.mandates import Agent, Wanted
from tongban.identity.actions.set_up import people
from tongban.identity.actions.subjects import put_person
from tongban.identity.letters import mandates as letters
from tongban.identity.providers.register import subject_of
from tongban.identity.providers.sms import demo_messages
from tongban.identity.queries.persons import phone_index
from tongban.identity.rules.roles import assignment
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Failure
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7

ITEM = "12500000DEM00003002002099903000"
NAMES = {ITEM: "异地就医备案"}
WANTED = Wanted(items=(ITEM,), acts=("view", "draft", "submit", "receive"), days=30)
SUBMIT = identity.Deed(act="submit", item=ITEM, audience=frozenset({"person"}), level=2)
CLERK = Actor(kind="staff", subject="s1", staff_id="YZ-DT-01", unit="大厅", assignments=(assignment("hall_clerk", "500103"),))


async def someone(node, name, *, acr=3):
    """An invented person with an account at this node; who they are."""
    one = next(one for one in people().citizens if one.name == name)
    subject = subject_of(node, "111", one.number)
    async with node.db.transaction() as tx:
        await put_person(tx, node, subject, home=node.id, proof=3, name=one.name, number=one.number, photo_held=True, matched=True)
        await tx.execute(
            "INSERT INTO account (subject, id, proof, proof_method, proof_at, opened_at) VALUES ($1, $2, 3, 'face', $3, $3) ON CONFLICT DO NOTHING",
            subject, uuid7(), node.clock.now(),
        )  # fmt: skip
        await tx.execute("UPDATE register_entry SET home = $2 WHERE subject = $1", subject, node.id)
    return Actor(kind="citizen", subject=subject, acr=acr, sid="s", home=node.id, name=Personal(one.name))


def as_agent(one, name=""):
    number = next((known.number for known in people().citizens if known.name == name), "")
    return Agent(subject=one.subject, home=one.home, name=one.name, number=Personal(number))


async def granted(node, elder, helper, wanted=WANTED):
    async with node.db.transaction() as tx:
        made = await mandates.grant(tx, node, elder, as_agent(helper), wanted, names=NAMES)
    assert not isinstance(made, tuple), made
    return made


async def taken(node, elder, helper, wanted=WANTED):
    made = await granted(node, elder, helper, wanted)
    async with node.db.transaction() as tx:
        return await mandates.accept(tx, node, helper, made.id)


def acting_for(helper, made):
    return msgspec.structs.replace(
        helper, for_subject=made.grantor, mandate=made.id, basis=made.basis, acts=frozenset(made.acts), items=frozenset(made.items)
    )


async def refused(node, who, deed):
    async with node.db.transaction() as tx:
        with pytest.raises(Failure) as why:
            await identity.require_act(tx, node, who, deed)
    return why.value


async def allowed(node, who, deed):
    async with node.db.transaction() as tx:
        await identity.require_act(tx, node, who, deed)


async def told(node, subject, kind):
    async with node.db.reading() as tx:
        threads = await notifications.messages(tx, node, subject)
    return [one for thread in threads for one in thread.messages if one.kind == kind]


async def with_phone(node, who, phone):
    """The account of this person has a phone, and nobody is signed in with it."""
    async with node.db.transaction() as tx:
        sealed = node.cipher.seal("contact", "account.phone", who.subject, phone)
        await tx.execute("UPDATE account SET phone = $2, bi_phone = $3 WHERE subject = $1", who.subject, sealed, phone_index(node, phone))
        await tx.execute("UPDATE session SET revoked_at = started_at, reason = 'logout' WHERE subject = $1 AND revoked_at IS NULL", who.subject)


async def texts(node, phone):
    """What was texted to a number, newest first."""
    async with node.db.reading() as tx:
        return [text for _, text in await demo_messages(tx, node, phone, 20)]


ORG = "o191500103madem2002l"


async def for_company(node, helper, **more):
    """A running mandate of a company, as its agent's home holds it."""
    now = node.clock.now()
    async with node.db.transaction() as tx:
        return await mandates.put(tx, node, {
            "id": uuid7(), "grantor": ORG, "agent": helper.subject, "basis": "org_agent", "items": (ITEM,), "set_name": "", "set_version": 0,
            "acts": ("view", "submit"), "from_at": now, "until_at": now + timedelta(days=30), "granted_acr": 3, "granted_by_subject": "n1x",
            "granted_node": "510000", "agent_node": node.id, "state": "active", "offered_until": now, "grantor_name": Personal("旧名公司（演示）"),
            "agent_name": helper.name, **more,
        })  # fmt: skip


async def changed(node, what, *, origin="samr", at=None, version=2, name="新名公司（演示）"):
    body = {"organisation": ORG, "name": name, "status": "存续", "version": version, "what": what, "at": int((at or node.clock.now()).timestamp() * 1000)}
    letter = federation.Letter(
        id=uuid7(), origin=origin, to=node.id, epoch=1, seq=1, kind="register.changed", kind_version=1, about=f"org:{ORG}", at=body["at"],
        counts_at=body["at"], body=body,
    )  # fmt: skip
    async with node.db.transaction() as tx:
        await letters.register_changed(tx, node, letter)
