"""A node put back from a backup agrees with everyone again, with counts (federation.md 6.2, 6.3; R-803; threats N-13, N-18).

Each letter writes one fact at its sender and has one effect at its reader: in the end both tables hold the same, each once.
"""

from __future__ import annotations

import pytest

from tongban import federation
from tongban.federation.actions import come_home, go_back, officers, recover, report, send_back
from tongban.federation.actions.pull import pull_once
from tongban.federation.actions.receive import Batch, receive
from tongban.federation.actions.stamp import stamp
from tongban.federation.queries.mail import cursors
from tongban.federation.queries.mending import recoveries, to_settle
from tongban.federation.rules import epochs
from tongban.federation.tests.backup import back_up, put_back
from tongban.federation.tests.lives import (
    A,
    B,
    agree,
    effect,
    effects,
    facts,
    federation_letters,
    reinstate,
    settle,
    the_outbox,
    turn,
    write,
)
from tongban.federation.tests.make import nation, officer


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with nation(make_node, A, B, letters_too={("demo.note", 1): effect}) as nodes:
        federation.register(
            {**federation_letters(), ("demo.note", 1): effect}, {}, reinstate={("demo.note", 1): reinstate, ("federation.directory_changed", 1): None}
        )
        for node in nodes.values():
            async with node.db.transaction() as tx:
                await tx.execute("CREATE TABLE fact (n int PRIMARY KEY); CREATE TABLE effect (n int, by text)")
        yield nodes


@pytest.fixture(autouse=True)
async def clean(nodes):
    for node in nodes.values():
        async with node.db.transaction() as tx:
            await tx.execute("DELETE FROM fact")
            await tx.execute("DELETE FROM effect")


async def test_a_sender_put_back_under_traffic_agrees_with_everyone_again_with_counts(nodes):
    await write(nodes[A], *range(5))
    await settle(nodes)
    await back_up(nodes[A])
    await write(nodes[A], *range(5, 12))
    await write(nodes[A], 12, to="*")
    await settle(nodes)
    before = (await the_outbox(nodes[A])).epoch
    await put_back(nodes[A])
    assert await facts(nodes[A]) == list(range(5))
    assert await federation.restored(nodes[A])
    assert await federation.recovering(nodes[A])
    await write(nodes[B], 100, 101, to=A)  # traffic meanwhile
    await settle(nodes)
    assert not await federation.recovering(nodes[A])
    await write(nodes[A], 13)
    await settle(nodes)
    await agree(nodes, *range(14))
    assert await effects(nodes[A]) == [100, 101]
    async with nodes[A].db.reading() as tx:
        done = (await recoveries(tx))[0]
        leaf = await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'node.restored'")
    assert done.opened
    assert done.opened > before
    assert done.why == "operator"
    assert done.answered["cn"] == 8
    assert done.states["reinstated"] == 8
    assert leaf == 1


async def test_a_restore_nobody_noticed_is_found_by_the_readers_and_mends_itself(nodes):
    await write(nodes[A], *range(4))
    await settle(nodes)
    await back_up(nodes[A])
    await write(nodes[A], 4, 5, 6)
    await settle(nodes)
    async with nodes[A].db.reading() as tx:
        lost = await tx.fetchval("SELECT min(at) FROM (SELECT at FROM outbox ORDER BY seq DESC LIMIT 3) AS last")
    await put_back(nodes[A])
    await write(nodes[A], 20, 21, 22)  # other letters under the same numbers
    await stamp(nodes[A])
    await settle(nodes)
    await agree(nodes, 0, 1, 2, 3, 4, 5, 6, 20, 21, 22)
    async with nodes[A].db.reading() as tx:
        found = (await recoveries(tx))[0]
        assert found.why == "diverged"
        assert found.last_at is not None
        assert found.last_at <= lost, "the span of doubt begins after letters that are in doubt"
        assert await tx.fetchval("SELECT count(*) FROM diverged_report WHERE holds") >= 1


async def test_a_reader_that_was_behind_takes_the_rest_of_the_old_epoch_and_then_the_new_one(nodes):
    await write(nodes[A], *range(3))
    await settle(nodes)
    await write(nodes[A], 3, 4)
    await turn(nodes, without=(B,))  # the hub has them, B has not
    await back_up(nodes[A])
    await write(nodes[A], 5)
    await turn(nodes, without=(B,))
    await put_back(nodes[A])
    await federation.restored(nodes[A])
    await settle(nodes)
    await agree(nodes, *range(6))


async def test_a_batch_in_hand_dies_when_its_reader_goes_back(nodes):
    """docs/model/letters.pml, KEEPHAND: what was fetched before the epoch letter must not be taken after it."""
    await write(nodes[A], 0)
    await settle(nodes)
    async with nodes[B].db.reading() as tx:
        before = next(one for one in await cursors(tx) if one.origin == A)
    await write(nodes[A], 1)
    await turn(nodes, without=(B,))
    async with nodes[B].db.transaction() as tx:  # as going back does it, and B has nothing newer than the batch in hand
        told = epochs.EpochLetter(v=1, origin=A, epoch=before.epoch + 1, previous=before.epoch, ends=epochs.Ends(before.seq, before.streams), at=1)
        assert await go_back._move(tx, before, told, await go_back._held(tx, before, before.epoch, relays=False), before.seq, relays=False)
    batch = Batch(A, before.view, [], (before.epoch, before.seq + 1), "cn")
    assert (await receive(nodes[B], batch)).ended == "old_view", "old history taken again"
    async with nodes[B].db.transaction() as tx:
        await tx.execute("UPDATE letter_cursor SET closed_at = NULL WHERE origin = $1", A)
    await settle(nodes)
    await agree(nodes, 0, 1)


