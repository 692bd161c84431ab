"""Somebody closes their account 注销: mirrors and drafts go, ended cases lose every link but the file itself (R-409, privacy.md 7).

What runs goes on: the case keeps its applicant until all cases of who left have ended, then the clock cuts them loose together.
A case under legal hold stays as it is, with the files it shares with others; the rest goes without waiting for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from tongban import evidence
from tongban.cases.queries.records import on_hold
from tongban.cases.rules.process import PROCESS
from tongban.kernel.db import Tx
from tongban.kernel.holdings import Eraser
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
    """Put the random name in place of the subject, in the case and all that hangs on it (断开案卷); 0 while one of them runs or all are held."""
    rows = await tx.fetch(
        "SELECT id, state, left_as, on_hold(subject, number) AS held FROM case_record WHERE subject = $1 AND left_as <> '' FOR UPDATE", subject
    )
    if not rows or any(row["state"] not in FINAL for row in rows):
        return 0
    files = await tx.fetch(
        "SELECT case_id, material FROM case_material WHERE subject = $1 UNION SELECT case_id, material FROM case_document WHERE subject = $1", subject
    )
    stays = sharing({row["id"] for row in rows if row["held"]}, [(row["case_id"], row["material"]) for row in files])
    cases, name = [row["id"] for row in rows if row["id"] not in stays], rows[0]["left_as"]
    if not cases:
        return 0
    await tx.execute("SELECT set_config('tongban.follow', 'on', true)")
    for table in _TABLES:
        await tx.execute(f"UPDATE {table} SET subject = $2 WHERE subject = $1 AND case_id = ANY($3::uuid[])", subject, name, cases)
    await tx.execute("SELECT set_config('tongban.follow', 'off', true)")
    await tx.execute("UPDATE case_record SET subject = $2, left_as = '' WHERE subject = $1 AND id = ANY($3::uuid[])", subject, name, cases)
    await evidence.unlink(tx, subject, name, cases, [row["material"] for row in files if row["case_id"] in cases])
    await node.person_keys.hand_over(tx, subject, name)
    log("cases.cut_loose", count=len(cases))
    return len(cases)


def sharing(held: Iterable[str], files: Iterable[tuple[str, str]]) -> set[str]:
    """The cases that stay with held ones because a file belongs to both (共用材料的), the held ones among them; pure.

    >>> sorted(sharing({"a"}, [("a", "photo"), ("b", "photo"), ("b", "lease"), ("c", "lease"), ("d", "plan")]))
    ['a', 'b', 'c']
    """
    stays, pairs = set(held), list(files)
    while True:
        kept = {material for case, material in pairs if case in stays}
        more = {case for case, material in pairs if material in kept} - stays
        if not more:
            return stays
        stays |= more


async def cut_loose_ended(node: Node) -> None:
    """The clock: cases that ran when their person left and have all ended now (到期断开)."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT subject FROM case_record WHERE left_as <> '' GROUP BY subject"
            " HAVING bool_and(state = ANY($1)) AND bool_or(NOT on_hold(subject, number)) LIMIT 200", FINAL
        )
    for row in rows:
        async with node.db.transaction() as tx:
            await cut_loose(tx, node, row["subject"])
            await node.person_keys.forget(tx, row["subject"], "file")


async def leave_sent(tx: Tx, _: Node, subject: str) -> int:
    """Delete which files went with cases of other nodes (删寄出的对应); those of cases here go with their file, those of held ones stay."""
    gone = await tx.fetch(
        "DELETE FROM case_material WHERE subject = $1 AND case_id NOT IN (SELECT r.id FROM case_record r) AND case_id <> ALL($2::uuid[]) RETURNING 1",
        subject, await on_hold(tx, subject),
    )  # fmt: skip
    return len(gone)


async def leave_mirrors(tx: Tx, _: Node, subject: str) -> int:
    """Delete what this node knows of cases elsewhere (删镜像), but for one that a legal hold names."""
    return len(await tx.fetch("DELETE FROM case_mirror WHERE subject = $1 AND NOT on_hold('', number) RETURNING 1", subject))


def leave_with_mirror(table: str) -> Eraser:
    """Delete rows that belong to mirrors (跟着镜像删); those of a held one stay with it."""

    async def erase(tx: Tx, _: Node, subject: str) -> int:
        held = await on_hold(tx, subject)
        return len(await tx.fetch(f"DELETE FROM {table} WHERE subject = $1 AND case_id <> ALL($2::uuid[]) RETURNING 1", subject, held))

    return erase


async def leave_drafts(tx: Tx, _: Node, subject: str) -> int:
    """Delete this person's drafts; what they filled in for another stays that person's (删草稿)."""
    gone = await tx.fetch("DELETE FROM draft WHERE subject = $1 RETURNING 1", subject)
    other = await tx.fetch("UPDATE draft SET actor_subject = subject WHERE actor_subject = $1 AND subject <> $1 RETURNING 1", subject)
    return len(gone) + len(other)
