"""My devices 我的设备: a name of one's own, signed out, forgotten. A device proves only "seen before"."""

from __future__ import annotations

from tongban.identity.actions import ending, sessions
from tongban.identity.model import Session
from tongban.kernel.db import Tx
from tongban.kernel.node import Node


async def rename(tx: Tx, node: Node, session: Session, device: str, label: str) -> bool:
    """Give a device a name 起名; False when there is no such device of this person."""
    done = await tx.execute(
        "UPDATE device SET label = $3 WHERE subject = $1 AND id = $2 AND ended_at IS NULL",
        session.subject, device, node.cipher.seal("identity", "device.label", device, label.strip()[:30] or "我的设备"),
    )  # fmt: skip
    return str(done).endswith(" 1")


async def leave(tx: Tx, node: Node, session: Session, device: str) -> int:
    """Sign a device out 让它退出, here and where it led; how many sessions ended."""
    rows = await tx.fetch("SELECT id FROM session WHERE subject = $1 AND device = $2 AND revoked_at IS NULL", session.subject, device)
    for row in rows:
        await ending.leave(tx, node, row["id"], "all_devices")
    return len(rows)


async def remove(tx: Tx, node: Node, session: Session, device: str, agent: str) -> bool:
    """Forget a device 删掉: signed out, its gesture gone, and unknown when it comes again; False when there is none."""
    done = await tx.execute(
        "UPDATE device SET ended_at = $3 WHERE subject = $1 AND id = $2 AND ended_at IS NULL", session.subject, device, node.clock.now()
    )
    if not str(done).endswith(" 1"):
        return False
    await tx.execute(
        "UPDATE device_lock SET ended_at = $3 WHERE subject = $1 AND device = $2 AND ended_at IS NULL", session.subject, device, node.clock.now()
    )
    await leave(tx, node, session, device)
    await sessions.record(tx, node, session.subject, "device_removed", session.acr, agent)
    return True
