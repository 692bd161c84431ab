"""Keys, certificates, snapshots and retention of a running nation (federation.md 2, 3, 7; R-801; T-33, T-35, T-49)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from tongban import federation
from tongban.federation import tasks
from tongban.federation.actions import believe, compact, directory, officers, passing, renew, snapshot
from tongban.federation.actions import office as memory
from tongban.federation.actions.office import office
from tongban.federation.actions.pull import pull_once
from tongban.federation.actions.receive import Batch, receive
from tongban.federation.actions.snapshot import load_snapshot, take_snapshot
from tongban.federation.actions.stamp import stamp
from tongban.federation.queries.directory import served
from tongban.federation.queries.mail import cursors
from tongban.federation.queries.mending import last_retention
from tongban.federation.queries.served import Position, serve_letters
from tongban.federation.rules import wire
from tongban.federation.rules.directory import parse
from tongban.federation.tests.make import catch_up, deliver, nation, officer
from tongban.kernel.clock import SetClock, SystemClock
from tongban.kernel.gm import crl, parse_json, x509

A, B = "500000", "510000"
heard: list[tuple[str, int]] = []


async def hear(tx, node, letter):
    if node.id == B:
        heard.append((letter.kind, letter.body["n"]))


async def echo(node, caller, body):
    return {"n": body["n"]}


LETTERS = {("demo.note", 1): hear, ("demo.list", 1): hear}


@pytest.fixture(scope="module")
async def nodes(make_node):
    from tongban.federation import letters

    async with nation(make_node, A, B, letters_too=LETTERS, calls={"demo.echo": echo}) as nodes:
        federation.register(
            {**letters.LETTERS, **LETTERS}, {**letters.CALLS, "demo.echo": echo}, replaces=("demo.list", *letters.REPLACES)
        )
        yield nodes


@pytest.fixture(autouse=True)
def clean():
    heard.clear()


async def write(node, *numbers, to=B, kind="demo.note", about="demo:1"):
    ids = []
    for n in numbers:
        async with node.db.transaction() as tx:
            ids.append(await federation.send(tx, node, to=to, kind=kind, about=about, body={"n": n}))
    return ids


@pytest.fixture
def at_once(monkeypatch):
    """A new key signs at once: everybody in the test has the directory by then."""
    monkeypatch.setattr(memory, "SPREADS_MS", 0)


async def kid(node):
    return office(node).signer(node, await office(node).need(node)).kid


async def test_node_keys_turn_under_load_and_no_call_fails_and_no_letter_is_lost(nodes, monkeypatch):
    a, b = nodes[A], nodes[B]
    for _ in range(10):
        await federation.call(a, B, "demo.echo", {"n": 0})
    stop, asked = asyncio.Event(), []

    async def load():
        while not stop.is_set():
            asked.append((await federation.call(a, B, "demo.echo", {"n": len(asked)}))["n"])

    loading = asyncio.create_task(load())
    old = await kid(a)
    try:
        for n in range(3):
            await write(a, n * 2, n * 2 + 1)
            await stamp(a)
            found = await federation.renew_keys(a)
            await catch_up(b)
    finally:
        stop.set()
        await loading
    assert asked == list(range(len(asked)))
    assert len(asked) > 3
    await deliver(nodes)
    await deliver(nodes)
    assert [n for _, n in heard] == list(range(6))
    assert await kid(a) != found.node(A).current("sign").kid, "a key signs before its directory is everywhere"
    monkeypatch.setattr(memory, "SPREADS_MS", 0)
    assert await kid(a) == f"{A}/s4"
    assert old == f"{A}/s1"
    encryption = found.node(A).current("encrypt").kid
    assert encryption == f"{A}/e4"
    await write(b, 77, to=A)
    await stamp(b)
    async with b.db.reading() as tx:
        body = parse_json(await tx.fetchval("SELECT body FROM outbox ORDER BY ticket DESC LIMIT 1"))
    assert {one["kid"] for one in body["keys"]} == {encryption, f"{B}/e1"}, "sealed for an older key"


async def test_two_officers_revoke_a_key_and_directory_and_list_go_out_together(nodes):
    hub = nodes["cn"]
    victim = f"{A}/s1"
    async with hub.db.transaction() as tx:
        assert await officers.propose(tx, hub, officer("a"), "revoke_key", victim, "演示：密钥文件被人看到") is None
        proposal = await tx.fetchval("SELECT id FROM node_proposal WHERE decided_at IS NULL")
        alone = await officers.decide(tx, hub, officer("a"), proposal, agree=True)
        assert alone is not None, "revoked by one officer"
        assert await officers.decide(tx, hub, officer("b"), proposal, agree=True) is None
    await catch_up(nodes[B])
    assert (await office(nodes[B]).need(nodes[B])).revoked_since(victim) is not None
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://{hub.settings.connect}/federation/crl", headers={"host": "cn.localhost"})
    async with hub.db.reading() as tx:
        root = x509.read(await tx.fetchval("SELECT cert FROM directory_anchor WHERE how = 'pinned'"))
        cert = x509.read(await tx.fetchval("SELECT cert FROM node_key WHERE kid = $1", victim))
        leaf = await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'federation.revoke_key'")
    found = crl.read(answer.content, root)
    assert found.revoked[cert.serial].reason == "key_compromise"
    assert leaf == 1
    await deliver(nodes)


async def test_letters_of_a_revoked_key_are_held_until_they_are_signed_again(nodes, at_once):
    a, b = nodes[A], nodes[B]
    await catch_up(a)
    await deliver(nodes)
    stolen = await kid(a)
    await write(a, 1)
    await stamp(a)
    await federation.renew_keys(a)
    await catch_up(b)  # the old key speaks for the new one: a revoked one could not
    assert await federation.revoke_own_key(a, stolen.split("/")[1], "compromise") == 2
    await catch_up(b)
    heard.clear()
    async with a.db.reading() as tx:
        cursor = next(one for one in await all_cursors(b) if one.origin == A)
        served = await serve_letters(tx, A, (await office(a).need(a)).node(B), [Position(A, cursor.epoch, cursor.seq)], 10, relays=False)
    mail = [wire.parse_letter(parse_json(one)) for one in served.letters]
    assert mail
    assert (await receive(b, Batch(A, cursor.view, mail, None, A))).ended == "held", "revoked key believed"
    assert heard == []
    assert A in office(b).suspects, "nobody asks the origin itself"
    await deliver(nodes)  # the stamper signs the same heads again
    async with a.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM outbox WHERE kid = $1", stolen) == 0
    await pull_once(b, A, [A], wait=0)
    assert ("demo.note", 1) in heard


async def all_cursors(node):
    async with node.db.reading() as tx:
        return await cursors(tx)


async def test_keys_are_renewed_before_their_certificates_end(nodes):
    from tongban.federation.actions.join import renew_in_time

    a, before = nodes[A], await kid(nodes[A])
    assert not await renew_in_time(a)
    clock, keys = a.clock, len((await office(a).need(a)).node(A).keys)

    class Later(SystemClock):
        def now(self):
            return super().now() + timedelta(days=370)

    a.clock = Later()
    try:
        assert await renew_in_time(a), "a certificate was let run out"
    finally:
        a.clock = clock
    assert len((await office(a).need(a)).node(A).keys) == keys + 2
    assert before in {key.kid for key in (await office(a).need(a)).node(A).keys}
    await catch_up(nodes[B])


async def test_a_revocation_heard_while_others_were_away_stands_in_the_hubs_next_directory(nodes, at_once, monkeypatch):
    """Neither the other province nor the hub heard it when it was passed on; the hub is told again, and whoever was away learns it so."""
    a, b, hub = nodes[A], nodes[B], nodes["cn"]
    old = await kid(a)
    await federation.renew_keys(a)
    await catch_up(b)

    async def away(_node, _peer, _raw):
        return False

    with monkeypatch.context() as all_away:
        all_away.setattr(passing, "_tell", away)
        assert await federation.revoke_own_key(a, old.split("/")[1], "compromise") == 0
    for node in (b, hub):
        assert (await office(node).need(node)).revoked_since(old) is None
    await tasks.keep_up(a)
    await tasks.keep_up(hub)
    await catch_up(b)
    assert (await office(b).need(b)).revoked_since(old) is not None, "who was away trusts it for ever"
    async with hub.db.reading() as tx:
        assert old in {one.kid for one in parse((await served(tx))[1]).directory.revoked}
    await catch_up(a)
    assert await passing.have_listed(a) == await passing.have_listed(hub) == 0, "told again though it is listed"


async def test_a_revocation_waits_for_a_directory_that_is_being_taken(nodes, at_once):
    """Else that directory would be written as it was looked at before, and the key would be good again."""
    a, old = nodes[A], await kid(nodes[A])
    await federation.renew_keys(a)
    async with a.db.transaction() as taking:
        await directory._one_at_a_time(taking)
        revoking = asyncio.create_task(federation.revoke_own_key(a, old.split("/")[1], "compromise"))
        done, _ = await asyncio.wait({revoking}, timeout=0.5)
        assert not done, "written beside a directory that did not know it"
    await revoking
    assert (await office(a).need(a)).revoked_since(old) is not None
    await catch_up(nodes[B])


async def test_a_retired_key_speaks_for_no_new_one(nodes, monkeypatch):
    """T-35: it may lie in an old backup. The next key would be the thief's, by rule and without an officer."""
    b, hub = nodes[B], nodes["cn"]
    await catch_up(b)
    thief = office(b).signer(b, await office(b).need(b))
    await federation.renew_keys(b)
    await catch_up(b)
    monkeypatch.setattr(office(b), "signer", lambda *_: thief)  # calls by it are still answered for 14 days
    monkeypatch.setattr(renew, "STILL_SPEAKS_MS", 0)
    keys = len((await office(hub).need(hub)).node(B).keys)
    with pytest.raises(federation.EnrolmentRefused):
        await federation.renew_keys(b)
    assert len((await office(hub).need(hub)).node(B).keys) == keys


