"""The message log 交换日志 at both ends: digests of question and answer, compared by a job that raises an alarm.

The caller writes its row before it asks, so that a call cut off by a kill is known at both ends; the owner writes it in the
transaction of the ledger line, so that there is no answer without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tongban import consent, federation
from tongban.exchange.actions.post import division
from tongban.exchange.model import Alarm, AlarmKind, Asked, Given
from tongban.exchange.queries import alarms, messages
from tongban.exchange.rules import Rows, compared, lost, terms, told
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import digest, jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts, column
from tongban.kernel.together import Together

SETTLED = timedelta(minutes=2)
"""A call younger than this may still be under way at one end."""
MOST = 2000
_FIRST = timedelta(days=30)
_SLICES = 64


def digest_of(said: Asked | Given) -> str:
    """The digest of a question or an answer as it travels (来往内容的指纹)."""
    return digest(jcs(msgspec.to_builtins(said)))


class KeyReused(Exception):
    """The number of a call came again with another question."""


async def note_owner(
    tx: Tx, caller: str, question: Asked, asked_digest: str, *, grant: str | None, fields: Iterable[str], answer: str, outcome: str, at: datetime
) -> None:
    """The owner's row (登记应答). The same question again, after a lost answer, is one row; another one raises KeyReused."""
    same = await tx.fetchval(
        """INSERT INTO exchange_message AS held (id, side, peer, resource, purpose, grant_id, fields, request, answer, outcome, at)
           VALUES ($1, 'owner', $2, $3, $4, $5, $6, $7, $8, $9, $10)
           ON CONFLICT (id, side) DO UPDATE SET answer = $8, outcome = $9, fields = $6
           WHERE held.request = $7 AND held.peer = $2 AND NOT (held.outcome = 'given' AND $9 <> 'given') RETURNING 1""",
        question.id, caller, question.resource, question.purpose, grant, list(fields), asked_digest, answer, outcome, at,
    )  # fmt: skip
    if same is None and outcome == "given":
        raise KeyReused


class Told(msgspec.Struct, frozen=True):
    """One row of the owner's log, of a call that was answered or refused (应答记录)."""

    caller: str
    question: Asked
    grant: str | None
    fields: tuple[str, ...]
    answer: str
    outcome: str
    at: datetime


_NOTES = """INSERT INTO exchange_message AS held (id, side, peer, resource, purpose, grant_id, fields, request, answer, outcome, at)
    SELECT id, 'owner', peer, resource, purpose, grant_id, string_to_array(fields, chr(31)), request, answer, outcome, at
    FROM unnest($1::text::uuid[], $2::text::text[], $3::text::text[], $4::text::text[], $5::text::uuid[], $6::text::text[], $7::text::text[],
      $8::text::text[], $9::text::text[], $10::timestamptz[])
      AS u (id, peer, resource, purpose, grant_id, fields, request, answer, outcome, at)"""


def _columns(rows: Iterable[Told]) -> list[Any]:
    each: list[tuple[Any, ...]] = [
        (one.question.id, one.caller, one.question.resource, one.question.purpose, one.grant, "\x1f".join(one.fields), digest_of(one.question),
         one.answer, one.outcome, one.at)
        for one in rows
    ]  # fmt: skip
    return [*(column(row[place] for row in each) for place in range(9)), [row[9] for row in each]]


def note_given(parts: Parts, rows: Iterable[Told]) -> None:
    """The owner's rows of answers, along in the statement of the ledger lines (登记应答); a number used before fails it whole."""
    parts.add("note", _NOTES, *_columns(rows))


async def note_refused(node: Node, told: Told) -> None:
    """The owner's row of a refusal (登记不给): kept in memory for no longer than the statement before it takes.

    Not waited for on disk: nothing was given, and the caller's own row says so too.
    """
    await _refusals(node, told)


async def _note_refused(node: Node, rows: list[Told]) -> list[BaseException | None]:
    last = {one.question.id: one for one in rows}  # one number refused twice in one turn is one row
    async with node.db.alone() as tx:
        await tx.execute(
            _NOTES + """ ON CONFLICT (id, side) DO UPDATE SET answer = excluded.answer, outcome = excluded.outcome, fields = excluded.fields
            WHERE held.request = excluded.request AND held.peer = excluded.peer AND held.outcome <> 'given'
            RETURNING set_config('synchronous_commit', 'off', true)""",
            *_columns(last.values()),
        )
    return [None] * len(rows)


_refusals: Together[Told, None] = Together(_note_refused)


async def note_asking(tx: Tx, owner: str, question: Asked, asked_digest: str, at: datetime) -> None:
    """The caller's row, before the question leaves (登记发问)."""
    await tx.execute(
        """INSERT INTO exchange_message (id, side, peer, resource, purpose, fields, request, outcome, at)
           VALUES ($1, 'caller', $2, $3, $4, $5, $6, 'asked', $7)""",
        question.id, owner, question.resource, question.purpose, list(question.fields), asked_digest, at,
    )  # fmt: skip


async def note_answer(tx: Tx, question: Asked, *, answer: str, outcome: str, ms: int, fields: Iterable[str] | None = None) -> None:
    """What became of it (登记收到的)."""
    await tx.execute(
        """UPDATE exchange_message SET answer = $2, outcome = $3, ms = $4, fields = coalesce($5, fields)
           WHERE id = $1 AND side = 'caller'""",
        question.id, answer, outcome, ms, None if fields is None else list(fields),
    )  # fmt: skip


class LogAsked(msgspec.Struct, frozen=True):
    """The body of `exchange.messages` (对账请求): which way, and which span (Unix ms)."""

    v: int
    side: str
    since: int
    until: int


