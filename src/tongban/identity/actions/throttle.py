"""Counting against the limits of identity.md 8 限次. The guesser's own attempt is throttled, never the account (T-20)."""

from __future__ import annotations

from datetime import timedelta

from tongban.identity.rules.throttle import HOUR, WRONG_BEFORE_PAUSE, Purse, pause_minutes
from tongban.kernel.db import Tx
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts


async def take(tx: Tx, node: Node, what: str, purse: Purse) -> int:
    """Take one from every window of a purse; 0 when all had one, else the seconds to wait. `what` is stored as a hash."""
    parts = Parts()
    taking(parts, "taken", node, what, purse)
    row = await parts.run(tx, "SELECT wait FROM taken_wait")
    return int(row["wait"] or 0)


def taking(parts: Parts, name: str, node: Node, what: str, purse: Purse, *, source: str = "(SELECT true) AS one") -> None:
    """As `take`, as parts of a statement that is on its way anyway; `{name}_wait.wait` is null when all windows had one.

    Nothing is taken unless `source` has a row.
    """
    now, windows = node.clock.now(), [seconds for seconds, _ in purse]
    parts.add(
        name,
        "INSERT INTO throttle AS t (key, starts_at, seconds, count)"
        f" SELECT $1, $2::timestamptz, w.seconds, 1 FROM {source}, unnest($3::integer[]) AS w (seconds)"
        " ON CONFLICT (key, seconds) DO UPDATE SET"
        " starts_at = CASE WHEN t.starts_at <= $2 - make_interval(secs => t.seconds) THEN $2 ELSE t.starts_at END,"
        " count = CASE WHEN t.starts_at <= $2 - make_interval(secs => t.seconds) THEN 1 ELSE t.count + 1 END"
        " RETURNING seconds, starts_at, count",
        _key(node, what), now, windows,
    )  # fmt: skip
    parts.add(
        f"{name}_wait",
        "SELECT max(floor(extract(epoch FROM x.starts_at + make_interval(secs => x.seconds) - $1::timestamptz))::integer + 1) AS wait"
        f" FROM {name} x JOIN unnest($2::integer[], $3::integer[]) AS m (seconds, most) ON m.seconds = x.seconds WHERE x.count > m.most",
        now, windows, [most for _, most in purse],
    )  # fmt: skip


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


def pause_key(node: Node, subject: str) -> bytes:
    """The key of the pause of an account for unknown devices, to be asked for in a statement that is on its way anyway."""
    return _key(node, f"account:{subject}")


async def paused(tx: Tx, node: Node, what: str) -> int:
    """Seconds unknown devices still have to wait, 0 when they need not."""
    until = await tx.fetchval("SELECT until FROM login_pause WHERE key = $1", _key(node, what))
    return 0 if until is None else max(0, int((until - node.clock.now()).total_seconds()))


def _key(node: Node, what: str) -> bytes:
    return hmac_sm3(node.keys.secret("throttle"), what.encode("utf-8"))[:16]
