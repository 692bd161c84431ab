"""Parking and replay 暂存与重试: a letter that cannot be applied waits, with all that follows about the same thing.

Replay takes the lowest letter of a thread, acts and deletes the row in ONE transaction: taking it out and acting in two
lets a newer letter overtake it (docs/model/parking.pml, SPLITREPLAY). Nothing is ever dropped.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tongban import transparency
from tongban.federation.actions.apply import Trouble, attempt
from tongban.federation.actions.measure import LETTERS
from tongban.federation.actions.office import area, handlers_of
from tongban.federation.queries.mail import statements
from tongban.federation.rules.wire import Head, Sealed
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal
from tongban.kernel.gm import jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node

_FIRST_WAIT = 5
_LONGEST_WAIT = 3600


async def lock_threads(tx: Tx, origin: str, abouts: list[str]) -> set[str]:
    """Lock the threads of `abouts` that have parked letters, in one order, and name them."""
    rows = await tx.fetch(
        "SELECT about FROM letter_thread WHERE origin = $1 AND about = ANY($2::text[]) ORDER BY about FOR UPDATE",
        origin, abouts,
    )  # fmt: skip
    return {row["about"] for row in rows}


async def park(tx: Tx, letter: Sealed, trouble: Trouble) -> None:
    """Put the letter, already in `letter_applied`, at the end of its thread (暂存)."""
    head = letter.head
    await tx.execute(
        "INSERT INTO letter_thread (origin, about) VALUES ($1, $2) ON CONFLICT DO NOTHING", head.origin, head.about
    )
    await tx.execute(
        "INSERT INTO letter_parked (origin, about, epoch, seq, id, kind, kind_version, reason, error)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        head.origin, head.about, head.epoch, head.seq, head.id, head.kind, head.kind_version, trouble.reason, trouble.error,
    )  # fmt: skip
    log("federation.parked", origin=head.origin, kind=head.kind, seq=head.seq, reason=trouble.reason)


async def replay(node: Node, *, asked: bool = False) -> int:
    """Try the threads whose time has come again, each from its lowest letter (重试暂存信件); the number applied.

    Letters of an unknown kind are tried when the kind is known now (after an upgrade), failed ones after 5 s, 10 s …
    1 h; `asked` by an operator: all at once.
    """
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT DISTINCT ON (origin, about) origin, about, kind, kind_version, reason, attempts,"
            " extract(epoch FROM now() - tried_at)::float8 AS waited FROM letter_parked ORDER BY origin, about, epoch, seq"
        )
    applied = 0
    for row in rows:
        if asked or _due(node, row):
            applied += await replay_thread(node, row["origin"], row["about"])
    return applied


def _due(node: Node, row: Any) -> bool:
    if row["reason"] in ("unknown_kind", "unknown_version"):
        return (row["kind"], row["kind_version"]) in handlers_of(node).letters
    wait: float = min(_FIRST_WAIT * 2 ** min(row["attempts"] - 1, 12), _LONGEST_WAIT)
    return bool(row["reason"] == "behind" or row["waited"] >= wait)


async def replay_thread(node: Node, origin: str, about: str) -> int:
    """Apply the letters of one thread in order until one fails again or none waits; the number applied."""
    applied = 0
    while True:
        async with node.db.transaction() as tx:
            if not await _replay_lowest(tx, node, origin, about):
                return applied
        applied += 1


async def _replay_lowest(tx: Tx, node: Node, origin: str, about: str) -> bool:
    """The lowest parked letter of the thread: act and take it out, or count the try. True when it was applied."""
    if not await lock_threads(tx, origin, [about]):
        return False
    row = await tx.fetchrow(
        "SELECT p.id, a.head, a.body, p.kind FROM letter_parked p JOIN letter_applied a ON a.id = p.id"
        " WHERE p.origin = $1 AND p.about = $2 ORDER BY p.epoch, p.seq LIMIT 1",
        origin, about,
    )  # fmt: skip
    if row is None:
        await tx.execute("DELETE FROM letter_thread WHERE origin = $1 AND about = $2", origin, about)
        return False
    head = msgspec.json.decode(row["head"], type=Head)
    tried = await attempt(tx, node, handlers_of(node), head, row["body"], await statements(tx, origin))
    if tried.trouble is not None:
        await tx.execute(
            "UPDATE letter_parked SET attempts = attempts + 1, tried_at = now(), reason = $2, error = $3 WHERE id = $1",
            row["id"], tried.trouble.reason, tried.trouble.error,
        )  # fmt: skip
        return False
    await _take_out(tx, origin, about, row["id"], "applied")
    LETTERS.labels(origin, row["kind"], "applied").inc()
    return True


async def _take_out(tx: Tx, origin: str, about: str, letter_id: str, outcome: str) -> None:
    await tx.execute("DELETE FROM letter_parked WHERE id = $1", letter_id)
    await tx.execute("UPDATE letter_applied SET outcome = $2 WHERE id = $1", letter_id, outcome)
    await tx.execute(
        "DELETE FROM letter_thread WHERE origin = $1 AND about = $2"
        " AND NOT EXISTS (SELECT FROM letter_parked WHERE origin = $1 AND about = $2)",
        origin, about,
    )  # fmt: skip


async def ask_to_set_aside(tx: Tx, node: Node, actor: Actor, letter_id: str, reason: str) -> Refusal | None:
    """The first of two persons asks to set a parked letter aside, with a reason (申请搁置)."""
    actor.require_may("federation.operate", division=area(node))
    if len(reason.strip()) < 4:
        return Refusal("federation.reason_missing", "请写明为什么搁置，至少 4 个字", "reason")
    if not await tx.fetchval("SELECT EXISTS (SELECT FROM letter_parked WHERE id = $1)", letter_id):
        return Refusal("federation.not_parked", "这封信已经不在暂存里了")
    await tx.execute(
        "INSERT INTO letter_set_aside (id, asked_by, reason) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
        letter_id, actor.staff_id, reason.strip()[:200],
    )  # fmt: skip
    return None


async def confirm_set_aside(tx: Tx, node: Node, actor: Actor, letter_id: str) -> Refusal | None:
    """The second person confirms (确认搁置): the letter leaves its thread, stays whole, and a log leaf says who did it."""
    actor.require_may("federation.operate", division=area(node))
    row = await tx.fetchrow(
        "SELECT s.asked_by, s.reason, p.origin, p.about FROM letter_set_aside s JOIN letter_parked p ON p.id = s.id WHERE s.id = $1",
        letter_id,
    )
    if row is None:
        return Refusal("federation.not_parked", "这封信已经不在暂存里了")
    if row["asked_by"] == actor.staff_id:
        return Refusal("federation.same_officer", "搁置要两个人：请另一位同事确认")
    await lock_threads(tx, row["origin"], [row["about"]])
    await tx.execute(
        "UPDATE letter_set_aside SET confirmed_by = $2, confirmed_at = now() WHERE id = $1", letter_id, actor.staff_id
    )
    await _take_out(tx, row["origin"], row["about"], letter_id, "set_aside")
    fact = {"letter": letter_id, "asked_by": row["asked_by"], "confirmed_by": actor.staff_id, "reason": row["reason"]}
    await transparency.append(tx, "letter.set_aside", jcs(fact))
    return None
