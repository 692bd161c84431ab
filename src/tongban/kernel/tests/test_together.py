"""Work done together and beside: turns, one that cannot be done, callers that give up, sums in other threads (R-402)."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tongban.kernel.beside import beside
from tongban.kernel.together import Together


async def test_those_who_come_while_a_turn_runs_go_together(node):
    turns, begun, gate = [], asyncio.Event(), asyncio.Event()

    async def work(_node, ones):
        turns.append(list(ones))
        begun.set()
        await gate.wait()
        return [one * 10 for one in ones]

    together = Together(work, most=3)
    first = asyncio.create_task(together(node, 1))
    await begun.wait()
    others = [asyncio.create_task(together(node, one)) for one in (2, 3, 4, 5)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(first, *others) == [10, 20, 30, 40, 50]
    assert turns == [[1], [2, 3, 4], [5]]


async def test_one_that_cannot_be_done_is_no_hindrance_to_the_others(node):
    async def work(_node, ones):
        if 13 in ones:
            raise ValueError("thirteen")
        return ones

    together = Together(work)
    got = await asyncio.gather(*(together(node, one) for one in (1, 13, 2)), return_exceptions=True)
    assert (got[0], got[2]) == (1, 2)
    assert isinstance(got[1], ValueError)


async def test_when_the_database_is_away_each_hears_it_once(node):
    turns = []

    async def work(_node, ones):
        turns.append(list(ones))
        raise OSError("away")

    together = Together(work)
    got = await asyncio.gather(*(together(node, one) for one in range(5)), return_exceptions=True)
    assert all(isinstance(one, OSError) for one in got)
    assert turns == [[0, 1, 2, 3, 4]], "tried again one by one although nobody answers"


async def test_who_comes_the_moment_a_turn_ends_is_not_forgotten(node):
    async def work(_node, ones):
        return ones

    together = Together(work)

    async def one_after_the_other():
        async with asyncio.timeout(5):
            return [await together(node, one) for one in range(50)]

    assert await one_after_the_other() == list(range(50))


async def test_who_gives_up_takes_nobody_along(node):
    gate, begun, turns = asyncio.Event(), asyncio.Event(), []

    async def work(_node, ones):
        turns.append(list(ones))
        begun.set()
        await gate.wait()
        return ones

    together = Together(work)
    first = asyncio.create_task(together(node, 1))
    await begun.wait()
    second, third = (asyncio.create_task(together(node, one)) for one in (2, 3))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await third == 3
    assert turns == [[1], [3]], "who gave up before the turn was done all the same"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_beside_runs_elsewhere_and_raises_here():
    assert await beside(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await beside(lambda: 1 // 0)
    assert await asyncio.gather(*(beside(lambda one=one: one) for one in range(50))) == list(range(50))
