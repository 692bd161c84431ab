"""The ground: transactions, bells, jobs, settings, logs, actors."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tongban.kernel import jobs, log
from tongban.kernel import settings as node_settings
from tongban.kernel.actor import Actor, Assignment
from tongban.kernel.bell import Bell
from tongban.kernel.db import ring
from tongban.kernel.errors import LevelNeeded, NotAllowed, SignInNeeded, StaffNeeded
from tongban.kernel.ids import uuid7


async def test_a_transaction_that_fails_leaves_nothing(node):
    class Broken(Exception):
        pass

    async def half_done():
        async with node.db.transaction() as tx:
            await jobs.enqueue(tx, "kernel.never", {})
            raise Broken

    with pytest.raises(Broken):
        await half_done()
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'kernel.never'") == 0


async def test_jsonb_and_uuid_come_as_python_values(tx):
    one = uuid7()
    row = await tx.fetchrow("SELECT $1::jsonb AS j, $2::uuid AS u", {"a": ["通办"]}, one)
    assert row["j"] == {"a": ["通办"]}
    assert row["u"] == one


async def test_a_job_runs_once_its_transaction_has_committed(node):
    ran = asyncio.Queue()
    stop = asyncio.Event()

    async def handler(_node, payload):
        ran.put_nowait(payload)

    worker = asyncio.create_task(jobs.work(node, {"kernel.example": handler}, stop))
    async with node.db.transaction() as tx:
        await jobs.enqueue(tx, "kernel.example", {"n": 1})
        await jobs.enqueue(tx, "kernel.example", {"n": 2}, once="only-one")
        await jobs.enqueue(tx, "kernel.example", {"n": 3}, once="only-one")
    got = [await asyncio.wait_for(ran.get(), 10), await asyncio.wait_for(ran.get(), 10)]
    assert {one["n"] for one in got} == {1, 2}
    assert ran.empty()
    stop.set()
    await asyncio.wait_for(worker, 10)


async def test_a_job_whose_process_was_killed_is_begun_anew_at_the_next_start(node):
    """Not half a minute later, when its heartbeat would be old: the one process of this node is the one that starts now."""
    async with node.db.transaction() as tx:
        await jobs.enqueue(tx, "kernel.killed", {"n": 1})
        await tx.execute(
            "UPDATE pgqueuer SET status = 'picked', heartbeat = now(), updated = now(), queue_manager_id = gen_random_uuid()"
            " WHERE entrypoint = 'kernel.killed'"
        )
    ran, stop = asyncio.Queue(), asyncio.Event()

    async def handler(_node, payload):
        ran.put_nowait(payload)

    worker = asyncio.create_task(jobs.work(node, {"kernel.killed": handler}, stop))
    assert await asyncio.wait_for(ran.get(), 10) == {"n": 1}
    stop.set()
    await asyncio.wait_for(worker, 10)


async def test_a_job_that_was_stopped_with_its_node_is_cut_and_begun_anew_at_the_next_start(node):
    """A clean stop deleted the job in hand, where a kill would have left it; cut at once, it waited for the job's end for ever."""
    begun, stop = [asyncio.Event(), asyncio.Event()], asyncio.Event()

    async def handler(_node, _payload):
        if not begun[0].is_set():
            begun[0].set()
            await asyncio.Event().wait()
        begun[1].set()

    async with node.db.transaction() as tx:
        await jobs.enqueue(tx, "kernel.stopped", {"n": 1})
    worker = asyncio.create_task(jobs.work(node, {"kernel.stopped": handler}, stop))
    await asyncio.wait_for(begun[0].wait(), 10)
    worker.cancel()
    await asyncio.wait({worker}, timeout=5)
    assert worker.cancelled(), "it waits for a job that never ends"
    worker = asyncio.create_task(jobs.work(node, {"kernel.stopped": handler}, stop))
    await asyncio.wait_for(begun[1].wait(), 10)
    stop.set()
    await asyncio.wait_for(worker, 10)


async def test_a_bell_rung_at_commit_wakes_a_waiter(node):
    stop = asyncio.Event()
    listener = asyncio.create_task(node.db.listen("tongban_bell", node.bell.ring, stop))
    waiting = asyncio.create_task(node.bell.wait("example", seconds=10))
    for _ in range(50):
        async with node.db.transaction() as tx:
            await ring(tx, "example")
        done, _ = await asyncio.wait({waiting}, timeout=0.1)
        if done:
            break
    assert waiting.result() is True
    stop.set()
    await asyncio.wait_for(listener, 5)


async def test_a_ring_between_look_and_wait_is_not_missed():
    bell = Bell()
    since = bell.generation("x")
    bell.ring("x")
    assert await bell.wait("x", seconds=0.01, since=since) is True
    assert await bell.wait("x", seconds=0.01, since=bell.generation("x")) is False


def test_an_unknown_setting_is_an_error_that_names_it(tmp_path: Path):
    good = (Path(node_settings.CODE_ROOT) / "deploy" / "nodes" / "510000.toml").read_text("utf-8")
    path = tmp_path / "node.toml"
    path.write_text(good + '\ncolour = "red"\n', "utf-8")
    with pytest.raises(node_settings.SettingsError, match="colour"):
        node_settings.load(path)
    path.write_text(good, "utf-8")
    assert node_settings.load(path).host == "510000.localhost"