async def tell_log(node: Node, caller: str, asked: LogAsked) -> dict[str, Any]:
    """Our rows of the calls between the caller and us (给对方对账): nobody else's. `whole` is False when there are more."""
    if asked.side not in {"owner", "caller"} or asked.until <= asked.since:
        raise federation.CallRefused(400, "malformed", ())
    async with node.db.reading() as tx:
        rows = await messages(tx, asked.side, caller, since=consent.moment(asked.since), until=consent.moment(asked.until), limit=MOST)
    return {
        "v": 1,
        "whole": len(rows) < MOST,
        "rows": [[one.id, one.request, one.answer, one.outcome] for one in rows],
    }


async def compare_with(node: Node, peer: str) -> int | None:
    """Compare both logs with one node, both ways, from where it was left (与一个节点对账); the number of differences.

    None when that node is silent: tried again later. A difference is an alarm with the call's number.
    """
    now = node.clock.now()
    async with node.db.reading() as tx:
        since: datetime | None = await tx.fetchval("SELECT until FROM exchange_checked WHERE peer = $1", peer)
    since, end, found = since or now - _FIRST, now - SETTLED, 0
    slice_end = end
    for _ in range(_SLICES):
        if since >= end:
            break
        rows = [await _theirs(node, peer, side, since, slice_end) for side in ("owner", "caller")]
        if any(one is None for one in rows):
            return None
        if any(one is not None and not one[1] for one in rows) and slice_end - since > timedelta(seconds=1):
            slice_end = since + (slice_end - since) / 2  # too many for one answer: a shorter span
            continue
        async with node.db.transaction() as tx:
            for ours, one in zip(("caller", "owner"), rows, strict=True):
                assert one is not None
                found += await _one_way(tx, node, peer, ours, one[0], since, slice_end)
        since, slice_end = slice_end, end
    return found


async def _theirs(node: Node, peer: str, side: str, since: datetime, until: datetime) -> tuple[Rows, bool] | None:
    """Their rows of one way and whether that is all of them; None when they are silent.

    The ends differ by clock and travel: a little more than the span is asked for, and compared by number.
    """
    body = LogAsked(1, side, consent.milliseconds(since - SETTLED), consent.milliseconds(until + SETTLED))
    try:
        answer = await federation.call(node, peer, "exchange.messages", msgspec.to_builtins(body), budget_ms=5000)
        return {str(one[0]): (str(one[1]), str(one[2]), str(one[3])) for one in answer["rows"]}, bool(answer.get("whole", True))
    except (federation.CallFailed, federation.CallRefused, federation.NotMember, federation.UnknownNode, LookupError, TypeError):
        log("exchange.log_silent", peer=peer)
        return None


async def _one_way(tx: Tx, node: Node, peer: str, ours: str, rows: Rows, since: datetime, until: datetime) -> int:
    mine = told(await messages(tx, ours, peer, since=since, until=until, limit=10 * MOST))
    # of theirs: calls of this span by our own row, and those we do not know at all
    known = {row["id"] for row in await tx.fetch("SELECT id FROM exchange_message WHERE side = $1 AND id = ANY($2)", ours, list(rows))}
    other = {name: one for name, one in rows.items() if name in mine or name not in known}
    at_caller, at_owner = (mine, other) if ours == "caller" else (other, mine)
    found = compared(at_caller, at_owner)
    for name, what in found:
        kind: AlarmKind = "differs" if what == "differs" else "missing_here" if what == f"missing_{ours}" else "missing_there"
        await raise_alarm(tx, node, kind, peer, name)
    await tx.execute(
        """INSERT INTO exchange_checked AS held (peer, until, calls, lost, checked_at) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (peer) DO UPDATE SET until = $2, calls = held.calls + $3, lost = held.lost + $4, checked_at = $5""",
        peer, until, len(mine), lost(at_caller, at_owner), node.clock.now(),
    )  # fmt: skip
    return len(found)


async def raise_alarm(tx: Tx, node: Node, kind: AlarmKind, peer: str, about: str, count: int = 1) -> None:
    """Something a person must look at, once as long as it is open (告警)."""
    made = await tx.fetchval(
        """INSERT INTO exchange_alarm AS held (id, kind, peer, about, count, raised_at) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (kind, peer, about) WHERE closed_at IS NULL DO UPDATE SET count = greatest(held.count, $5) RETURNING id""",
        uuid7(), kind, peer, about, count, node.clock.now(),
    )  # fmt: skip
    log("exchange.alarm", kind=kind, peer=peer, count=count, digest=str(made))


async def watch_breadth(tx: Tx, node: Node) -> int:
    """Raise an alarm when a node learned of very many persons within an hour (一小时取用人数过多, T-29)."""
    now, limit = node.clock.now(), terms().breadth.subjects_per_hour
    rows = await consent.breadth(tx, since=now - timedelta(hours=1))
    over = [(receiver, count) for receiver, count in rows if receiver != node.id and count > limit]
    for receiver, count in over:
        await raise_alarm(tx, node, "breadth", receiver, now.strftime("%Y-%m-%d %H"), count)
    return len(over)


async def close_alarm(tx: Tx, node: Node, actor: Actor, alarm_id: str, *, note: str) -> Alarm | Refusals:
    """Close an alarm with what was found out (处理告警)."""
    actor.require_may("exchange.audit", division=division(node))
    if not note.strip():
        return (Refusal("exchange.reason", "写清查到了什么", "note"),)
    found = next((one for one in await alarms(tx) if one.id == alarm_id), None)
    if found is None:
        return (Refusal("exchange.alarm_gone", "这条告警已经处理过"),)
    await tx.execute(
        "UPDATE exchange_alarm SET closed_at = $2, closed_by = $3, note = $4 WHERE id = $1", alarm_id, node.clock.now(), actor.staff_id, note
    )
    return found