async def test_restored_twice_the_second_time_to_before_the_first(nodes):
    await write(nodes[A], 0, 1)
    await settle(nodes)
    await back_up(nodes[A])
    await write(nodes[A], 2, 3)
    await settle(nodes)
    await put_back(nodes[A])
    await federation.restored(nodes[A])
    await settle(nodes)
    await write(nodes[A], 4)
    await settle(nodes)
    await put_back(nodes[A])
    await federation.restored(nodes[A])
    await settle(nodes)
    await write(nodes[A], 5)
    await settle(nodes)
    await agree(nodes, *range(6))


async def test_restored_twice_the_second_time_to_what_the_first_had_lost(nodes):
    """docs/model/again.pml, NOFORGOTTEN: 2 and 3 stand in the old epoch, which every reader has left where the first restore ended it."""
    await write(nodes[A], 0, 1)
    await settle(nodes)
    await back_up(nodes[A], "early")
    await write(nodes[A], 2, 3)
    await stamp(nodes[A])  # and nobody has fetched them
    await back_up(nodes[A], "late")
    await put_back(nodes[A], "early")
    await federation.restored(nodes[A])
    await settle(nodes)
    await write(nodes[A], 4)
    await settle(nodes)
    await agree(nodes, 0, 1, 4)
    await put_back(nodes[A], "late")
    await federation.restored(nodes[A])
    await settle(nodes)
    await write(nodes[A], 5)
    await settle(nodes)
    await agree(nodes, *range(6))
    async with nodes[B].db.reading() as tx:
        again = await tx.fetch("SELECT epoch, count(*) AS letters FROM letter_to_return WHERE origin = $1 AND settled_at IS NOT NULL GROUP BY epoch", A)
    assert again, "what was set aside was never met again"


async def test_a_forgotten_life_that_said_it_has_a_letter_is_not_the_last_word(nodes, monkeypatch):
    """ONCE: 2 and 3 came home to a life that a second restore, unnoticed, forgets before anybody has read them there."""
    monkeypatch.setattr(send_back, "AGAIN_SECONDS", 0)
    await write(nodes[A], 0, 1)
    await settle(nodes)
    await back_up(nodes[A], "early")
    await write(nodes[A], 2, 3)
    await settle(nodes)
    await put_back(nodes[A], "early")
    await federation.restored(nodes[A])
    with monkeypatch.context() as alone:
        alone.setattr(recover, "_asked", lambda *_: [])
        alone.setattr(recover, "_enough", lambda *_: True)
        await recover.recover(nodes[A])
    assert await facts(nodes[A]) == [0, 1]
    await back_up(nodes[A], "opened")
    for name in ("cn", B):
        await pull(nodes[name], A)
        assert await send_back.send_back(nodes[name]) == 2
    await recover.recover(nodes[A])
    assert await facts(nodes[A]) == [0, 1, 2, 3], "they never came home to the life that is forgotten next"
    await put_back(nodes[A], "opened")
    assert await facts(nodes[A]) == [0, 1]
    await settle(nodes)
    await write(nodes[A], 4)
    await settle(nodes)
    await agree(nodes, *range(5))


async def test_an_epoch_that_its_origin_forgot_unnoticed_is_told_with_its_own_letter(nodes):
    """NOPROOF: nobody holds a letter or a statement of the new epoch, only that it was opened."""
    await write(nodes[A], 0, 1)
    await settle(nodes)
    await back_up(nodes[A], "early")
    await write(nodes[A], 2)
    await settle(nodes)
    await put_back(nodes[A], "early")
    await federation.restored(nodes[A])
    await recover.recover(nodes[A])
    for name in ("cn", B):
        await pull(nodes[name], A)
    async with nodes["cn"].db.transaction() as tx:
        (cursor,) = [one for one in await cursors(tx) if one.origin == A]
        assert cursor.epoch == (await the_outbox(nodes[A])).epoch, "not in the new epoch yet"
    for name in ("cn", B):
        async with nodes[name].db.transaction() as tx:
            await tx.execute("DELETE FROM head_statement WHERE origin = $1", A)
    await put_back(nodes[A], "early")
    await write(nodes[A], 5)
    await settle(nodes)
    async with nodes[A].db.reading() as tx:
        assert [one.why for one in await recoveries(tx)][:1] == ["diverged"]
    await agree(nodes, 0, 1, 2, 5)


async def pull(node, origin):
    for _ in range(4):
        await pull_once(node, origin, [origin], wait=0)


