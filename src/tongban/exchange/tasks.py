"""Time's door of 数据共享: withdrawals told at once, grants that end, logs compared, what is late."""

from __future__ import annotations

from tongban import consent, federation
from tongban.exchange.actions.consents import tell_withdrawals
from tongban.exchange.actions.grants import watch_expiry
from tongban.exchange.actions.messages import compare_with, raise_alarm, watch_breadth
from tongban.kernel.jobs import Clockwork
from tongban.kernel.node import Node


async def withdrawals(node: Node) -> None:
    """Tell givers of withdrawn consents (撤回告知); rung by the withdrawal itself."""
    async with node.db.transaction() as tx:
        await tell_withdrawals(tx, node)


async def expiry(node: Node) -> None:
    """Warn of grants that end soon and end those past their day (到期)."""
    async with node.db.transaction() as tx:
        await watch_expiry(tx, node)


async def late(node: Node) -> None:
    """Raise an alarm for a demand, correction or complaint whose day has passed (超期), once each."""
    today = node.clock.today()
    async with node.db.transaction() as tx:
        demands = await tx.fetch(
            """UPDATE data_demand SET late_told = true WHERE due_on < $1 AND NOT late_told
               AND ((side = 'owner' AND state IN ('sent', 'reviewed')) OR (side = 'judge' AND state = 'disputed')
                    OR (side = 'asker' AND state IN ('sent', 'disputed'))) RETURNING id, side, asker, owner""",
            today,
        )
        for row in demands:
            await raise_alarm(tx, node, "late", row["owner"] if row["side"] == "asker" else row["asker"], row["id"])
        corrections = await tx.fetch(
            "UPDATE data_correction SET late_told = true WHERE due_on < $1 AND NOT late_told AND state IN ('sent', 'checked') RETURNING id, peer",
            today,
        )
        for row in corrections:
            await raise_alarm(tx, node, "late", row["peer"], row["id"])
        complaints = await tx.fetch(
            "UPDATE use_complaint SET late_told = true WHERE due_on < $1 AND NOT late_told AND state = 'sent' RETURNING id, peer", today
        )
        for row in complaints:
            await raise_alarm(tx, node, "late", row["peer"], row["id"])


async def breadth(node: Node) -> None:
    """Look whether a node learned of very many persons within the hour (T-29)."""
    async with node.db.transaction() as tx:
        await watch_breadth(tx, node)


async def compare(node: Node) -> None:
    """Compare the message logs with every node there is (对账)."""
    async with node.db.reading() as tx:
        try:
            others = [one.id for one in (await federation.directory(tx)).nodes if one.id != node.id and one.status in {"active", "leaving"}]
        except federation.NotMember:
            return
    for peer in others:
        await compare_with(node, peer)


CLOCKS = [
    Clockwork("exchange.withdrawals", 60, withdrawals, bell=consent.WITHDRAWN_BELL),
    Clockwork("exchange.expiry", 3600, expiry),
    Clockwork("exchange.late", 3600, late),
    Clockwork("exchange.breadth", 120, breadth),
    Clockwork("exchange.compare", 600, compare),
]
