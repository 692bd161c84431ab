"""The page of messages: by thing, unread by dot and word, read by opening."""

from __future__ import annotations

import re

from tongban.consent.tests.doors import browser
from tongban.kernel.actor import Actor
from tongban.notifications.pages import routes
from tongban.notifications.tests.make import OTHER, XIAOYU, told


def person(subject):
    return Actor(kind="citizen", subject=subject, acr=1, sid="s")


async def test_read_by_opening_and_all_at_once(node):
    async with node.db.transaction() as tx:
        await told(tx, node)
        await told(tx, node, kind="case.finished", title="办好了", dedupe="9")
        await told(tx, node, subject=OTHER, title="别人的")
    async with browser(node, routes) as seen:
        seen.actor = person(XIAOYU)
        await seen.see("/messages")
        assert "消息，2 条未读" in seen.text
        assert seen.text.count("未读：") == 2
        assert "别人的" not in seen.text
        link = re.search(r'href="(/messages/[0-9a-f-]{36})"', seen.text)[1]
        assert (await seen.see(link)).headers["location"] == "/cases/1"
        await seen.see("/messages?show=unread")
        assert "消息，1 条未读" in seen.text
        assert (await seen.send("/messages/read")).headers["location"] == "/messages"
        await seen.see("/messages")
        assert "未读：" not in seen.text


async def test_another_persons_message_opens_nothing(node):
    async with node.db.transaction() as tx:
        await told(tx, node, about="case:7")
        mine = await tx.fetchval("SELECT id FROM message WHERE about = 'case:7'")
    async with browser(node, routes) as seen:
        seen.actor = person(OTHER)
        assert (await seen.see(f"/messages/{mine}")).headers["location"] == "/messages"
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT read_at FROM message WHERE about = 'case:7'") is None


async def test_signing_in_is_asked(node):
    async with browser(node, routes) as seen:
        assert (await seen.see("/messages")).status_code == 303
