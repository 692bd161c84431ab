"""The other nodes' door 来信: apps published and withdrawn elsewhere (D-7)."""

from __future__ import annotations

import msgspec

from tongban import federation
from tongban.kernel.db import Tx
from tongban.kernel.node import Node
from tongban.service_apps.actions import take_over
from tongban.service_apps.model import PublishedApp


class Told(msgspec.Struct, frozen=True):
    """The body of `app.published` and `app.withdrawn`: the app, and the owner's order of its own news."""

    app: PublishedApp
    rev: int


async def published(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """An app was opened, or its channels changed, at its owner (应用发布)."""
    if letter.origin != node.id:
        told = msgspec.convert(letter.body, Told)
        await take_over(tx, node, letter.origin, told.app, "published", told.rev)


async def withdrawn(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """An app was suspended or taken down at its owner (应用下架)."""
    if letter.origin != node.id:
        told = msgspec.convert(letter.body, Told)
        await take_over(tx, node, letter.origin, told.app, "withdrawn", told.rev)


LETTERS = {("app.published", 1): published, ("app.withdrawn", 1): withdrawn}
REPLACES = ("app.published", "app.withdrawn")
