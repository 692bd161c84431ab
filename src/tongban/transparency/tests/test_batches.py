"""Many facts at once: the same leaves, the same tree, found by the same audit (R-408)."""

import asyncpg
import pytest
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


async def test_a_large_batch_stands_in_the_order_given_and_costs_no_more_statements_than_a_small_one(node):
    """Several parts under way at once: each row is what its receipt opens, none is missing, none has another's place."""
    facts = [b"fact %d" % number for number in range(2_201)]
    said: list[str] = []
    async with node.db.transaction() as tx:
        before: int = await tx.fetchval("SELECT size FROM log_tree")
        tx.add_query_logger(_note := lambda record: said.append(record.query))
        made = await transparency.append_many(tx, "data.accessed", facts)
        tx.remove_query_logger(_note)
        assert len([one for one in said if "log_" in one]) <= 2, said
        assert await transparency.sequence(tx) == len(facts)
        rows = await tx.fetch(
            "SELECT l.* FROM log_entry e JOIN log_leaf l ON l.id = e.leaf_id WHERE e.index >= $1 ORDER BY e.index", before
        )  # fmt: skip
        assert [(row["id"], row["kind"], row["at_ms"], row["commitment"]) for row in rows] == [
            (one.id, one.kind, one.at_ms, one.commitment) for one in made
        ]
        assert all(row["commitment"] == commit(row["salt"], row["fact"]) for row in rows)
        assert [row["fact"] for row in rows] == [sm3(fact) for fact in facts]
        assert len({row["salt"] for row in rows}) == len(facts)


@pytest.mark.parametrize(("kind", "facts", "error"), [
    ("Not A Kind", [b"whole"] * 1_200, asyncpg.CheckViolationError),  # refused by the table
    ("data.accessed", ["no bytes"], TypeError),  # found while the first statement is under way
    ("data.accessed", [*[b"whole"] * 9_000, "no bytes"], TypeError),  # found while the rows are
])  # fmt: skip
async def test_a_batch_that_breaks_half_way_leaves_nothing_and_a_connection_that_works(node, kind, facts, error):
    async def counts():
        async with node.db.reading() as tx:
            return await tx.fetchrow("SELECT (SELECT count(*) FROM log_leaf), (SELECT count(*) FROM log_pending)")

    before = await counts()
    with pytest.raises(error):
        async with node.db.transaction() as tx:
            await transparency.append_many(tx, kind, facts)
    assert await counts() == before
    async with node.db.transaction() as tx:
        assert await transparency.append_many(tx, "data.accessed", [b"a", b"b"])


@given(
    st.uuids().map(str), st.from_regex(r"[a-z_]{1,20}(\.[a-z_]{1,20}){1,2}", fullmatch=True), st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32)
)  # fmt: skip
def test_the_written_out_form_is_jcs(leaf, kind, at, commitment):
    """`entry` is written by hand for speed: it must stay the canonical form, whatever stands in the row."""
    assert entry(leaf, kind, at, commitment) == jcs({"v": 1, "id": leaf, "kind": kind, "at": at, "commitment": named(commitment)})
