"""What a reader gets 供信: letters of this node and, at a relay, of others (federation.md 5.3). Reads only."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tongban.federation.actions.office import RECOVERS
from tongban.federation.model import ListedNode
from tongban.federation.queries.mail import epoch_letters
from tongban.federation.rules.epochs import line, parse_epoch_letter
from tongban.federation.rules.wire import write_letter
from tongban.kernel.db import Tx
from tongban.kernel.gm import parse_json

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
    return Served(letters, through, [row["signed"] for row in statements], await _epochs(tx, node_id, reader, origins), cut)


async def _epochs(tx: Tx, node_id: str, reader: ListedNode, origins: list[str]) -> list[bytes]:
    """The epoch letters this server names: of another origin only those whose history it has gone back to itself [M]."""
    rows = await tx.fetch(
        "SELECT e.origin, e.epoch, e.signed, c.epoch AS at, c.closed_at, c.closed_by FROM epoch_letter e"
        " LEFT JOIN letter_cursor c ON c.origin = e.origin WHERE e.origin = ANY($1::text[]) ORDER BY e.origin, e.epoch",
        origins,
    )
    found: list[bytes] = []
    for origin in dict.fromkeys(row["origin"] for row in rows):
        mine = [row for row in rows if row["origin"] == origin]
        if origin not in (node_id, reader.id):
            mine = _gone_by(mine)
        found += [row["signed"] for row in mine]
    return found


def _gone_by(rows: list[Any]) -> list[Any]:
    """Of an origin's epoch letters those that this node's own history of it follows: the line below its cursor, and how that is closed."""
    at, closed_at, closed_by = rows[0]["at"], rows[0]["closed_at"], rows[0]["closed_by"]
    letters = [parse_epoch_letter(parse_json(row["signed"])).letter for row in rows]
    known = {one.epoch for one in line(letters, at or 0).values()} | ({closed_by} if closed_by is not None else set())
    if closed_at is not None and closed_by is None:  # closed before the column was
        known |= {one.epoch for one in letters if one.previous == at}
    return [row for row in rows if row["epoch"] in known]


async def _stream(tx: Tx, node_id: str, reader: ListedNode, at: Position, limit: int, relays: bool) -> _Stream | None:
    """What there is of one origin beyond `at`; None when this node has less than that, or nothing to do with it."""
    if at.origin == reader.id:
        return await _home(tx, at, limit)
    own = at.origin == node_id
    if own:
        end = await tx.fetchrow("SELECT epoch, seq, stopped FROM outbox_head")
    else:
        end = await tx.fetchrow("SELECT epoch, seq FROM letter_cursor WHERE origin = $1", at.origin) if relays else None
    if end is None:
        return None
    if at.epoch < end["epoch"]:
        end = await _closed(tx, at, end["epoch"])
        if end is None or at.seq > end["seq"]:
            return None
    elif (at.epoch, at.seq) > (end["epoch"], end["seq"]):
        if own and end["stopped"] not in RECOVERS:
            raise RolledBack  # the reader tells us with our own signature; while we recover it need not
        return None
    rows = await tx.fetch(
        f"SELECT seq, head, kid, sig, body FROM {'outbox' if own else 'relay'}"
        ' WHERE epoch = $1 AND seq > $2 AND seq <= $3 AND ("to" = $4 OR "to" = \'*\' OR $5)'
        + ("" if own else " AND origin = $7") + " ORDER BY seq LIMIT $6",
        end["epoch"], at.seq, end["seq"], reader.id, reader.relay, limit, *([] if own else [at.origin]),
    )  # fmt: skip
    return _Stream(at.origin, Through(end["epoch"], end["seq"]), list(rows), len(rows) == limit)


async def _closed(tx: Tx, at: Position, epoch: int) -> Any:
    """Where an earlier epoch ended in the line below `epoch`, as its origin declared it, or None when it is not in that line."""
    letter = line(await epoch_letters(tx, at.origin), epoch).get(at.epoch)
    return None if letter is None else {"epoch": at.epoch, "seq": letter.ends.seq}


async def _home(tx: Tx, at: Position, limit: int) -> _Stream:
    """The reader's own letters that are held here, whomever they are for (自家的信): it has been restored (6.2 step 2)."""
    rows = await tx.fetch(
        "SELECT DISTINCT ON (epoch, seq, id) epoch, seq, head, kid, sig, body FROM ("
        " SELECT epoch, seq, id, head, kid, sig, body FROM relay WHERE origin = $1 AND (epoch, seq) > ($2, $3)"
        " UNION ALL SELECT epoch, seq, id, head, kid, sig, body FROM letter_applied WHERE origin = $1 AND (epoch, seq) > ($2, $3)"
        " UNION ALL SELECT epoch, seq, id, head, kid, sig, body FROM letter_to_return WHERE origin = $1 AND (epoch, seq) > ($2, $3)"
        ") held ORDER BY epoch, seq, id, body NULLS LAST LIMIT $4",
        at.origin, at.epoch, at.seq, limit,
    )  # fmt: skip
    last = (rows[-1]["epoch"], rows[-1]["seq"]) if rows else (at.epoch, at.seq)
    return _Stream(at.origin, Through(*last), list(rows), len(rows) == limit)


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


async def chain_of(
    tx: Tx, node_id: str, reader: ListedNode, origin: str, epoch: int, before: int
) -> list[dict[str, Any]]:
    """(seq, digest) of the streams that `reader` reads, below `before`, newest first, at most 500 (信件链).

    Each with its head: its digest is named by the head above, so the walk from signed ends proves itself.
    """
    table, whose = ("outbox", "$5 = $5") if origin == node_id else ("relay", "origin = $5")
    rows = await tx.fetch(
        f'SELECT seq, "to", digest, head FROM {table} WHERE epoch = $1 AND seq < $2 AND ("to" = $3 OR "to" = \'*\' OR $4)'
        f" AND {whose} ORDER BY seq DESC LIMIT 500",
        epoch, before, reader.id, reader.relay, origin,
    )  # fmt: skip
    return [{"seq": row["seq"], "to": row["to"], "digest": row["digest"], "head": parse_json(row["head"])} for row in rows]
