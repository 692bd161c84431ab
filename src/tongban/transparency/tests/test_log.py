"""From a fact to a receipt, and every way of tampering with the rows in between."""

import asyncio
from datetime import timedelta

import pytest

from tongban import transparency
from tongban.kernel.gm import Sm2PublicKey, jcs, sm3
from tongban.kernel.ids import uuid7
from tongban.transparency import rules, tasks

from .make import leaves, signed


async def test_a_fact_gets_its_place_after_the_commit_and_then_a_receipt(tx, node):
    leaf = await transparency.append(tx, "cases.decided", b"a decision")
    with pytest.raises(transparency.ReceiptNotReady):
        await transparency.receipt(tx, leaf.id)
    assert await transparency.sequence(tx) == 1
    with pytest.raises(transparency.ReceiptNotReady):
        await transparency.receipt(tx, leaf.id)
    head = await transparency.sign_head(tx, node)
    receipt = await transparency.receipt(tx, leaf.id, statement=b"a decision")
    assert receipt.head == head
    assert receipt.fact == sm3(b"a decision")
    assert receipt.leaf == leaf
    assert rules.included(receipt.index, head.size, rules.leaf_hash(leaf.entry), receipt.proof, head.root)
    assert node.keys.signer("s1").public.verify(jcs(head.signed), head.signature)
    with pytest.raises(ValueError):
        await transparency.receipt(tx, leaf.id, statement=b"another decision")
    with pytest.raises(transparency.NoSuchLeaf):
        await transparency.receipt(tx, uuid7())


async def test_equal_facts_have_different_leaves(tx):
    one, two = await leaves(tx, 1), await leaves(tx, 1)
    assert one[0].commitment != two[0].commitment


async def test_a_rolled_back_fact_leaves_nothing(tx):
    inner = tx.transaction()
    await inner.start()
    await transparency.append(tx, "cases.decided", b"x")
    await inner.rollback()
    assert await transparency.sequence(tx) == 0
    assert (await transparency.verify_log(tx, {})).size == 0


