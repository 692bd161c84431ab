"""Who came to nothing at their turn goes behind the others 排到后面 (T-92): a few hopeless files never keep a thousand good ones waiting."""

from __future__ import annotations

MOST = 1000


class Behind:
    """Addresses in the order in which their last try came to nothing (排到后面的). The process remembers them, the rows do not change."""

    def __init__(self) -> None:
        self._order: dict[str, None] = {}

    def put(self, address: str) -> None:
        """This one failed now: behind everybody."""
        self._order.pop(address, None)
        self._order[address] = None
        if len(self._order) > MOST:
            del self._order[next(iter(self._order))]

    def drop(self, address: str) -> None:
        """This one is done."""
        self._order.pop(address, None)

    @property
    def waiting(self) -> list[str]:
        """All of them, who failed longest ago first."""
        return list(self._order)
