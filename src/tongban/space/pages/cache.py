"""The public part of the entrance 首页公共部分, kept for each place until the catalogue changes.

The entrance is the most opened page. For at most a second nothing asks the database; then one query says whether
anything was published or withdrawn since. So a change is seen within a second, and a thousand visitors in that second
cost one query.
"""

from __future__ import annotations

import time
from datetime import datetime
from weakref import WeakKeyDictionary

from tongban.kernel.node import Node
from tongban.space import queries
from tongban.space.model import Themes

FRESH_SECONDS = 1.0
MOST_PLACES = 400


class Shelf:
    """What one node keeps (一个节点的缓存): the public part by place, and which state of the catalogue it shows."""

    def __init__(self) -> None:
        self.version = 0
        self.marks: tuple[str, ...] | None = None
        self.since: datetime | None = None
        self.checked = float("-inf")
        self.parts: dict[str, Themes] = {}

    async def refresh(self, node: Node) -> str:
        """The count of the catalogue states seen, asked at most once a second; what was kept is dropped when it has changed."""
        if time.monotonic() - self.checked >= FRESH_SECONDS:
            self.checked = time.monotonic()
            marks, since = await queries.catalogue_changes(node, self.since)
            if marks != self.marks:
                if since != self.since:
                    marks, since = await queries.catalogue_changes(node, since)
                self.marks, self.since = marks, since
                self.version += 1
                self.parts.clear()
        return str(self.version)

    async def part(self, node: Node, place: str) -> Themes:
        """The public part of a place's entrance."""
        if place not in self.parts:
            if len(self.parts) >= MOST_PLACES:
                self.parts.clear()
            self.parts[place] = await queries.public_part(node, place)
        return self.parts[place]


_shelves: WeakKeyDictionary[Node, Shelf] = WeakKeyDictionary()


def shelf(node: Node) -> Shelf:
    """The shelf of this node (本节点的缓存)."""
    return _shelves.setdefault(node, Shelf())
