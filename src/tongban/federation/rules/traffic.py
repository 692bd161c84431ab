"""How much goes through 流量规则: breaker, retry budget, address limits (federation.md 4, 8). Time is an argument."""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from typing import Final, Literal

RETRIES: Final = 2
_WINDOW: Final = 30.0
_FEWEST: Final = 10
_FIRST_OPEN: Final = 15.0
_LONGEST_OPEN: Final = 300.0

State = Literal["closed", "open", "half_open"]


class Breaker:
    """Circuit breaker of one (node, service) 熔断: opens at ≥ 10 calls in 30 s of which half failed in transport.

    Open 15 s, doubling to 300 s; half-open lets one call through. A 4xx is a good answer here. Seconds are monotonic.
    """

    def __init__(self) -> None:
        self._calls: deque[tuple[float, bool]] = deque()
        self._open_until: float | None = None
        self._open_for = _FIRST_OPEN
        self._probing_since: float | None = None

    def state(self, now: float) -> State:
        if self._open_until is None:
            return "closed"
        return "open" if now < self._open_until else "half_open"

    def admits(self, now: float) -> bool:
        """Whether a call may go out now; in half-open only one at a time (a lost probe is forgotten after 30 s)."""
        state = self.state(now)
        if state == "half_open":
            if self._probing_since is not None and now - self._probing_since < _WINDOW:
                return False
            self._probing_since = now
            return True
        return state == "closed"

    def note(self, now: float, *, good: bool) -> None:
        """What became of a call that was admitted."""
        if self._open_until is not None:
            self._probing_since = None
            if good:
                self._open_until, self._open_for = None, _FIRST_OPEN
                self._calls.clear()
            elif now >= self._open_until:
                self._open_for = min(self._open_for * 2, _LONGEST_OPEN)
                self._open_until = now + self._open_for
            return
        self._calls.append((now, good))
        while self._calls and self._calls[0][0] < now - _WINDOW:
            self._calls.popleft()
        bad = sum(1 for _, fine in self._calls if not fine)
        if len(self._calls) >= _FEWEST and bad * 2 >= len(self._calls):
            self._open_until = now + self._open_for


class RetryBudget:
    """At most a tenth of the calls to one node may be retries 重试额度; a few are always at hand for quiet times."""

    def __init__(self) -> None:
        self._tokens = 5.0

    def earn(self) -> None:
        self._tokens = min(self._tokens + 0.1, 20.0)

    def spend(self) -> bool:
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Width:
    """How many calls are worked on at once (通道宽度): the most while a new one is looked at without delay, fewer while they queue.

    A call that waits long before it is even believed says that more was begun than this machine bears at present, whoever else
    uses it. Then the way becomes a third narrower, once for what was already begun, and wider again step by step.
    """

    TOO_LONG: Final = 0.3
    FEWEST: Final = 64

    def __init__(self, most: int) -> None:
        self._most = self._width = float(most)
        self._narrowed = float("-inf")

    @property
    def now(self) -> int:
        return int(self._width)

    def note(self, waited: float, now: float) -> None:
        """A call that had its place was believed after so many seconds."""
        if waited <= self.TOO_LONG:
            self._width = min(self._width + 0.2, self._most)
        elif now - waited > self._narrowed:  # it was begun after the way became narrower, and still waited
            self._width, self._narrowed = max(self._width * 2 / 3, min(self.FEWEST, self._most)), now


class Refusals:
    """How many refusals are signed (签名的拒绝): some at hand, ten more a second, and one more for every four answers.

    So what refusing costs stays a small part of what answering does, on a quick machine and on a slow one.
    """

    def __init__(self, now: float, *, at_hand: float = 50.0) -> None:
        self._tokens = self._most = at_hand
        self._at = now

    def earn(self) -> None:
        """A call was answered."""
        self._tokens = min(self._tokens + 0.25, self._most)

    def takes(self, now: float) -> bool:
        """Whether one more may be signed; counts it."""
        self._tokens, self._at = min(self._tokens + (now - self._at) * 10, self._most), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def jitter(seconds: float) -> float:
    """About that long, ± 50 %, so that many who wait do not come back at once; retry n waits 0.1 · 3^n so."""
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311  no secret


class Limit:
    """So many a second for each address 来源限速, remembered for the most recent addresses only."""

    def __init__(self, per_second: float, *, remembered: int = 4096) -> None:
        self._rate = per_second
        self._remembered = remembered
        self._seen: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def takes(self, address: str, now: float) -> bool:
        """Whether one more is within the limit; counts it."""
        tokens, at = self._seen.pop(address, (self._rate, now))
        tokens = min(self._rate, tokens + (now - at) * self._rate)
        good = tokens >= 1
        self._seen[address] = (tokens - 1 if good else tokens, now)
        while len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return good

    def exhausted(self, address: str, now: float) -> bool:
        """Whether the address is beyond its limit; counts nothing."""
        tokens, at = self._seen.get(address, (self._rate, now))
        return tokens + (now - at) * self._rate < 1
