"""A case whose owner, or whose applicant's node, was put back from a backup stands as it was told (cases.md 8, C-2, C-5, I-15)."""

from __future__ import annotations

import msgspec
import pytest

from tongban import federation, identity
from tongban.cases.actions import intake, reinstate
from tongban.cases.queries import mirrors, records
from tongban.cases.tests.make import act, citizen, held
from tongban.cases.tests.test_two_nodes import HERE, THERE, at, deliver, nodes, officer, sent_with_photo
from tongban.federation.actions import recover, send_back
from tongban.federation.tests.backup import back_up, put_back
from tongban.main import rooms

__all__ = ["nodes"]


@pytest.fixture(autouse=True)
def known(nodes):
    federation.register(identity.follow_aliases(rooms.letters()), rooms.calls(), reinstate=rooms.reinstate(), replaces=rooms.replaces())


async def mend(nodes):
    for _ in range(4):
        for node in nodes.values():
            await recover.recover(node)
        await deliver(nodes)
        for node in nodes.values():
            await send_back.send_back(node)


async def test_an_owner_put_back_stands_where_it_was_told_to_stand(nodes):
    mine = await at(nodes)
    await back_up(nodes[THERE])
    await act(nodes[THERE], mine.id, intake.accept, officer("acceptor"), complete=True)
    await deliver(nodes)
    async with nodes[HERE].db.reading() as tx:
        told = await mirrors.of_person(tx, nodes[HERE], mine.subject, mine.id)
    assert told.state == "accepted"
    await put_back(nodes[THERE])
    assert (await held(nodes[THERE], mine.id)).state == "received"
    assert await federation.restored(nodes[THERE])
    await mend(nodes)
    case = await held(nodes[THERE], mine.id)
    assert (case.state, case.term, case.rev) == (told.state, told.term, told.rev), "the owner forgot what it told"
    assert case.number == mine.number
    async with nodes[THERE].db.reading() as tx:
        lines = await records.history(tx, nodes[THERE], mine.subject, mine.id)
    assert lines[-1].title == "恢复数据后补记"
    async with nodes[HERE].db.reading() as tx:
        again = await mirrors.of_person(tx, nodes[HERE], mine.subject, mine.id)
    assert (again.state, again.rev) == (told.state, told.rev)


async def test_an_applicants_node_put_back_has_its_case_again(nodes):
    await back_up(nodes[HERE])
    mine = await sent_with_photo(nodes[HERE], citizen())
    await deliver(nodes)
    await put_back(nodes[HERE])
    async with nodes[HERE].db.reading() as tx:
        assert await mirrors.of_person(tx, nodes[HERE], mine.subject, mine.id) is None
    assert await federation.restored(nodes[HERE])
    await mend(nodes)
    async with nodes[HERE].db.reading() as tx:
        again = await mirrors.of_person(tx, nodes[HERE], mine.subject, mine.id)
        both = await tx.fetchval("SELECT count(*) FROM case_mirror WHERE id = $1", mine.id)
    assert again is not None, "her case is gone"
    assert (again.number, again.state, both) == (mine.number, "received", 1)


async def test_a_state_that_this_life_decided_otherwise_waits_for_a_person(nodes):
    mine = await at(nodes)
    async with nodes[THERE].db.transaction() as tx:
        case = await records.locked(tx, nodes[THERE], mine.id)
        body = {**msgspec.to_builtins(await view(tx, nodes[THERE], case)), "rev": case.rev, "state": "accepted"}
        letter = federation.Letter(
            id=mine.id, origin=THERE, to=HERE, epoch=1, seq=1, kind="case.state", kind_version=1, about=f"case:{mine.id}", at=1, counts_at=1, body=body
        )
        with pytest.raises(federation.Contradicts):
            await reinstate.state(tx, nodes[THERE], letter)


async def view(tx, node, case):
    from tongban.cases.actions import speak

    return await speak.view_of(tx, node, case, HERE)
