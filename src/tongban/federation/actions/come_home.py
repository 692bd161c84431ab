"""Own letters that come home 回家的信: their facts are put back, the letters stamped again with the same id (federation.md 6.2).

They come when this node asks for them after a restore, and whenever a reader returns what its history lost. A letter whose
fact contradicts what was decided since waits for a person; it is sent again all the same, because others acted on it.
"""

from __future__ import annotations

from typing import Any, Final

from tongban.federation.actions.alarm import raise_alarm
from tongban.federation.actions.apply import SICK
from tongban.federation.actions.measure import RETURNED
from tongban.federation.actions.office import STAMPER_BELL, area, handlers_of, public_key
from tongban.federation.actions.send import read_body, send
from tongban.federation.errors import Contradicts, NotYet
from tongban.federation.model import Directory, Letter
from tongban.federation.rules import wire
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import Failure
from tongban.kernel.gm import GmError, jcs, parse_json
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node

CONFLICT: Final = "federation.conflict"
_AGAIN_SECONDS = 30


async def keep_home(tx: Tx, node: Node, found: Directory, values: list[Any], by: str) -> tuple[list[str], int]:
    """Keep letters of ours that `by` holds, believed only by our own signature; (ids kept or known, highest epoch seen).

    Raises wire.Malformed for what is no letter at all.
    """
    taken: list[str] = []
    highest = 0
    for one in values:
        letter = wire.parse_letter(one)
        key = public_key(found, letter.kid)
        ours = letter.head.origin == node.id and letter.kid.startswith(f"{node.id}/") and wire.body_fits(letter)
        if not ours or key is None or not wire.signed_by(letter, key):
            continue
        await tx.execute(
            "INSERT INTO letter_returned (id, epoch, seq, returned_by, letter) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            letter.head.id, letter.head.epoch, letter.head.seq, by, jcs(one),
        )  # fmt: skip
        highest = max(highest, letter.head.epoch)
        taken.append(letter.head.id)
    if taken:
        RETURNED.labels(node.id).inc(len(taken))
    return taken, highest


async def put_all_back(node: Node) -> dict[str, int]:
    """Put back what waits, lowest first (补回事实), each letter in its own transaction; how many of each outcome."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT id, epoch, seq FROM letter_returned WHERE state = 'kept' OR (state = 'waiting' AND"
            " (tried_at IS NULL OR tried_at < now() - make_interval(secs => $1))) ORDER BY epoch, seq",
            _AGAIN_SECONDS,
        )  # fmt: skip
    counts: dict[str, int] = {}
    for row in rows:
        async with node.db.transaction() as tx:
            outcome = await _put_back(tx, node, row["id"], row["epoch"], row["seq"])
        counts[outcome] = counts.get(outcome, 0) + 1
    if counts:
        node.bell.ring(STAMPER_BELL)
        for outcome, count in counts.items():
            log("federation.put_back", state=outcome, count=count)
    return counts


async def _put_back(tx: Tx, node: Node, letter_id: str, epoch: int, seq: int) -> str:
    row = await tx.fetchrow(
        "SELECT letter, state, returned_by FROM letter_returned WHERE id = $1 AND epoch = $2 AND seq = $3 FOR UPDATE",
        letter_id, epoch, seq,
    )  # fmt: skip
    if row is None or row["state"] not in ("kept", "waiting"):
        return "known"
    letter = wire.parse_letter(parse_json(row["letter"]))
    fresh = row["state"] == "kept"
    if fresh and await tx.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE id = $1)", letter_id):
        outcome, error = "known", None
    else:
        outcome, error = await _fact(tx, node, letter)
        if fresh:
            await _stamp_again(tx, letter)
    await tx.execute(
        "UPDATE letter_returned SET state = $4, error = $5, tried_at = now() WHERE id = $1 AND epoch = $2 AND seq = $3",
        letter_id, epoch, seq, outcome, error,
    )  # fmt: skip
    if outcome == "conflict":
        await _say_so(tx, node, letter)
    return outcome


async def _fact(tx: Tx, node: Node, letter: wire.Sealed) -> tuple[str, str | None]:
    """Let the room that owns the kind put the fact back; (outcome, error code)."""
    head = letter.head
    table = handlers_of(node).reinstate
    if (head.kind, head.kind_version) not in table:
        return "by_hand", "no_reinstate"
    handler = table[(head.kind, head.kind_version)]
    if handler is None or letter.body is None:
        return "resent", None
    try:
        opened = Letter(
            id=head.id, origin=head.origin, to=head.to, epoch=head.epoch, seq=head.seq, kind=head.kind,
            kind_version=head.kind_version, about=head.about, at=head.at, counts_at=head.at, body=read_body(node, head, letter.body),
        )  # fmt: skip
        async with tx.transaction():
            await handler(tx, node, opened)
    except SICK:
        raise
    except NotYet as error:
        return "waiting", error.code
    except Contradicts as error:
        return "conflict", error.code
    except (wire.Malformed, GmError) as error:
        return "by_hand", error.code
    except Failure as error:
        log_failure("federation.not_reinstated", error, kind=head.kind, seq=head.seq, code=error.failure_code)
        return "conflict", error.failure_code
    except Exception as error:  # noqa: BLE001  whatever a handler meets, the letter stays and a person sees it
        log_failure("federation.not_reinstated", error, kind=head.kind, seq=head.seq)
        return "conflict", type(error).__name__
    return "reinstated", None


async def _stamp_again(tx: Tx, letter: wire.Sealed) -> None:
    """The same letter, same id and body, to be numbered in the present epoch: who acted on it knows it by its id."""
    head = letter.head
    await tx.execute(
        'INSERT INTO outbox (id, "to", kind, kind_version, about, at, body, body_digest, ticket)'
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, nextval('outbox_ticket')) ON CONFLICT (id) DO NOTHING",
        head.id, head.to, head.kind, head.kind_version, head.about, head.at, letter.body, head.body,
    )  # fmt: skip
    await ring(tx, STAMPER_BELL)


async def _say_so(tx: Tx, node: Node, letter: wire.Sealed) -> None:
    """A returned fact contradicts what was decided since: this page says so, and the page of who acted on it (两边都说明)."""
    head = letter.head
    await raise_alarm(
        tx, "conflict", node.id, head.id, "恢复后回来的一件事和现在的记录对不上，已放到“恢复”里等人处理", letter.head_bytes
    )
    if head.to not in ("*", node.id):
        body = {"v": 1, "letter": head.id, "kind": head.kind, "about": head.about}
        await send(
            tx, node, to=head.to, kind=CONFLICT, about=head.about, body=body, id=wire.derived_id(CONFLICT, head.to, head.id)
        )


async def settle(tx: Tx, node: Node, actor: Actor, letter_id: str, *, again: bool) -> None:
    """A person has dealt with a letter that came home (处理回来的信): tried once more, or closed as dealt with by hand."""
    actor.require_may("federation.operate", division=area(node))
    if again:
        await tx.execute(
            "UPDATE letter_returned SET state = 'waiting', tried_at = NULL WHERE id::text = $1 AND state IN ('conflict', 'by_hand', 'waiting')",
            letter_id,
        )
        return
    await tx.execute(
        "UPDATE letter_returned SET state = 'settled', settled_at = now(), settled_by = $2"
        " WHERE id::text = $1 AND state IN ('conflict', 'by_hand', 'waiting')",
        letter_id, actor.staff_id,
    )  # fmt: skip

