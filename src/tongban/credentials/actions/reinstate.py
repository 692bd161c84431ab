"""Licences after a restore 恢复后补回证照状态 (federation.md 6.2): what this node told everybody of its licences is so again.

A licence that was revoked since the backup must not become valid by the restore. The node's own signed status lists come home
from whoever holds them, the oldest first; each puts back the states that the rows forgot, and the list that says so is told anew.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from tongban import federation, transparency
from tongban.credentials.actions import lists
from tongban.credentials.model import State
from tongban.credentials.rules import record
from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs, unb64
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

REASON: Final = "恢复数据后，按已公布的状态清单补记"
_OPERATIONS: Final = {
    "valid": "resume", "suspended": "suspend", "revoked": "revoke", "cancelled": "cancel", "withdrawn": "withdraw", "expired": "expire",
}  # fmt: skip


async def list_came_home(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`credential.status_list` of our own: states older than it become what it says; places of licences that are lost too."""
    said = letter.body["list"]
    told = record.status_list(node.id, int(said["list"]), datetime.fromtimestamp(int(said["at"]) / 1000, UTC), unb64(said["bits"]))
    rows = await tx.fetch("SELECT subject, id, list_index, state, state_at FROM credential WHERE list_no = $1 FOR UPDATE", told.list_no)
    ours = {row["list_index"]: row for row in rows}
    for row in rows:
        state = told.state(row["list_index"])
        if row["state_at"] <= told.at and state != row["state"] and state in _OPERATIONS:
            await _write(tx, row, state, told.at)
    held = await tx.fetchrow("SELECT at, bits FROM credential_list WHERE issuer = $1 AND list_no = $2", node.id, told.list_no)
    now = None if held is None else record.status_list(node.id, told.list_no, held["at"], held["bits"])
    changes: dict[int, State] = {}
    for index in range(len(told.bits) * 2):
        state = told.state(index)
        newer = index in ours and ours[index]["state_at"] > told.at
        if not newer and state != (now.state(index) if now else "valid") and (index in ours or state != "valid"):
            changes[index] = state
    if changes:
        await lists.publish(tx, node, told.list_no, changes)
        log("credentials.list_reinstated", count=len(changes))


async def _write(tx: Tx, row: object, state: State, at: datetime) -> None:
    subject, card = row["subject"], row["id"]  # type: ignore[index]
    leaf = await transparency.append(
        tx, "credential.state", jcs({"credential": str(card), "operation": "restore", "at": record.milliseconds(at)})
    )
    await tx.execute("UPDATE credential SET state = $3, state_at = $4 WHERE subject = $1 AND id = $2", subject, card, state, at)
    await tx.execute(
        "INSERT INTO credential_event (subject, credential, id, operation, state, officer, reason, at, leaf) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)",
        subject, card, uuid7(), _OPERATIONS[state], state, "system", REASON, at, leaf.id,
    )  # fmt: skip
