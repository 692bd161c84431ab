"""Guardians 监护人 (R-409, T-32, T-88): a copy and a closing for a child, with what the register says, and a child of 14 that is told and can stop it."""

from __future__ import annotations

from typing import Any

import pytest

from tongban import consent, exchange, identity, notifications, privacy
from tongban.exchange import letters as exchange_letters
from tongban.exchange.tests.make import at_home
from tongban.federation.tests.make import deliver, nation
from tongban.identity import letters as identity_letters
from tongban.identity.actions import acting, guardians, subjects
from tongban.identity.providers.register import subject_of
from tongban.identity.queries import mandates as mandate_rows
from tongban.identity.tests.make import citizen
from tongban.kernel.actor import Actor
from tongban.kernel.errors import LevelNeeded, SelfOnly
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.main import rooms
from tongban.privacy import letters
from tongban.privacy.actions import asking, closing, gathering, leaving, sharing
from tongban.privacy.errors import CopyElsewhere, CopyUnknown
from tongban.privacy.queries import closing as closing_queries

HOME, AWAY = "500000", "510000"
MOTHER, TEEN, SMALL = citizen("周雨桐"), citizen("周子墨"), citizen("周子涵")


class Family:
    """Mother and teenager with accounts at 500000, a small child without one who left a message at 510000."""

    def __init__(self, nodes: dict[str, Node]) -> None:
        self.nodes, self.home, self.away, self.register = nodes, nodes[HOME], nodes[AWAY], nodes["mps"]
        self.mother, self.teen, self.small = (subject_of(self.register, "111", one.number) for one in (MOTHER, TEEN, SMALL))

    async def begin(self) -> None:
        await identity.set_up(self.register)
        for one, subject in ((MOTHER, self.mother), (TEEN, self.teen)):
            await at_home(self.nodes, HOME, subject)
            async with self.home.db.transaction() as tx:
                await subjects.put_person(tx, self.home, subject, home=HOME, proof=3, name=one.name, number=one.number, photo_held=False, matched=True)
        await acting.powers_by_law(self.home, Actor(kind="citizen", subject=self.mother, acr=3, sid="s", home=HOME))
        async with self.away.db.transaction() as tx:
            await notifications.notify(tx, self.away, subject=self.small, kind="test", title="演示", text="在四川留下的", link="/me", about="test:1")

    async def acts_for(self, child: str, *, level: int = 3, basis: str = "guardian") -> Actor:
        async with self.home.db.reading() as tx:
            held = next(one for one in await mandate_rows.usable(tx, self.home, self.mother) if one.grantor == child)
        return Actor(
            kind="citizen", subject=self.mother, for_subject=child, acr=level, sid="s", home=HOME, mandate=held.id, basis=basis, acts=frozenset(held.acts)
        )

    async def copied(self, actor: Actor) -> Any:
        async with self.home.db.transaction() as tx:
            made = await asking.ask(tx, self.home, actor, whole=True)
        assert not isinstance(made, tuple), made
        for _ in range(2):
            await gathering.step(self.home, made.subject, made.id)
            for other in (self.away, self.register, self.nodes["cn"]):
                await sharing.make_shares(other)
        return made

    async def count(self, node: Node, table: str, subject: str) -> int:
        async with node.db.reading() as tx:
            return int(await tx.fetchval(f"SELECT count(*) FROM {table} WHERE subject = $1", subject))


@pytest.fixture(scope="module")
async def family(make_node: Any):
    privacy.use_holdings(rooms.holdings())
    calls = {**identity_letters.CALLS, **exchange_letters.CALLS, **letters.CALLS}
    async with nation(make_node, "mps", HOME, AWAY, calls=calls, letters_too={**identity_letters.LETTERS, **letters.LETTERS}) as nodes:
        made = Family(nodes)
        await made.begin()
        yield made
    privacy.use_holdings(())


async def test_a_copy_for_a_child_without_an_account_comes_from_every_node(family: Family) -> None:
    """R-409: the guardian's home asks; each node believes the register, not the caller; both ends write 监护人."""
    who = await family.acts_for(family.small)
    made = await family.copied(who)
    async with family.home.db.transaction() as tx:
        found = await asking._found(tx, family.home, family.small, made.id, family.mother)
        assert {one.node: one.state for one in found.parts} == dict.fromkeys(family.nodes, "here")
        with pytest.raises(CopyUnknown):
            await asking._found(tx, family.home, family.small, made.id, "")
    for node in (family.home, family.away):
        async with node.db.reading() as tx:
            lines = await consent.lines(tx, node.id, family.small, limit=50, now=node.clock.now())
        assert any(one.who == "监护人" for one in lines), node.id
        assert sum(one.fields == ("监护关系",) for one in lines) <= 1 + (node is family.home), "the register is asked once a copy"


async def test_a_guardian_sees_who_used_a_childs_data_at_every_node(family: Family) -> None:
    """R-409, T-88: the ledger of a child without an account, from every node that asks the register itself; asked again, no new lines."""
    access = consent.Access(subject=family.small, who="成都市演示小学", fields=("住址",), purpose="入学", source=AWAY, receiver=AWAY, basis="演示")
    async with family.away.db.transaction() as tx:
        line = await consent.record_access(tx, family.away, access)
    seen = await exchange.data_use(family.home, family.small, guardian=family.mother)
    assert seen.silent == (), "a node that was asked by a guardian is said to be away"
    assert line.id in {use.line.id for use in seen.uses}
    for guardian in ("", family.teen):
        stranger = await exchange.data_use(family.home, family.small, guardian=guardian)
        assert line.id not in {use.line.id for use in stranger.uses}, "told to who is no guardian"
    count = len((await exchange.data_use(family.home, family.small, guardian=family.mother)).uses)
    assert count == len((await exchange.data_use(family.home, family.small, guardian=family.mother)).uses), "each look makes lines of its own"


