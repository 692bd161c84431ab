"""Places 名额: how many calls are worked on at once, and who waits for a place; nobody waits longer than an answer is worth.

A node that takes on everything answers nobody in time: each call waits for all the others. So a caller has 200 calls under way
(federation.md 8) and this node 600 in all, fewer while even a look at a call takes long; who comes beyond waits a moment, in line, with nothing done for it yet: no
signature looked at. A place that becomes free goes to the caller that holds the fewest. Who has waited in vain is
turned away with Retry-After. A signature is a third of what an answer costs, so a crowd could still take away what is left: one
refusal is signed for every four answers, and beyond that they go out bare. A bare refusal decides nothing: to the caller it is a
broken connection (federation.md 4), after which it waits, tries again within its budget, and shuts its breaker when half fail.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from typing import Final
from weakref import WeakKeyDictionary

from tongban.federation.actions.office import office
from tongban.federation.errors import Problem
from tongban.federation.rules.traffic import Refusals, Width
from tongban.kernel.node import Node

IN_FLIGHT: Final = 200
"""Calls of one caller under way at once."""
AT_WORK: Final = 600
"""Calls of all callers under way at once."""
IN_LINE: Final = 200
"""Calls of one caller that may wait for a place."""
PATIENCE: Final = 0.4
"""Seconds a call waits for a place: a busy node needs about as long again to answer, and a caller waits 2.5 s in all."""


class Places:
    """The places of one node. `taken` counts what every caller has under way, also beside the calls."""

    def __init__(self, taken: Counter[str]) -> None:
        self._taken = taken
        self._at_work = 0
        self._lines: dict[str, deque[tuple[float, asyncio.Future[bool]]]] = {}
        self._refusals = Refusals(time.monotonic())
        self._width = Width(IN_FLIGHT)
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, caller: str, arrived: float) -> None:
        """A place for a call that arrived then (monotonic seconds), at once or after a short wait; `leave` gives it back.

        Raises Problem when there is none: `busy` where the caller has too much under way itself, else `overloaded`.
        """
        line = self._lines.get(caller)
        if not line and self._free(caller):
            self._enter(caller)
            return
        if line is None:
            line = self._lines[caller] = deque()
        if len(line) >= IN_LINE:
            raise self._full(caller)
        mine: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        line.append((arrived + PATIENCE, mine))
        if self._timer is None:
            self._wake_at(arrived + PATIENCE)
        try:
            if not await mine:
                raise self._full(caller)
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled() and mine.result():
                self.leave(caller)  # it was given a place the moment it was stopped
            raise

    def leave(self, caller: str) -> None:
        """The call is answered: its place goes to whoever waits, first to the caller that has the fewest."""
        self._taken[caller] -= 1
        self._at_work -= 1
        self._refusals.earn()
        while self._lines and self._at_work < self._room:
            waiting = [one for one, line in self._lines.items() if line and self._taken[one] < self._each]
            if not waiting:
                return
            least = min(waiting, key=self._taken.__getitem__) if len(waiting) > 1 else waiting[0]
            _, future = self._lines[least].popleft()
            if not future.done():
                self._enter(least)
                future.set_result(True)

    def believed(self, waited: float) -> None:
        """A call that had its place was believed after so many seconds: where that takes long, fewer are worked on at once."""
        self._width.note(waited, time.monotonic())

    def may_sign(self) -> bool:
        """Whether one more refusal may be signed now; counts it."""
        return self._refusals.takes(time.monotonic())

    def _free(self, caller: str) -> bool:
        return self._at_work < self._room and self._taken[caller] < self._each

    @property
    def _each(self) -> int:
        return min(IN_FLIGHT, self._width.now)

    @property
    def _room(self) -> int:
        return AT_WORK * self._each // IN_FLIGHT

    def _enter(self, caller: str) -> None:
        self._taken[caller] += 1
        self._at_work += 1

    def _full(self, caller: str) -> Problem:
        return Problem("busy" if self._taken[caller] >= IN_FLIGHT else "overloaded", retry_after=1)

    def _wake_at(self, moment: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(max(0.0, moment - time.monotonic()), self._send_away)

    def _send_away(self) -> None:
        """Those whose patience is over leave the line; the clock is set for the next."""
        self._timer, now, following = None, time.monotonic(), float("inf")
        for caller, line in list(self._lines.items()):
            while line and (line[0][0] <= now or line[0][1].done()):
                future = line.popleft()[1]
                if not future.done():
                    future.set_result(False)
            if line:
                following = min(following, line[0][0])
            else:
                del self._lines[caller]
        if following < float("inf"):
            self._wake_at(following)


_places: WeakKeyDictionary[Node, Places] = WeakKeyDictionary()


def places(node: Node) -> Places:
    """The places of this node (名额)."""
    found = _places.get(node)
    if found is None:
        found = _places[node] = Places(office(node).in_flight)
    return found
