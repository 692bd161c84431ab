"""Items on offer 可办事项: names for the page that grants a mandate. Rooms above register what they publish (as with subjects)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tongban.kernel.db import Tx
from tongban.kernel.node import Node

Offers = Callable[[Tx, Node, str], Awaitable[dict[str, str]]]
_offers: list[Offers] = []


def offer_items(offers: Offers) -> Offers:
    """Register `async (tx, node, kind) -> {task code: name}` of what a `person` or an `organisation` can apply for 登记可办事项."""
    _offers.append(offers)
    return offers


async def items_for(tx: Tx, node: Node, kind: str) -> dict[str, str]:
    """Every item that can be delegated by that kind of grantor, code to name."""
    found: dict[str, str] = {}
    for one in _offers:
        found.update(await one(tx, node, kind))
    return found
