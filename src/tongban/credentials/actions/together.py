"""Going together 合并: what many ask of the same table at the same time is asked once.

Nobody waits for others: the first question leaves at once, and those that come while it is on its way leave together after it. A node
that is quiet answers each alone, a busy one spends on sixty little more than on one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from tongban.kernel.node import Node

Q = TypeVar("Q")
A = TypeVar("A")
MOST: Final = 64
UNDER_WAY: Final = 2
"""So many batches at once: while the database writes one, the signatures of the next are looked at."""


class Together(Generic[Q, A]):
    """A counter where questions go together (合并窗口). `run` answers all of them in their order, all in one transaction or none.

    When a batch fails, each of its questions is asked alone, so that nobody pays for another's.
    """

    def __init__(self, run: Callable[[Node, Sequence[Q]], Awaitable[Sequence[A]]], *, most: int = MOST) -> None:
        self._run, self._most = run, most
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._working: set[asyncio.Task[None]] = set()

    async def ask(self, node: Node, one: Q) -> A:
        """The answer to one question. Raises what `run` raises for it alone."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if len(self._working) < UNDER_WAY:
            task = asyncio.create_task(self._work(node))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        return await future

    async def _work(self, node: Node) -> None:
        while self._waiting:
            part, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            await self._answer(node, part)

    async def _answer(self, node: Node, part: list[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._run(node, [one for one, _ in part])
        except Exception as why:  # noqa: BLE001  handed on to whoever asked
            if len(part) > 1:
                for each in part:
                    await self._answer(node, [each])
            elif not part[0][1].done():
                part[0][1].set_exception(why)
            return
        except asyncio.CancelledError:
            for _, future in part:
                future.cancel()
            raise
        for (_, future), answer in zip(part, answers, strict=True):
            if not future.done():
                future.set_result(answer)
