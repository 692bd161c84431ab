"""Jobs 任务: enqueued in the business transaction, retried with backoff, held visibly when they give up.

Nothing depends on a job having run to be correct, only to be prompt (architecture.md 13).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
from pgqueuer import AsyncpgDriver, DatabaseRetryEntrypointExecutor, Job, PgQueuer
from pgqueuer.errors import RetryRequested

from tongban.kernel.db import Tx
from tongban.kernel.log import log, log_failure

if TYPE_CHECKING:
    from tongban.kernel.node import Node

Payload = dict[str, Any]
Handler = Callable[["Node", Payload], Awaitable[None]]
_InHand = dict[asyncio.Task[Any], str]
"""The jobs that run at this moment, and their names."""
_TRIES = 8
_LONG_RUN = 60.0
"""Seconds after which a call that fails at last had been well: a clock that runs for ever is not blamed for last week's failure."""
CUTTING_SECONDS = 5.0
"""How long a stop cuts jobs in hand that swallow it; then it goes on without them. With the rest of a stop less than the service manager waits."""


class Clockwork(msgspec.Struct, frozen=True):
    """Something the clock calls (定时): `run` is awaited every `every_seconds`, and at once when `bell` rings.

    `rest_seconds` is the least time between two calls: what rings in between is done together by the next.
    """

    name: str
    every_seconds: float
    run: Callable[[Node], Awaitable[None]]
    bell: str | None = None
    rest_seconds: float = 0


async def enqueue(tx: Tx, name: str, payload: Payload, *, after: timedelta | None = None, once: str | None = None) -> None:
    """Put a job into the queue, in the caller's transaction (排队).

    `name` is `room.verb` and must be in some room's JOBS; `once` drops the job when one of that key is waiting.
    """
    # plain SQL, not the library's call: that one writes headers as text, which our connections' jsonb codec wraps again
    await tx.execute(
        """WITH job AS (
             INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, dedupe_key, status)
             VALUES (0, $1, $2, now() + COALESCE($3::interval, interval '0'), $4, 'queued')
             ON CONFLICT (dedupe_key) WHERE status IN ('queued', 'picked') AND dedupe_key IS NOT NULL DO NOTHING
             RETURNING id)
           INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority) SELECT id, 'queued', $1, 0 FROM job""",
        name, msgspec.json.encode(payload), after, once,
    )  # fmt: skip


async def work(node: Node, handlers: dict[str, Handler], stop: asyncio.Event) -> None:
    """Run queued jobs until `stop` is set (干活). One job, one verb; failures are tried again up to eight times."""
    taken_over = False
    while not stop.is_set():
        try:
            connection = await asyncpg.connect(node.db.url)
            try:
                if not taken_over:  # later a job in hand may be our own, still at work without the connection that was lost
                    await _take_over(connection)
                    taken_over = True
                queue, in_hand = PgQueuer(AsyncpgDriver(connection)), _InHand()
                for name, handler in handlers.items():
                    _register(queue, node, name, handler, in_hand)
                ending = asyncio.create_task(_end(queue, stop))
                try:
                    await _run(queue, in_hand)
                finally:
                    ending.cancel()
                    if in_hand:  # left behind: nothing they do from now on is written down as done
                        connection.terminate()
            finally:
                await connection.close(timeout=2)
        except Exception as error:  # noqa: BLE001  the worker must come back whatever ended it, also a database that is away; it is logged
            log_failure("kernel.jobs_interrupted", error)
            await _pause(stop, 2)


async def _take_over(connection: Tx) -> None:
    """What the process before had in its hands when it was killed is begun anew at once (接手), and not when its heartbeat is 30 s old.

    One process serves a node: while it has no worker yet, whoever held a job is gone.
    """
    await connection.execute("UPDATE pgqueuer SET heartbeat = 'epoch' WHERE status = 'picked'")


async def _run(queue: PgQueuer, in_hand: _InHand) -> None:
    """The queue until its shutdown, which waits for the jobs in hand; when this is cancelled, they are cut too.

    A job that swallows that is left behind: its row stays in the queue as picked, and the next start takes it over.
    """
    running = asyncio.create_task(queue.run(dequeue_timeout=timedelta(seconds=5), batch_size=10))
    running.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # whoever was stopped meanwhile does not ask
    try:
        await asyncio.wait({running})
    except asyncio.CancelledError:
        await _cut(running, in_hand)
        raise
    await running


async def _cut(running: asyncio.Task[None], in_hand: _InHand) -> None:
    """End the queue and what it has in hand (切断); after CUTTING_SECONDS whatever still runs is left, and logged by its name."""
    until = time.monotonic() + CUTTING_SECONDS
    while not running.done():  # the queue itself would wait for each job to its end, however long
        if time.monotonic() > until:
            for name in in_hand.values():
                log("kernel.job_left", level=logging.ERROR, job=name)
            return
        for one in (running, *in_hand):
            one.cancel()
        await asyncio.wait({running}, timeout=min(0.5, CUTTING_SECONDS))


def _register(queue: PgQueuer, node: Node, name: str, handler: Handler, in_hand: _InHand) -> None:
    @queue.entrypoint(
        name,
        executor_factory=lambda parameters: DatabaseRetryEntrypointExecutor(
            parameters=parameters, max_attempts=_TRIES, initial_delay=timedelta(seconds=1)
        ),
        on_failure="hold",
    )
    async def run(job: Job) -> None:
        me = asyncio.current_task()
        assert me is not None
        in_hand[me] = name
        try:
            await handler(node, msgspec.json.decode(job.payload or b"{}"))
        except asyncio.CancelledError:  # the node stops: the queue would take that for a wish to be rid of the job
            raise RetryRequested(reason="stopped") from None
        except Exception as error:  # noqa: BLE001  whatever the verb met, it is logged and the job is tried again
            log_failure("kernel.job_failed", error, job=name, attempts=job.attempts)
            # the queue's tables keep this text: a type is no personal data, arguments might be
            raise RuntimeError(type(error).__name__) from None
        finally:
            in_hand.pop(me, None)


async def _end(queue: PgQueuer, stop: asyncio.Event) -> None:
    await stop.wait()
    queue.shutdown.set()


async def turn(node: Node, clock: Clockwork, stop: asyncio.Event) -> None:
    """Call a Clockwork for ever, by its clock and by its bell (走钟). A failure is logged and waits longer."""
    failures, me = 0, asyncio.current_task()
    while not stop.is_set():
        since, begun = node.bell.generation(clock.bell) if clock.bell else 0, time.monotonic()
        try:
            await clock.run(node)
            failures = 0
        except (Exception, asyncio.CancelledError) as error:
            if me is not None and me.cancelling():
                raise  # this clock is stopped; a cancellation of something inside it is one more failure
            failures = 1 if time.monotonic() - begun > _LONG_RUN else failures + 1
            log_failure("kernel.clock_failed", error, clock=clock.name, count=failures)
        seconds = min(clock.every_seconds * (2 ** min(failures, 5)), max(60.0, clock.every_seconds))
        if clock.bell:
            # after a failure it rests 1, 2, 4 … s and then hears its bell again: what it waited for may be there
            rest = max(clock.rest_seconds, min(2.0 ** (min(failures, 6) - 1), seconds) if failures else 0.0)
            if rest:
                await _pause(stop, rest)
            await _either(node.bell.wait(clock.bell, seconds=seconds, since=since), stop.wait())
        else:
            await _pause(stop, seconds)
    log("kernel.clock_ended", clock=clock.name)


async def _either(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