async def test_a_receiver_put_back_takes_everything_again_once(nodes):
    await write(nodes[A], *range(3))
    await settle(nodes)
    await back_up(nodes[B])
    await write(nodes[A], *range(3, 9))
    await settle(nodes)
    await put_back(nodes[B])
    await federation.restored(nodes[B])
    assert await effects(nodes[B]) == [0, 1, 2]
    await settle(nodes)
    await agree(nodes, *range(9))


async def test_the_hub_put_back_pulls_again_and_nobody_is_ahead_for_long(nodes):
    await write(nodes[A], 0, 1)
    await settle(nodes)
    await back_up(nodes["cn"])
    await write(nodes[A], 2, 3)
    await settle(nodes)
    await put_back(nodes["cn"])
    await federation.restored(nodes["cn"])
    await write(nodes[A], 4)
    await settle(nodes)
    await agree(nodes, *range(5))


async def test_what_contradicts_waits_for_a_person_and_both_pages_say_so(nodes):
    await write(nodes[A], 0)
    await settle(nodes)
    await back_up(nodes[A])
    await write(nodes[A], 900, about="demo:conflict")
    await settle(nodes)
    await put_back(nodes[A])
    await federation.restored(nodes[A])
    await settle(nodes)
    async with nodes[A].db.reading() as tx:
        waiting = await to_settle(tx)
        assert await tx.fetchval("SELECT count(*) FROM federation_alarm WHERE kind = 'conflict'") == 1
    assert [(one.state, one.error, one.about) for one in waiting] == [("conflict", "demo.decided_otherwise", "demo:conflict")]
    async with nodes[B].db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM federation_alarm WHERE kind = 'conflict' AND node = $1", A) == 1
    assert await effects(nodes[B]) == [0, 900]  # not a second time
    async with nodes[A].db.transaction() as tx:
        await come_home.settle(tx, nodes[A], officer("a"), waiting[0].id, again=False)
        assert await to_settle(tx) == []


async def put_back_so_far(node):
    async with node.db.reading() as tx:
        return await tx.fetchval("SELECT count(*) FROM letter_returned WHERE state = 'reinstated'")


async def test_words_force_no_epoch_and_a_node_of_a_closed_one_returns_instead(nodes):
    await write(nodes[A], 0, 1)
    await settle(nodes)
    epoch = (await the_outbox(nodes[A])).epoch
    async with nodes[B].db.reading() as tx:
        evidence = await report._evidence(tx, A)
    evidence.pop("epoch")
    assert (await report.take_report(nodes[A], B, {"v": 1, "origin": A, "epoch": epoch, "evidence": evidence}))["holds"] is False
    forged = evidence["letters"][0]
    forged = {**forged, "head": {**forged["head"], "seq": forged["head"]["seq"] + 50}}
    told = {"v": 1, "origin": A, "epoch": epoch, "evidence": {"letters": [forged], "head_statements": []}}
    assert (await report.take_report(nodes[A], B, told))["holds"] is False
    assert not await federation.recovering(nodes[A]), "an epoch was forced with words"


async def test_nobody_answers_two_officers_open_the_doors_and_late_letters_still_come_home(nodes):
    await write(nodes[A], 0)
    await settle(nodes)
    await back_up(nodes[A])
    await write(nodes[A], 1, 2)
    await settle(nodes)
    await put_back(nodes[A])
    await federation.restored(nodes[A])
    asked, before = recover._ask, await put_back_so_far(nodes[A])

    async def silent(*_):
        return None

    recover._ask = silent
    try:
        await recover.recover(nodes[A])
        assert await federation.recovering(nodes[A])
        async with nodes[A].db.transaction() as tx:
            one = (await recoveries(tx))[0].id
            assert await officers.propose(tx, nodes[A], officer("a"), "open_doors", one, "枢纽和各省都连不上，急件要办") is None
            proposal = await tx.fetchval("SELECT id FROM node_proposal")
            refused = await officers.decide(tx, nodes[A], officer("a"), proposal, agree=True)
            assert refused is not None, "one officer was enough"
            assert await officers.decide(tx, nodes[A], officer("b"), proposal, agree=True) is None
        await recover.recover(nodes[A])
        assert not await federation.recovering(nodes[A])
    finally:
        recover._ask = asked
    await write(nodes[A], 3)
    await settle(nodes)
    await agree(nodes, 0, 1, 2, 3)
    assert await put_back_so_far(nodes[A]) == before + 2


async def test_while_recovering_a_call_with_effect_is_refused_and_a_question_is_answered(nodes):
    async def answer(node, caller, body):
        return {"ok": 1}

    federation.register(federation_letters(), {"demo.ask": answer}, node=nodes[A])
    await write(nodes[A], 0)
    await settle(nodes)
    await federation.restored(nodes[A])
    assert await federation.call(nodes[B], A, "demo.ask", {}) == {"ok": 1}
    with pytest.raises(federation.CallFailed) as refused:
        await federation.call(nodes[B], A, "demo.ask", {}, idempotency_key="019aa5c4-5d10-7a02-b1c7-0f3e9a6d4c11", budget_ms=400)
    assert refused.value.problem in ("recovering", "deadline"), "acted without knowing what it had done"

