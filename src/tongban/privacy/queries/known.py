"""The holdings of all rooms 个人信息清单, as `main` hands them over: this folder stands below `main` and finds none by itself."""

from __future__ import annotations

from collections.abc import Iterable

from tongban.kernel.holdings import Holding

_known: dict[str, Holding] = {}


def use_holdings(found: Iterable[Holding]) -> None:
    """Take the rooms' answers (登记清单), at the start of a process; a second time replaces the first."""
    listed = {one.table: one for one in found}
    _known.clear()
    _known.update(listed)


def holdings() -> tuple[Holding, ...]:
    """Every room's answers, in the order of the rooms (清单)."""
    return tuple(_known.values())