async def test_a_new_node_begins_with_the_snapshot_and_reads_on(nodes):
    a, b = nodes[A], nodes[B]
    await write(a, *range(10), to="*", kind="demo.list", about="demo:list")
    await write(a, 50, to="*", kind="demo.note", about="demo:other")
    await stamp(a)
    made = await take_snapshot(a)
    counts = {part.kind: part.count for part in made.parts}
    assert counts["demo.list"] == 1, "letters that a newer one replaced are in it"
    assert counts["demo.note"] >= 1
    async with b.db.transaction() as tx:  # as a node that has just joined and never had a letter of it
        await tx.execute("DELETE FROM letter_applied WHERE origin = $1", A)
        await tx.execute("UPDATE letter_cursor SET seq = 0, streams = '{}' WHERE origin = $1", A)
    heard.clear()
    assert await load_snapshot(b, A, (A,)) == 0  # letters to it alone are in the log: it reads them all instead
    only_all = {to: place for to, place in made.streams.items() if to == "*"}
    kept, snapshot.own_streams = snapshot.own_streams, lambda *_: as_found(only_all)
    try:
        await take_snapshot(a)
    finally:
        snapshot.own_streams = kept
    assert await load_snapshot(b, A, (A,)) >= 2
    assert ("demo.list", 9) in heard
    assert ("demo.list", 8) not in heard
    cursor = next(one for one in await all_cursors(b) if one.origin == A)
    assert (cursor.epoch, cursor.seq) == (made.epoch, made.seq)
    heard.clear()
    await write(a, 51, to="*", kind="demo.note", about="demo:other")
    await deliver(nodes)
    assert heard == [("demo.note", 51)]


