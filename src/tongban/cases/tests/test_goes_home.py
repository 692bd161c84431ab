"""The licence of a case goes to its holder's home, wherever the application was made, and names the one it replaces (R-403, T-32)."""

from __future__ import annotations

import msgspec

from tongban import credentials
from tongban.cases.actions import decide, intake, review
from tongban.cases.tests.make import act, citizen, tried
from tongban.cases.tests.test_two_nodes import HERE, THERE, at, deliver, nodes, officer
from tongban.kernel.actor import SYSTEM

__all__ = ["nodes"]
ELSEWHERE = "cn"


async def granted(nodes, who) -> str:
    """An application made at one node and granted at another; the id of its licence."""
    there, mine = nodes[THERE], await at(nodes, who)
    await act(there, mine.id, intake.accept, officer("acceptor"), complete=True)
    await act(there, mine.id, review.start_review, officer("examiner"))
    await tried(there, mine.id, review.give_opinion, officer("examiner"), "都符合", favourable=True)
    await act(there, mine.id, decide.grant, officer("approver"))
    done = await act(there, mine.id, decide.finish, SYSTEM)
    await deliver(nodes)
    return done.credential


async def test_a_visitors_licence_goes_home_and_the_next_one_replaces_it(nodes):
    """Home, the node she applied at and the office are three nodes: the wallet is at the first, the register at the last."""
    who = msgspec.structs.replace(citizen("n1" + "8" * 32), home=ELSEWHERE)
    first, second = await granted(nodes, who), await granted(nodes, who)
    home, there = nodes[ELSEWHERE], nodes[THERE]
    async with nodes[HERE].db.reading() as tx:
        assert await credentials.of_holder(tx, nodes[HERE], who.subject) == (), "it stayed where its holder does not look"
    async with home.db.reading() as tx:
        assert [card.id for card in await credentials.of_holder(tx, home, who.subject)] == [second]
    async with there.db.reading() as tx:
        old, new = [await credentials.credential(tx, there, who.subject, one) for one in (first, second)]
        named = await tx.fetchval("SELECT previous::text FROM credential WHERE id = $1", second)
    assert (old.state, new.state, named) == ("superseded", "valid", first), "two living licences of one kind"


async def test_a_home_nobody_knows_stops_no_decision(nodes):
    """What the application says of the home is a word of another node: one that is in no directory is not written to."""
    who = msgspec.structs.replace(citizen("n1" + "9" * 32), home="999999")
    made = await granted(nodes, who)
    async with nodes[HERE].db.reading() as tx:
        assert [card.id for card in await credentials.of_holder(tx, nodes[HERE], who.subject)] == [made]
