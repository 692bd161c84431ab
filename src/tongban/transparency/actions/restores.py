"""A restore that its node declared explains the two histories it made 恢复备份说明两份历史, and nothing else (federation.md 6.2, N-18; T-40).

The word is the node's own: its signed epoch letter. A pair of heads is explained when they stand on either side of that
moment; two heads before it, or two after it, are what they always were. Nothing is deleted: every fork stays listed.
Of its own log a node also knows that a head it does not have, from before it was put back, is one it has lost.
"""

from __future__ import annotations

from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.transparency.model import Head


async def declare_restore(tx: Tx, log_node: str, epoch: int, at_ms: int) -> None:
    """A node signed that it was restored and that a new epoch began at `at_ms` (声明恢复). Said twice changes nothing."""
    await tx.execute(
        "INSERT INTO log_restore (node, epoch, at_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", log_node, epoch, at_ms
    )


async def restore_between(tx: Tx, log_node: str, first_ms: int, second_ms: int) -> bool:
    """Whether a declared restore lies between two moments (中间恢复过)."""
    early, late = sorted((first_ms, second_ms))
    return bool(await tx.fetchval(
        "SELECT EXISTS (SELECT FROM log_restore WHERE node = $1 AND at_ms > $2 AND at_ms <= $3)", log_node, early, late
    ))  # fmt: skip


async def restored_since(tx: Tx, log_node: str, moment_ms: int) -> bool:
    """Whether that node was put back after a moment (后来恢复过): what it lost it cannot join, and stays named as not joined."""
    return bool(await tx.fetchval("SELECT EXISTS (SELECT FROM log_restore WHERE node = $1 AND at_ms > $2)", log_node, moment_ms))


async def begin_anew(tx: Tx, head: Head) -> bool:
    """Whether a head that contradicts what is held is the first after a declared restore: then its log is watched from here
    on, and what was held is of the time before (从恢复处接着盯).

    Once a restore: as soon as anything after it is held, another history after it is a fork like any other.
    """
    newest = await tx.fetchval(
        "SELECT max(at_ms) FROM log_witnessed WHERE node = $1 AND state IN ('first', 'consistent')", head.log
    )
    if newest is None or newest >= head.at_ms or not await restore_between(tx, head.log, newest, head.at_ms):
        return False
    await tx.execute(
        "UPDATE log_witnessed SET state = 'before' WHERE node = $1 AND state IN ('first', 'consistent', 'gap') AND at_ms <= $2",
        head.log, newest,
    )  # fmt: skip
    log("transparency.begun_anew", origin=head.log, count=head.size)
    return True
