"""A restore that its node declared explains the two histories it made; it never hides another (R-408, T-40; federation.md 6.2, N-18)."""

from datetime import timedelta

import pytest

from tongban import transparency

from .make import doors, signed
from .test_forks import history, seen, statement


@pytest.fixture(scope="module")
async def liar(make_node):
    return await make_node("510000")


@pytest.fixture(scope="module")
async def neighbour(make_node):
    return await make_node("mps")


def at(body):
    return body["head"]["at"]


async def test_a_declared_restore_explains_its_two_histories_and_the_log_is_watched_on(tx, node, liar):
    """The pair stays listed with both heads; the new history is countersigned again, and grows under proof."""
    (before,), _ = await history(liar, 5, start=0)
    after, _ = await history(liar, 3, 4, start=50)
    await seen(tx, node, liar, before)
    await transparency.declare_restore(tx, "510000", 9, at(after[0]))
    await seen(tx, node, liar, after[0])
    (fork,) = await transparency.fork_list(tx)
    assert (fork.first.size, fork.second.size, fork.restored_ms) == (3, 5, at(after[0])), "both heads stay"
    assert [(one.state, one.size) for one in await transparency.witnessed(tx)] == [("first", 3)]
    await seen(tx, node, liar, after[1])
    assert [(one.state, one.size) for one in await transparency.witnessed(tx)] == [("consistent", 7)], "watched on"
    assert len(await transparency.fork_list(tx)) == 1


async def test_a_restore_hides_no_other_history(tx, node, neighbour, liar):
    """Two histories after the restore, or two before it, are what they always were; one moment explains one pair."""
    (before,), _ = await history(liar, 5, start=0)
    (also_before,), _ = await history(liar, 5, start=900)
    (after,), _ = await history(liar, 3, start=50)
    (also_after,), _ = await history(liar, 3, start=70)
    key = liar.keys.signer("s1").public
    await seen(tx, node, liar, before)
    await transparency.declare_restore(tx, "510000", 9, at(after))
    await seen(tx, node, liar, after)
    await transparency.overheard(tx, node, told_by="mps", key=key, body=statement(neighbour, also_after))
    await transparency.overheard(tx, node, told_by="mps", key=key, body=statement(neighbour, also_before))
    found = {(one.first.root, one.second.root): one.restored_ms for one in await transparency.fork_list(tx)}
    true = [pair for pair, restored in found.items() if restored is None]
    assert len(true) == 2, "a true fork was explained away"
    assert len(found) == 3
    await seen(tx, node, liar, also_after)
    held = [(one.state, transparency.named(one.root)) for one in await transparency.witnessed(tx)]
    assert held == [("first", after["head"]["root"])], "no second new beginning"


async def test_an_undeclared_restore_and_one_declared_after_the_lie_explain_nothing(tx, node, liar):
    (one,), _ = await history(liar, 5, start=0)
    (two,), _ = await history(liar, 5, start=50)
    await seen(tx, node, liar, one, two)
    await transparency.declare_restore(tx, "510000", 9, at(two) + 1)
    await transparency.declare_restore(tx, "samr", 9, at(two))
    (fork,) = await transparency.fork_list(tx)
    assert fork.restored_ms is None, "a true fork was explained away"


async def test_a_question_about_what_was_lost_ends_with_the_restore(tx, node, neighbour, liar):
    """Heard of from a neighbour and never joined, because the node had gone back: its new history, grown as long, is no answer to that.

    It stays named as not joined, which is true, and is not called a lie, which is not.
    """
    key = liar.keys.signer("s1").public
    before, _ = await history(liar, 5, 4, start=0)
    after, proofs = await history(liar, 3, 9, start=50, tail=[(5, 9)])
    await seen(tx, node, liar, before[0])
    gap = await transparency.overheard(tx, node, told_by="mps", key=key, body=statement(neighbour, before[1]))
    assert gap is not None
    await transparency.declare_restore(tx, "510000", 9, at(after[0]))
    assert (await transparency.settle(tx, node, gap, proofs[0])).state == "gap"
    assert await transparency.fork_list(tx) == (), "an honest restore is called a lie"
    assert [one.size for one in await transparency.unproved(tx, since=node.clock.now() + timedelta(seconds=1))] == [9]
    await seen(tx, node, liar, after[0])
    assert [one.restored_ms for one in await transparency.fork_list(tx)] == [at(after[0])]


async def test_a_node_put_back_does_not_accuse_itself(tx, node, neighbour):
    """A neighbour's signature under a head that the backup does not have: until the restore is declared it alarms, then it is explained."""
    held, _ = await history(node, 3, start=0)
    lost, _ = await history(node, 3, 4, start=0)
    await signed(tx, node, 3)
    key = neighbour.keys.signer("s1").public
    said = await transparency.take_cosignature(tx, node, witness="mps", key=key, certificate=b"", body=statement(neighbour, lost[1]))
    assert said.state == "fork"
    assert [one.restored_ms for one in await transparency.fork_list(tx, own=node.id)] == [None], "a tail cut off must alarm"
    moment = max(at(held[0]), at(lost[1])) + 60_000
    await transparency.declare_restore(tx, node.id, 9, moment)
    assert [one.restored_ms for one in await transparency.fork_list(tx, own=node.id)] == [moment]
    assert [one.restored_ms for one in await transparency.fork_list(tx)] == [None], "others judge: explained away"


async def test_the_public_page_tells_them_apart_and_names_who_gives_no_proof(node, neighbour, liar):
    """/transparency: 恢复过备份 beside 对不上, and the node that has not joined two heads for half an hour is named."""
    (before,), _ = await history(liar, 5, start=0)
    after, _ = await history(liar, 3, 4, start=50)
    async with node.db.transaction() as tx:
        await seen(tx, node, liar, before)
        await transparency.declare_restore(tx, "510000", 9, at(after[0]))
        await seen(tx, node, liar, after[0])
        await transparency.overheard(tx, node, told_by="mps", key=liar.keys.signer("s1").public, body=statement(neighbour, after[1]))
        await tx.execute("UPDATE log_witnessed SET seen_at = $1 WHERE state = 'gap'", node.clock.now() - timedelta(minutes=40))
    async with doors(node) as client:
        page = (await client.get("/transparency")).text
        assert "恢复过备份" in page
        assert "没给证明" in page
        assert "发现记录被改过" not in page
        async with node.db.transaction() as tx:
            (other,), _ = await history(liar, 3, start=70)
            await transparency.overheard(tx, node, told_by="mps", key=liar.keys.signer("s1").public, body=statement(neighbour, other))
        page = (await client.get("/transparency")).text
        assert "发现记录被改过" in page
        assert "恢复过备份" in page
