"""Mandates go along with an account that moves home 授权随账号搬走, over real nodes in one process (R-301, R-303; identity.md 6.6; T-22, T-85, T-87).

One person of 重庆 gave and received mandates on all sides, and moves to a third province. Nothing is lost when a node dies between
two steps; what is ended on either side is over on the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest

from tongban import identity
from tongban.federation.tests.make import deliver
from tongban.identity.actions import acting, mandate_word, mandates, mandates_moving, move
from tongban.identity.actions.mandates import Agent, Wanted
from tongban.identity.providers.register import NewEntry, enter
from tongban.identity.queries import mandates as queries
from tongban.identity.tests.make import Browser, MakeNode, citizen, household, sign_in
from tongban.kernel.actor import Actor
from tongban.kernel.errors import Failure
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

from .make import unlike

OLD, NEW, OTHER = "500000", "530000", "510000"
ITEM = "12500000DEM00003002002099903000"
WANTED = Wanted(items=(ITEM,), acts=("view", "draft", "submit"), days=30)
SUBMIT = identity.Deed(act="submit", item=ITEM, audience=frozenset({"person"}), level=2)


class Person(msgspec.Struct, frozen=True):
    """Somebody with an account at a home (演示)."""

    subject: str
    home: str
    name: str

    def actor(self, **more: Any) -> Actor:
        return Actor(kind="citizen", subject=self.subject, acr=3, name=Personal(self.name), home="", **more)


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, OLD, NEW, OTHER) as found:
        yield found


async def invented(nodes: dict[str, Node], home: str, name: str) -> Person:
    """A new invented person of the register, signed in at a home for the first time (演示)."""
    number, born, phone = unlike()
    mps, node, browser = nodes["mps"], nodes[home], Browser()
    async with mps.db.transaction() as tx:
        await enter(tx, mps, NewEntry(name=name, number=number, sex="女", born=born, nation="汉族", address="重庆市演示路 1 号（演示）", division="500103"))
    await sign_in(browser, node, msgspec.structs.replace(citizen(), name=name, number=number, phone=phone))
    actor = await identity.resolve(node, browser.jar.get(node.settings.host, {}), path="/me")
    return Person(actor.subject, home, name)


async def until(nodes: dict[str, Node], look: Callable[[], Awaitable[bool]]) -> float:
    """Deliver letters until something is so; how long that took."""
    started = time.monotonic()
    while not await look():
        assert time.monotonic() - started < 20, "it did not come"
        await deliver(nodes)
        await asyncio.sleep(0.01)
    return time.monotonic() - started


async def state(node: Node, mandate: str) -> str:
    async with node.db.reading() as tx:
        found = await queries.by_id(tx, node, mandate)
    return "" if found is None else found.state


async def given(nodes: dict[str, Node], grantor: Person, agent: Person, *, accept: bool = True) -> str:
    """A mandate of one for the other, accepted; both nodes know."""
    home, there = nodes[grantor.home], nodes[agent.home]
    async with home.db.transaction() as tx:
        made = await mandates.grant(tx, home, grantor.actor(), Agent(subject=agent.subject, home=agent.home, name=Personal(agent.name)), WANTED, names={ITEM: "演示事项"})
        assert not isinstance(made, tuple), made
        await tx.execute("UPDATE mandate SET wait_until = NULL WHERE id = $1", made.id)
    await until(nodes, lambda: is_in(there, made.id, "offered"))
    if accept:
        async with there.db.transaction() as tx:
            await mandates.accept(tx, there, agent.actor(), made.id)
            await tx.execute("UPDATE mandate SET wait_until = NULL WHERE id = $1", made.id)
        await until(nodes, lambda: is_in(home, made.id, "active"))
    return made.id


async def is_in(node: Node, mandate: str, wanted: str) -> bool:
    return await state(node, mandate) == wanted


async def may_submit(node: Node, agent: Person, grantor: Person, mandate: str) -> str:
    """What a binding act under the mandate comes to at the agent's home: empty, or the code of the failure."""
    who = agent.actor(for_subject=grantor.subject, mandate=mandate, basis="family", acts=frozenset(WANTED.acts), items=frozenset(WANTED.items))
    try:
        await acting.freshen(node, who, level=2)
        async with node.db.transaction() as tx:
            await acting.require_act(tx, node, who, SUBMIT)
    except Failure as no:
        return no.failure_code
    return ""


async def did(nodes: dict[str, Node], where: str, agent: Person, grantor: Person, mandate: str, what: str) -> datetime:
    """An act under a mandate, two hours ago by the mover's home; the time it has there."""
    node, home = nodes[where], nodes[OLD]
    async with node.db.transaction() as tx:
        who = agent.actor(for_subject=grantor.subject, mandate=mandate, basis="family", acts=frozenset(WANTED.acts), items=frozenset(WANTED.items))
        await acting.record_act(tx, node, who, "submit", what=what, about=f"case:{uuid7()}")
    await until(nodes, lambda: one_act(home, mandate))
    async with home.db.transaction() as tx:
        at: datetime = await tx.fetchval("UPDATE mandate_act SET at = date_trunc('second', at - interval '2 hours') WHERE mandate = $1 RETURNING at", mandate)
    return at


