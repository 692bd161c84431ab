"""What a public page asks on every request 当前状态: kept in memory for a moment, dropped at the first sign of change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from tongban.catalogue.model import Item, Listing
from tongban.catalogue.queries.items import item as item_of
from tongban.catalogue.queries.items import listing as listing_of

if TYPE_CHECKING:
    from tongban.kernel.node import Node

BELL = "catalogue"
FRESH_SECONDS = 1.0
MOST_KEPT = 4096


class Current(msgspec.Struct, frozen=True):
    """An item and its state as this node knows them (当前): None where there is none."""

    item: Item
    listing: Listing


_kept: dict[tuple[str, str], tuple[float, int, Current]] = {}


async def current(node: Node, task_code: str) -> Current | None:
    """The newest published, else newest known state of an item; at most a second old (当前状态).

    A change rings the bell `catalogue` in every process and drops what is kept. What is not found is not kept.
    """
    generation = node.bell.generation(BELL)
    # two nodes in one process (tests, the demo's tools) must not share
    key = (node.db.url, task_code)
    found = _kept.get(key)
    if found is not None and found[1] == generation and time.monotonic() - found[0] < FRESH_SECONDS:
        return found[2]
    async with node.db.reading() as tx:
        state = await listing_of(tx, task_code)
        item = await item_of(tx, task_code, state.version) if state and state.status != "draft" else None
    if state is None or item is None:
        return None
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    fresh = Current(item, state)
    _kept[key] = (time.monotonic(), generation, fresh)
    return fresh


def drop(task_code: str) -> None:
    """Forget what is kept of an item (忘掉): called by the verbs that change it."""
    for key in [key for key in _kept if key[1] == task_code]:
        del _kept[key]
