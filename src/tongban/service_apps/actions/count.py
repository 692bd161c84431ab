"""Counting visits 计数: in memory while pages are served, written by a clock. No person, no address, no path is kept."""

from __future__ import annotations

import re
from datetime import datetime
from weakref import WeakKeyDictionary

import msgspec

from tongban.kernel.node import Node
from tongban.service_apps.model import CHANNELS
from tongban.service_apps.queries import app_of_item
from tongban.service_apps.rules.figures import BOUNDS, bucket

_ITEM = re.compile(r"/s/([0-9A-Z]{12,40})(?:/.*)?")
# a stranger's addresses must not fill the memory: unknown codes are dropped at the next flush, and no more than this wait
MOST_KEYS = 5_000


class Tally(msgspec.Struct):
    """What was counted of one item on one channel since the last flush."""

    visits: int = 0
    errors: int = 0
    sum_ms: float = 0.0
    buckets: list[int] = []


_counted: WeakKeyDictionary[Node, dict[tuple[str, str], Tally]] = WeakKeyDictionary()


def count(node: Node, *, path: str, channel: str, status: int, ms: float, task_code: str | None = None) -> None:
    """Count one answer (数一次): which item it was for is read from a guide's path, or told. Never raises, never waits."""
    if task_code is None:
        match = _ITEM.fullmatch(path)
        if match is None:
            return
        task_code = match.group(1)
    tallies = _counted.setdefault(node, {})
    key = (task_code, channel if channel in CHANNELS else "h5")
    tally = tallies.get(key)
    if tally is None:
        if len(tallies) >= MOST_KEYS:
            return
        tally = tallies[key] = Tally(buckets=[0] * (len(BOUNDS) + 1))
    tally.visits += 1
    tally.errors += status >= 500
    tally.sum_ms += ms
    tally.buckets[bucket(ms)] += 1


async def flush(node: Node) -> None:
    """Write what was counted since the last time (入库), by app, hour and channel; what belongs to no app is dropped."""
    tallies = _counted.pop(node, {})
    if not tallies:
        return
    hour = node.clock.now().replace(minute=0, second=0, microsecond=0)
    try:
        await _write(node, tallies, hour)
    except BaseException:
        _merge(_counted.setdefault(node, {}), tallies)
        raise


async def _write(node: Node, tallies: dict[tuple[str, str], Tally], hour: datetime) -> None:
    async with node.db.transaction() as tx:
        for (task_code, channel), tally in tallies.items():
            app = await app_of_item(tx, task_code)
            if app is None:
                continue
            await tx.execute(
                """INSERT INTO service_app_figure AS f (app_id, hour, channel, visits, errors, sum_ms, buckets)
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (app_id, hour, channel) DO UPDATE SET
                     visits = f.visits + $4, errors = f.errors + $5, sum_ms = f.sum_ms + $6,
                     buckets = ARRAY(SELECT a + b FROM unnest(f.buckets, $7::bigint[]) AS both_(a, b))""",
                app.id,
                hour,
                channel,
                tally.visits,
                tally.errors,
                round(tally.sum_ms),
                tally.buckets,
            )


def _merge(into: dict[tuple[str, str], Tally], back: dict[tuple[str, str], Tally]) -> None:
    for key, tally in back.items():
        held = into.get(key)
        if held is None:
            into[key] = tally
            continue
        held.visits += tally.visits
        held.errors += tally.errors
        held.sum_ms += tally.sum_ms
        held.buckets = [one + other for one, other in zip(held.buckets, tally.buckets, strict=True)]
