"""What a relay or an origin leaves out is asked for again and never lost: last letters, bodies, letters that are none (T-30, T-31, N-4)."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from tongban import federation
from tongban.federation.actions import pull
from tongban.federation.actions.office import office
from tongban.federation.actions.receive import resume
from tongban.federation.actions.snapshot import take_snapshot
from tongban.federation.actions.stamp import stamp
from tongban.federation.queries.mail import cursors
from tongban.federation.queries.nodes import node_rows
from tongban.federation.rules import chain
from tongban.federation.rules.wire import Place, Statement
from tongban.federation.tests.make import deliver, nation, officer
from tongban.federation.tests.test_pages import desk, see

A, B, HUB = "500000", "510000", "cn"
heard: list[int] = []


async def note(tx, node, letter):
    if node.id == B:
        heard.append(letter.body["n"])


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with nation(make_node, A, B, letters_too={("demo.note", 1): note}) as nodes:
        yield nodes


@pytest.fixture(autouse=True)
async def fresh(nodes):
    await deliver(nodes)
    heard.clear()
    yield
    office(nodes[B]).suspects.clear()


async def write(node, *numbers, to=B):
    for n in numbers:
        async with node.db.transaction() as tx:
            await federation.send(tx, node, to=to, kind="demo.note", about="demo:left", body={"n": n})
        await stamp(node)


async def cursor(node, origin=A):
    async with node.db.reading() as tx:
        return next(one for one in await cursors(tx) if one.origin == origin)


async def change(node, sql, *values):
    async with node.db.transaction() as tx:
        return await tx.execute(sql, *values)


LAST = "seq = (SELECT max(seq) FROM relay WHERE origin = '500000' AND \"to\" = '510000')"


async def test_the_last_letter_that_a_relay_keeps_back_is_fetched_when_the_next_one_shows_it(nodes):
    """The relay says that it has looked beyond: the reader's place is beyond the letter when it finds out."""
    a, b, hub = nodes[A], nodes[B], nodes[HUB]
    await write(a, 1)
    await pull.pull_once(hub, A, [A], wait=0)
    await change(hub, f"DELETE FROM relay WHERE origin = '{A}' AND {LAST}")
    await pull.pull_once(b, HUB, wait=0)
    assert heard == []
    await write(a, 2, to=HUB)
    await write(a, 3)
    await pull.pull_once(hub, A, [A], wait=0)
    assert "gap" in [one.ended for one in (await pull.pull_once(b, HUB, wait=0)).received]
    again = await pull.pull_once(b, HUB, wait=0)
    assert again.stuck, "asked without a pause for what this server does not give"
    assert (await pull.routes(b, await federation.present(b)))[A] == [A]
    await pull.pull_once(b, A, [A], wait=0)
    assert heard == [1, 3]
    before = await cursor(b)
    await pull.pull_once(b, HUB, wait=0)
    assert (heard, await cursor(b)) == ([1, 3], before)


def test_a_word_from_between_is_no_fork_while_a_reader_has_gone_back_for_a_gap():
    before = chain.Cursor(A, 1, 8, {"*": Place(15, "sm3:d"), B: Place(8, "sm3:b")}, view=3)
    said = Statement(v=1, origin=A, epoch=1, seq=12, at=1, streams={"*": Place(12, "sm3:c"), B: Place(11, "sm3:e")})
    assert chain.judge_statement(said, before, (B, "*")).kind == "fine"
    forked = msgspec.structs.replace(said, streams={"*": Place(15, "sm3:other")})
    assert chain.judge_statement(forked, before, (B, "*")).kind == "fork"