@pytest.mark.parametrize("batches", [[1, 1, 1], [7], [3, 1, 9], [64], [1, 63, 5]])
async def test_batches_of_any_size_make_the_same_tree(tx, node, batches):
    made = []
    for number, count in enumerate(batches):
        made += await leaves(tx, count, start=number * 100)
    ids = [row["leaf_id"] for row in await tx.fetch("SELECT leaf_id FROM log_entry ORDER BY index")]
    by_id = {leaf.id: leaf for leaf in made}
    hashes = [rules.leaf_hash(by_id[one].entry) for one in ids]
    assert len(hashes) == sum(batches)
    head = await transparency.sign_head(tx, node)
    assert head.root == _root(hashes)
    for index in (0, len(hashes) // 2, len(hashes) - 1):
        proof = await transparency.inclusion(tx, index, head.size)
        assert rules.included(index, head.size, hashes[index], proof, head.root)
    for first in range(1, head.size + 1):
        proof = await transparency.consistency(tx, first, head.size)
        assert rules.consistent(first, head.size, _root(hashes[:first]), head.root, proof)
    assert (await transparency.verify_log(tx, node)).whole


def _root(hashes):
    """MTH by its definition."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return rules.node_hash(_root(hashes[:k]), _root(hashes[k:]))


async def test_proofs_that_cannot_be_are_refused(tx):
    await leaves(tx, 3)
    for first, second in ((0, 4), (3, 2), (-1, 2)):
        with pytest.raises(transparency.NoSuchProof):
            await transparency.consistency(tx, first, second)
    for index, size in ((3, 3), (0, 4), (-1, 2), (0, 0)):
        with pytest.raises(transparency.NoSuchProof):
            await transparency.inclusion(tx, index, size)
    assert await transparency.consistency(tx, 0, 3) == () == await transparency.consistency(tx, 3, 3)


async def test_a_head_is_signed_when_the_tree_grew_or_an_hour_passed(make_node, set_clock):
    node = await make_node("510000", clock=set_clock)
    async with node.db.transaction() as tx:
        first = await transparency.sign_head(tx, node)
        assert (first.size, first.root) == (0, sm3(b""))
        assert await transparency.sign_head(tx, node) is None
        grown = await signed(tx, node, 1)
        assert grown.at_ms > first.at_ms
        set_clock.move(-timedelta(minutes=5))
        later = await signed(tx, node, 1)
        assert later.at_ms > grown.at_ms
        set_clock.move(timedelta(hours=2))
        again = await transparency.sign_head(tx, node)
        assert (again.size, again.root) == (later.size, later.root)
        assert (await transparency.verify_log(tx, node)).whole


async def test_sequencers_that_race_give_every_leaf_one_place(make_node):
    node = await make_node("samr")

    async def write(number):
        async with node.db.transaction() as tx:
            await transparency.append(tx, "seals.used", b"%d" % number)

    await asyncio.gather(*(write(number) for number in range(40)), *(tasks.run_sequencer(node) for _ in range(5)))
    await asyncio.gather(tasks.run_sequencer(node), tasks.run_head(node), tasks.run_sequencer(node))
    await tasks.run_head(node)
    async with node.db.transaction() as tx:
        audit = await transparency.verify_log(tx, node)
        assert (audit.size, audit.findings) == (40, ())
        assert "40 leaves" in audit.sentence
        assert (await transparency.head(tx)).size == 40


async def test_a_ring_wakes_the_sequencer_at_commit(make_node):
    node = await make_node("mps")
    assert any(clock.bell == "sequencer" for clock in tasks.CLOCKS)
    heard, stop = asyncio.Event(), asyncio.Event()
    listening = asyncio.create_task(
        node.db.listen("tongban_bell", lambda bell: heard.set() if bell == "sequencer" else None, stop)
    )
    try:
        while not heard.is_set():  # the listener needs a moment to be connected; every ring is a new try
            async with node.db.transaction() as tx:
                await transparency.append(tx, "cases.opened", b"x")
            try:
                await asyncio.wait_for(heard.wait(), 0.5)
            except TimeoutError:
                continue
    finally:
        stop.set()
        await listening
    await tasks.run_sequencer(node)


async def test_a_certificate_decides_which_key_signs_and_travels_in_receipts(tx, node):
    await transparency.certify(tx, kid="500000/s2", certificate=b"leaf", anchor=b"root", since_ms=5)
    head = await signed(tx, node, 1)
    assert head.kid == "500000/s2"
    row = await tx.fetchrow("SELECT leaf_id FROM log_entry ORDER BY index DESC LIMIT 1")
    receipt = await transparency.receipt(tx, row["leaf_id"])
    assert (receipt.certificate, receipt.anchor) == (b"leaf", b"root")
    assert Sm2PublicKey.from_spki(receipt.head.key) == node.keys.signer("s2").public
    assert (await transparency.verify_log(tx, node)).whole


async def test_a_forgotten_leaf_keeps_the_tree_whole(tx, node):
    leaf = (await leaves(tx, 5))[2]
    await transparency.sign_head(tx, node)
    assert await transparency.forget(tx, leaf.id)
    assert not await transparency.forget(tx, leaf.id)
    with pytest.raises(transparency.NoSuchLeaf):
        await transparency.receipt(tx, leaf.id)
    assert (await transparency.verify_log(tx, node)).whole


# --- tampering: each statement is what somebody with the database in hand would do

TAMPERINGS = {
    "kind edited": ("edited", "UPDATE log_leaf SET kind = 'cases.refused' WHERE id = $1"),
    "time edited": ("edited", "UPDATE log_leaf SET at_ms = at_ms - 1 WHERE id = $1"),
    "commitment edited": ("edited", "UPDATE log_leaf SET salt = NULL, fact = NULL, commitment = sha256('x') WHERE id = $1"),
    "fact edited": ("edited", "UPDATE log_leaf SET fact = sha256('x') WHERE id = $1"),
    "leaf deleted": ("deleted", "WITH e AS (DELETE FROM log_entry WHERE leaf_id = $1 RETURNING leaf_id) DELETE FROM log_leaf WHERE id IN (SELECT leaf_id FROM e)"),
    "place deleted": ("deleted", "DELETE FROM log_entry WHERE leaf_id = $1"),
    "bottom hash deleted": ("deleted", "DELETE FROM log_node n USING log_entry e WHERE e.leaf_id = $1 AND n.level = 0 AND n.index = e.index"),
    "bottom hash edited": ("edited", "UPDATE log_node n SET hash = sha256('x') FROM log_entry e WHERE e.leaf_id = $1 AND n.level = 0 AND n.index = e.index"),
    "inner hash edited": ("edited", "UPDATE log_node n SET hash = sha256('x') FROM log_entry e WHERE e.leaf_id = $1 AND n.level = 1 AND n.index = e.index / 2"),
    "inner hash deleted": ("deleted", "DELETE FROM log_node n USING log_entry e WHERE e.leaf_id = $1 AND n.level = 2 AND n.index = e.index / 4"),
    "entry put in": ("inserted", "WITH l AS (INSERT INTO log_leaf SELECT gen_random_uuid(), kind, at_ms, salt, fact, commitment FROM log_leaf WHERE id = $1 RETURNING id) INSERT INTO log_entry SELECT 99, id FROM l"),
    "head edited": ("signature", "UPDATE log_head SET root = sha256('x') WHERE size = 10 AND $1::uuid IS NOT NULL"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_tampering_is_found_and_the_row_is_named(tx, node, name):
    kind, statement = TAMPERINGS[name]
    await signed(tx, node, 10)
    victim = await tx.fetchrow("SELECT leaf_id FROM log_entry WHERE index = 5")
    assert (await transparency.verify_log(tx, node)).whole
    await tx.execute("SET CONSTRAINTS ALL DEFERRED")
    await tx.execute(statement, victim["leaf_id"])
    found = (await transparency.verify_log(tx, node)).findings
    assert kind in {one.kind for one in found}, found
    places = " ".join(one.place + one.text for one in found)
    assert any(mark in places for mark in (victim["leaf_id"], " 5", "0/5", "1/2", "2/1", "99", "log_head 10")), found


async def test_two_leaves_that_changed_places_are_named(tx, node):
    await signed(tx, node, 10)
    await tx.execute("ALTER TABLE log_entry DROP CONSTRAINT log_entry_leaf_id_key")
    await tx.execute(
        "UPDATE log_entry a SET leaf_id = b.leaf_id FROM log_entry b WHERE (a.index, b.index) IN ((3, 7), (7, 3))"
    )
    found = (await transparency.verify_log(tx, node)).findings
    assert {(one.kind, one.place) for one in found} == {("reordered", "log_entry 3"), ("reordered", "log_entry 7")}


async def test_a_thorough_rewrite_still_breaks_the_signed_heads(tx, node):
    """Leaf, bottom row and all inner rows recomputed: only the heads, and with them the span, give it away."""
    await signed(tx, node, 4)
    await signed(tx, node, 4, start=4)
    await signed(tx, node, 4, start=8)
    await tx.execute("UPDATE log_leaf SET kind = 'cases.refused' FROM log_entry WHERE leaf_id = id AND index = 5")
    await _recompute(tx)
    audit = await transparency.verify_log(tx, node)
    assert [(one.kind, one.place) for one in audit.findings] == [("head", "log_head 8"), ("head", "log_head 12")]
    assert "4 to 7" in audit.sentence


async def test_a_tail_cut_off_is_found(tx, node):
    await signed(tx, node, 6)
    await tx.execute("DELETE FROM log_entry WHERE index >= 4")
    await tx.execute("DELETE FROM log_node WHERE (index + 1) << level > 4")
    await tx.execute("DELETE FROM log_leaf WHERE NOT EXISTS (SELECT 1 FROM log_entry WHERE leaf_id = id)")
    await tx.execute("UPDATE log_tree SET size = 4")
    found = (await transparency.verify_log(tx, node)).findings
    assert [(one.kind, one.place) for one in found] == [("deleted", "log_head 6")]


async def test_a_head_signed_by_a_strangers_key_is_found(tx, node):
    await signed(tx, node, 2)
    found = (await transparency.verify_log(tx, {})).findings
    assert [one.kind for one in found] == ["signature"]


async def _recompute(tx):
    rows = await tx.fetch("SELECT l.* FROM log_leaf l JOIN log_entry e ON e.leaf_id = l.id ORDER BY e.index")
    hashes = [
        rules.leaf_hash(transparency.Leaf(row["id"], row["kind"], row["at_ms"], row["commitment"]).entry)
        for row in rows
    ]
    await tx.execute("DELETE FROM log_node")
    await tx.copy_records_to_table(
        "log_node", columns=("level", "index", "hash"), records=list(rules.grow(0, {}, hashes))
    )