async def as_found(value):
    return value


async def test_a_snapshot_part_that_was_changed_is_not_loaded(nodes):
    a, b = nodes[A], nodes[B]
    await write(a, 50, to="*", kind="demo.note", about="demo:changed")
    await stamp(a)
    await take_snapshot(a)
    async with a.db.transaction() as tx:
        await tx.execute("UPDATE node_snapshot_part SET content = replace(encode(content, 'escape'), '50', '99')::bytea WHERE kind = 'demo.note'")
    async with b.db.transaction() as tx:
        await tx.execute("UPDATE letter_cursor SET seq = 0 WHERE origin = $1", A)
    assert await load_snapshot(b, A, (A,)) is None, "changed snapshot loaded"
    async with a.db.transaction() as tx:  # facts left out, each that remains being whole
        await tx.execute("UPDATE node_snapshot_part SET content = '' WHERE kind = 'demo.note'")
    async with b.db.transaction() as tx:
        await tx.execute("UPDATE letter_cursor SET seq = 0 WHERE origin = $1", A)
    assert await load_snapshot(b, A, (A,)) is None, "changed snapshot loaded"


async def test_the_relay_compacts_what_it_keeps_of_others_however_much_stands_before_it(nodes, monkeypatch):
    a, hub = nodes[A], nodes["cn"]
    await write(a, 1, to="*", about="demo:stays")
    await write(a, 1, 2, to="*", kind="demo.list", about="demo:relayed")
    await deliver(nodes)

    monkeypatch.setattr(hub, "clock", SetClock(hub.clock.now() + timedelta(days=31)))
    monkeypatch.setattr(compact, "_BATCH", 1, raising=False)  # as many as it once looked at, always the same
    await compact.keep_house(hub)
    async with hub.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT a.about, r.body IS NULL AS gone FROM relay r JOIN letter_applied a ON a.id = r.id"
            " WHERE a.about IN ('demo:stays', 'demo:relayed') ORDER BY r.seq"
        )
    assert [(row["about"], row["gone"]) for row in rows] == [("demo:stays", False), ("demo:relayed", True), ("demo:relayed", False)]


