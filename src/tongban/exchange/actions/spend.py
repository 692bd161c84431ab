"""Spend 用掉一次: one call is taken from the grant's day and hour and from what the register bears, by one UPDATE with its
condition, so that of many who race for the last one exactly one gets it (T-45).

Calls of one grant that wait at the same time are taken together: the row is locked for one short moment, not once for each.
A call counted and then not answered stays counted: the safe side.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import date, datetime
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from tongban.exchange.model import Grant, Refused
from tongban.exchange.queries import grant_of
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

_Key = tuple[str, str, str]
_Answer = Grant | Refused
_QUOTA = Refused(422, "refused", ("quota",))
_NO_GRANT = Refused(403, "no_grant")

# day, hour: the counts of another day or hour begin anew
_TAKE = """UPDATE data_grant SET
    used_today = CASE WHEN used_day = $4 THEN used_today ELSE 0 END + $7, used_day = $4,
    used_hour = CASE WHEN hour = $6 THEN used_hour ELSE 0 END + $7, hour = $6
    WHERE resource = $1 AND caller = $2 AND purpose = $3 AND state = 'active' AND starts_at <= $5 AND until > $5
      AND CASE WHEN used_day = $4 THEN used_today ELSE 0 END + $7 <= quota_per_day
      AND (quota_per_hour IS NULL OR CASE WHEN hour = $6 THEN used_hour ELSE 0 END + $7 <= quota_per_hour)
    RETURNING *"""
_BEAR = """INSERT INTO data_capacity AS held (resource, day, used) VALUES ($1, $2, $3)
    ON CONFLICT (resource) DO UPDATE SET used = CASE WHEN held.day = $2 THEN held.used ELSE 0 END + $3, day = $2
    WHERE CASE WHEN held.day = $2 THEN held.used ELSE 0 END + $3 <= $4 RETURNING used"""


class _Full(Exception):
    """The register bears no more today: what the grant gave is put back."""


class _Waiting(msgspec.Struct):
    """Calls of one grant that wait to be counted, and whether somebody is counting."""

    calls: list[asyncio.Future[_Answer]] = []
    counting: bool = False


_purses: WeakKeyDictionary[Node, defaultdict[_Key, _Waiting]] = WeakKeyDictionary()


async def spend(node: Node, *, resource: str, caller: str, purpose: str, per_day: int | None) -> Grant | Refused:
    """Count one call, or say why it is not allowed (计一次调用): `no_grant`, or `refused` with the reason `quota`."""
    purses = _purses.setdefault(node, defaultdict(_Waiting))
    waiting = purses[resource, caller, purpose]
    mine: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
    waiting.calls.append(mine)
    if not waiting.counting:
        waiting.counting = True
        try:
            while waiting.calls:
                taken, waiting.calls = waiting.calls, []
                await _count(node, (resource, caller, purpose), per_day, taken)
        finally:
            waiting.counting = False
            for one in waiting.calls:  # whoever counted was stopped: nobody waits for ever
                one.cancel()
            waiting.calls = []
    return await mine


async def _count(node: Node, key: _Key, per_day: int | None, calls: list[asyncio.Future[_Answer]]) -> None:
    """One UPDATE for all that wait; when there is not enough for all, one by one."""
    try:
        got = await _take(node, key, per_day, len(calls))
        for one in calls:
            answer = got if len(calls) == 1 or isinstance(got, Grant) else await _take(node, key, per_day, 1)
            if not one.done():
                one.set_result(answer)
    except BaseException as error:
        for one in calls:
            if not one.done():
                one.set_exception(error if isinstance(error, Exception) else ConnectionError("counting was stopped"))
                one.exception()  # seen here; whoever still waits gets it all the same
        raise


async def _take(node: Node, key: _Key, per_day: int | None, count: int) -> _Answer:
    resource, caller, purpose = key
    now, today = node.clock.now(), node.clock.today()
    try:
        # one statement stands alone; with what the register bears there are two, whole or not at all
        async with node.db.reading() if per_day is None else node.db.transaction() as tx:
            row: Any = await tx.fetchrow(_TAKE, resource, caller, purpose, today, now, _hour(now), count)
            if row is None:
                exists = await tx.fetchval(
                    """SELECT 1 FROM data_grant WHERE resource = $1 AND caller = $2 AND purpose = $3 AND state = 'active'
                       AND starts_at <= $4 AND until > $4""",
                    resource, caller, purpose, now,
                )  # fmt: skip
                return _QUOTA if exists else _NO_GRANT
            if per_day is not None:
                await _bear(tx, resource, today, count, per_day)
            return grant_of(row)
    except _Full:
        return _QUOTA


async def _bear(tx: Tx, resource: str, today: date, count: int, per_day: int) -> None:
    """Count against what the register bears over all grants (资源总量); _Full when there is not so much left."""
    if count > per_day or await tx.fetchval(_BEAR, resource, today, count, per_day) is None:
        raise _Full


def _hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)