def test_the_environment_wins_over_the_file(monkeypatch):
    monkeypatch.setenv("TONGBAN_POOL_SIZE", "7")
    assert node_settings.load(node_settings.CODE_ROOT / "deploy" / "nodes" / "cn.toml").pool_size == 7


def test_the_file_of_a_demo_node_is_read_like_a_toml(tmp_path):
    path = tmp_path / "node.json"
    said = {
        "node": "510000", "name": "四川省", "role": "province", "base_url": "http://510000.localhost:8104", "divisions": ["51"],
        "database_url": "postgresql://tb@/x", "data_dir": str(tmp_path), "organisation": "11510000MB0000001D", "demo": True,
    }
    path.write_bytes(msgspec.json.encode(said))
    found = node_settings.load(path)
    assert (found.node, found.data_dir, found.divisions, found.demo) == ("510000", tmp_path, ("51",), True)
    path.write_bytes(msgspec.json.encode(said | {"datadir": "x"}))
    with pytest.raises(node_settings.SettingsError, match="datadir"):
        node_settings.load(path)
    for bad in (b"{", b"[]", b"\xff{}", b'"x"'):
        path.write_bytes(bad)
        with pytest.raises(node_settings.SettingsError, match=r"node\.json: not JSON"):
            node_settings.load(path)


def test_a_log_takes_declared_fields_only():
    with pytest.raises(TypeError, match="name"):
        log.log("example.event", name="刘某某")


def test_levels_and_staff_are_asked_for():
    with pytest.raises(SignInNeeded):
        Actor(kind="nobody").require(1)
    with pytest.raises(LevelNeeded) as raised:
        Actor(kind="citizen", subject="n1x", acr=2).require(3)
    assert raised.value.level == 3
    Actor(kind="citizen", subject="n1x", acr=3).require(3)
    with pytest.raises(StaffNeeded):
        Actor(kind="citizen", subject="n1x", acr=4).require_staff()


@pytest.mark.parametrize(
    ("division", "asked", "allowed"),
    [("510100", "510104", True), ("510104", "510104", True), ("510104", "510105", False), ("510000", "510104", True), ("500000", "510104", False), ("510100", "510000", False)],
)
def test_an_assignment_covers_its_area_and_no_other(division, asked, allowed):
    clerk = Actor(kind="staff", staff_id="s1", assignments=(Assignment(role="clerk", actions=frozenset({"cases.accept"}), division=division, org="A"),))
    assert clerk.may("cases.accept", division=asked, org="A") is allowed
    assert not clerk.may("cases.accept", division=asked, org="B")
    assert not clerk.may("cases.grant", division=asked, org="A")
    if not allowed:
        with pytest.raises(NotAllowed):
            clerk.require_may("cases.accept", division=asked, org="A")


async def test_a_clock_goes_on_after_a_failure(node):
    runs = asyncio.Queue()
    stop = asyncio.Event()

    async def run(_node):
        runs.put_nowait(1)
        if runs.qsize() == 1:
            raise ValueError

    clock = jobs.Clockwork("example", 0.01, run)
    task = asyncio.create_task(jobs.turn(node, clock, stop))
    await asyncio.wait_for(runs.get(), 5)
    await asyncio.wait_for(runs.get(), 5)
    stop.set()
    await asyncio.wait_for(task, 5)


async def test_what_rings_while_a_clock_rests_is_done_together(node):
    """R-802, R-301: a clock with a rest answers the first ring at once, and many in a row by one more call."""
    runs, stop = asyncio.Queue(), asyncio.Event()

    async def run(_node):
        runs.put_nowait(time.monotonic())

    task = asyncio.create_task(jobs.turn(node, jobs.Clockwork("example", 60, run, bell="many", rest_seconds=0.3), stop))
    first = await asyncio.wait_for(runs.get(), 5)
    for _ in range(10):
        node.bell.ring("many")
        await asyncio.sleep(0.01)
    second = await asyncio.wait_for(runs.get(), 5)
    assert second - first >= 0.3
    assert runs.empty()
    stop.set()
    await asyncio.wait_for(task, 5)


def test_a_set_clock_stands_still(set_clock):
    before = set_clock.now()
    assert set_clock.now() == before
    set_clock.move(timedelta(days=1))
    assert (set_clock.now() - before).days == 1

async def test_a_connection_given_back_carries_nothing_over(node):
    """The pool sends no reset: what a transaction sets ends with it, and one left open by an error is rolled back."""
    async with node.db.transaction() as tx:
        await tx.execute("SET LOCAL tongban.retention = 'on'")
        await tx.execute("SELECT pg_advisory_xact_lock(42)")
    for _ in range(20):
        async with node.db.reading() as tx:
            assert await tx.fetchval("SELECT coalesce(current_setting('tongban.retention', true), '')") == ""
            assert await tx.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()") == 0