async def test_a_letter_whose_body_a_relay_left_out_is_not_done_but_fetched_from_its_origin(nodes):
    a, b, hub = nodes[A], nodes[B], nodes[HUB]
    await write(a, 1, 2)
    await pull.pull_once(hub, A, [A], wait=0)
    await change(hub, f"UPDATE relay SET body = NULL WHERE origin = '{A}' AND {LAST}")
    done = await pull.pull_once(b, HUB, wait=0)
    assert "held" in [one.ended for one in done.received], "a letter to this node alone passed as compacted"
    assert heard == [1]
    assert (await cursor(b)).stopped is None
    assert (await pull.routes(b, await federation.present(b)))[A] == [A]
    await pull.pull_once(b, A, [A], wait=0)
    assert heard == [1, 2]


async def test_what_even_its_origin_has_no_more_stops_it_in_words_and_goes_on_after_a_person(nodes):
    a, b = nodes[A], nodes[B]
    await write(a, 1)
    kept = await body(a)
    await change(a, "UPDATE outbox SET body = NULL WHERE seq = (SELECT max(seq) FROM outbox)")
    await pull.pull_once(b, A, [A], wait=0)
    assert (heard, (await cursor(b)).stopped) == ([], "no_body")
    async with desk(b, officer("a")) as client:
        answer, _ = await see(client, "/staff/nodes")
    assert "对方已没有信的内容" in answer.text
    assert "载入快照" in answer.text
    await change(a, "UPDATE outbox SET body = $1 WHERE seq = (SELECT max(seq) FROM outbox)", kept)
    async with b.db.transaction() as tx:
        await resume(tx, b, A)
    await pull.pull_once(b, A, [A], wait=0)
    assert heard == [1]


async def body(node):
    async with node.db.reading() as tx:
        return await tx.fetchval("SELECT body FROM outbox ORDER BY seq DESC LIMIT 1")


@pytest.mark.parametrize("wrong", [{"kind_version": 2**40}, {"about": "demo:\u0000"}])
async def test_a_letter_that_no_table_takes_holds_up_nobody_and_is_not_passed_over(nodes, wrong):
    """A number or a sign that PostgreSQL refuses ended every fetch with an error of its own, for ever and without an alarm."""
    a, b, hub = nodes[A], nodes[B], nodes[HUB]
    await write(a, 1, 2)
    await pull.pull_once(hub, A, [A], wait=0)
    async with hub.db.reading() as tx:
        head = msgspec.json.decode(await tx.fetchval(f"SELECT head FROM relay WHERE origin = '{A}' AND {LAST}"))
    await change(hub, f"UPDATE relay SET head = $1 WHERE origin = '{A}' AND {LAST}", msgspec.json.encode({**head, **wrong}))
    done = await pull.pull_once(b, HUB, wait=0)
    assert done.stuck
    assert heard == [1]
    assert (await cursor(b)).seq < head["seq"], "the cursor went over a letter that was not taken"
    assert (await pull.routes(b, await federation.present(b)))[A] == [A]
    await pull.pull_once(b, A, [A], wait=0)
    assert heard == [1, 2]
    true = await change_head(a, {**await newest(a), **wrong})
    await pull.pull_once(hub, A, [A], wait=0)
    async with hub.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM federation_alarm WHERE kind = 'letter_malformed' AND resolved_at IS NULL") == 1
    await change(a, "UPDATE outbox SET head = $1 WHERE seq = (SELECT max(seq) FROM outbox)", true)
    await change(hub, "DELETE FROM federation_alarm WHERE kind = 'letter_malformed'")


async def newest(node):
    await write(node, 9)
    async with node.db.reading() as tx:
        return msgspec.json.decode(await tx.fetchval("SELECT head FROM outbox ORDER BY seq DESC LIMIT 1"))


async def change_head(node, head):
    async with node.db.reading() as tx:
        true = await tx.fetchval("SELECT head FROM outbox ORDER BY seq DESC LIMIT 1")
    await change(node, "UPDATE outbox SET head = $1 WHERE seq = (SELECT max(seq) FROM outbox)", msgspec.json.encode(head))
    return true


