"""Taking letters: once, in order, whole; parking by thread; forks and gaps seen (federation.md 5.4, threats T-30 … T-34)."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tongban import federation
from tongban.federation.actions import park
from tongban.federation.actions.office import office
from tongban.federation.actions.receive import Batch, receive, receive_statement, resume
from tongban.federation.actions.stamp import stamp, state_head
from tongban.federation.queries.mail import cursors, parked
from tongban.federation.queries.served import Position, serve_letters
from tongban.federation.rules import wire
from tongban.federation.tests.make import nation, officer
from tongban.kernel.gm import b64, jcs, parse_json

taken: list[tuple[str, object]] = []
fails: set[object] = set()


class Crash(Exception):
    pass


async def note(tx, node, letter):
    await tx.execute("INSERT INTO effect (id, about, n) VALUES ($1, $2, $3)", letter.id, letter.about, letter.body["n"])
    if not fails.isdisjoint({letter.about, (letter.about, letter.body["n"])}):
        raise RuntimeError("cannot")
    taken.append((letter.about, letter.body["n"]))


LETTERS = {("demo.note", 1): note}


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with nation(make_node, "500000", "510000", letters_too=LETTERS) as nodes:
        async with nodes["510000"].db.transaction() as tx:
            await tx.execute("CREATE TABLE effect (id uuid, about text, n int)")
        yield nodes


@pytest.fixture(autouse=True)
async def clean(nodes):
    taken.clear()
    fails.clear()
    yield
    async with nodes["510000"].db.transaction() as tx:
        await tx.execute("DELETE FROM effect")
        await tx.execute("UPDATE letter_cursor SET stopped = NULL")


async def write(nodes, about, n, *, kind="demo.note", version=1, to="510000"):
    sender = nodes["500000"]
    async with sender.db.transaction() as tx:
        letter = await federation.send(tx, sender, to=to, kind=kind, kind_version=version, about=about, body={"n": n})
    await stamp(sender)
    return letter


async def fetched(nodes, origin="500000"):
    """What 510000 would get now from the origin itself, and the view it is fetched under."""
    reader, server = nodes["510000"], nodes[origin]
    async with reader.db.reading() as tx:
        cursor = next(one for one in await cursors(tx) if one.origin == origin)
    found = await federation.present(server)
    async with server.db.reading() as tx:
        served = await serve_letters(
            tx, origin, found.node("510000"), [Position(origin, cursor.epoch, cursor.seq)], 500, relays=False
        )
    through = served.through.get(origin)
    letters = [wire.parse_letter(parse_json(one)) for one in served.letters]
    return Batch(origin, cursor.view, letters, (through.epoch, through.seq) if through else None, origin), cursor


async def take(nodes):
    batch, _ = await fetched(nodes)
    return await receive(nodes["510000"], batch)


async def effects(nodes):
    async with nodes["510000"].db.reading() as tx:
        return [(row["about"], row["n"]) for row in await tx.fetch("SELECT about, n FROM effect ORDER BY n")]


async def cursor_of(nodes):
    async with nodes["510000"].db.reading() as tx:
        return next(one for one in await cursors(tx) if one.origin == "500000")


async def test_each_letter_once_however_often_it_comes(nodes):
    for n in range(3):
        await write(nodes, "demo:a", n)
    batch, _ = await fetched(nodes)
    found = await asyncio.gather(*(receive(nodes["510000"], batch) for _ in range(4)))
    assert sum(one.applied for one in found) == 3
    assert {one.ended for one in found} == {"all"}, "a letter that came again counted as a broken chain"
    assert await effects(nodes) == [("demo:a", 0), ("demo:a", 1), ("demo:a", 2)]


async def test_letters_met_again_after_going_back_are_known_by_id(nodes):
    before = await cursor_of(nodes)
    for n in range(3):
        await write(nodes, "demo:back", n)
    assert (await take(nodes)).applied == 3
    async with nodes["510000"].db.transaction() as tx:  # as a reader that goes back to an earlier place (federation.md 6.2)
        await tx.execute(
            "UPDATE letter_cursor SET seq = $1, streams = $2 WHERE origin = '500000'", before.seq, msgspec.to_builtins(before.streams)
        )
    again = await take(nodes)
    assert (again.applied, again.known) == (0, 3)
    assert [n for _, n in await effects(nodes)] == [0, 1, 2]


async def test_the_cursor_moves_over_letters_for_others(nodes):
    before = await cursor_of(nodes)
    await write(nodes, "demo:b", 0, to="cn")
    await take(nodes)
    after = await cursor_of(nodes)
    assert after.seq == before.seq + 1
    assert after.streams == before.streams


async def test_a_crash_before_the_commit_leaves_nothing_and_the_next_try_everything(nodes, monkeypatch):
    await write(nodes, "demo:crash", 1)
    before = await cursor_of(nodes)
    reader = nodes["510000"]
    real = reader.db.transaction

    class Killed:
        def __init__(self):
            self.inner = real()

        async def __aenter__(self):
            return await self.inner.__aenter__()

        async def __aexit__(self, *args):
            await self.inner.__aexit__(Crash, Crash(), None)  # the power goes just before COMMIT
            raise Crash

    monkeypatch.setattr(reader.db, "transaction", Killed)
    batch, _ = await fetched(nodes)
    with pytest.raises(Crash):
        await receive(reader, batch)
    monkeypatch.undo()
    assert await effects(nodes) == []
    assert await cursor_of(nodes) == before
    assert (await take(nodes)).applied == 1
    assert await effects(nodes) == [("demo:crash", 1)]


async def test_a_letter_left_out_is_a_gap_and_nothing_behind_it_is_taken(nodes):
    for n in range(3):
        await write(nodes, "demo:gap", n)
    batch, before = await fetched(nodes)
    hole = msgspec.structs.replace(batch, letters=[batch.letters[0], batch.letters[2]])
    found = await receive(nodes["510000"], hole)
    assert (found.ended, found.applied) == ("gap", 1)
    assert (await cursor_of(nodes)).seq == before.seq + 1
    assert (await take(nodes)).applied == 2
    assert [n for _, n in await effects(nodes)] == [0, 1, 2]


async def test_letters_swapped_by_a_relay_are_a_gap(nodes):
    for n in range(2):
        await write(nodes, "demo:swap", n)
    batch, _ = await fetched(nodes)
    found = await receive(nodes["510000"], msgspec.structs.replace(batch, letters=batch.letters[::-1]))
    assert found.ended == "gap"
    assert (await take(nodes)).applied == 2


async def test_a_fork_stops_the_origin_and_raises_an_alarm(nodes):
    await write(nodes, "demo:fork", 0)
    await take(nodes)
    await write(nodes, "demo:fork", 1)
    batch, _ = await fetched(nodes)
    real = batch.letters[0].head
    other = msgspec.structs.replace(real, prev=wire.Place(real.prev.seq, "sm3:" + "A" * 43))
    found = await receive(
        nodes["510000"], msgspec.structs.replace(batch, letters=[signed(nodes, other, batch.letters[0].body)])
    )
    assert found.ended == "fork"
    assert (await cursor_of(nodes)).stopped == "fork"
    assert (await take(nodes)).ended == "stopped"
    async with nodes["510000"].db.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM federation_alarm WHERE kind = 'letter_fork'") == 1
        await resume(tx, nodes["510000"], "500000")
    assert (await take(nodes)).applied == 1


def signed(nodes, head, body, *, node="500000", kid=None):
    canonical = wire.head_bytes(head)
    signer = nodes[node].keys.signer("s1")
    value = {
        "head": parse_json(canonical),
        "sig": {"kid": kid or signer.kid, "value": b64(signer.sign(canonical))},
        "body": parse_json(body),
    }
    return wire.parse_letter(value)


@pytest.mark.parametrize("how", ["body", "key", "head"])
async def test_a_changed_letter_is_never_parked_but_stops_its_origin(nodes, how):
    await write(nodes, f"demo:forged-{how}", 7)
    batch, _ = await fetched(nodes)
    real = batch.letters[0]
    if how == "body":
        bad = msgspec.structs.replace(real, body=jcs({"n": 8}))
    elif how == "key":
        bad = signed(nodes, real.head, real.body, node="cn", kid=real.kid)
    else:
        changed = msgspec.structs.replace(real.head, about="demo:other")
        canonical = wire.head_bytes(changed)
        bad = msgspec.structs.replace(real, head=changed, head_bytes=canonical)
    found = await receive(nodes["510000"], msgspec.structs.replace(batch, letters=[bad]))
    assert found.ended == "bad_letter"
    assert (await cursor_of(nodes)).stopped is not None
    assert await effects(nodes) == []
    async with nodes["510000"].db.transaction() as tx:
        await resume(tx, nodes["510000"], "500000")
    assert (await take(nodes)).applied == 1


async def test_in_a_run_the_last_signature_vouches_and_a_change_before_it_is_found(nodes):
    for n in range(5):
        await write(nodes, "demo:run", n)
    batch, _ = await fetched(nodes)
    middle = batch.letters[2]
    head = msgspec.structs.replace(middle.head, about="demo:elsewhere")
    forged = signed(nodes, head, middle.body, node="cn", kid=middle.kid)
    found = await receive(
        nodes["510000"], msgspec.structs.replace(batch, letters=[*batch.letters[:2], forged, *batch.letters[3:]])
    )
    assert (found.ended, found.applied) == ("bad_letter", 2)
    async with nodes["510000"].db.transaction() as tx:
        await resume(tx, nodes["510000"], "500000")
    assert (await take(nodes)).applied == 3
    assert [n for _, n in await effects(nodes)] == list(range(5))


async def test_a_body_moved_to_another_letter_does_not_open(nodes):
    first, second = await write(nodes, "demo:m1", 1), await write(nodes, "demo:m2", 2)
    batch, _ = await fetched(nodes)
    letters = {one.head.id: one for one in batch.letters}
    stolen = letters[first].body
    head = letters[second].head
    associated = wire.letter_aad(head)
    reader = nodes["510000"].keys.decrypter("e1")
    with pytest.raises(Exception, match="sm4_tag"):
        wire.open_body(stolen, associated, lambda kid, ek: reader.decrypt(ek) if kid == reader.kid else None)
    await take(nodes)


async def test_a_failing_letter_holds_back_its_own_thread_only(nodes):
    fails.add(("demo:sick", 0))  # what follows it would not fail by itself, in the same batch or later
    for n, about in enumerate(["demo:sick", "demo:well", "demo:sick", "demo:well"]):
        await write(nodes, about, n)
    found = await take(nodes)
    assert (found.applied, found.parked) == (2, 2)
    assert await effects(nodes) == [("demo:well", 1), ("demo:well", 3)]  # what the failed handler wrote is undone
    async with nodes["510000"].db.reading() as tx:
        waiting = await parked(tx)
    assert [(one.about, one.reason, one.error, one.behind) for one in waiting] == [
        ("demo:sick", "handler_failed", "RuntimeError", 1)
    ]
    await write(nodes, "demo:sick", 4)
    fails.clear()
    await take(nodes)  # mended, but the thread is still behind: order first
    assert ("demo:sick", 4) not in taken
    assert await park.replay(nodes["510000"], asked=True) == 3
    assert [n for about, n in taken if about == "demo:sick"] == [0, 2, 4]
    async with nodes["510000"].db.reading() as tx:
        assert await parked(tx) == []
        assert await tx.fetchval("SELECT count(*) FROM letter_thread") == 0


async def test_mail_and_replay_at_once_keep_the_order_of_a_thread(nodes):
    fails.add("demo:race")
    for n in range(4):
        await write(nodes, "demo:race", n)
    await take(nodes)
    fails.clear()
    for n in range(4, 8):
        await write(nodes, "demo:race", n)
    await asyncio.gather(
        take(nodes), park.replay(nodes["510000"], asked=True), park.replay(nodes["510000"], asked=True)
    )
    await park.replay(nodes["510000"], asked=True)
    assert [n for about, n in taken if about == "demo:race"] == list(range(8))


async def test_an_unknown_kind_waits_for_the_upgrade_and_is_then_applied(nodes):
    await write(nodes, "demo:new", 1, kind="demo.newer")
    await write(nodes, "demo:new", 2)
    await write(nodes, "demo:old", 3, version=9)
    found = await take(nodes)
    assert (found.applied, found.parked) == (0, 3)
    async with nodes["510000"].db.reading() as tx:
        assert {(one.kind, one.reason) for one in await parked(tx)} == {
            ("demo.newer", "unknown_kind"),
            ("demo.note", "unknown_version"),
        }
    assert await park.replay(nodes["510000"]) == 0
    federation.register({**LETTERS, ("demo.newer", 1): note, ("demo.note", 9): note}, {}, node=nodes["510000"])
    try:
        assert await park.replay(nodes["510000"]) == 3
    finally:
        office(nodes["510000"]).handlers = None
    assert [n for about, n in taken if about == "demo:new"] == [1, 2]


async def test_setting_aside_needs_two_persons_and_a_reason(nodes):
    letter = await write(nodes, "demo:aside", 1, kind="demo.never")
    await take(nodes)
    reader = nodes["510000"]
    async with reader.db.transaction() as tx:
        assert (await park.ask_to_set_aside(tx, reader, officer("a"), letter, "")).code == "federation.reason_missing"
        assert await park.ask_to_set_aside(tx, reader, officer("a"), letter, "演示：对方误发") is None
        assert (await park.confirm_set_aside(tx, reader, officer("a"), letter)).code == "federation.same_officer"
        assert await park.confirm_set_aside(tx, reader, officer("b"), letter) is None
        assert await tx.fetchval("SELECT outcome FROM letter_applied WHERE id = $1", letter) == "set_aside"
        assert await tx.fetchval("SELECT body IS NOT NULL FROM letter_applied WHERE id = $1", letter)


async def test_mass_parking_stops_the_origin(nodes):
    async with nodes["510000"].db.transaction() as tx:
        await tx.execute("UPDATE letter_applied SET taken_at = now() - interval '1 hour'")
        await tx.execute("UPDATE letter_parked SET since = now() - interval '1 hour'")
    fails.update(f"demo:mass{n}" for n in range(51))
    sender = nodes["500000"]
    async with sender.db.transaction() as tx:
        for n in range(51):
            await federation.send(tx, sender, to="510000", kind="demo.note", about=f"demo:mass{n}", body={"n": n})
    await stamp(sender)
    assert (await take(nodes)).parked == 51
    assert (await cursor_of(nodes)).stopped == "mass_parking"
    fails.clear()
    assert await park.replay(nodes["510000"], asked=True) == 51
    async with nodes["510000"].db.transaction() as tx:
        await resume(tx, nodes["510000"], "500000")


async def test_a_batch_fetched_under_an_old_view_dies(nodes):
    await write(nodes, "demo:view", 1)
    batch, _ = await fetched(nodes)
    async with nodes["510000"].db.transaction() as tx:
        await resume(tx, nodes["510000"], "500000")
    assert (await receive(nodes["510000"], batch)).ended == "old_view"
    assert (await take(nodes)).applied == 1


async def test_a_letter_dated_ahead_waits(nodes):
    sender = nodes["500000"]
    await write(nodes, "demo:early", 1)
    async with sender.db.transaction() as tx:
        letter = await federation.send(tx, sender, to="510000", kind="demo.note", about="demo:early", body={"n": 2})
        await tx.execute("UPDATE outbox SET at = at + 3600000 WHERE id = $1", letter)
    await stamp(sender)
    found = await take(nodes)
    assert (found.ended, found.applied) == ("early", 1)
    async with nodes["510000"].db.transaction() as tx:
        await tx.execute("UPDATE letter_cursor SET stopped = NULL")


async def test_zz_a_head_statement_shows_a_rollback_and_completeness(nodes):
    """Last of the file: the sender's outbox above is left with a letter dated ahead."""
    hub, reader = nodes["cn"], nodes["510000"]
    from datetime import UTC, datetime

    await stamp(hub)
    assert await state_head(hub)
    batch, _ = await fetched(nodes, "cn")
    await receive(reader, batch)
    async with hub.db.reading() as tx:
        signed_bytes = await tx.fetchval(
            "SELECT signed FROM head_statement WHERE origin = 'cn' ORDER BY at DESC LIMIT 1"
        )
    said = wire.parse_statement(parse_json(signed_bytes))
    assert (await receive_statement(reader, said)).kind == "fine"
    async with reader.db.reading() as tx:
        assert await federation.mail_complete(tx, "cn", datetime.fromtimestamp((said.statement.at - 1) / 1000, UTC))
        assert not await federation.mail_complete(
            tx, "cn", datetime.fromtimestamp((said.statement.at + 1000) / 1000, UTC)
        )
    later = {**msgspec.to_builtins(said.statement), "at": said.statement.at + 1, "seq": said.statement.seq - 1}
    signer = hub.keys.signer("s1")
    lie = {"head_statement": later, "sig": {"kid": signer.kid, "value": b64(signer.sign(jcs(later)))}}
    assert (await receive_statement(reader, wire.parse_statement(lie))).kind == "rolled_back"
    async with reader.db.reading() as tx:
        assert next(one for one in await cursors(tx) if one.origin == "cn").stopped == "rolled_back"
