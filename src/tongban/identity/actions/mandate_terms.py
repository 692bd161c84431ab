"""Terms of mandates 授权的期限: offers that lapse, mandates that end, the word 30 days before; a clock (R-301, identity.md 2)."""

from __future__ import annotations

from datetime import timedelta

from tongban.identity.actions import acting, visiting
from tongban.identity.actions.mandates import tell
from tongban.identity.queries import mandates as queries
from tongban.identity.rules.mandates import book
from tongban.kernel.node import Node


async def tidy(node: Node) -> None:
    """The clock: offers lapse, terms end, a reminder 30 days before 到期和提醒. Each node for its own rows."""
    now = node.clock.now()
    async with node.db.transaction() as tx:
        await visiting.forget(tx, node)
        for row in await tx.fetch("SELECT id FROM mandate WHERE state = 'offered' AND offered_until <= $1 FOR UPDATE SKIP LOCKED LIMIT 500", now):
            await acting.end(tx, node, row["id"], "lapsed", "not_accepted")
        for row in await tx.fetch("SELECT id FROM mandate WHERE state = 'active' AND until_at <= $1 FOR UPDATE SKIP LOCKED LIMIT 500", now):
            await acting.end(tx, node, row["id"], "ended", "term")
        soon = await tx.fetch(
            f"SELECT {queries.COLUMNS} FROM mandate WHERE state = 'active' AND basis <> 'legal_rep' AND reminded_at IS NULL AND until_at <= $1"
            " FOR UPDATE SKIP LOCKED LIMIT 500", now + timedelta(days=book().limits.remind_days),
        )  # fmt: skip
        for one in (queries.mandate_of(node, row) for row in soon):
            await tx.execute("UPDATE mandate SET reminded_at = $2 WHERE id = $1", one.id, now)
            last = acting.moment(one.until_at)
            if one.agent_node == node.id:
                await tell(tx, node, one.agent, one, "mandate.ending", f"替{one.grantor_name.reveal()}代办快到期了", f"到 {last} 为止。", "agent")
            if one.granted_node == node.id:
                to = one.granted_by_subject or one.grantor
                await tell(tx, node, to, one, "mandate.ending", f"{one.agent_name.reveal()}的代办快到期了", f"到 {last} 为止，还要就再授权一次。", "grantor")
