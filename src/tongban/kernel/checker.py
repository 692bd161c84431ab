"""Checks in a process of their own 旁路验签: when signatures queue up, those that need no secret are checked next door.

A thread that checks a signature lets the interpreter go, but must win it back from the loop afterwards; a thousand times a second
that costs more than the check. So a busy node starts one small process that knows no key of ours: it reads public keys, texts and
signatures, and says which are true. It ends when nobody asked for a minute, and by itself when its node ends. Without it, or when
it dies, the threads of `beside` check as before.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from typing import BinaryIO, Final
from weakref import WeakKeyDictionary

import msgspec

from tongban.kernel.beside import beside, waiting
from tongban.kernel.gm.errors import BadKey
from tongban.kernel.gm.sm2 import Sm2PublicKey

BUSY: Final = 16
"""Signatures that wait for a thread; from then on a process is worth its start."""
IDLE_SECONDS: Final = 60.0
_LENGTH: Final = 4
_KEYS_AT_MOST: Final = 4096


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """One check: the point of the public key, what was signed, 64 bytes r‖s."""

    number: int
    point: bytes
    data: bytes
    signature: bytes


_asked, _answered = msgspec.msgpack.Decoder(list[Asked]), msgspec.msgpack.Decoder(dict[int, bool])


class _NextDoor:
    """The process of one loop, and who waits for it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process, self.ready, self.used = process, False, 0.0
        self.queue: list[Asked] = []
        self.waits: dict[int, asyncio.Future[bool | None]] = {}
        self.number = 0

    def ask(self, key: Sm2PublicKey, data: bytes, signature: bytes) -> asyncio.Future[bool | None]:
        loop = asyncio.get_running_loop()
        self.number, self.used = self.number + 1, loop.time()
        future = self.waits[self.number] = loop.create_future()
        if not self.queue:
            loop.call_soon(self._send)
        self.queue.append(Asked(self.number, key.point, data, signature))
        return future

    def _send(self) -> None:
        written, self.queue = msgspec.msgpack.encode(self.queue), []
        if self.process.stdin is not None and not self.process.stdin.is_closing():
            self.process.stdin.write(len(written).to_bytes(_LENGTH, "big") + written)

    async def listen(self) -> None:
        """Give answers to those who wait, until the process ends or nobody asked for long."""
        loop, out = asyncio.get_running_loop(), self.process.stdout
        assert out is not None
        self.used = loop.time()
        try:
            while True:
                try:
                    async with asyncio.timeout(IDLE_SECONDS):
                        size = int.from_bytes(await out.readexactly(_LENGTH), "big")
                except TimeoutError:
                    if not self.waits and loop.time() - self.used > IDLE_SECONDS:
                        break
                    continue
                told = _answered.decode(await out.readexactly(size)) if size else {}
                self.ready = True  # it says so first, with an empty answer
                for number, true in told.items():
                    future = self.waits.pop(number, None)
                    if future is not None and not future.done():
                        future.set_result(true)
        except (OSError, asyncio.IncompleteReadError, msgspec.MsgspecError):
            pass
        finally:
            self.ready = False
            for future in self.waits.values():
                if not future.done():
                    future.set_result(None)  # whoever waited asks a thread
            self.waits.clear()
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


_doors: WeakKeyDictionary[asyncio.AbstractEventLoop, _NextDoor | None] = WeakKeyDictionary()
_tasks: set[asyncio.Task[None]] = set()


async def _open(loop: asyncio.AbstractEventLoop) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tongban.kernel.checker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        door = _doors[loop] = _NextDoor(process)
        await door.listen()
    except OSError:
        pass  # no process to be had: the threads go on
    finally:
        _doors.pop(loop, None)


async def true_signature(key: Sm2PublicKey, data: bytes, signature: bytes) -> bool:
    """Whether `signature` is `key`'s over `data` (验签), checked next door while many wait and in a thread otherwise."""
    door = _door(1)
    said = await door.ask(key, data, signature) if door is not None else None
    return said if said is not None else await beside(lambda: key.verify(data, signature))


async def true_signatures(asked: Sequence[tuple[Sm2PublicKey, bytes, bytes]]) -> list[bool]:
    """As `true_signature` for many (key, data, signature) at once, answered in their order (成批验签)."""
    door = _door(len(asked))
    said: Sequence[bool | None] = await asyncio.gather(*(door.ask(*one) for one in asked)) if door is not None else [None] * len(asked)
    left = [one for one, true in zip(asked, said, strict=True) if true is None]
    here = iter(await beside(lambda: [key.verify(data, signature) for key, data, signature in left]) if left else ())
    return [next(here) if true is None else true for true in said]


def _door(coming: int) -> _NextDoor | None:
    """The process when it can be asked; it is started when so many come that it is worth its start."""
    loop = asyncio.get_running_loop()
    door = _doors.get(loop)
    if door is not None:
        return door if door.ready else None
    if loop not in _doors and waiting() + coming > BUSY:
        _doors[loop] = None
        opening = loop.create_task(_open(loop))
        _tasks.add(opening)
        opening.add_done_callback(_tasks.discard)
    return None


def next_door() -> bool:
    """Whether checks go to a process of their own at this moment: then the loop's processor has time to sign by itself."""
    door = _doors.get(asyncio.get_running_loop())
    return door is not None and door.ready


def _serve(source: BinaryIO, sink: BinaryIO) -> None:
    """The process itself: batches in, verdicts out, until the other end is closed."""
    keys: dict[bytes, Sm2PublicKey] = {}

    def true(one: Asked) -> bool:
        if one.point not in keys:
            if len(keys) >= _KEYS_AT_MOST:
                keys.clear()
            keys[one.point] = Sm2PublicKey(one.point)
        return keys[one.point].verify(one.data, one.signature)

    def judged(one: Asked) -> bool:
        try:
            return true(one)
        except BadKey:
            return False

    sink.write(bytes(_LENGTH))
    sink.flush()
    while len(size := source.read(_LENGTH)) == _LENGTH:
        asked = _asked.decode(source.read(int.from_bytes(size, "big")))
        written = msgspec.msgpack.encode({one.number: judged(one) for one in asked})
        sink.write(len(written).to_bytes(_LENGTH, "big") + written)
        sink.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        _serve(sys.stdin.buffer, sys.stdout.buffer)
