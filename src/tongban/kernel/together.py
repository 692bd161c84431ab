"""Together 合并: what is asked at the same moment goes to the database once, so that a hundred calls cost a few statements.

Nobody waits for company: who comes first starts the work at once, and who comes while it runs goes along the next time.
So a quiet node answers as fast as before, and a busy one does more in each turn the busier it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from tongban.kernel.node import Node

_One = TypeVar("_One")
_Got = TypeVar("_Got")


class _Turn(Generic[_One, _Got]):
    """Who waits at one node, and the tasks that work while somebody does."""

    def __init__(self) -> None:
        self.waiting: list[tuple[_One, asyncio.Future[_Got]]] = []
        self.running: set[asyncio.Task[None]] = set()


class Together(Generic[_One, _Got]):
    """One kind of work that many calls need (合并办理): `await together(node, one)` gives what became of that one.

    `work(node, ones)` gets at most `most`, in at most `at_once` turns at a time, and answers one result for each, in their order; an exception among the results
    is raised to the one it belongs to. When a turn fails as a whole, each of it is tried alone, so that one that cannot be
    done is no hindrance to the others: the work must bear that (do all or nothing, or be on the safe side when done twice).
    Whoever gives up waiting before the turn begins is left out of it; afterwards the work is done all the same.
    """

    def __init__(
        self, work: Callable[[Node, list[_One]], Awaitable[Sequence[_Got | BaseException]]], *, most: int = 200, at_once: int = 1
    ) -> None:
        self._work, self._most, self._at_once = work, most, at_once
        self._turns: WeakKeyDictionary[Node, _Turn[_One, _Got]] = WeakKeyDictionary()

    async def __call__(self, node: Node, one: _One) -> _Got:
        turn = self._turns.get(node)
        if turn is None:
            turn = self._turns[node] = _Turn()
        mine: asyncio.Future[_Got] = asyncio.get_running_loop().create_future()
        turn.waiting.append((one, mine))
        if len(turn.running) < self._at_once:
            # a task of its own, in a context of its own: no caller's end is the end of the others
            task = asyncio.get_running_loop().create_task(self._run(node, turn), context=Context())
            turn.running.add(task)
        return await mine

    async def _run(self, node: Node, turn: _Turn[_One, _Got]) -> None:
        taken: list[tuple[_One, asyncio.Future[_Got]]] = []
        try:
            while turn.waiting:
                taken, turn.waiting = turn.waiting[: self._most], turn.waiting[self._most :]
                taken = [one for one in taken if not one[1].done()]
                if taken:
                    await self._once(node, taken)
        except asyncio.CancelledError:  # this task itself was stopped, with its node
            for _, future in (*taken, *turn.waiting):
                if not future.done():
                    future.cancel()
            turn.waiting = []
            raise
        finally:  # at once and not by a callback: who comes between the two would wait for a turn that nobody begins
            turn.running.discard(asyncio.current_task())

    async def _once(self, node: Node, taken: list[tuple[_One, asyncio.Future[_Got]]]) -> None:
        results = await self._results(node, [one for one, _ in taken])
        for (_, future), got in zip(taken, results, strict=True):
            if future.done():
                continue
            if isinstance(got, BaseException):
                future.set_exception(got)
            else:
                future.set_result(got)

    async def _results(self, node: Node, ones: list[_One]) -> Sequence[_Got | BaseException]:
        try:
            return await self._work(node, ones)
        except (OSError, TimeoutError) as error:  # the database is away: so it is for each of them
            return [error] * len(ones)
        except Exception as error:  # noqa: BLE001  told to whom it concerns
            if len(ones) == 1:
                return [error]
            return [result for one in ones for result in await self._results(node, [one])]
