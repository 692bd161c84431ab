"""A fact becomes a leaf, in the transaction of the fact."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import chain, islice

from tongban.kernel.db import Tx, ringing
from tongban.kernel.gm import sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.parts import Parts, column
from tongban.transparency.model import Leaf, commit

_RING = ringing("'sequencer'")


async def append(tx: Tx, kind: str, fact: bytes) -> Leaf:
    """Puts a salted hash of `fact` into the log, together with whatever else the transaction does (存证).

    `kind` is `<room>.<fact>` (`cases.decided`); `fact` the canonical bytes of what happened, of which only the hash is
    kept. The leaf has no place in the tree yet: numbers given inside business transactions would make them wait for each
    other; the sequencer gives one after the commit. Raises asyncpg.CheckViolationError for a malformed kind.
    """
    salt, digest = secrets.token_bytes(16), sm3(fact)
    commitment, leaf_id = commit(salt, digest), uuid7()
    at_ms = await tx.fetchval(  # one round trip: this is done for every fact of the house
        "WITH leaf AS (INSERT INTO log_leaf (id, kind, at_ms, salt, fact, commitment)"
        " VALUES ($1, $2, floor(extract(epoch FROM clock_timestamp()) * 1000), $3, $4, $5) RETURNING id, at_ms),"
        " waiting AS (INSERT INTO log_pending (leaf_id) SELECT id FROM leaf)"
        f" SELECT at_ms, {_RING} FROM leaf",
        leaf_id,
        kind,
        salt,
        digest,
        commitment,
    )
    return Leaf(leaf_id, kind, at_ms, commitment)


async def append_many(tx: Tx, kind: str, facts: Sequence[bytes]) -> tuple[Leaf, ...]:
    """As `append` for many facts of one kind at once (成批存证), the leaves in the order given.

    Two statements however many they are: what waits for a place, then the leaves as one COPY in binary form; while the
    database takes the one or a part of the other, the next part is hashed. After an error the caller's transaction is
    broken, as after every failed statement: nothing of the batch stays. Raises CheckViolationError as `append` does.
    """
    if not facts:
        return ()
    at_ms: int = await tx.fetchval(f"SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + length({_RING}::text) * 0")
    ids = [uuid7() for _ in facts]
    made: list[Leaf] = []
    parts = _rows(kind, at_ms, ids, facts, made)
    waiting = asyncio.ensure_future(tx.execute(_WAITING, column(ids)))
    ready: list[bytes] = []
    try:
        while not waiting.done():
            await asyncio.sleep(0)  # the statement leaves before the first part is hashed, and is seen to be over
            ready += islice(parts, 1)
            if len(made) == len(facts):
                break
        await waiting
    finally:
        if not waiting.done():  # the caller rolls back on this connection: it must be free of the statement by then
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
    await tx.copy_to_table("log_leaf", source=_sent(chain(ready, parts)), columns=_COLUMNS, format="binary")
    return tuple(made)


_PART = 500
_COLUMNS = ("id", "kind", "at_ms", "salt", "fact", "commitment")
_WAITING = "INSERT INTO log_pending (leaf_id) SELECT unnest($1::text::uuid[])"
_BEGINS, _ENDS = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"


def _rows(kind: str, at_ms: int, ids: Sequence[str], facts: Sequence[bytes], made: list[Leaf]) -> Iterator[bytes]:
    """The rows of the leaves as COPY takes them, part by part; the leaves of what was given out stand in `made`.

    A row is the number of its columns and each with its length before it. Source: PostgreSQL, COPY, Binary Format.
    """
    raw, named = bytes.fromhex("".join(ids).replace("-", "")), kind.encode()
    to_id, to_digest = b"\x00\x06" + _length(16), _length(32)
    to_salt = b"".join((_length(len(named)), named, _length(8), at_ms.to_bytes(8, "big"), _length(16)))
    pieces: list[bytes] = [_BEGINS]
    for start in range(0, len(facts), _PART):
        some = facts[start : start + _PART]
        random = secrets.token_bytes(16 * len(some))
        for place, fact in enumerate(some):
            salt, digest, leaf_id = random[16 * place : 16 * place + 16], sm3(fact), start + place
            commitment = sm3(salt + digest)
            pieces += (to_id, raw[16 * leaf_id : 16 * leaf_id + 16], to_salt, salt, to_digest, digest, to_digest, commitment)
            made.append(Leaf(ids[leaf_id], kind, at_ms, commitment))
        yield b"".join(pieces)
        pieces.clear()
    yield _ENDS


def _length(size: int) -> bytes:
    return size.to_bytes(4, "big")


async def _sent(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def _leaves_of(kind: str, at_ms: int, facts: Sequence[bytes]) -> tuple[list[Leaf], tuple[list[str], list[bytes], list[bytes], list[bytes]]]:
    random = secrets.token_bytes(16 * len(facts))
    salts = [random[start : start + 16] for start in range(0, len(random), 16)]
    digests = [sm3(fact) for fact in facts]
    commitments = [sm3(salt + found) for salt, found in zip(salts, digests, strict=True)]
    ids = [uuid7() for _ in facts]
    return [Leaf(one, kind, at_ms, made) for one, made in zip(ids, commitments, strict=True)], (ids, salts, digests, commitments)


def appending(parts: Parts, name: str, kind: str, fact: bytes) -> str:
    """As `append`, as parts of a statement that is on its way anyway; the id of the leaf. One name a statement."""
    salt, digest = secrets.token_bytes(16), sm3(fact)
    leaf_id = uuid7()
    parts.add(
        name,
        "INSERT INTO log_leaf (id, kind, at_ms, salt, fact, commitment)"
        " VALUES ($1, $2, floor(extract(epoch FROM clock_timestamp()) * 1000), $3, $4, $5)"
        f" RETURNING id, {_RING}",
        leaf_id, kind, salt, digest, commit(salt, digest),
    )  # fmt: skip
    parts.add(f"{name}_waits", f"INSERT INTO log_pending (leaf_id) SELECT id FROM {name}")
    return leaf_id


def appending_many(parts: Parts, name: str, kind: str, facts: Sequence[bytes]) -> list[str]:
    """As `appending`, for many facts of one kind in that statement; their ids, in the order given.

    Whoever writes many writes often: the sequencer is not called each time, it comes by its clock within a second.
    """
    _, (ids, salts, digests, commitments) = _leaves_of(kind, 0, facts)
    parts.add(
        name,
        "INSERT INTO log_leaf (id, kind, at_ms, salt, fact, commitment)"
        " SELECT id, $1, floor(extract(epoch FROM clock_timestamp()) * 1000), salt, fact, commitment"
        " FROM unnest($2::uuid[], $3::bytea[], $4::bytea[], $5::bytea[]) AS u (id, salt, fact, commitment) RETURNING id",
        kind, ids, salts, digests, commitments,
    )  # fmt: skip
    parts.add(f"{name}_waits", f"INSERT INTO log_pending (leaf_id) SELECT id FROM {name}")
    return ids


async def forget(tx: Tx, leaf_id: str) -> bool:
    """Erases what would let anyone match a leaf with its fact (抹去): salt and hash. The tree stays whole.

    For the erasure of a person's data (privacy.md 2); True if there was something to erase.
    """
    status = await tx.execute(
        "UPDATE log_leaf SET salt = NULL, fact = NULL WHERE id = $1 AND salt IS NOT NULL", leaf_id
    )
    return status == "UPDATE 1"
