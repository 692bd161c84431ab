"""Somebody closes their account 注销: mirrors and drafts go, ended cases lose every link but the file itself (R-409, privacy.md 7).

What runs goes on: the case keeps its applicant until all cases of who left have ended, then the clock cuts them loose together.
"""

from __future__ import annotations

import secrets

from tongban import evidence
from tongban.cases.rules.process import PROCESS
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node

FINAL = [name for name, state in PROCESS.states.items() if state.final]
_TABLES = ("case_history", "case_clock", "case_material", "case_document", "case_standing", "case_offer")


async def leave(tx: Tx, node: Node, subject: str) -> int:
    """Mark the cases of this person here and cut them loose if none runs (断开); how many were marked. Twice is as good as once.

    Their keys are retired: whoever comes back gets others, and these go with the last file.
    """
    name: str = await tx.fetchval(
        "SELECT coalesce(max(left_as), $2) FROM case_record WHERE subject = $1 AND left_as <> ''", subject, "x" + secrets.token_hex(16)
    )
    marked = await tx.fetch("UPDATE case_record SET left_as = $2 WHERE subject = $1 AND left_as = '' RETURNING id", subject, name)
    await node.person_keys.retire(tx, subject)
    await cut_loose(tx, node, subject)
    return len(marked)


async def cut_loose(tx: Tx, node: Node, subject: str) -> int:
    """Put the random name in place of the subject, in the case and all that hangs on it (断开案卷); 0 while one of them runs."""
    rows = await tx.fetch("SELECT id, state, left_as FROM case_record WHERE subject = $1 AND left_as <> '' FOR UPDATE", subject)
    if not rows or any(row["state"] not in FINAL for row in rows):
        return 0
    cases, name = [row["id"] for row in rows], rows[0]["left_as"]
    files = await tx.fetch(
        "SELECT material FROM case_material WHERE subject = $1 AND case_id = ANY($2::uuid[]) UNION"
        " SELECT material FROM case_document WHERE subject = $1 AND case_id = ANY($2::uuid[])",
        subject, cases,
    )  # fmt: skip
    await tx.execute("SELECT set_config('tongban.follow', 'on', true)")
    for table in _TABLES:
        await tx.execute(f"UPDATE {table} SET subject = $2 WHERE subject = $1 AND case_id = ANY($3::uuid[])", subject, name, cases)
    await tx.execute("SELECT set_config('tongban.follow', 'off', true)")
    await tx.execute("UPDATE case_record SET subject = $2, left_as = '' WHERE subject = $1 AND id = ANY($3::uuid[])", subject, name, cases)
    await evidence.unlink(tx, subject, name, cases, [row["material"] for row in files])
    await node.person_keys.hand_over(tx, subject, name)
    log("cases.cut_loose", count=len(cases))
    return len(cases)


async def cut_loose_ended(node: Node) -> None:
    """The clock: cases that ran when their person left and have all ended now (到期断开)."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT subject FROM case_record WHERE left_as <> '' GROUP BY subject HAVING bool_and(state = ANY($1)) LIMIT 200", FINAL
        )
    for row in rows:
        async with node.db.transaction() as tx:
            await cut_loose(tx, node, row["subject"])
            await node.person_keys.forget(tx, row["subject"], "file")


async def leave_sent(tx: Tx, _: Node, subject: str) -> int:
    """Delete which files went with cases of other nodes (删寄出的对应); those of cases here go with their file."""
    gone = await tx.fetch(
        "DELETE FROM case_material WHERE subject = $1 AND case_id NOT IN (SELECT r.id FROM case_record r) RETURNING 1", subject
    )
    return len(gone)


async def leave_drafts(tx: Tx, _: Node, subject: str) -> int:
    """Delete this person's drafts; what they filled in for another stays that person's (删草稿)."""
    gone = await tx.fetch("DELETE FROM draft WHERE subject = $1 RETURNING 1", subject)
    other = await tx.fetch("UPDATE draft SET actor_subject = subject WHERE actor_subject = $1 AND subject <> $1 RETURNING 1", subject)
    return len(gone) + len(other)
