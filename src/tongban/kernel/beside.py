"""Beside 旁路: long sums that let the interpreter go (an SM2 signature) run beside the loop, on the other processors.

The loop goes on serving meanwhile. Results come back many at a time: one wake-up of the loop for all that are ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

_Got = TypeVar("_Got")
LANES: Final = max(2, min(4, os.cpu_count() or 2))


class _Mailbox:
    """What is ready for one loop, and the one wake-up that brings it in."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._ready: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []

    def put(self, future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        with self._lock:
            first = not self._ready
            self._ready.append((future, result, error))
        if first and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # closed this moment: nobody waits there any more
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            ready, self._ready = self._ready, []
        for future, result, error in ready:
            if future.done():
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)


_Job = tuple[_Mailbox, "asyncio.Future[Any]", Callable[[], Any]]
_jobs: SimpleQueue[_Job] = SimpleQueue()
_mailboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, _Mailbox] = WeakKeyDictionary()
_lanes: list[threading.Thread] = []


def _work() -> None:
    while True:
        mailbox, future, job = _jobs.get()
        result: Any = None
        error: BaseException | None = None
        if not future.cancelled():
            try:
                result = job()
            except StopIteration as caught:  # a future takes every exception but this one
                error = RuntimeError("a job ended its loop")
                error.__cause__ = caught
            except BaseException as caught:  # noqa: BLE001  raised again where it is waited for; the lane goes on
                error = caught
        mailbox.put(future, result, error)
        del mailbox, future, job, result, error  # nothing is kept alive while waiting for the next


def waiting() -> int:
    """How many jobs nobody has begun (排队数): where this grows, the processors are behind and new work should be turned away."""
    return _jobs.qsize()


async def beside(job: Callable[[], _Got]) -> _Got:
    """What `job` answers, worked out in another thread (旁路计算): for sums in C that hold nothing of the interpreter."""
    loop = asyncio.get_running_loop()
    mailbox = _mailboxes.get(loop)
    if mailbox is None:
        mailbox = _mailboxes[loop] = _Mailbox(loop)
    while len(_lanes) < LANES:
        lane = threading.Thread(target=_work, name=f"beside-{len(_lanes)}", daemon=True)  # they end with the process
        try:
            lane.start()
        except RuntimeError:  # no thread to be had now: those that are there do the work, and the next call tries again
            if not _lanes:
                raise
            break
        _lanes.append(lane)
    future: asyncio.Future[_Got] = loop.create_future()
    _jobs.put((mailbox, future, job))
    return await future
