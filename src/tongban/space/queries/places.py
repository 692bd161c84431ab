"""Place names 地名: every division's short name in memory, because the frame of every page says where it is."""

from __future__ import annotations

from tongban import catalogue
from tongban.kernel.node import Node

_names: dict[str, str] = {}


def place_name(code: str) -> str:
    """The name of a division (地名), "" before `load_places` or for an unknown code."""
    return _names.get(code, "")


async def load_places(node: Node) -> None:
    """Read the division table once (读地名); called at start and by the clock, for reference data may come later."""
    async with node.db.reading() as tx:
        found = await catalogue.division_names(tx)
    _names.update(found)


async def set_up(node: Node) -> None:
    """Before the first request (开门前): the names of places."""
    await load_places(node)
