"""The whole way of a letter over real nodes: written, stamped, relayed, applied once."""

from __future__ import annotations

import asyncio
import time

from tongban import federation
from tongban.federation import letters
from tongban.federation.actions import pull
from tongban.federation.actions.office import office
from tongban.federation.tests.make import deliver, enrol, make_member, nation, serving


async def test_a_letter_reaches_the_other_node_through_the_hub(make_node):
    heard = []

    async def note(tx, node, letter):
        heard.append((node.id, letter.origin, letter.body))

    async with nation(make_node, "500000", "510000", letters_too={("demo.note", 1): note}) as nodes:
        async with nodes["500000"].db.transaction() as tx:
            await federation.send(
                tx, nodes["500000"], to="510000", kind="demo.note", about="demo:1", body={"text": "演示"}
            )
        await deliver(nodes)
        assert heard == [("510000", "500000", {"text": "演示"})]
        await deliver(nodes)
        assert len(heard) == 1


async def test_what_a_node_wrote_long_before_it_was_admitted_is_read(make_node):
    """A node is set up, publishes its items, and joins the next day: its first letters are older than its certificate.

    The hub once held such a node's letters for ever, also when it started slowly and joined half a minute later.
    """
    heard = []

    async def note(tx, node, letter):
        heard.append((node.id, letter.body["text"]))

    async with nation(make_node, "500000", "510000", letters_too={("demo.note", 1): note}) as nodes:
        writer = nodes["500000"]
        async with writer.db.transaction() as tx:
            await federation.send(tx, writer, to="510000", kind="demo.note", about="demo:1", body={"text": "演示"})
            await tx.execute("UPDATE outbox SET at = at - 86400000 WHERE seq IS NULL")
        await deliver(nodes)
        assert heard == [("510000", "演示")], "what was written before the certificate is held for ever"


async def test_with_its_clocks_running_a_letter_takes_less_than_two_seconds(make_node):
    arrived = asyncio.Event()

    async def note(tx, node, letter):
        arrived.set()

    async with nation(make_node, "500000", "510000", letters_too={("demo.note", 1): note}, clocks=True) as nodes:
        async with nodes["500000"].db.transaction() as tx:
            await federation.send(
                tx, nodes["500000"], to="510000", kind="demo.note", about="demo:1", body={"text": "演示"}
            )
        started = time.monotonic()
        async with asyncio.timeout(10):
            await arrived.wait()
        assert time.monotonic() - started < 2


async def test_a_node_that_joined_while_others_wait_is_read_at_once(make_node):
    """500000's poll left before 510000 joined: it must not sit out its 25 s without asking for 510000's letters."""
    arrived = asyncio.Event()

    async def note(tx, node, letter):
        arrived.set()

    async with nation(make_node, "500000", "510000", letters_too={("demo.note", 1): note}, clocks=True) as nodes:
        async with nodes["510000"].db.transaction() as tx:
            await federation.send(
                tx, nodes["510000"], to="500000", kind="demo.note", about="demo:2", body={"text": "演示"}
            )
        async with asyncio.timeout(5):
            await arrived.wait()


async def test_a_node_that_comes_back_is_asked_at_once(make_node, monkeypatch):
    """The hub waits long before it asks a silent node again; the node's own first question ends that wait."""
    monkeypatch.setattr(pull, "_BACKOFF", (1.0, 600.0))
    arrived, silent, failed = asyncio.Event(), asyncio.Event(), []

    async def note(tx, node, letter):
        arrived.set()

    def noted(event, **values):
        if event == "federation.pull_not_answered" and values["peer"] == "500000":
            failed.append(event)
        if len(failed) == 2:
            silent.set()

    monkeypatch.setattr(pull, "log", noted)
    federation.register({("demo.note", 1): note, **letters.LETTERS}, letters.CALLS)
    hub, member = await make_member(make_node, "cn"), await make_member(make_node, "500000")
    await federation.make_hub(hub)
    async with serving(hub, clocks=True):
        async with serving(member, clocks=True):
            await enrol(hub, member)
        async with member.db.transaction() as tx:
            await federation.send(tx, member, to="cn", kind="demo.note", about="demo:3", body={"text": "演示"})
        async with asyncio.timeout(30):
            await silent.wait()
        office(member).closing = False
        async with serving(member, clocks=True), asyncio.timeout(10):
            await arrived.wait()
