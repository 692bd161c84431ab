"""Bell 钟: a signal instead of a sleep. Rung by NOTIFY at commit or directly; the clock remains the truth."""

from __future__ import annotations

import asyncio


class Bell:
    """Named signals inside a process (信号). A ring wakes everybody who waits at that moment.

    A waiter that must not miss a ring takes `generation(name)` before it looks, and gives it to `wait`.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._count: dict[str, int] = {}
        self._everybody = 0

    def generation(self, name: str) -> int:
        """How often `name` has rung so far."""
        return self._count.get(name, 0) + self._everybody

    def ring(self, name: str) -> None:
        """Wake all who wait for `name`; `"*"` wakes everybody."""
        names = list(self._waiting) if name == "*" else [name]
        if name == "*":
            self._everybody += 1  # also for who has looked and does not wait yet
        else:
            self._count[name] = self._count.get(name, 0) + 1
        for one in names:
            for waiter in self._waiting.pop(one, set()):
                if not waiter.done():
                    waiter.set_result(None)

    async def wait(self, name: str, *, seconds: float, since: int | None = None) -> bool:
        """Wait until `name` rings, at most `seconds`; True if it rang (also if it rang after `since`)."""
        if since is not None and self.generation(name) != since:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, set()).add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
            return True
        except TimeoutError:
            return False
        finally:
            self._waiting.get(name, set()).discard(waiter)
