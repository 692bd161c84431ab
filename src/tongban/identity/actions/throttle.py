"""Counting against the limits of identity.md 8 限次. The guesser's own attempt is throttled, never the account (T-20)."""

from __future__ import annotations

from datetime import timedelta

from tongban.identity.rules.throttle import HOUR, WRONG_BEFORE_PAUSE, Purse, pause_minutes
from tongban.kernel.db import Tx
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.node import Node


async def take(tx: Tx, node: Node, what: str, purse: Purse) -> int:
    """Take one from every window of a purse; 0 when all had one, else the seconds to wait. `what` is stored as a hash."""
    now = node.clock.now()
    wait = 0
    for seconds, most in purse:
        row = await tx.fetchrow(
            "INSERT INTO throttle AS t (key, starts_at, seconds, count) VALUES ($1, $2, $3, 1)"
            " ON CONFLICT (key, seconds) DO UPDATE SET"
            " starts_at = CASE WHEN t.starts_at <= $4 THEN $2 ELSE t.starts_at END,"
            " count = CASE WHEN t.starts_at <= $4 THEN 1 ELSE t.count + 1 END RETURNING starts_at, count",
            _key(node, what), now, seconds, now - timedelta(seconds=seconds),
        )  # fmt: skip
        if row is not None and row["count"] > most:
            wait = max(wait, int((row["starts_at"] + timedelta(seconds=seconds) - now).total_seconds()) + 1)
    return wait


async def counted(tx: Tx, node: Node, what: str, seconds: int) -> int:
    """How many were taken in the running window."""
    found: int | None = await tx.fetchval(
        "SELECT count FROM throttle WHERE key = $1 AND seconds = $2 AND starts_at > $3",
        _key(node, what), seconds, node.clock.now() - timedelta(seconds=seconds),
    )  # fmt: skip
    return found or 0


async def wrong(tx: Tx, node: Node, what: str) -> None:
    """Count a wrong answer on an unknown device; every fifteenth of an hour begins a longer pause for unknown devices."""
    await take(tx, node, f"wrong:{what}", ((HOUR, 10**6),))
    count = await counted(tx, node, f"wrong:{what}", HOUR)
    if count % WRONG_BEFORE_PAUSE == 0:
        await tx.execute(
            "INSERT INTO login_pause (key, until) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET until = excluded.until",
            _key(node, what), node.clock.now() + timedelta(minutes=pause_minutes(count)),
        )  # fmt: skip


async def paused(tx: Tx, node: Node, what: str) -> int:
    """Seconds unknown devices still have to wait, 0 when they need not."""
    until = await tx.fetchval("SELECT until FROM login_pause WHERE key = $1", _key(node, what))
    return 0 if until is None else max(0, int((until - node.clock.now()).total_seconds()))


def _key(node: Node, what: str) -> bytes:
    return hmac_sm3(node.keys.secret("throttle"), what.encode("utf-8"))[:16]
