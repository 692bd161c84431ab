"""A word to another node, or to ourselves (告知): the same handler either way, so that a node may be its own counterpart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any

import msgspec

from tongban import federation, identity
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

Hear = Callable[[Tx, Node, str, dict[str, Any]], Awaitable[None]]
"""What a letter does: transaction, this node, who says it, the body."""

HEARD: dict[str, Hear] = {}
"""What is done with a word of each kind (收到后办什么), filled by the verbs that hear it."""


def hears(kind: str) -> Callable[[Hear], Hear]:
    """Say that this verb hears letters of `kind`."""

    def keep(verb: Hear) -> Hear:
        HEARD[kind] = verb
        return verb

    return keep


async def tell(tx: Tx, node: Node, to: str, kind: str, about: str, body: msgspec.Struct | Mapping[str, Any]) -> None:
    """Write to `to` in this transaction; a word to this node itself is heard at once (告知)."""
    said: dict[str, Any] = msgspec.to_builtins(body)
    if to == node.id:
        await HEARD[kind](tx, node, node.id, said)
        return
    await federation.send(tx, node, to=to, kind=kind, about=about, body=said)


def due(node: Node, days: int) -> date:
    """The last of so many working days after today, as the operator's calendar has them (办理期限)."""
    calendar = identity.working_days(node)
    return identity.working_day_after(node.clock.today(), days, calendar.off, calendar.worked)


def division(node: Node) -> str:
    """The division in which the stewards of this node act."""
    return (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")
