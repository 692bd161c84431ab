"""What a reader gets 供信: letters of this node and, at a relay, of others (federation.md 5.3). Reads only."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tongban.federation.model import ListedNode
from tongban.federation.rules.wire import write_letter
from tongban.kernel.db import Tx

MOST_LETTERS: Final = 500
MOST_BYTES: Final = 4 * 1024 * 1024
MOST_ORIGINS: Final = 200


class Position(msgspec.Struct, frozen=True):
    """`from=origin.epoch.seq`: I have applied up to here."""

    origin: str
    epoch: int
    seq: int


class Through(msgspec.Struct, frozen=True):
    """How far the server has looked."""

    epoch: int
    seq: int


class Served(msgspec.Struct, frozen=True):
    """An answer to a pull: letters as bytes, in `seq` order for each origin, by turns between origins."""

    letters: list[bytes]
    through: dict[str, Through]
    head_statements: list[bytes]
    epochs: list[bytes]
    more: bool


class RolledBack(Exception):
    """The reader holds letters of this node that it has not: 409 `diverged`."""


class _Stream(msgspec.Struct):
    origin: str
    end: Through
    rows: list[Any]
    cut: bool
    sent: int = 0


async def serve_letters(
    tx: Tx, node_id: str, reader: ListedNode, positions: list[Position], limit: int, *, relays: bool
) -> Served:
    """The letters for `reader` beyond its positions; at most `limit` and 4 MiB, at least one if there is one.

    `relays`: whether this node keeps others' letters too. Raises RolledBack when the reader is beyond this node's own log.
    """
    streams = [
        found for one in positions if (found := await _stream(tx, node_id, reader, one, limit, relays)) is not None
    ]
    letters, cut = _by_turns(streams, limit)
    through = {}
    for stream in streams:
        whole = stream.sent == len(stream.rows) and not stream.cut
        if whole:
            through[stream.origin] = stream.end
        elif stream.sent:
            through[stream.origin] = Through(stream.end.epoch, stream.rows[stream.sent - 1]["seq"])
    origins = [one.origin for one in positions]
    statements = await tx.fetch(
        "SELECT DISTINCT ON (origin) signed FROM head_statement WHERE origin = ANY($1::text[]) ORDER BY origin, at DESC",
        origins,
    )
    epochs = await tx.fetch("SELECT signed FROM epoch_letter WHERE origin = ANY($1::text[])", origins)
    return Served(letters, through, [row["signed"] for row in statements], [row["signed"] for row in epochs], cut)


async def _stream(tx: Tx, node_id: str, reader: ListedNode, at: Position, limit: int, relays: bool) -> _Stream | None:
    """What there is of one origin beyond `at`; None when this node has less than that, or nothing to do with it."""
    own = at.origin == node_id
    if own:
        end = await tx.fetchrow("SELECT epoch, seq FROM outbox_head")
    else:
        end = await tx.fetchrow("SELECT epoch, seq FROM letter_cursor WHERE origin = $1", at.origin) if relays else None
    if end is None:
        return None
    if (at.epoch, at.seq) > (end["epoch"], end["seq"]):
        if own:
            raise RolledBack
        return None
    if at.epoch != end["epoch"]:
        return None
    rows = await tx.fetch(
        f"SELECT seq, head, kid, sig, body FROM {'outbox' if own else 'relay'}"
        ' WHERE epoch = $1 AND seq > $2 AND seq <= $3 AND ("to" = $4 OR "to" = \'*\' OR $5)'
        + ("" if own else " AND origin = $7") + " ORDER BY seq LIMIT $6",
        end["epoch"], at.seq, end["seq"], reader.id, reader.relay, limit, *([] if own else [at.origin]),
    )  # fmt: skip
    return _Stream(at.origin, Through(end["epoch"], end["seq"]), list(rows), len(rows) == limit)


def _by_turns(streams: list[_Stream], limit: int) -> tuple[list[bytes], bool]:
    """One letter of each origin in turn, until the limits: a busy origin does not keep a quiet one waiting."""
    letters: list[bytes] = []
    size = 0
    while True:
        progress = False
        for stream in streams:
            if stream.sent == len(stream.rows):
                continue
            row = stream.rows[stream.sent]
            letter = write_letter(row["head"], row["kid"], row["sig"], row["body"])
            if letters and (len(letters) >= limit or size + len(letter) > MOST_BYTES):
                return letters, True
            letters.append(letter)
            size += len(letter)
            stream.sent += 1
            progress = True
        if not progress:
            return letters, any(stream.cut for stream in streams)


def write_served(served: Served) -> bytes:
    """The answer's JSON; letters, statements and epoch letters go out byte for byte as they are kept."""
    through = msgspec.json.encode(served.through)
    return (
        b'{"v":1,"letters":[' + b",".join(served.letters) + b'],"through":' + through
        + b',"head_statements":[' + b",".join(served.head_statements) + b'],"epochs":[' + b",".join(served.epochs)
        + b'],"more":' + (b"true" if served.more else b"false") + b"}"
    )  # fmt: skip


async def chain_of(tx: Tx, node_id: str, reader: str, origin: str, epoch: int, before: int) -> list[dict[str, Any]]:
    """(seq, digest) pairs of the streams that `reader` reads, below `before`, newest first, at most 500 (信件链)."""
    if origin == node_id:
        rows = await tx.fetch(
            'SELECT seq, "to", digest FROM outbox WHERE epoch = $1 AND seq < $2 AND ("to" = $3 OR "to" = \'*\')'
            " ORDER BY seq DESC LIMIT 500",
            epoch, before, reader,
        )  # fmt: skip
    else:
        rows = await tx.fetch(
            'SELECT seq, "to", digest FROM relay WHERE origin = $4 AND epoch = $1 AND seq < $2 AND ("to" = $3 OR "to" = \'*\')'
            " ORDER BY seq DESC LIMIT 500",
            epoch, before, reader, origin,
        )  # fmt: skip
    return [{"seq": row["seq"], "to": row["to"], "digest": row["digest"]} for row in rows]
