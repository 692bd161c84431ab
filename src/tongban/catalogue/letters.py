"""The other nodes' door 来信: `item.published` and `item.withdrawn` make every catalogue the national one."""

from __future__ import annotations

import msgspec

from tongban import federation
from tongban.catalogue.actions import Published, Withdrawn, take_away, take_over
from tongban.kernel.db import Tx
from tongban.kernel.node import Node


async def published(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """An item was opened or its channels changed at its owner (事项发布)."""
    if letter.origin != node.id:
        await take_over(tx, node, letter.origin, msgspec.convert(letter.body, Published))


async def withdrawn(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """An item was closed at its owner (事项下架)."""
    if letter.origin != node.id:
        await take_away(tx, node, letter.origin, msgspec.convert(letter.body, Withdrawn))


LETTERS = {("item.published", 1): published, ("item.withdrawn", 1): withdrawn}
REPLACES = ("item.published", "item.withdrawn")