async def test_a_relay_reads_every_letter_and_never_begins_with_a_snapshot(nodes):
    """A snapshot has no letter to one node: each that followed one of those would have been a gap for ever, for all behind the relay."""
    b, hub = nodes[B], nodes[HUB]  # it never wrote to the hub alone: then the snapshot is not loaded anyway
    await write(b, 1, to=A)
    await take_snapshot(b)
    for table in ("relay", "letter_applied"):
        await change(hub, f"DELETE FROM {table} WHERE origin = $1", B)
    await change(hub, "UPDATE letter_cursor SET seq = 0, streams = '{}', view = view + 1 WHERE origin = $1", B)
    office(hub).snapshots_tried.discard(B)
    await pull.pull_once(hub, B, [B], wait=0)
    await write(b, 2, to=A)
    assert [one.ended for one in (await pull.pull_once(hub, B, [B], wait=0)).received] == ["all"]
    async with hub.db.reading() as tx:
        held = await tx.fetchval("SELECT count(*) FROM relay WHERE origin = $1", B)
    assert held == (await cursor(hub, B)).seq, "letters are missing in the relay"


async def test_after_a_snapshot_the_next_letter_is_asked_for_at_once(nodes, monkeypatch):
    """A poll that names nobody waited its 25 s for nothing."""
    b = nodes[B]
    await change(b, "UPDATE letter_cursor SET seq = 0, streams = '{}', view = view + 1 WHERE origin = $1", A)

    async def loaded(_node, _cursor, _server):
        return True

    monkeypatch.setattr(pull, "_from_snapshot", loaded)
    async with asyncio.timeout(5):
        assert (await pull.pull_once(b, A, [A], wait=25)).more
    monkeypatch.undo()
    office(b).snapshots_tried.add(A)
    assert (await pull.pull_once(b, A, [A], wait=0)).received


async def test_letters_go_directly_until_the_hub_has_answered_for_a_minute(nodes, monkeypatch):
    """Also where an operator has set a shorter silence than the two minutes of the protocol (hub_away_seconds)."""
    memory, now = office(nodes[B]), time.monotonic()
    monkeypatch.setattr(memory, "_away_seconds", 5)
    monkeypatch.setattr(nodes[B], "settings", msgspec.structs.replace(nodes[B].settings, hub_away_seconds=5))
    memory.heard[HUB], memory.first_heard[HUB] = now - 10, now - 1000
    assert pull.hub_is_away(nodes[B], HUB, now)
    memory.note_answer(HUB, offset_seconds=0, version=1)
    assert pull.hub_is_away(nodes[B], HUB, now + 1), "believed at its first word"
    memory.heard[HUB] = now + 61
    assert not pull.hub_is_away(nodes[B], HUB, now + 61)


async def test_the_page_says_directly_while_an_origin_is_asked_itself_and_no_longer(nodes):
    b = nodes[B]
    for ago, way in ((10, "直连"), (200, "经枢纽")):
        office(b).suspects[A] = time.monotonic() - ago
        assert (await row_of(b, A)).path == way


async def row_of(node, name):
    async with node.db.reading() as tx:
        return next(one for one in await node_rows(tx, node) if one.id == name)


async def test_the_page_says_for_how_long_nothing_came_from_a_node(nodes):
    """Whatever keeps the letters away: calls may be answered all the while, so that nothing else on the row shows it."""
    b = nodes[B]
    async with desk(b, officer("a")) as client:
        assert "没收到它的信" not in (await see(client, "/staff/nodes"))[0].text
    await change(b, "UPDATE letter_cursor SET moved_at = now() - interval '7 minutes' WHERE origin = $1", A)
    await change(b, "UPDATE head_statement SET at = at - 420000 WHERE origin = $1", A)
    async with desk(b, officer("a")) as client:
        text = (await see(client, "/staff/nodes"))[0].text
    assert "7 分钟没收到它的信" in text
    assert "收不到信" in text
