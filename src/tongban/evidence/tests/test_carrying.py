"""Files go from node to node as streams (R-402, R-407): constant memory, cut and gone on, lying and unentitled nodes (T-28, T-32, T-92)."""

from __future__ import annotations

import errno
import importlib
import os
import threading
import tracemalloc
from contextlib import aclosing

import msgspec
import pytest

from tongban import evidence, exchange, federation
from tongban.evidence import letters, queries
from tongban.evidence.actions import arriving, fetch_wanted
from tongban.evidence.actions.arriving import WrongContent, bring
from tongban.evidence.actions.materials import _keep
from tongban.evidence.errors import ContentAway, NoRoom
from tongban.exchange.actions import carry
from tongban.exchange.rules import compared
from tongban.federation import letters as post
from tongban.federation.actions import stream as wire
from tongban.federation.actions.office import office
from tongban.federation.tests.make import nation
from tongban.kernel.gm import digest
from tongban.kernel.ids import uuid7

from .make import ME

FROM, TO, PIECE = "510000", "500000", 64 * 1024
OTHER = "n1" + "c" * 32  # 演示人
_PIECE = carry.PIECE


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with nation(make_node, FROM, TO, calls=letters.CALLS) as nodes:
        yield nodes


@pytest.fixture(autouse=True)
def fresh(nodes, monkeypatch):
    monkeypatch.setattr(carry, "PIECE", PIECE)
    for node in nodes.values():
        office(node).breakers.clear()


async def sent(nodes, size=10 * PIECE):
    """A file of that size, handed in at FROM and named in a letter to TO: (as it travels, its content)."""
    content = b"%PDF-1.7\n" + os.urandom(size - 9)
    async with nodes[FROM].db.transaction() as tx:
        kept = await _keep(tx, nodes[FROM], ME, "合同.pdf", "application/pdf", content, "photo", "upload")
        carried = await evidence.travel(tx, nodes[FROM], ME, kept.id, used_in="case:1", to=TO)
    async with nodes[TO].db.transaction() as tx:
        await tx.execute("DELETE FROM material")
        await evidence.arrive(tx, nodes[TO], OTHER, carried, used_in="case:1")
    return carried, content


async def fetched(nodes, carried, *, total=0):
    await bring(nodes[TO], FROM, carried.address, total or carried.byte_count + queries.TAG, {"address": carried.address})


async def newest(node, side):
    async with node.db.reading() as tx:
        return await tx.fetchrow("SELECT * FROM exchange_message WHERE side = $1 ORDER BY id DESC LIMIT 1", side)


async def rows_of(node, side):
    async with node.db.reading() as tx:
        found = await tx.fetch("SELECT id::text AS id, request, answer, outcome FROM exchange_message WHERE side = $1 AND peer IN ($2, $3)", side, FROM, TO)
    return {row["id"]: (row["request"], row["answer"], row["outcome"]) for row in found}


def left(node):
    """What lies where files arrive."""
    folder = queries.content_store(node).incoming
    return sorted(one.stat().st_size for one in folder.iterdir()) if folder.is_dir() else []


async def held(nodes, carried):
    async with nodes[TO].db.reading() as tx:
        return (await evidence.material(tx, nodes[TO], OTHER, carried.id)).held


def cut_after(monkeypatch, count):
    """The way breaks after so many frames; `undo` mends it."""
    real = wire.lines

    async def on_the_way(content):
        seen = 0
        async for line in real(content):
            if seen == count:
                return
            seen += 1
            yield line

    monkeypatch.setattr(wire, "lines", on_the_way)
    return lambda: monkeypatch.setattr(wire, "lines", real)


async def test_a_file_comes_whole_and_stands_in_the_log_of_both_ends_with_its_bytes(nodes):
    carried, content = await sent(nodes)
    await fetch_wanted(nodes[TO])
    async with nodes[TO].db.transaction() as tx:
        assert (await evidence.read(tx, nodes[TO], OTHER, carried.id)).content == content
    owner, caller = await newest(nodes[FROM], "owner"), await newest(nodes[TO], "caller")
    assert (owner["outcome"], owner["bytes_given"], owner["pieces"]) == ("given", len(content) + queries.TAG, 11)
    assert (caller["outcome"], caller["bytes_given"], caller["pieces"]) == ("given", len(content) + queries.TAG, 11)
    assert (owner["id"], owner["request"], owner["answer"]) == (caller["id"], caller["request"], caller["answer"])
    assert compared(await rows_of(nodes[TO], "caller"), await rows_of(nodes[FROM], "owner")) == ()
    assert left(nodes[TO]) == []
    async with nodes[FROM].db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM log_leaf WHERE kind = 'data.streamed'") == 1


