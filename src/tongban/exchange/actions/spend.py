"""Spend 用掉一次: one call is taken from the grant's day and hour and from what the register bears, by one UPDATE with its
condition, so that of many who race for the last one exactly one gets it (T-45).

Calls of one grant that wait at the same time are taken together: the row is locked for one short moment, not once for each.
A call counted and then not answered stays counted: the safe side. The count is not waited for on disk: the ledger line of
the answer is, and the database writes them in their order, so no answer that was given is ever uncounted.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from typing import Any

import msgspec

from tongban.exchange.model import Grant, Refused
from tongban.exchange.queries import grant_of
from tongban.kernel.db import Tx
from tongban.kernel.node import Node
from tongban.kernel.together import Together

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
    RETURNING *, set_config('synchronous_commit', 'off', true)"""
_BEAR = """INSERT INTO data_capacity AS held (resource, day, used) VALUES ($1, $2, $3)
    ON CONFLICT (resource) DO UPDATE SET used = CASE WHEN held.day = $2 THEN held.used ELSE 0 END + $3, day = $2
    WHERE CASE WHEN held.day = $2 THEN held.used ELSE 0 END + $3 <= $4 RETURNING used"""


class _Full(Exception):
    """The register bears no more today: what the grant gave is put back."""


class Call(msgspec.Struct, frozen=True):
    """What one call is counted against (计到哪一份授权): resource, caller, purpose, and what the register bears a day."""

    resource: str
    caller: str
    purpose: str
    per_day: int | None


async def spend(node: Node, *, resource: str, caller: str, purpose: str, per_day: int | None) -> Grant | Refused:
    """Count one call, or say why it is not allowed (计一次调用): `no_grant`, or `refused` with the reason `quota`."""
    return await _together(node, Call(resource, caller, purpose, per_day))


async def _spend(node: Node, calls: list[Call]) -> list[_Answer | BaseException]:
    """One UPDATE for all calls of a grant; when there is not enough for all, one by one."""
    places: defaultdict[Call, list[int]] = defaultdict(list)
    for place, one in enumerate(calls):
        places[one].append(place)
    answers: list[_Answer | BaseException] = [_NO_GRANT] * len(calls)
    for one, whose in places.items():
        try:
            got = await _take(node, one, len(whose))
            for place in whose:
                answers[place] = got if len(whose) == 1 or isinstance(got, Grant) else await _take(node, one, 1)
        except Exception as error:  # noqa: BLE001  raised to those whose grant it was, and not to the others
            for place in whose:
                answers[place] = error
    return answers


_together: Together[Call, _Answer] = Together(_spend)


async def _take(node: Node, call: Call, count: int) -> _Answer:
    now, today = node.clock.now(), node.clock.today()
    try:
        # one statement stands alone; with what the register bears there are two, whole or not at all
        async with node.db.alone() if call.per_day is None else node.db.transaction() as tx:
            row: Any = await tx.fetchrow(_TAKE, call.resource, call.caller, call.purpose, today, now, _hour(now), count)
            if row is None:
                exists = await tx.fetchval(
                    """SELECT 1 FROM data_grant WHERE resource = $1 AND caller = $2 AND purpose = $3 AND state = 'active'
                       AND starts_at <= $4 AND until > $4""",
                    call.resource, call.caller, call.purpose, now,
                )  # fmt: skip
                return _QUOTA if exists else _NO_GRANT
            if call.per_day is not None:
                await _bear(tx, call.resource, today, count, call.per_day)
            return grant_of(row)
    except _Full:
        return _QUOTA


async def _bear(tx: Tx, resource: str, today: date, count: int, per_day: int) -> None:
    """Count against what the register bears over all grants (资源总量); _Full when there is not so much left."""
    if count > per_day or await tx.fetchval(_BEAR, resource, today, count, per_day) is None:
        raise _Full


def _hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)
