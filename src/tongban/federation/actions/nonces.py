"""Nonces 一次性号: each counts once. Those of calls that come at the same moment are looked at by one statement."""

from __future__ import annotations

import msgspec

from tongban.federation.rules.signatures import BadMessage
from tongban.kernel.node import Node
from tongban.kernel.together import Together

KEPT_SECONDS = 60
_USE = """WITH birth AS (SELECT expires FROM call_nonce WHERE peer = '' AND nonce = 'birth'),
    fresh AS (INSERT INTO call_nonce (peer, nonce, expires) SELECT peer, nonce, expires
      FROM unnest($1::text[], $2::text[], $3::bigint[]) AS u (peer, nonce, expires) WHERE EXISTS (SELECT FROM birth)
      ON CONFLICT DO NOTHING RETURNING peer, nonce)
    SELECT (SELECT expires FROM birth) AS birth, fresh.peer, fresh.nonce FROM (VALUES (1)) AS always LEFT JOIN fresh ON true"""


class Used(msgspec.Struct, frozen=True):
    """One nonce as it came: of whom, created and expiring when (Unix seconds)."""

    peer: str
    nonce: str
    created: int
    expires: int


async def use_nonce(node: Node, used: Used) -> None:
    """Count a nonce, or raise BadMessage: `replayed`, or `stale` for what was created before the table's new birth.

    If the table was lost in a crash, nobody knows what came before: that is refused (federation.md 4).
    """
    await _together(node, used)


async def _use(node: Node, all_used: list[Used]) -> list[BaseException | None]:
    now = node.clock.ms() // 1000
    columns = ([one.peer for one in all_used], [one.nonce for one in all_used], [one.expires + KEPT_SECONDS for one in all_used])
    async with node.db.alone() as tx:
        rows = await tx.fetch(_USE, *columns)
        if rows[0]["birth"] is None:
            await tx.execute("INSERT INTO call_nonce (peer, nonce, expires) VALUES ('', 'birth', $1) ON CONFLICT DO NOTHING", now)
            rows = await tx.fetch(_USE, *columns)
    birth, fresh = rows[0]["birth"], {(row["peer"], row["nonce"]) for row in rows}
    results: list[BaseException | None] = []
    for one in all_used:
        mark = (one.peer, one.nonce)
        if one.created < birth:
            results.append(BadMessage("stale"))
        elif mark not in fresh:
            results.append(BadMessage("replayed"))
        else:
            fresh.discard(mark)  # the same nonce twice in one turn: the first counts
            results.append(None)
    return results


_together: Together[Used, None] = Together(_use)
