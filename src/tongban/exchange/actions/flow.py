"""Flow 流式取用: a whole list as one stream of signed pieces, logged once at each end with its counts (R-402).

At the owner each piece is taken from the grant like a call, so a grant that ends or is used up ends the stream too; the row of the
log stands before the first piece goes out, and says `given` only when the last has been made and the log leaf with the counts is
written, which is before the reader is told that the answer is whole. What was cut stays in the log as `cut`, with its counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import msgspec

from tongban import federation, transparency
from tongban.exchange.actions import register
from tongban.exchange.actions.fetch import REASONS, nobody, unavailable, who_asks
from tongban.exchange.actions.messages import digest_of, note_answer, note_asking
from tongban.exchange.actions.serve import admissible, refused
from tongban.exchange.actions.spend import spend
from tongban.exchange.model import Asked, Listed, Reason, Refused, Resource, Unavailable
from tongban.exchange.queries import definition, listed
from tongban.exchange.rules import asks_beyond, granted, known, only
from tongban.kernel.actor import Actor
from tongban.kernel.gm import digest, jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

SERVICE = "exchange.list"
PATIENCE_MS = 10_000
_noting: set[asyncio.Task[None]] = set()


class Tally(msgspec.Struct):
    """What went through so far (累计), the same at both ends: rows, pieces, and the digest over all pieces in their order.

    `fields`, at the owner: what the log was told is given. A grant that changes under way may give less, never more.
    """

    rows: int = 0
    pieces: int = 0
    mark: str = ""
    fields: tuple[str, ...] = ()

    def count(self, rows: list[dict[str, str]]) -> None:
        self.rows += len(rows)
        self.pieces += 1
        self.mark = digest((self.mark + digest(jcs(rows))).encode("ascii"))


async def flow(node: Node, caller: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    """`exchange.list`: all rows of a list under a grant, piece by piece (成批流式应答). Fallback at the caller: parts, or later."""
    try:
        question = msgspec.convert(body, Asked)
    except msgspec.ValidationError:
        raise federation.CallRefused(400, "malformed", ()) from None
    async with node.db.reading() as tx:
        held = await listed(tx, question.resource)
    judged = _streamable(node, caller, question, held)
    if held is None or judged is not None:
        raise _no(await refused(node, caller, question, judged or Refused(404, "not_found")))
    tally, done = Tally(), False
    try:
        async with register.under_way(node, question.resource) as room:
            if not room:
                raise _no(await refused(node, caller, question, Refused(429, "busy")))
            async for rows in _pieces(node, caller, held.resource, question, tally):
                yield {"v": 1, "rows": rows}
        await _close(node, caller, question, tally, "given")
        done = True
        yield {"v": 1, "rows": [], "count": tally.rows, "pieces": tally.pieces, "mark": tally.mark, "at": node.clock.ms()}
    finally:
        if tally.pieces and not done:
            noting = asyncio.get_running_loop().create_task(_cut(node, caller, question, tally))  # outlives whoever stopped this
            _noting.add(noting)
            noting.add_done_callback(_noting.discard)


async def _pieces(node: Node, caller: str, found: Resource, question: Asked, tally: Tally) -> AsyncIterator[list[dict[str, str]]]:
    after = ""
    while True:
        fields = await _allowed(node, caller, found, question, tally)
        part = await register.read_part(node, found, question.asked, after)
        if isinstance(part, Refused):
            raise _no(part if tally.pieces else await refused(node, caller, question, part))
        rows = [only(row, fields) for row in part[0]]
        if not tally.pieces:
            await _open(node, caller, question, fields)
            tally.fields = fields
        tally.count(rows)
        yield rows
        if not part[1] or part[1] == after:
            return
        after = part[1]


async def _allowed(node: Node, caller: str, found: Resource, question: Asked, tally: Tally) -> tuple[str, ...]:
    """The fields the next piece may have: the grant is asked before each, and used by each (T-28, T-45)."""
    held = await spend(node, resource=found.id, caller=caller, purpose=question.purpose, per_day=found.per_day)
    beyond = not isinstance(held, Refused) and asks_beyond(found, question.asked, held.fields)
    fields = () if isinstance(held, Refused) or beyond else granted(held, tally.fields or question.fields)
    if isinstance(held, Refused) or not fields:
        why = held if isinstance(held, Refused) else Refused(403, "no_grant")
        raise _no(why if tally.pieces else await refused(node, caller, question, why))
    return fields


def _streamable(node: Node, caller: str, question: Asked, held: Listed | None) -> Refused | None:
    if held is not None and (held.resource.key != "list" or held.resource.consent):
        return Refused(400, "malformed")
    return admissible(node, caller, question, held)


def _no(why: Refused) -> federation.CallRefused:
    return federation.CallRefused(why.status, why.code, why.reasons)


async def _open(node: Node, caller: str, question: Asked, fields: tuple[str, ...]) -> None:
    """The row of the log, before anything goes out. A number used before is refused."""
    async with node.db.transaction() as tx:
        fresh = await tx.fetchval(
            """INSERT INTO exchange_message (id, side, peer, resource, purpose, fields, request, outcome, at, rows_given, pieces)
               VALUES ($1, 'owner', $2, $3, $4, $5, $6, 'streaming', $7, 0, 0) ON CONFLICT DO NOTHING RETURNING 1""",
            question.id, caller, question.resource, question.purpose, list(fields), digest_of(question), node.clock.now(),
        )  # fmt: skip
    if fresh is None:
        raise federation.CallRefused(422, "key_reused", ())


async def _close(node: Node, caller: str, question: Asked, tally: Tally, outcome: str) -> None:
    """What came of it, with a leaf of the log: who got how much of what (一条流一行)."""
    fact = {
        "v": 1, "id": question.id, "resource": question.resource, "caller": caller, "fields": sorted(tally.fields), "outcome": outcome,
        "rows": tally.rows, "pieces": tally.pieces, "mark": tally.mark,
    }  # fmt: skip
    async with node.db.transaction() as tx:
        await transparency.append(tx, "data.streamed", jcs(fact))
        await tx.execute(
            "UPDATE exchange_message SET outcome = $3, answer = $4, rows_given = $5, pieces = $6 WHERE id = $1 AND side = 'owner' AND peer = $2",
            question.id, caller, outcome, tally.mark if outcome == "given" else "", tally.rows, tally.pieces,
        )  # fmt: skip


async def _cut(node: Node, caller: str, question: Asked, tally: Tally) -> None:
    await _close(node, caller, question, tally, "cut")
    log("exchange.stream_cut", peer=caller, service=question.resource, count=tally.rows)


# ---- asking ------------------------------------------------------------------------------------------------------


async def stream(
    node: Node, actor: Actor, *, resource: str, fields: tuple[str, ...], purpose: str, asked: Mapping[str, str], purpose_words: str, who: str = "",
) -> AsyncGenerator[tuple[Mapping[str, str], ...] | Unavailable, None]:  # fmt: skip
    """A whole list from its owner, piece by piece as it comes (流式取用); neither end holds more than one piece.

    Each piece is the owner's own when it is given. Only when this ends without an Unavailable was that the whole list: one that
    was cut, changed on the way or stopped by the owner ends with an Unavailable, and what came before counts as a part.
    """
    async with node.db.reading() as tx:
        found = await definition(tx, resource)
    if found is None or found.key != "list" or not known(found, fields):
        yield nobody(resource)
        return
    question = Asked(
        v=1, id=uuid7(), resource=resource, fields=known(found, fields), purpose=purpose, purpose_words=purpose_words,
        who=who_asks(node, actor, who), asked=dict(asked),
    )  # fmt: skip
    async with node.db.transaction() as tx:
        await note_asking(tx, found.owner, question, digest_of(question), node.clock.now())
    tally, started, outcome, last = Tally(), node.clock.ms(), "cut", {}
    pieces = federation.stream(node, found.owner, SERVICE, question, budget_ms=PATIENCE_MS)
    try:
        async for piece in pieces:
            if "count" in piece:
                last = piece
                continue
            rows = [only(row, question.fields) for row in piece["rows"]]
            tally.count(piece["rows"])
            yield tuple(rows)
        whole = (last.get("count"), last.get("pieces"), last.get("mark")) == (tally.rows, tally.pieces, tally.mark)
        outcome = "given" if whole else "refused"
    except federation.CallRefused as error:
        outcome = REASONS.get(error.reasons[0] if error.reasons else error.problem, "refused")
    except federation.CallFailed as error:
        log("exchange.away", peer=found.owner, service=found.id, code=error.problem)
        outcome = "refused" if error.problem == "forged" else "busy" if error.problem == "busy" else "away"
    except (federation.NotMember, federation.UnknownNode):
        outcome = "away"
    except (KeyError, TypeError, AttributeError):
        outcome = "refused"  # genuine, and nonsense
    finally:
        await pieces.aclose()
        async with node.db.transaction() as tx:
            await note_answer(tx, question, answer=tally.mark if outcome == "given" else "", outcome=outcome, ms=node.clock.ms() - started)
            await tx.execute(
                "UPDATE exchange_message SET rows_given = $2, pieces = $3 WHERE id = $1 AND side = 'caller'", question.id, tally.rows, tally.pieces
            )
    if outcome != "given":
        yield unavailable(found, _reason(outcome))


def _reason(outcome: str) -> Reason:
    return outcome if outcome in {"away", "busy", "no_grant", "quota", "not_found", "stopped"} else "refused"  # type: ignore[return-value]