async def test_neither_end_holds_more_of_a_large_file_than_of_a_small_one(nodes, monkeypatch):
    """20 MiB go through both ends in this one process: what it holds at most is a few copies of a piece, as for 4 MiB."""
    monkeypatch.setattr(carry, "PIECE", _PIECE)
    most = []
    for size in (4 * 1024 * 1024, 20 * 1024 * 1024):
        carried, _ = await sent(nodes, size)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            await fetched(nodes, carried)
            most.append(tracemalloc.get_traced_memory()[1] - before)
        finally:
            tracemalloc.stop()
        assert queries.content_store(nodes[TO]).size(carried.address) == carried.byte_count + queries.TAG
    assert most[1] < 9 * 1024 * 1024, f"{most} bytes held at most"
    assert most[1] < most[0] + 2 * 1024 * 1024, f"{most} bytes held: it grows with the file"


async def test_what_was_cut_is_no_file_and_the_next_try_goes_on_from_there(nodes, monkeypatch):
    carried, content = await sent(nodes)
    mend = cut_after(monkeypatch, 4)
    await fetch_wanted(nodes[TO])
    assert not await held(nodes, carried), "a part was taken for the file"
    assert queries.content_store(nodes[TO]).size(carried.address) is None
    assert left(nodes[TO]) == [4 * PIECE]
    async with nodes[TO].db.transaction() as tx:
        with pytest.raises(ContentAway):
            await evidence.read(tx, nodes[TO], OTHER, carried.id)
    assert (await newest(nodes[TO], "caller"))["outcome"] == "away"
    mend()
    await fetch_wanted(nodes[TO])
    assert await held(nodes, carried)
    caller = await newest(nodes[TO], "caller")
    assert (caller["outcome"], caller["bytes_given"]) == ("given", len(content) + queries.TAG - 4 * PIECE), "the beginning was fetched again"
    assert left(nodes[TO]) == []
    assert compared(await rows_of(nodes[TO], "caller"), await rows_of(nodes[FROM], "owner")) == ()


async def test_a_file_with_another_digest_is_thrown_away_and_asked_for_anew(nodes):
    """Every frame is genuine: the node that has the file lies, or its disk does (T-32)."""
    carried, _ = await sent(nodes)
    store = queries.content_store(nodes[FROM])
    good = store.get(carried.address)
    store.put(carried.address, good[:-PIECE] + os.urandom(PIECE))
    with pytest.raises(WrongContent):
        await fetched(nodes, carried)
    assert queries.content_store(nodes[TO]).size(carried.address) is None, "kept under a name that is not its own"
    assert left(nodes[TO]) == [], "its beginning would be believed next time"
    store.put(carried.address, good)
    await fetched(nodes, carried)


async def test_a_node_that_gave_something_else_is_not_asked_for_it_at_every_turn(nodes):
    """A large file of lies would be fetched every 20 seconds (T-92)."""
    carried, _ = await sent(nodes)
    store = queries.content_store(nodes[FROM])
    store.put(carried.address, os.urandom(carried.byte_count + queries.TAG))
    await fetch_wanted(nodes[TO])
    before = await rows_of(nodes[TO], "caller")
    await fetch_wanted(nodes[TO])
    assert await rows_of(nodes[TO], "caller") == before, "asked again at once"
    assert not await held(nodes, carried)


async def test_a_disk_that_takes_no_more_keeps_nothing_of_a_file_that_arrives(nodes, monkeypatch):
    """The letter's row waits, and the node that has the file keeps it (T-92)."""
    carried, content = await sent(nodes)

    def full(self, piece):
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as disk:
        disk.setattr(arriving.Arriving, "add", full)
        with pytest.raises(NoRoom):
            await fetched(nodes, carried)
    assert left(nodes[TO]) == []
    assert not await held(nodes, carried)
    await fetch_wanted(nodes[TO])
    async with nodes[TO].db.transaction() as tx:
        assert (await evidence.read(tx, nodes[TO], OTHER, carried.id)).content == content


async def test_a_file_longer_than_the_letter_said_is_left_off_at_once(nodes):
    carried, content = await sent(nodes)
    with pytest.raises(WrongContent):
        await fetched(nodes, carried, total=3 * PIECE)
    assert left(nodes[TO]) == []
    assert (await newest(nodes[TO], "caller"))["bytes_given"] == 3 * PIECE < len(content)


