"""One purpose, given and withdrawn by rows that stay; withdrawal stops the next use."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest

from tongban import consent
from tongban.consent.errors import AskGone, PromiseTooLong
from tongban.consent.tests.make import OTHER, XIAOYU, citizen, wanted


async def test_ask_agree_allow_withdraw(node, tx):
    url = await consent.ask(tx, node, XIAOYU, wanted(node), back="/apply/1/2")
    assert await consent.ask(tx, node, XIAOYU, wanted(node, until=wanted(node).until), back="/x") != url
    ask_id = url.rsplit("/", 1)[1]
    now = node.clock.now()
    assert await consent.allows(tx, XIAOYU, "case.prefill", node.id, at=now) is None
    assert await consent.answer(tx, node, citizen(), ask_id, agrees=True, channel="h5") == "/apply/1/2"
    # a double tap gives no second consent
    assert await consent.answer(tx, node, citizen(), ask_id, agrees=True, channel="h5") == "/apply/1/2"
    given = await consent.consents(tx, XIAOYU)
    assert len(given) == 1
    now = node.clock.now()
    assert await consent.allows(tx, XIAOYU, "case.prefill", node.id, at=now, fields=("居住登记地址",)) is not None
    assert await consent.allows(tx, XIAOYU, "case.prefill", node.id, at=now, fields=("姓名",)) is None
    assert await consent.allows(tx, XIAOYU, "other", node.id, at=now) is None
    assert await consent.allows(tx, OTHER, "case.prefill", node.id, at=now) is None
    done = await consent.withdraw(tx, node, citizen(), given[0].id, channel="h5")
    assert done.withdrawn_at is not None
    assert await consent.withdraw(tx, node, citizen(), given[0].id, channel="h5") == done
    assert await consent.allows(tx, XIAOYU, "case.prefill", node.id, at=node.clock.now()) is None


async def test_refusing_goes_on_and_gives_nothing(node, tx):
    url = await consent.ask(tx, node, XIAOYU, wanted(node), back="/apply/1/2")
    ask_id = url.rsplit("/", 1)[1]
    assert await consent.answer(tx, node, citizen(), ask_id, agrees=False, channel="h5") == "/apply/1/2"
    # going back and agreeing afterwards does not change what was said
    await consent.answer(tx, node, citizen(), ask_id, agrees=True, channel="h5")
    assert await consent.consents(tx, XIAOYU) == ()
    assert await tx.fetchval("SELECT answer FROM consent_ask WHERE subject = $1", XIAOYU) == "refused"


async def test_nobody_answers_or_withdraws_for_another(node, tx):
    url = await consent.ask(tx, node, XIAOYU, wanted(node), back="/")
    with pytest.raises(AskGone):
        await consent.answer(tx, node, citizen(OTHER), url.rsplit("/", 1)[1], agrees=True, channel="h5")
    mine = await consent.give(tx, node, citizen(), wanted(node), channel="h5")
    refused = await consent.withdraw(tx, node, citizen(OTHER), mine.id, channel="h5")
    assert refused[0].code == "consent.unknown"
    assert (await consent.consents(tx, XIAOYU))[0].withdrawn_at is None


async def test_rows_are_append_only(node, tx):
    mine = await consent.give(tx, node, citizen(), wanted(node), channel="h5")
    for statement in (
        "UPDATE consent SET until = until + interval '1 year' WHERE id = $1",
        "DELETE FROM consent WHERE id = $1",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            async with tx.transaction():
                await tx.execute(statement, mine.id)


async def test_the_text_shown_is_kept_by_digest(node, tx):
    ask = wanted(node)
    mine = await consent.give(tx, node, citizen(), ask, channel="h5")
    assert await tx.fetchval("SELECT text FROM consent_text WHERE digest = $1", mine.text_digest) == ask.text()
    assert await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'consent.given'") == 1


async def test_nothing_for_longer_than_a_year(node, tx):
    with pytest.raises(PromiseTooLong):
        await consent.ask(tx, node, XIAOYU, wanted(node, until=node.clock.now() + timedelta(days=400)), back="/")


async def test_it_ends_by_itself(node, tx):
    mine = await consent.give(tx, node, citizen(), wanted(node), channel="h5")
    assert await consent.allows(tx, XIAOYU, "case.prefill", node.id, at=mine.until) is None
    assert await consent.allows(tx, XIAOYU, "case.prefill", node.id, at=mine.until - timedelta(seconds=1)) is not None
