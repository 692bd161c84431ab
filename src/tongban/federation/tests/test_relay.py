"""The hub carries and cannot read; without it nodes fetch from each other (federation.md 5.5, threats T-30, T-31)."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tongban import federation
from tongban.federation import api, letters
from tongban.federation.actions import pull
from tongban.federation.actions.office import office
from tongban.federation.actions.stamp import stamp
from tongban.federation.actions.way import NoAnswer, exchange
from tongban.federation.queries.mail import cursors
from tongban.federation.tests.make import deliver, enrol, make_member, nation, serving
from tongban.kernel.gm import jcs

heard: list[tuple[str, str]] = []


async def note(tx, node, letter):
    heard.append((node.id, letter.body["text"]))


LETTERS = {("demo.note", 1): note}


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with nation(make_node, "500000", "510000", letters_too=LETTERS) as nodes:
        yield nodes


@pytest.fixture(autouse=True)
def fresh():
    heard.clear()


async def write(node, text, to="510000"):
    async with node.db.transaction() as tx:
        await federation.send(tx, node, to=to, kind="demo.note", about="demo:relay", body={"text": text})
    await stamp(node)


async def test_the_hub_holds_the_letter_and_cannot_read_it(nodes):
    await write(nodes["500000"], "演示刘女士的材料")
    await deliver(nodes)
    assert heard == [("510000", "演示刘女士的材料")]
    async with nodes["cn"].db.reading() as tx:
        held = await tx.fetchrow("SELECT body, \"to\" FROM relay WHERE origin = '500000' ORDER BY seq DESC LIMIT 1")
        kept = [
            str(row["name"])
            for row in await tx.fetch(
                "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'"
            )
        ]
        everything = b"".join(
            [
                bytes(row["line"], "utf-8")
                for name in kept
                for row in await tx.fetch(f'SELECT t::text AS line FROM "{name}" t')
            ]
        )
    assert held["to"] == "510000"
    assert "演示刘女士" not in held["body"].decode()
    assert "演示刘女士" not in everything.decode()
    assert "演示刘女士".encode().hex() not in everything.decode()


async def test_what_the_sender_wrote_the_sender_can_read_again(nodes):
    """After a restore its own letters come home: the second key entry opens them [M]."""
    from tongban.federation.actions.send import read_body
    from tongban.federation.rules.wire import Head

    async with nodes["cn"].db.reading() as tx:
        row = await tx.fetchrow("SELECT head, body FROM relay WHERE origin = '500000' ORDER BY seq DESC LIMIT 1")
    head = msgspec.json.decode(row["head"], type=Head)
    assert read_body(nodes["500000"], head, row["body"]) == {"text": "演示刘女士的材料"}


async def test_the_same_letter_by_both_ways_has_one_effect(nodes):
    await write(nodes["500000"], "twice")
    await pull.pull_once(nodes["cn"], "500000", ["500000"], wait=0)
    await asyncio.gather(
        pull.pull_once(nodes["510000"], "500000", ["500000"], wait=0), pull.pull_once(nodes["510000"], "cn", wait=0)
    )
    assert heard == [("510000", "twice")]


async def test_a_relay_that_is_behind_brings_nothing_and_takes_nothing_back(nodes):
    await write(nodes["500000"], "direct")
    await pull.pull_once(nodes["510000"], "500000", ["500000"], wait=0)
    async with nodes["510000"].db.reading() as tx:
        before = await cursors(tx)
    await pull.pull_once(nodes["510000"], "cn", wait=0)
    async with nodes["510000"].db.reading() as tx:
        assert await cursors(tx) == before
    await deliver(nodes)
    assert heard == [("510000", "direct")]


async def test_a_relay_that_leaves_a_letter_out_is_found_and_the_origin_asked(nodes):
    for text in ("one", "two", "three"):
        await write(nodes["500000"], text)
    await pull.pull_once(nodes["cn"], "500000", ["500000"], wait=0)
    async with nodes["cn"].db.transaction() as tx:
        seqs = [
            row["seq"]
            for row in await tx.fetch(
                "SELECT seq FROM relay WHERE origin = '500000' AND \"to\" = '510000' ORDER BY seq DESC LIMIT 2"
            )
        ]
        await tx.execute("DELETE FROM relay WHERE origin = '500000' AND seq = $1", seqs[1])
    done = await pull.pull_once(nodes["510000"], "cn", wait=0)
    assert [one.ended for one in done.received if one.ended != "all"] == ["gap"]
    assert heard == [("510000", "one")]
    reader = nodes["510000"]
    ways = await pull.routes(reader, await federation.present(reader))
    assert ways["500000"] == ["500000"]  # the relay is at fault: the origin is asked as well
    await pull.pull_once(reader, "500000", ["500000"], wait=0)
    assert [text for _, text in heard] == ["one", "two", "three"]
    office(reader).suspects.clear()


async def test_one_waiting_poll_of_each_caller(nodes):
    reader = nodes["510000"]
    await deliver(nodes)
    old = asyncio.create_task(pull.pull_once(reader, "cn", wait=20))
    async with asyncio.timeout(5):
        while not office(nodes["cn"]).polls:  # noqa: ASYNC110  another task's doing is watched
            await asyncio.sleep(0.01)
    new = asyncio.create_task(pull.pull_once(reader, "cn", wait=1))
    async with asyncio.timeout(5):
        await old
        await new


async def test_a_reader_that_is_ahead_of_the_origin_is_told_diverged(nodes):
    found = await federation.present(nodes["510000"])
    async with nodes["510000"].db.reading() as tx:
        one = next(c for c in await cursors(tx) if c.origin == "500000")
    answer = await exchange(
        nodes["510000"], found, found.node("500000"), "GET", "/federation/letters",
        query=f"from=500000.{one.epoch}.{one.seq + 100}&wait=0", budget_ms=2500, seconds=3,
    )  # fmt: skip
    assert (answer.status, answer.body["code"]) == (409, "diverged")


async def test_only_the_origins_own_signature_makes_a_divergence_report_hold(nodes):
    reporter, origin = nodes["510000"], nodes["500000"]
    found = await federation.present(reporter)
    told = {
        "v": 1,
        "origin": "500000",
        "epoch": 1,
        "evidence": {"letters": [{"head": {}, "sig": {}}], "head_statements": []},
    }
    answer = await exchange(
        reporter, found, found.node("500000"), "POST", "/federation/diverged", body=jcs(told), budget_ms=2500, seconds=3
    )
    assert answer.body == {"v": 1, "holds": False}
    assert await stamp(origin) == 0
    await write(origin, "still working")
    async with origin.db.reading() as tx:
        assert await tx.fetchval("SELECT stopped FROM outbox_head") is None
    await deliver(nodes)


async def test_a_node_put_back_is_told_so_and_stops_stamping(make_node):
    federation.register({**letters.LETTERS, **LETTERS}, letters.CALLS)
    hub = await make_member(make_node, "cn")
    await federation.make_hub(hub)
    async with serving(hub):
        nodes = {"cn": hub}
        for node_id in ("500000", "510000"):
            nodes[node_id] = await make_member(make_node, node_id)
        async with serving(nodes["500000"]), serving(nodes["510000"]):
            for node_id in ("500000", "510000"):
                await enrol(hub, nodes[node_id])
            await federation.refresh(nodes["500000"])
            await write(nodes["500000"], "lost in the restore")
            await pull.pull_once(nodes["510000"], "500000", ["500000"], wait=0)
            async with nodes["500000"].db.transaction() as tx:  # as a backup from before that letter would be
                await tx.execute("DELETE FROM outbox")
                await tx.execute("DELETE FROM outbox_end")
                await tx.execute("UPDATE outbox_head SET seq = 0")
            await pull.pull_once(nodes["510000"], "500000", ["500000"], wait=0)
            async with nodes["500000"].db.reading() as tx:
                assert await tx.fetchval("SELECT stopped FROM outbox_head") == "diverged"
                assert await tx.fetchval("SELECT holds FROM diverged_report")
            async with nodes["510000"].db.reading() as tx:
                assert next(c for c in await cursors(tx) if c.origin == "500000").stopped == "rolled_back"
            await write(nodes["500000"], "waits")
            async with nodes["500000"].db.reading() as tx:
                assert await tx.fetchval("SELECT count(*) FROM outbox WHERE seq IS NULL") == 1


async def test_with_the_hub_away_letters_go_directly_and_come_back_to_the_hub(make_node):
    arrived = asyncio.Event()

    async def hear(tx, node, letter):
        heard.append((node.id, letter.body["text"]))
        if node.id == "510000":
            arrived.set()

    federation.register({**letters.LETTERS, ("demo.note", 1): hear}, letters.CALLS)
    hub = await make_member(make_node, "cn")
    a, b = (
        await make_member(make_node, "500000", hub_away_seconds=1),
        await make_member(make_node, "510000", hub_away_seconds=1),
    )
    await federation.make_hub(hub)
    async with serving(a, clocks=True), serving(b, clocks=True):
        async with serving(hub, clocks=True):
            for member in (a, b):
                await enrol(hub, member)
            async with asyncio.timeout(15):
                while (await federation.present(a)).node("510000") is None:  # noqa: ASYNC110  as above
                    await asyncio.sleep(0.05)
        # the hub is gone: its server and its clocks are stopped
        async with a.db.transaction() as tx:
            await federation.send(
                tx, a, to="510000", kind="demo.note", about="demo:away", body={"text": "without the hub"}
            )
        async with asyncio.timeout(30):
            await arrived.wait()
        assert heard == [("510000", "without the hub")]
        with pytest.raises(NoAnswer):
            await pull.pull_once(a, "cn", wait=0)
        async with serving(hub):
            await pull.pull_once(hub, "500000", ["500000"], wait=0)
            await pull.pull_once(b, "cn", wait=0)
        assert heard == [("510000", "without the hub")]


def test_the_doors_are_those_of_the_page():
    """`call` is a mount: it takes `call/{service}` as bytes."""
    paths = {path for handler in api.routes for path in handler.paths}
    assert paths == {
        f"/federation/{one}" for one in (
            "directory", "letters", "chain", "snapshot", "enrol", "enrol/{enrolment:str}", "call", "stream/{service:str}", "renew",
            "revoke", "diverged", "returned", "crl",
        )
    }  # fmt: skip