async def test_replaced_letters_lose_their_body_after_thirty_days_and_a_reader_passes_them(nodes, monkeypatch):
    a, b = nodes[A], nodes[B]
    await write(a, 1, 2, 3, to="*", kind="demo.list", about="demo:old")
    await stamp(a)
    async with a.db.transaction() as tx:
        await tx.execute("UPDATE outbox SET at = at - $1::bigint WHERE about = 'demo:old'", 31 * 24 * 3600 * 1000)
    counts = await compact.keep_house(a)
    assert counts.replaced == 2
    async with a.db.reading() as tx:
        left = await tx.fetch("SELECT body IS NULL AS gone FROM outbox WHERE about = 'demo:old' ORDER BY seq")
        kept = await last_retention(tx, compact.NAME)
        leaf = await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'retention.run'")
    assert [row["gone"] for row in left] == [True, True, False]
    assert kept is not None
    assert kept[1]["replaced"] == 2
    assert leaf >= 1
    assert (await compact.keep_house(a)).total == 0
    async with b.db.transaction() as tx:
        await tx.execute("DELETE FROM letter_applied WHERE origin = $1", A)
        await tx.execute("UPDATE letter_cursor SET seq = 0, streams = '{}', stopped = NULL WHERE origin = $1", A)
    office(b).snapshots_tried.add(A)
    heard.clear()
    await pull_once(b, A, [A], wait=0)
    assert next(one for one in await all_cursors(b) if one.origin == A).stopped == "no_body", "its head is of today: nothing replaces it yet"
    async with b.db.transaction() as tx:
        await tx.execute("UPDATE letter_cursor SET stopped = NULL WHERE origin = $1", A)
    monkeypatch.setattr(believe, "REPLACED_MS", 0)  # as if its head were old too; the certificates of this test are of today
    await pull_once(b, A, [A], wait=0)
    assert [n for kind, n in heard if kind == "demo.list"][-1] == 3
    assert next(one for one in await all_cursors(b) if one.origin == A).seq > 0
