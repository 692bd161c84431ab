"""Somebody closes their account 注销: uploads go, files of cases here lose every link but the case (R-409, privacy.md 7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tongban.evidence.actions.materials import DROP, under_files
from tongban.kernel import jobs
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

Keeper = Callable[[Tx, str], Awaitable[list[str]]]
_HELD_HERE = "EXISTS (SELECT FROM material_use u WHERE u.subject = m.subject AND u.material = m.id AND (u.sent_to = $2 OR u.used_in = ANY($3::text[])))"
_keepers: list[Keeper] = []


def kept_for(keeper: Keeper) -> None:
    """A room above names the cases of a person that a legal hold keeps: `keeper(tx, subject)` gives their ids, their files stay (依法多留)."""
    _keepers.append(keeper)


async def leave(tx: Tx, node: Node, subject: str) -> int:
    """Delete what a person uploaded and no case here holds; the rest leaves 我的材料 and stands under the key of files (删材料); how many."""
    held = [f"case:{case}" for keeper in _keepers for case in await keeper(tx, subject)]
    gone = await tx.fetch(
        f"DELETE FROM material m WHERE subject = $1 AND origin = 'upload' AND NOT {_HELD_HERE} RETURNING id, address", subject, node.id, held
    )
    for row in gone:
        await jobs.enqueue(tx, DROP, {"address": row["address"]})
    await tx.execute("DELETE FROM material_use WHERE subject = $1 AND material = ANY($2::uuid[])", subject, [row["id"] for row in gone])
    kept = await tx.fetch(
        "UPDATE material SET removed_at = $2 WHERE subject = $1 AND origin = 'upload' AND removed_at IS NULL RETURNING id", subject, node.clock.now()
    )
    rows = await tx.fetch("SELECT id FROM material WHERE subject = $1 AND origin = 'upload'", subject)
    await under_files(tx, node, subject, [row["id"] for row in rows])
    return len(gone) + len(kept)


async def unlink(tx: Tx, old: str, new: str, cases: Sequence[str], materials: Sequence[str]) -> None:
    """Files, uses and packages of these cases stand under a random name from now on (断开): nothing leads to them from the person."""
    await tx.execute("UPDATE material SET subject = $2 WHERE subject = $1 AND id = ANY($3::uuid[])", old, new, list(materials))
    await tx.execute("UPDATE material_use SET subject = $2 WHERE subject = $1 AND material = ANY($3::uuid[])", old, new, list(materials))
    await tx.execute("UPDATE archive SET subject = $2 WHERE subject = $1 AND case_id = ANY($3::uuid[])", old, new, list(cases))