async def one_act(node: Node, mandate: str) -> bool:
    async with node.db.reading() as tx:
        return len(await queries.done_under(tx, node, mandate)) == 1


async def asked(nodes: dict[str, Node], mover: Person) -> str:
    """A move that was asked for at the new home and whose 24 hours are over."""
    made = uuid7()
    for node, side, other in ((nodes[NEW], "to", OLD), (nodes[OLD], "from", NEW)):
        async with node.db.transaction() as tx:
            await tx.execute(
                "INSERT INTO account_move (subject, id, side, other, state, asked_at, due_at, heard_at) VALUES ($1,$2,$3,$4,'waiting',$5,$5,$5)",
                mover.subject, made, side, other, node.clock.now(),
            )  # fmt: skip
    return made


async def account_status(node: Node, subject: str) -> str:
    async with node.db.reading() as tx:
        return str(await tx.fetchval("SELECT status FROM account WHERE subject = $1", subject) or "")


class Killed(BaseException):
    """The process dies here."""


async def test_mandates_work_from_the_new_home_and_either_side_ends_them(nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    """Five mandates, five ways: to and from somebody elsewhere, at the old home, at the new home, and one not yet accepted."""
    old, new, other = nodes[OLD], nodes[NEW], nodes[OTHER]
    mover, friend = await invented(nodes, OLD, "演示搬家人"), await invented(nodes, OTHER, "演示远方人")
    stays, welcomes = await invented(nodes, OLD, "演示留下人"), await invented(nodes, NEW, "演示当地人")
    await deliver(nodes)
    received, gave = await given(nodes, friend, mover), await given(nodes, mover, friend)
    from_old, to_new = await given(nodes, stays, mover), await given(nodes, mover, welcomes)
    pending, second = await given(nodes, friend, mover, accept=False), await given(nodes, mover, friend)
    assert await may_submit(other, friend, mover, gave) == ""
    done_before = await did(nodes, OTHER, friend, mover, gave, "设立登记（演示）"), await did(nodes, OLD, mover, friend, received, "居住证（演示）")
    made = await asked(nodes, mover)

    # the old home dies while it lets go: nothing happened, to the account or to a mandate
    with monkeypatch.context() as broken:
        async def dies(*_: Any, **__: Any) -> None:
            raise Killed

        broken.setattr(move.ending, "leave_everywhere", dies)
        with pytest.raises(Killed):
            await move.let_go(old)
    assert (await account_status(old, mover.subject), await state(old, gave)) == ("open", "active")
    async with old.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM outbox WHERE kind = $1", mandates_moving.KIND) == 0
    await move.let_go(old)
    await move.let_go(old)
    assert await account_status(old, mover.subject) == "moved"
    async with old.db.reading() as tx:
        left = {str(row["id"]): row["state"] for row in await tx.fetch("SELECT id, state FROM mandate WHERE $1 IN (grantor, agent)", mover.subject)}
        assert await tx.fetchval("SELECT count(*) FROM outbox WHERE kind = $1", mandates_moving.KIND) == 2, "the mandates, and what was done under them"
    assert left == {received: "moved", gave: "moved", to_new: "moved", pending: "moved", second: "moved", from_old: "active"}

    # asked now, the old home says where; the new one was not heard yet, and nothing ends by that
    assert await may_submit(other, friend, mover, gave) == "", "what it last heard is young"
    async with other.db.transaction() as tx:
        await tx.execute("UPDATE mandate SET news_at = news_at - interval '1 hour' WHERE id = $1", gave)
    assert await may_submit(other, friend, mover, gave) == "identity.mandate_news"
    assert await state(other, gave) == "active"
    # given back before the other side knows of the move: the old home passes it on
    async with other.db.transaction() as tx:
        await mandates.refuse(tx, other, friend.actor(), second)

    # the new home dies while it opens the account: opened whole at the next turn
    await deliver(nodes)
    with monkeypatch.context() as broken:
        broken.setattr(move, "tell_hub", dies)
        with pytest.raises(Killed):
            await move.finish(new)
    assert await account_status(new, mover.subject) == ""
    assert await state(new, received) == await state(new, gave) == "arriving", "along already, good for nothing yet"
    assert await may_submit(new, mover, friend, received) == "identity.mandate_ended"
    await move.finish(new)
    await move.finish(new)
    moved = Person(mover.subject, NEW, mover.name)
    for one, wanted in ((received, "active"), (gave, "active"), (from_old, "active"), (to_new, "active"), (pending, "offered"), (second, "stopped")):
        await until(nodes, lambda one=one, wanted=wanted: is_in(new, one, wanted))

    # at once from the new home, on both sides; the old home's half asks the new one
    assert await may_submit(new, moved, friend, received) == ""
    assert await may_submit(new, moved, stays, from_old) == ""
    assert await may_submit(other, friend, moved, gave) == ""
    assert await may_submit(new, welcomes, moved, to_new) == ""
    async with new.db.transaction() as tx:
        await mandates.accept(tx, new, moved.actor(), pending)
    await until(nodes, lambda: is_in(other, pending, "active"))
    async with new.db.reading() as tx:
        assert {one.id for one in await queries.given(tx, new, mover.subject)} == {gave, to_new, second}
        assert {one.id for one in await queries.received(tx, new, mover.subject)} == {received, from_old, pending}
        known = [(one.act, one.what.reveal(), one.about, one.at) for mandate in (gave, received) for one in await queries.done_under(tx, new, mandate)]
    # what was done before can be read at the new home, as old as it is; which case it was, only where it was handed in
    assert known == [("submit", "设立登记（演示）", "", done_before[0]), ("submit", "居住证（演示）", "", done_before[1])]

    # ended on either side, over on the other
    async with new.db.transaction() as tx:
        await mandates.stop(tx, new, moved.actor(), gave)
    assert await until(nodes, lambda: is_in(other, gave, "stopped")) < 5
    assert await may_submit(other, friend, moved, gave) == "identity.mandate_ended"
    async with other.db.transaction() as tx:
        await mandates.stop(tx, other, friend.actor(), received)
    assert await until(nodes, lambda: is_in(new, received, "stopped")) < 5
    async with old.db.transaction() as tx:
        await mandates.stop(tx, old, stays.actor(), from_old)
    assert await until(nodes, lambda: is_in(new, from_old, "stopped")) < 5
    # stopped on a page of the old home, as a visitor there: passed on
    async with old.db.transaction() as tx:
        await mandates.stop(tx, old, moved.actor(), to_new)
    assert await until(nodes, lambda: is_in(new, to_new, "stopped")) < 5
    assert made


async def test_what_an_old_home_may_say_of_mandates(nodes: dict[str, Node]) -> None:
    """T-22, T-32: nobody's load is taken without a move that was asked for; invented mandates stay without effect; a word not its own changes nothing."""
    old, new, other = nodes[OLD], nodes[NEW], nodes[OTHER]
    mover, friend = await invented(nodes, OLD, "演示搬家二"), await invented(nodes, OTHER, "演示远方二")
    await deliver(nodes)
    real = await given(nodes, friend, mover)
    async with old.db.reading() as tx:
        known = await queries.by_id(tx, old, real)
    assert known is not None
    false = msgspec.structs.replace(known, id=uuid7(), items=(ITEM, "12500000DEM00003002002099903001"))

    here = await given(nodes, await invented(nodes, NEW, "演示当地人二"), friend)
    told = mandates_moving.CarriedAct(id=uuid7(), mandate=false.id, act="submit", what="编的（演示）", at=1)

    async def load(move_id: str) -> None:
        body = mandates_moving.Load(id=move_id, subject=mover.subject, mandates=(mandates_moving._carried(false), mandates_moving._carried(
            msgspec.structs.replace(known, id=uuid7(), agent=friend.subject, grantor=mover.subject, granted_node=OTHER)
        )), done=(told, msgspec.structs.replace(told, id=uuid7(), mandate=here)))  # fmt: skip
        async with old.db.transaction() as tx:
            await mandates_moving.federation.send(tx, old, to=NEW, kind=mandates_moving.KIND, about=f"mandates:{move_id}", body=body)
        await deliver(nodes)

    await load(uuid7())
    assert await state(new, false.id) == "", "no move was asked for"
    made = await asked(nodes, mover)
    await load(made)
    assert await state(new, false.id) == "arriving"
    async with new.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM mandate WHERE grantor = $1", mover.subject) == 0, "a mandate of another node's word"
        assert [one.what.reveal() for one in await queries.done_under(tx, new, false.id)] == ["编的（演示）"], "under what came along"
        assert await queries.done_under(tx, new, here) == (), "under a mandate of this node, by another's word"
    await move.let_go(old)
    await deliver(nodes)
    await move.finish(new)
    await until(nodes, lambda: is_in(new, real, "active"))
    await until(nodes, lambda: is_in(new, false.id, "ended"))

    # the old home speaks for this person no more
    async with other.db.transaction() as tx:
        await move.moved_elsewhere(tx, other, OLD, mover.subject, OLD)
        await move.moved_elsewhere(tx, other, NEW, friend.subject, NEW)
        found = await queries.by_id(tx, other, real)
    assert found is not None
    assert (found.granted_node, found.agent_node) == (OTHER, NEW)
    assert await mandate_word.standing(new, msgspec.structs.replace(found, granted_node=OLD)) == "active", "an old home only says where to ask"
