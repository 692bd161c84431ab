"""One line and one leaf for each access; both ends make the same digest; no subject in a leaf."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tongban import consent, transparency
from tongban.consent.rules import access_fact
from tongban.consent.tests.make import OTHER, XIAOYU, access

AT = datetime(2026, 11, 18, 2, 0, 0, 123456, tzinfo=UTC)


async def test_line_and_leaf_in_one_transaction(node, tx):
    line = await consent.record_access(tx, node, access())
    assert [one.id for one in await consent.lines(tx, node.id, XIAOYU)] == [line.id]
    assert await consent.lines(tx, node.id, OTHER) == ()
    row = await tx.fetchrow("SELECT kind, fact FROM log_leaf WHERE id = $1", line.leaf)
    assert row["kind"] == "data.accessed"
    assert XIAOYU.encode() not in row["fact"]
    again = await consent.record_access(tx, node, access(id=line.id, at=line.at))
    assert again == line
    assert await tx.fetchval("SELECT count(*) FROM log_leaf") == 1


async def test_owner_and_caller_make_the_same_digest(node, tx):
    shared = {"id": "019aa5c0-0000-7000-8000-000000000001", "at": AT}
    owner = await consent.record_access(tx, node, access(side="owner", **shared))
    caller = await consent.record_access(tx, node, access(side="caller", fields=("姓名", "住址"), **shared))
    assert owner.digest == caller.digest
    assert owner.leaf != caller.leaf
    other = await consent.record_access(
        tx, node, access(side="owner", id="019aa5c0-0000-7000-8000-000000000002", at=AT)
    )
    assert other.digest != owner.digest


@given(
    some.sampled_from(["who", "purpose", "source", "receiver", "basis", "about", "subject"]),
    some.text(min_size=1, max_size=8),
)
def test_every_field_counts_in_the_digest(field, value):
    one = access(id="x", at=AT)
    other = msgspec.structs.replace(one, **{field: getattr(one, field) + value})
    assert consent.access_digest(one) != consent.access_digest(other)


def test_the_fact_names_nobody():
    assert XIAOYU.encode() not in access_fact(access(id="x", at=AT))


async def test_a_receipt_carries_the_fact_of_the_row(node, tx):
    line = await consent.record_access(tx, node, access(count=3))
    await transparency.sequence(tx)
    await transparency.sign_head(tx, node)
    found = await consent.line(tx, node.id, XIAOYU, line.id, "local")
    made = await transparency.receipt(tx, found.leaf, statement=consent.fact_of(XIAOYU, found))
    assert made.statement is not None
    with pytest.raises(transparency.NotWhatWasLogged):
        await transparency.receipt(tx, found.leaf, statement=consent.fact_of(OTHER, found))


async def test_lines_are_append_only(node, tx):
    line = await consent.record_access(tx, node, access())
    with pytest.raises(asyncpg.RestrictViolationError):
        async with tx.transaction():
            await tx.execute("UPDATE access_record SET who = '别人' WHERE id = $1", line.id)


async def test_newest_first(node, tx):
    old = await consent.record_access(tx, node, access(at=AT))
    new = await consent.record_access(tx, node, access(at=AT + timedelta(hours=1)))
    assert [one.id for one in await consent.lines(tx, node.id, XIAOYU)] == [new.id, old.id]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("share", "取用了你的"), ("view", "查看了你的"), ("check", "核对了你的"), ("present", "出示了")],
)
async def test_plain_sentences(node, tx, kind, words):
    line = await consent.record_access(tx, node, access(kind=kind))
    assert words in consent.sentence(line)
