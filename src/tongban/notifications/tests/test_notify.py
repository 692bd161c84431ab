"""Told once, in the transaction of the fact, and only to the person it is for."""

from __future__ import annotations

import asyncio

import pytest

from tongban import notifications
from tongban.kernel.gm import Personal
from tongban.notifications.providers import OUTSIDE_WORDS, Delivered, NotDelivered
from tongban.notifications.providers.demo import AwaySms, DemoSms, SlowSms
from tongban.notifications.tests.make import OTHER, XIAOYU, told


async def test_the_same_fact_is_told_once(node, tx):
    assert await told(tx, node)
    assert not await told(tx, node, title="另一种说法")
    threads = await notifications.messages(tx, node, XIAOYU)
    assert [one.title.reveal() for one in threads[0].messages] == ["材料收下了"]
    assert await told(tx, node, dedupe="2")
    assert await notifications.unread(tx, XIAOYU) == 2


async def test_two_transactions_at_once_tell_once(node):
    async def tell():
        async with node.db.transaction() as tx:
            return await told(tx, node, subject=OTHER, about="case:race")

    assert sorted(await asyncio.gather(*(tell() for _ in range(4)))) == [False, False, False, True]


async def test_grouped_by_thing_newest_first_and_only_mine(node, tx):
    await told(tx, node, about="case:1")
    await told(tx, node, about="case:2", group="居住证签注")
    await told(tx, node, about="case:2", kind="case.finished")
    await told(tx, node, subject=OTHER)
    threads = await notifications.messages(tx, node, XIAOYU)
    assert {thread.about: len(thread.messages) for thread in threads} == {"case:1": 1, "case:2": 2}
    assert threads[0].about == "case:2"
    assert await notifications.mark_read(tx, node, OTHER, threads[0].messages[0].id) == 0
    assert await notifications.unread(tx, XIAOYU) == 3
    assert await notifications.mark_read(tx, node, XIAOYU, threads[0].messages[0].id) == 1
    assert await notifications.mark_read(tx, node, XIAOYU) == 2
    assert await notifications.messages(tx, node, XIAOYU, only_unread=True) == ()


async def test_rolled_back_with_the_fact(node):
    class Broken(Exception):
        pass

    async def fail():
        async with node.db.transaction() as tx:
            await told(tx, node, about="case:never")
            raise Broken

    with pytest.raises(Broken):
        await fail()
    async with node.db.reading() as tx:
        assert not [one for one in await notifications.messages(tx, node, XIAOYU) if one.about == "case:never"]


async def test_nothing_personal_stands_in_the_row(node, tx):
    await told(tx, node, title="陈小雨的执照", text="企业开办")
    row = await tx.fetchrow("SELECT title, text, group_name FROM message WHERE subject = $1", XIAOYU)
    assert "陈小雨".encode() not in row["title"]
    assert "陈小雨" not in repr(await notifications.messages(tx, node, XIAOYU))


@pytest.mark.parametrize("link", ["https://example.org/", "//example.org", "javascript:1"])
async def test_a_link_stays_in_the_node(node, tx, link):
    with pytest.raises(ValueError, match="path"):
        await told(tx, node, link=link)


async def test_channels_say_nothing_about_the_matter():
    sms = DemoSms(a_minute=1)
    assert await sms.deliver(Personal("13800000000"), "m1") == Delivered("sms", "m1")
    assert sms.sent[0].words == OUTSIDE_WORDS
    assert await sms.deliver(Personal("13800000000"), "m2") == NotDelivered("sms", retry=True)
    assert await AwaySms().deliver(Personal("13800000000"), "m3") == NotDelivered("sms", retry=True)
    assert await SlowSms(DemoSms(), 0.01).deliver(Personal(""), "m4") == NotDelivered("sms", retry=False)
