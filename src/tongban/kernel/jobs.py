"""Jobs 任务: enqueued in the business transaction, retried with backoff, held visibly when they give up.

Nothing depends on a job having run to be correct, only to be prompt (architecture.md 13).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
from pgqueuer import AsyncpgDriver, DatabaseRetryEntrypointExecutor, Job, PgQueuer

from tongban.kernel.db import Tx
from tongban.kernel.log import log, log_failure

if TYPE_CHECKING:
    from tongban.kernel.node import Node

Payload = dict[str, Any]
Handler = Callable[["Node", Payload], Awaitable[None]]
_TRIES = 8


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
    while not stop.is_set():
        try:
            connection = await asyncpg.connect(node.db.url)
        except (OSError, asyncpg.PostgresError) as error:
            log_failure("kernel.jobs_no_database", error)
            await _pause(stop, 2)
            continue
        try:
            queue = PgQueuer(AsyncpgDriver(connection))
            for name, handler in handlers.items():
                _register(queue, node, name, handler)
            ending = asyncio.create_task(_end(queue, stop))
            try:
                await queue.run(dequeue_timeout=timedelta(seconds=5), batch_size=10)
            finally:
                ending.cancel()
        except Exception as error:  # noqa: BLE001  the worker must come back whatever ended it; it is logged
            log_failure("kernel.jobs_interrupted", error)
            await _pause(stop, 2)
        finally:
            await connection.close(timeout=2)


def _register(queue: PgQueuer, node: Node, name: str, handler: Handler) -> None:
    @queue.entrypoint(
        name,
        executor_factory=lambda parameters: DatabaseRetryEntrypointExecutor(
            parameters=parameters, max_attempts=_TRIES, initial_delay=timedelta(seconds=1)
        ),
        on_failure="hold",
    )
    async def run(job: Job) -> None:
        try:
            await handler(node, msgspec.json.decode(job.payload or b"{}"))
        except Exception as error:  # noqa: BLE001  whatever the verb met, it is logged and the job is tried again
            log_failure("kernel.job_failed", error, job=name, attempts=job.attempts)
            # the queue's tables keep this text: a type is no personal data, arguments might be
            raise RuntimeError(type(error).__name__) from None


async def _end(queue: PgQueuer, stop: asyncio.Event) -> None:
    await stop.wait()
    queue.shutdown.set()


async def turn(node: Node, clock: Clockwork, stop: asyncio.Event) -> None:
    """Call a Clockwork for ever, by its clock and by its bell (走钟). A failure is logged and waits longer."""
    failures = 0
    while not stop.is_set():
        since = node.bell.generation(clock.bell) if clock.bell else 0
        try:
            await clock.run(node)
            failures = 0
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  a clock must go on whatever its verb met; it is logged
            failures += 1
            log_failure("kernel.clock_failed", error, clock=clock.name, count=failures)
        seconds = min(clock.every_seconds * (2 ** min(failures, 5)), max(60.0, clock.every_seconds))
        if clock.bell and not failures:
            if clock.rest_seconds:
                await _pause(stop, clock.rest_seconds)
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
