"""Forgetting 删除出示记录: the holder's own record of showings goes when its holder says so (R-409, privacy.md 4).

The line of the ledger (谁用过我的数据) and its leaf stay: that others used the data is everybody's proof, and it goes by its own term.
"""

from __future__ import annotations

from collections.abc import Sequence

from tongban.credentials.model import View
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx


async def forget_views(tx: Tx, actor: Actor, card_id: str) -> int:
    """Delete the record of a card's showings now (删除出示记录): how many went; twice is once.

    What was reported and is not answered yet stays until it is, and so does all under legal hold. Nobody does this for another.
    """
    actor.require_self("删除出示记录")
    done: str = await tx.execute(
        "DELETE FROM credential_view WHERE subject = $1 AND card::text = $2 AND (reported_at IS NULL OR answered_at IS NOT NULL) AND NOT on_hold(subject, '')",
        actor.person, card_id,
    )  # fmt: skip
    return int(done.split()[1])


def open_reports(views: Sequence[View]) -> int:
    """How many looks are reported and wait for an answer: these stay (还在查的)."""
    return sum(one.reported_at is not None and one.answered_at is None for one in views)
