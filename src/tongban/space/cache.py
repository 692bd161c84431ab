"""The kept entrance 首页缓存: one rendered page for each look and place, for everybody who is not signed in.

The entrance is the most opened page. A kept page is shown without asking the database for at most a second; then one
query says whether anything was published or withdrawn since. So a change is seen within a second, and a thousand
visitors in that second cost one query.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from weakref import WeakKeyDictionary

import msgspec

from tongban import ui
from tongban.kernel.node import Node
from tongban.space import queries
from tongban.space.model import Themes

FRESH_SECONDS = 1.0
MOST_KEPT = 400


class Kept(msgspec.Struct):
    """One rendered page (存下的一页), plain and packed."""

    plain: bytes
    packed: bytes
    etag: str


class Shelf:
    """What one node keeps (一个节点的缓存): pages by look and place, parts by place, the version they were made from."""

    def __init__(self) -> None:
        self.version = ""
        self.checked = float("-inf")
        self.pages: OrderedDict[tuple[object, ...], Kept] = OrderedDict()
        self.parts: dict[str, Themes] = {}

    async def refresh(self, node: Node) -> None:
        """Drop everything when the catalogue has changed since it was last looked at, at most once a second."""
        if time.monotonic() - self.checked < FRESH_SECONDS:
            return
        self.checked = time.monotonic()
        version = await queries.catalogue_version(node)
        if version != self.version:
            self.version = version
            self.pages.clear()
            self.parts.clear()

    async def part(self, node: Node, place: str) -> Themes:
        """The public part of a place's entrance."""
        if place not in self.parts:
            if len(self.parts) >= MOST_KEPT:
                self.parts.clear()
            self.parts[place] = await queries.public_part(node, place)
        return self.parts[place]

    def keep(self, key: tuple[object, ...], html: bytes) -> Kept:
        """Keep one page; the one made first goes when there are too many."""
        kept = Kept(html, ui.compressed(html, level=9), f'"{hashlib.sha256(html).hexdigest()[:20]}"')
        self.pages[key] = kept
        if len(self.pages) > MOST_KEPT:
            self.pages.popitem(last=False)
        return kept


_shelves: WeakKeyDictionary[Node, Shelf] = WeakKeyDictionary()


def shelf(node: Node) -> Shelf:
    """The shelf of this node (本节点的缓存)."""
    return _shelves.setdefault(node, Shelf())
