"""What runs for ever must not end, and nobody waits for ever: lanes, bells, clocks, the worker, the pool, the listener (R-803)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from queue import SimpleQueue

import asyncpg
import pytest
from structlog.testing import capture_logs

from tongban.kernel import beside as lanes
from tongban.kernel import db, jobs
from tongban.kernel.bell import Bell


class Panic(BaseException):
    """What a library in another language throws past `except Exception`."""


@pytest.fixture
def one_lane(monkeypatch):
    monkeypatch.setattr(lanes, "_lanes", [])
    monkeypatch.setattr(lanes, "_jobs", SimpleQueue())
    monkeypatch.setattr(lanes, "LANES", 1)


async def beside(job):
    async with asyncio.timeout(5):
        return await lanes.beside(job)


async def test_a_thread_that_could_not_be_had_is_asked_for_again(one_lane, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", lambda _self: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
        with pytest.raises(RuntimeError, match="new thread"):
            await beside(lambda: 1)
    assert await beside(lambda: 2) == 2


async def test_whatever_a_job_throws_its_lane_goes_on(one_lane):
    def panics():
        raise Panic

    with pytest.raises(Panic):
        await beside(panics)
    with pytest.raises(RuntimeError, match="ended its loop"):
        await beside(lambda: next(iter(())))
    assert await beside(lambda: 3) == 3


async def test_a_ring_for_everybody_is_heard_by_who_has_looked_and_not_yet_waits():
    bell = Bell()
    since = bell.generation("x")
    bell.ring("*")
    assert await bell.wait("x", seconds=0.01, since=since) is True
    assert await bell.wait("x", seconds=0.01, since=bell.generation("x")) is False


async def test_a_clock_outlives_a_cancellation_that_was_not_its_own_and_ends_by_its_own(node):
    runs, stop = asyncio.Queue(), asyncio.Event()

    async def run(_node):
        runs.put_nowait(1)
        gone = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone  # as when the task that works for many is stopped

    task = asyncio.create_task(jobs.turn(node, jobs.Clockwork("example", 0.01, run), stop))
    await asyncio.wait_for(runs.get(), 5)
    await asyncio.wait_for(runs.get(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


async def test_a_clock_that_ran_long_begins_again_as_soon_as_after_its_first_failure(node, monkeypatch):
    counts, third, stop = [], asyncio.Event(), asyncio.Event()

    def note(_event, _error, *, clock, count):
        counts.append(count)
        if len(counts) == 3:
            third.set()

    async def run(_node):
        raise ValueError

    monkeypatch.setattr(jobs, "log_failure", note)
    monkeypatch.setattr(jobs, "_LONG_RUN", 0.0)
    task = asyncio.create_task(jobs.turn(node, jobs.Clockwork("example", 0.01, run), stop))
    await asyncio.wait_for(third.wait(), 5)
    stop.set()
    await asyncio.wait_for(task, 5)
    assert set(counts) == {1}


async def test_a_clock_that_failed_hears_its_bell_again_soon(node):
    """A node that did not reach the hub once was deaf for a minute: a revocation told meanwhile waited that long (federation.md 3: 10 s)."""
    runs, stop = asyncio.Queue(), asyncio.Event()

    async def run(_node):
        runs.put_nowait(1)
        if runs.qsize() == 1:
            raise ValueError

    task = asyncio.create_task(jobs.turn(node, jobs.Clockwork("example", 60, run, bell="news"), stop))
    async with asyncio.timeout(5):
        while not runs.qsize():  # noqa: ASYNC110  another task's doing is watched
            await asyncio.sleep(0.01)
        node.bell.ring("news")
        while runs.qsize() < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(task, 5)


async def test_the_worker_comes_back_whatever_its_connection_says(node, monkeypatch):
    """A connection that is half dead does not close in time; that ended the worker without a word."""
    real, broken, stop, ran = asyncpg.connect, [], asyncio.Event(), asyncio.Event()

    class HalfDead:
        def __init__(self, inner):
            self.inner = inner

        async def execute(self, *_words):
            raise asyncpg.InterfaceError("connection is closed")

        async def close(self, *, timeout):
            await self.inner.close()
            raise TimeoutError

    async def connect(url):
        if len(broken) == 2:
            return await real(url)
        broken.append(1)
        if len(broken) == 1:
            raise asyncpg.InternalClientError("unknown protocol state")
        return HalfDead(await real(url))

    async def at_once(_stop, _seconds):
        return

    async def handler(_node, _payload):
        ran.set()

    monkeypatch.setattr(jobs.asyncpg, "connect", connect)
    monkeypatch.setattr(jobs, "_pause", at_once)
    worker = asyncio.create_task(jobs.work(node, {"kernel.example": handler}, stop))
    async with node.db.transaction() as tx:
        await jobs.enqueue(tx, "kernel.example", {})
    await asyncio.wait_for(ran.wait(), 10)
    stop.set()
    await asyncio.wait_for(worker, 10)


async def test_a_job_that_swallows_every_cancellation_holds_no_stop_and_is_begun_anew_at_the_next_start(node, monkeypatch):
    monkeypatch.setattr(jobs, "CUTTING_SECONDS", 0.2)
    begun, freed, again, stop = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(_node, _payload):
        if begun.is_set():
            again.set()
            return
        begun.set()
        while not freed.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await freed.wait()

    async with node.db.transaction() as tx:
        await jobs.enqueue(tx, "kernel.stubborn", {})
    worker = asyncio.create_task(jobs.work(node, {"kernel.stubborn": handler}, stop))
    await asyncio.wait_for(begun.wait(), 10)
    stop.set()
    with capture_logs() as logged:
        worker.cancel()
        _, late = await asyncio.wait({worker}, timeout=8)
    try:
        assert not late, "it is cancelled again and again, and the stop waits for ever"
        assert [one["job"] for one in logged if one["event"] == "kernel.job_left"] == ["kernel.stubborn"]
        # what it does after its node has ended is not written down: the job is begun anew, and not taken for done
        async with node.db.reading() as tx:
            assert await tx.fetchval("SELECT status::text FROM pgqueuer WHERE entrypoint = 'kernel.stubborn'") == "picked"
    finally:
        freed.set()
        await asyncio.wait({worker})
    stop.clear()
    worker = asyncio.create_task(jobs.work(node, {"kernel.stubborn": handler}, stop))
    await asyncio.wait_for(again.wait(), 10)
    stop.set()
    await asyncio.wait_for(worker, 10)


async def test_turns_that_wait_for_each_others_connection_give_up_and_the_node_goes_on(make_node, monkeypatch):
    """Two hold the only two connections and each asks for another, as sending a letter does when the directory is looked up anew."""
    node = await make_node(pool_size=2)
    monkeypatch.setattr(db, "CONNECTION_SECONDS", 0.2)
    both = asyncio.Barrier(2)

    async def turn():
        async with node.db.transaction():
            await both.wait()
            async with node.db.reading() as tx:
                return await tx.fetchval("SELECT 1")

    async with asyncio.timeout(5):
        given = await asyncio.gather(turn(), turn(), return_exceptions=True)
    assert any(isinstance(one, TimeoutError) for one in given)
    async with asyncio.timeout(5), node.db.transaction() as one, node.db.reading() as two:
        assert await one.fetchval("SELECT 1") == await two.fetchval("SELECT 1") == 1


async def test_closing_does_not_wait_for_ever_for_a_connection_nobody_gives_back(new_database, monkeypatch):
    monkeypatch.setattr(db, "CLOSING_SECONDS", 0.2)
    opened = await db.Database.open(await new_database())
    connection = (await opened._pool.acquire())._con
    async with asyncio.timeout(5):
        await opened.close()
    assert connection.is_closed()


async def test_a_listener_whose_line_was_cut_without_a_word_listens_again(node, monkeypatch):
    real, lines, heard, stop = asyncpg.connect, [], asyncio.Queue(), asyncio.Event()

    class Silent:
        """A connection whose other end is gone and nobody said so: nothing comes, and a question is not answered."""

        def __init__(self, inner):
            self.inner = inner

        def add_termination_listener(self, _call):
            return

        async def add_listener(self, _channel, _call):
            return

        async def execute(self, _words, *, timeout):
            raise TimeoutError

        async def close(self, *, timeout):
            await self.inner.close(timeout=timeout)

    async def connect(url):
        lines.append(await real(url))
        return Silent(lines[0]) if len(lines) == 1 else lines[-1]

    monkeypatch.setattr(db.asyncpg, "connect", connect)
    monkeypatch.setattr(db, "LISTENING_SECONDS", 0.05)
    listener = asyncio.create_task(node.db.listen(db.BELL_CHANNEL, heard.put_nowait, stop))
    async with asyncio.timeout(10):
        assert [await heard.get(), await heard.get()] == ["*", "*"]
        async with node.db.transaction() as tx:
            await db.ring(tx, "example")
        assert await heard.get() == "example"
    stop.set()
    await asyncio.wait_for(listener, 5)