async def test_t88_only_the_register_says_who_guards(family: Family) -> None:
    """T-32, T-88: a lying home, a stranger, a level too low, another basis, a child of 14: no."""
    proof = await identity.home_proof(family.home, family.mother)
    assert await sharing._may_ask(family.away, HOME, family.small, family.mother, proof, uuid7())
    hers = await identity.home_proof(family.home, family.teen)
    for caller, guardian, shown in ((HOME, family.teen, hers), ("mps", family.mother, proof), (HOME, "", proof)):
        assert not await sharing._may_ask(family.away, caller, family.small, guardian, shown, uuid7()), "a home was believed about a child it does not guard"
    assert await identity.guards_alone(family.away, family.mother, family.teen) is False, "a child of 14 is asked itself"
    async with family.home.db.transaction() as tx:
        with pytest.raises(LevelNeeded):
            await asking.ask(tx, family.home, await family.acts_for(family.small, level=2), whole=False)
        with pytest.raises(CopyElsewhere):
            await asking.ask(tx, family.home, await family.acts_for(family.small, basis="family"), whole=False)
        with pytest.raises(SelfOnly):
            await closing.ask(tx, family.home, await family.acts_for(family.small, basis="family"))
        with pytest.raises(LevelNeeded):
            await closing.ask(tx, family.home, await family.acts_for(family.small, level=2))


async def test_a_child_of_fourteen_is_told_and_can_stop_it(family: Family) -> None:
    """identity.md 2: what a guardian does is told; the teenager stops copy and closing alone."""
    who, teen = await family.acts_for(family.teen), Actor(kind="citizen", subject=family.teen, acr=1, sid="s", home=HOME)
    async with family.home.db.transaction() as tx:
        made = await asking.ask(tx, family.home, who, whole=True)
        assert not isinstance(made, tuple)
        waiting = await closing.ask(tx, family.home, who)
        assert waiting is not None
    async with family.home.db.transaction() as tx:
        told = {row["kind"] for row in await tx.fetch("SELECT kind FROM message WHERE subject = $1", family.teen)}
        assert {"privacy.copy_asked", "privacy.closing", "guardian.acted"} <= told, "the child is not told"
        with pytest.raises(CopyUnknown):
            await asking.show_word(tx, family.home, teen, made.id)
        await asking.stop(tx, family.home, teen, made.id)
        assert await closing.stop(tx, family.home, family.teen)
        assert (await asking._found(tx, family.home, family.teen, made.id, None)).state == "stopped"


async def test_closing_for_a_child_without_an_account(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-409: after seven days the register is asked again; every node erases on its word; a node that lies about a guardian is refused."""
    who = await family.acts_for(family.small)
    async with family.away.db.transaction() as tx:
        lie = leaving.Told(id=uuid7(), subject=family.small, at=family.away.clock.ms(), guardian=family.teen, proof=await identity.home_proof(family.home, family.teen))
        await leaving.keep(tx, family.away, HOME, lie, state="heard")
    await leaving.advance(family.away)
    assert await family.count(family.away, "message", family.small) == 1, "erased on a lie about the guardian"
    async with family.home.db.transaction() as tx:
        waiting = await closing.ask(tx, family.home, who)
        assert waiting is not None
        await tx.execute("UPDATE closing SET due_at = $1", family.home.clock.now())

    async def away(*_: Any) -> None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(identity, "guards_alone", away)
        await closing.close_due(family.home)
    async with family.home.db.reading() as tx:
        assert await closing_queries.waiting(tx, family.home, family.small) is not None, "closed without the register's word"
    await closing.close_due(family.home)
    await deliver(family.nodes)
    for node in family.nodes.values():
        await leaving.advance(node)
    await deliver(family.nodes)
    assert await family.count(family.away, "message", family.small) == 0, "still there"
    async with family.home.db.reading() as tx:
        found = await closing_queries.result(tx, waiting.id)
    assert found is not None
    assert {one.state for one in found.receipts} == {"erased"}


async def test_a_guardian_no_more_when_the_day_comes(family: Family) -> None:
    """T-88: a relation that a court froze meanwhile stops the closing."""
    who = await family.acts_for(family.small)
    async with family.home.db.transaction() as tx:
        assert await closing.ask(tx, family.home, who) is not None
        await tx.execute("UPDATE closing SET due_at = $1 WHERE state = 'waiting'", family.home.clock.now())
    async with family.register.db.transaction() as tx:
        assert await guardians.freeze(tx, family.register, family.small, family.mother, "court")
    await closing.close_due(family.home)
    async with family.home.db.reading() as tx:
        assert await closing_queries.waiting(tx, family.home, family.small) is None
        states = await tx.fetch("SELECT state FROM closing WHERE subject = $1", family.small)
    assert [row["state"] for row in states] == ["stopped"], "closed for somebody who is no guardian any more"
