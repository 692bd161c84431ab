"""Checks next door: the same verdicts as here, none lost when the process dies, nothing left behind (R-402)."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tongban.kernel import checker, next_door
from tongban.kernel.gm import Sm2PrivateKey


@pytest.fixture
async def door(monkeypatch):
    """A process next door that has said it is ready; gone again afterwards."""
    monkeypatch.setattr(checker, "BUSY", 0)
    key = Sm2PrivateKey.generate()
    assert await checker.true_signature(key.public, b"first", key.sign(b"first"))
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        while not checker.next_door():
            assert await checker.true_signature(key.public, b"first", key.sign(b"first"))  # meanwhile a thread says so
    opened = checker._doors[loop]
    yield opened
    opened.process.stdin.close()
    async with asyncio.timeout(10):
        await opened.process.wait()


async def test_verdicts_are_those_of_this_process(door):
    one, other = Sm2PrivateKey.generate(), Sm2PrivateKey.generate()
    right = one.sign(b"text")
    cases = [(one, b"text", right, True), (one, b"texts", right, False), (other, b"text", right, False), (one, b"text", right[:-1] + bytes([right[-1] ^ 1]), False),
             (one, b"text", b"", False), (one, b"text", bytes(64), False)]  # fmt: skip
    said = await asyncio.gather(*(checker.true_signature(key.public, data, signature) for _ in range(40) for key, data, signature, _ in cases))
    assert said == [true for _ in range(40) for *_, true in cases]
    assert door.number >= len(said), "asked next door"
    asked = [(key.public, data, signature) for _ in range(10) for key, data, signature, _ in cases]
    before, expected = door.number, [true for _ in range(10) for *_, true in cases]
    assert await checker.true_signatures(asked) == expected, "many at once, in their order"
    assert door.number == before + len(asked)
    assert await checker.true_signatures([]) == []


async def test_what_a_killed_process_owed_is_checked_here(door):
    key = Sm2PrivateKey.generate()
    signature = key.sign(b"text")
    os.kill(door.process.pid, signal.SIGSTOP)
    asked = [asyncio.create_task(checker.true_signature(key.public, b"text", signature)) for _ in range(20)]
    wrong = asyncio.create_task(checker.true_signature(key.public, b"other", signature))
    many = asyncio.create_task(checker.true_signatures([(key.public, b"text", signature), (key.public, b"other", signature)]))
    await asyncio.sleep(0)
    os.kill(door.process.pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        assert await asyncio.gather(*asked) == [True] * 20
        assert await wrong is False
        assert await many == [True, False]
    assert not checker.next_door()


async def test_what_a_process_that_stands_still_owed_is_checked_here(door, monkeypatch):
    """Stopped, and nobody ends it: every check of the node waited for it for ever."""
    key = Sm2PrivateKey.generate()
    monkeypatch.setattr(next_door, "ANSWER_SECONDS", 0.5)
    assert await checker.true_signature(key.public, b"text", key.sign(b"text"))  # from the next answer on it is watched so closely
    os.kill(door.process.pid, signal.SIGSTOP)
    async with asyncio.timeout(8):
        assert await checker.true_signature(key.public, b"text", key.sign(b"text"))
    assert not checker.next_door()


async def test_it_ends_with_the_other_end(door):
    door.process.stdin.close()
    async with asyncio.timeout(10):
        await door.process.wait()
    assert not checker.next_door()
