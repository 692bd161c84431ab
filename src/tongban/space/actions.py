"""Verbs of the space 动作: remembering how a person wants pages to look."""

from __future__ import annotations

import msgspec

from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.node import Node
from tongban.space.model import Display

GROUP = "contact"
COLUMN = "display_preference.chosen"


async def remember_display(tx: Tx, node: Node, actor: Actor, display: Display) -> None:
    """Keep a signed-in person's habit (记住显示习惯), so that the next device looks the same (ux.md F6)."""
    if actor.kind != "citizen" or not actor.subject:
        return
    sealed = node.cipher.seal(GROUP, COLUMN, actor.subject, msgspec.json.encode(display).decode())
    await tx.execute(
        """INSERT INTO display_preference (subject, chosen, changed_at) VALUES ($1, $2, $3)
           ON CONFLICT (subject) DO UPDATE SET chosen = $2, changed_at = $3""",
        actor.subject, sealed, node.clock.now(),
    )


async def display_of(tx: Tx, node: Node, subject: str) -> Display | None:
    """The habit kept for a person, None when there is none (显示习惯)."""
    sealed = await tx.fetchval("SELECT chosen FROM display_preference WHERE subject = $1", subject)
    if sealed is None:
        return None
    return msgspec.json.decode(node.cipher.open(GROUP, COLUMN, subject, sealed).reveal(), type=Display)


async def follow(tx: Tx, node: Node, old: str, new: str) -> None:
    """Another subject follows this one (identity.md 1): the habit is sealed anew under it, unless the new one has its own (习惯随人)."""
    sealed = await tx.fetchval("DELETE FROM display_preference WHERE subject = $1 RETURNING chosen", old)
    if sealed is None:
        return
    plain = node.cipher.open(GROUP, COLUMN, old, sealed).reveal()
    await tx.execute(
        "INSERT INTO display_preference (subject, chosen, changed_at) VALUES ($1, $2, $3) ON CONFLICT (subject) DO NOTHING",
        new, node.cipher.seal(GROUP, COLUMN, new, plain), node.clock.now(),
    )
