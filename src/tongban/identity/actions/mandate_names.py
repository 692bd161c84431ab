"""Names in mandates 授权里的名字: a company or a person is called otherwise now, and so on every banner and list (R-301, R-304)."""

from __future__ import annotations

from tongban.identity.actions.sessions import BELL
from tongban.identity.model import UsedBefore
from tongban.identity.queries import mandates as queries
from tongban.identity.rules.mandates import RUNNING
from tongban.kernel.db import Tx, ring
from tongban.kernel.node import Node


async def rename(tx: Tx, node: Node, subject: str, name: str) -> int:
    """Every mandate here that is not over calls this side by the new name 改名; how many."""
    rows = await tx.fetch(
        "SELECT id, grantor, agent FROM mandate WHERE $1 IN (grantor, agent) AND state = ANY($2::text[]) ORDER BY id FOR UPDATE", subject, list(RUNNING)
    )
    for row in rows:
        for column in ("grantor", "agent"):
            if row[column] == subject:
                sealed = node.cipher.seal("identity", f"mandate.{column}_name", row["id"], name)
                await tx.execute(f"UPDATE mandate SET {column}_name = $2 WHERE id = $1", row["id"], sealed)
    if rows:
        await ring(tx, BELL)
    return len(rows)


async def used_before(tx: Tx, node: Node, subject: str, attribute: str) -> list[UsedBefore]:
    """The mandates somebody gave under a name that is corrected 用过旧姓名的授权, for the list of what to look at."""
    given = await queries.given(tx, node, subject) if attribute == "name" else ()
    return [
        UsedBefore(kind="mandate", ref=one.id, title=f"{one.agent_name.reveal()}的代办授权", link=f"/me/agents/{one.id}")
        for one in given
        if one.state in RUNNING
    ]
