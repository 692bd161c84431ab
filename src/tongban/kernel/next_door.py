"""Next door 隔壁: a small process of our own for one kind of long sum, started when a node is busy and ended when it is quiet.

A thread that works out a signature lets the interpreter go, but must win it back from the loop afterwards; a thousand times a
second that costs more than the sum. A process needs no interpreter of ours: it gets batches through a pipe and answers in
batches. What it owed when it died is told as None, and whoever asked does it here.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Final, Generic, TypeVar

import msgspec

IDLE_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 10.0
"""How long it may owe and say nothing; then it stands still, and is ended."""
_LENGTH: Final = 4
_Asked = TypeVar("_Asked")
_Got = TypeVar("_Got")
_tasks: set[asyncio.Task[None]] = set()


class NextDoor(Generic[_Got]):
    """One process of one loop, and who waits for it (隔壁进程). `module` is run with `words`, and calls `serve`.

    >>> NextDoor("tongban.kernel.checker", (), bool).ready
    False
    """

    def __init__(self, module: str, words: tuple[str, ...], kind: type[_Got]) -> None:
        self._command = (sys.executable, "-m", module, *words)
        self._decode = msgspec.msgpack.Decoder(dict[int, kind]).decode  # type: ignore[valid-type]
        self.process: asyncio.subprocess.Process | None = None
        self.ready, self._coming, self._used, self._owes_since = False, False, 0.0, 0.0
        self._queue: list[tuple[Any, ...]] = []
        self._waits: dict[int, asyncio.Future[_Got | None]] = {}
        self.number = 0

    @property
    def owed(self) -> int:
        """How many it was asked for and has not answered."""
        return len(self._waits)

    def come(self) -> None:
        """Start the process, unless it is there or on its way (请来): who asks meanwhile is served here."""
        if not self._coming:
            self._coming = True
            task = asyncio.get_running_loop().create_task(self._live())
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)

    def ask(self, *fields: Any) -> asyncio.Future[_Got | None]:
        """The answer to one, or None when the process ended before it: only while it is `ready`."""
        loop = asyncio.get_running_loop()
        self.number, self._used = self.number + 1, loop.time()
        if not self._waits:
            self._owes_since = self._used
        future = self._waits[self.number] = loop.create_future()
        if not self._queue:
            loop.call_soon(self._send)
        self._queue.append((self.number, *fields))
        return future

    def _send(self) -> None:
        written, self._queue = msgspec.msgpack.encode(self._queue), []
        to = self.process.stdin if self.process is not None else None
        if to is not None and not to.is_closing():
            to.write(len(written).to_bytes(_LENGTH, "big") + written)

    async def _live(self) -> None:
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            await self._listen(self.process)
        except OSError:
            pass  # no process to be had: the threads go on
        finally:
            self._coming = False

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Give answers to those who wait, until the process ends or nobody asked for long."""
        loop, out = asyncio.get_running_loop(), process.stdout
        assert out is not None
        self._used = loop.time()
        try:
            while True:
                try:
                    async with asyncio.timeout(min(ANSWER_SECONDS, IDLE_SECONDS)):
                        size = int.from_bytes(await out.readexactly(_LENGTH), "big")
                except TimeoutError:
                    quiet, most = (self._owes_since, ANSWER_SECONDS) if self._waits else (self._used, IDLE_SECONDS)
                    if loop.time() - quiet > most:
                        break
                    continue
                async with asyncio.timeout(ANSWER_SECONDS):
                    told = self._decode(await out.readexactly(size)) if size else {}
                self.ready, self._owes_since = True, loop.time()  # it says so first, with an empty answer
                for number, got in told.items():
                    future = self._waits.pop(number, None)
                    if future is not None and not future.done():
                        future.set_result(got)
        except (OSError, asyncio.IncompleteReadError, msgspec.MsgspecError):
            pass
        finally:
            self.ready = False
            for future in self._waits.values():
                if not future.done():
                    future.set_result(None)  # whoever waited does it here
            self._waits.clear()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def serve(kind: type[_Asked], work: Callable[[_Asked], tuple[int, object]]) -> None:
    """The process itself (隔壁这一头): batches of `kind` in, a number and a result for each out, until the other end is closed."""
    decode = msgspec.msgpack.Decoder(list[kind]).decode  # type: ignore[valid-type]
    source: BinaryIO = sys.stdin.buffer
    sink: BinaryIO = sys.stdout.buffer
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        sink.write(bytes(_LENGTH))
        sink.flush()
        while len(size := source.read(_LENGTH)) == _LENGTH:
            asked = decode(source.read(int.from_bytes(size, "big")))
            written = msgspec.msgpack.encode(dict(map(work, asked)))
            sink.write(len(written).to_bytes(_LENGTH, "big") + written)
            sink.flush()
