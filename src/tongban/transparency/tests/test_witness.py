"""Heads between two nodes: continued, skipped, forked, forged."""

import pytest

from tongban import transparency
from tongban.kernel.gm import b64, jcs

from .make import signed


@pytest.fixture(scope="module")
async def other(make_node):
    return await make_node("510000")


@pytest.fixture
async def theirs(other):
    """A transaction at the other node, undone after the test."""
    async with other.db.transaction() as tx:
        await tx.execute("TRUNCATE log_entry, log_pending, log_leaf, log_node, log_head")
        await tx.execute("UPDATE log_tree SET size = 0, announced = 0")
        yield tx


async def test_heads_that_continue_are_countersigned(tx, node, theirs, other):
    key = other.keys.signer("s1").public
    assert await transparency.announce(theirs) is None
    held = 0
    for round_, (count, state) in enumerate([(3, "first"), (4, "consistent"), (1, "consistent")]):
        head = await signed(theirs, other, count, start=round_ * 10)
        told = await transparency.announce(theirs)
        assert (told.head, told.since) == (head, held)
        assert await transparency.announce(theirs) is None
        seen = await transparency.witness(tx, node, origin="510000", key=key, body=told.to_json())
        assert (seen.state, seen.held, seen.size) == (state, held, head.size)
        held = head.size
    again = await transparency.witness(tx, node, origin="510000", key=key, body=told.to_json())
    assert again.state == "consistent"
    assert [(one.node, one.size) for one in await transparency.witnessed(tx)] == [("510000", 8)]
    row = await tx.fetchrow("SELECT * FROM log_witnessed WHERE size = 8")
    statement = {"type": "tongban-log-witness-1", "v": 1, "witness": "500000", "head": head.signed}
    assert node.keys.signer("s1").public.verify(jcs(statement), row["countersignature"])


async def test_a_missed_head_is_a_gap_until_the_proof_is_fetched(tx, node, theirs, other):
    key = other.keys.signer("s1").public
    await signed(theirs, other, 3)
    await transparency.witness(tx, node, origin="510000", key=key, body=(await transparency.announce(theirs)).to_json())
    await signed(theirs, other, 3, start=10)
    await transparency.announce(theirs)  # this one is lost
    head = await signed(theirs, other, 3, start=20)
    body = (await transparency.announce(theirs)).to_json()
    seen = await transparency.witness(tx, node, origin="510000", key=key, body=body)
    assert (seen.state, seen.held, seen.size) == ("gap", 3, 9)
    proof = await transparency.consistency(theirs, seen.held, seen.size)
    fetched = {**head.to_json(), "since": seen.held, "proof": ["sm3:" + b64(one) for one in proof]}
    assert (await transparency.witness(tx, node, origin="510000", key=key, body=fetched)).state == "consistent"
    assert [one.size for one in await transparency.witnessed(tx)] == [9]


async def test_a_rewritten_history_is_a_fork_and_stays_named(tx, node, theirs, other):
    key = other.keys.signer("s1").public
    await signed(theirs, other, 3)
    await transparency.witness(tx, node, origin="510000", key=key, body=(await transparency.announce(theirs)).to_json())
    await theirs.execute("TRUNCATE log_entry, log_pending, log_leaf, log_node, log_head")
    await theirs.execute("UPDATE log_tree SET size = 0, announced = 0")
    same_size = await signed(theirs, other, 3, start=50)
    seen = await transparency.witness(
        tx, node, origin="510000", key=key, body={**same_size.to_json(), "since": 0, "proof": []}
    )
    assert seen.state == "fork"
    await theirs.execute("UPDATE log_tree SET announced = 3")
    await signed(theirs, other, 2, start=60)
    longer = (await transparency.announce(theirs)).to_json()
    seen = await transparency.witness(tx, node, origin="510000", key=key, body=longer)
    assert (seen.state, seen.held) == ("fork", 3)
    assert {one.size for one in await transparency.forks(tx)} == {3, 5}
    assert [one.size for one in await transparency.witnessed(tx)] == [3]


async def test_forged_heads_are_refused(tx, node, theirs, other):
    key = other.keys.signer("s1").public
    await signed(theirs, other, 3)
    body = (await transparency.announce(theirs)).to_json()
    head, sig = body["head"], body["sig"]
    for bad in (
        {**body, "head": {**head, "size": 4}},
        {**body, "head": {**head, "log": "500000"}},
        {**body, "head": {**head, "type": "x"}},
        {**body, "head": {**head, "root": "sm3:x"}},
        {**body, "sig": {**sig, "alg": "none"}},
        {**body, "sig": {**sig, "value": sig["value"][:-4]}},
        {**body, "sig": {**sig, "kid": "500000/s1"}},
        {**body, "proof": ["sm3:" + "A" * 43] * 200},
        {"head": head},
        {},
    ):
        with pytest.raises(transparency.HeadRefused):
            await transparency.witness(tx, node, origin="510000", key=key, body=bad)
    with pytest.raises(transparency.HeadRefused):
        await transparency.witness(tx, node, origin="510000", key=node.keys.signer("s1").public, body=body)
    assert await transparency.witnessed(tx) == ()