async def test_a_letter_that_speaks_of_a_huge_file_fills_no_disk(nodes):
    carried, _ = await sent(nodes)
    async with nodes[TO].db.transaction() as tx:
        await tx.execute("UPDATE material SET byte_count = 100000001 WHERE id = $1", carried.id)
    before = await rows_of(nodes[TO], "caller")
    await fetch_wanted(nodes[TO])
    assert await rows_of(nodes[TO], "caller") == before, "asked for"


async def test_a_node_that_was_not_sent_the_file_gets_nothing_and_both_logs_say_so(nodes):
    """Also who knows its address; not even its size is told (T-28)."""
    carried, _ = await sent(nodes)
    with pytest.raises(exchange.FileCut) as no:
        async with aclosing(exchange.carry_file(nodes["cn"], FROM, "evidence.content", {"address": carried.address}, most=10**6)) as pieces:
            assert [one async for one in pieces] == []
    assert no.value.reason == "not_found"
    owner, caller = await newest(nodes[FROM], "owner"), await newest(nodes["cn"], "caller")
    assert (owner["id"], owner["outcome"], owner["bytes_given"]) == (caller["id"], "not_found", 0)
    assert caller["outcome"] == "not_found"
    with pytest.raises(federation.CallRefused):
        await federation.call(nodes["cn"], FROM, "evidence.content.get", {"address": carried.address, "offset": 0})


async def test_only_so_many_files_are_on_their_way_to_one_node(nodes, monkeypatch):
    monkeypatch.setattr(carry, "AT_ONCE", 1)
    carried, _ = await sent(nodes)
    store, gate = queries.content_store(nodes[FROM]), threading.Event()
    real = store.part
    monkeypatch.setattr(store, "part", lambda address, start, length: real(address, start, length) if start == 0 or gate.wait(10) else b"")
    async with aclosing(exchange.carry_file(nodes[TO], FROM, "evidence.content", {"address": carried.address}, most=10**6)) as first:
        await anext(first)
        with pytest.raises(ContentAway):
            await fetched(nodes, carried)
        assert (await newest(nodes[TO], "caller"))["outcome"] == "busy"
        gate.set()
        assert len([one async for one in first]) == 10, "the first was disturbed"


async def test_a_neighbour_of_before_streams_is_asked_piece_by_piece(nodes, monkeypatch):
    carried, content = await sent(nodes)
    federation.register(post.LETTERS, {**post.CALLS, "evidence.content.get": letters.content_get}, node=nodes[FROM])
    monkeypatch.setattr(importlib.import_module("tongban.evidence.queries.materials"), "PIECE", 3 * PIECE)
    try:
        assert await evidence.open_travelling(nodes[TO], carried, "evidence.content", {"address": carried.address}) == content
    finally:
        office(nodes[FROM]).handlers = None


async def test_one_file_that_is_no_more_and_one_silent_node_hold_up_nothing(nodes):
    """The node that has no such file any more has the next one; a node that is away for ever has only its own files waiting."""
    carried, content = await sent(nodes)
    gone = msgspec.structs.replace(carried, id=uuid7(), address=digest(b"no more"))
    async with nodes[TO].db.transaction() as tx:
        await evidence.arrive(tx, nodes[TO], OTHER, gone, used_in="case:2")
        for number in range(60):
            lost = msgspec.structs.replace(carried, id=uuid7(), address=digest(b"%d" % number), origin_node="999999")
            await evidence.arrive(tx, nodes[TO], OTHER, lost, used_in="case:3")
        await tx.execute("UPDATE material SET made_at = made_at - interval '1 day' WHERE id <> $1", carried.id)
    await fetch_wanted(nodes[TO])
    async with nodes[TO].db.reading() as tx:
        assert (await evidence.read(tx, nodes[TO], OTHER, carried.id)).content == content, "held up"


async def test_what_a_file_is_and_how_large_is_seen_here_and_not_believed(nodes):
    """A letter may say what it likes (T-32): the row says what lies here, and the desk and the package go by the row."""
    carried, content = await sent(nodes)
    async with nodes[TO].db.transaction() as tx:
        await tx.execute("UPDATE material SET media_type = 'image/png', byte_count = byte_count + 5 WHERE id = $1", carried.id)
    await fetch_wanted(nodes[TO])
    async with nodes[TO].db.reading() as tx:
        found = await evidence.material(tx, nodes[TO], OTHER, carried.id)
    assert (found.held, found.media_type, found.byte_count) == (True, "application/pdf", len(content)), "believed"
