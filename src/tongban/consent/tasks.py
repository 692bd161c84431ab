"""Time's door of 授权与台账: what is past its term goes, with its count in the log (privacy.md 4)."""

from __future__ import annotations

from datetime import timedelta

from tongban import transparency
from tongban.kernel.gm import jcs
from tongban.kernel.jobs import Clockwork
from tongban.kernel.log import log
from tongban.kernel.node import Node

LEDGER_KEPT = timedelta(days=3 * 366)
"""谁用过我的数据: 3 years. Source: privacy.md 4 (PIPL 56 by analogy [K])."""
CONSENT_KEPT = timedelta(days=3 * 366)
"""授权 and 撤回: 3 years after the end. Source: privacy.md 4 [K]."""
ASK_KEPT = timedelta(days=90)
"""An ask nobody answered: as long as an untouched draft."""

_ENDED = """SELECT c.subject, c.id FROM consent c LEFT JOIN consent_withdrawal w ON w.subject = c.subject AND w.consent_id = c.id
            WHERE least(c.until, coalesce(w.at, c.until)) < $1"""


async def retain(node: Node) -> None:
    """Delete lines, consents and asks past their term (到期删除); the leaves stay, they name nobody."""
    now = node.clock.now()
    async with node.db.transaction() as tx:
        await tx.execute("SET LOCAL tongban.retention = 'on'")
        lines = await tx.fetch("DELETE FROM access_record WHERE at < $1 RETURNING 1", now - LEDGER_KEPT)
        ended = await tx.fetch(_ENDED, now - CONSENT_KEPT)
        for row in ended:
            await tx.execute("DELETE FROM consent WHERE subject = $1 AND id = $2", row["subject"], row["id"])
            await tx.execute(
                "DELETE FROM consent_withdrawal WHERE subject = $1 AND consent_id = $2", row["subject"], row["id"]
            )
        asks = await tx.fetch(
            """DELETE FROM consent_ask WHERE (answer IS NULL AND asked_at < $1) OR answered_at < $2 RETURNING 1""",
            now - ASK_KEPT,
            now - CONSENT_KEPT,
        )
        count = len(lines) + len(ended) + len(asks)
        if count:
            fact = {"lines": len(lines), "consents": len(ended), "asks": len(asks), "day": str(node.clock.today()), "v": 1}
            await transparency.append(tx, "consent.retained", jcs(fact))
    if count:
        log("consent.retained", count=count)


CLOCKS = [Clockwork("consent.retain", 86_400, retain)]
