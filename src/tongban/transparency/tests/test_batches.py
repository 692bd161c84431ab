"""Many facts at once: the same leaves, the same tree, found by the same audit (R-408)."""

from hypothesis import given
from hypothesis import strategies as st

from tongban import transparency
from tongban.kernel.gm import jcs, sm3
from tongban.transparency.model import commit, entry, named


async def test_a_batch_is_the_same_as_one_by_one(tx, node):
    facts = [b"fact %d" % number for number in range(300)]
    made = await transparency.append_many(tx, "data.accessed", facts)
    assert await transparency.append_many(tx, "data.accessed", []) == ()
    single = await transparency.append(tx, "data.accessed", b"alone")
    assert await transparency.sequence(tx) == 301
    assert len({one.commitment for one in made}) == 300
    await transparency.sign_head(tx, node)
    for leaf, fact in ((made[0], facts[0]), (made[299], facts[299]), (single, b"alone")):
        receipt = await transparency.receipt(tx, leaf.id, statement=fact)
        assert receipt.leaf == leaf
        assert (receipt.fact, leaf.commitment) == (sm3(fact), commit(receipt.salt, sm3(fact)))
    audit = await transparency.verify_log(tx, node)
    assert (audit.size, audit.findings) == (301, ())


async def test_a_batch_that_is_rolled_back_leaves_nothing(tx):
    inner = tx.transaction()
    await inner.start()
    await transparency.append_many(tx, "data.accessed", [b"a", b"b"])
    await inner.rollback()
    assert await transparency.sequence(tx) == 0


@given(
    st.uuids().map(str), st.from_regex(r"[a-z_]{1,20}(\.[a-z_]{1,20}){1,2}", fullmatch=True), st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32)
)  # fmt: skip
def test_the_written_out_form_is_jcs(leaf, kind, at, commitment):
    """`entry` is written by hand for speed: it must stay the canonical form, whatever stands in the row."""
    assert entry(leaf, kind, at, commitment) == jcs({"v": 1, "id": leaf, "kind": kind, "at": at, "commitment": named(commitment)})
