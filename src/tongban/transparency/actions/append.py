"""A fact becomes a leaf, in the transaction of the fact."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from tongban.kernel.db import Tx, ringing
from tongban.kernel.gm import sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.parts import Parts
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

    Written in parts: while the database takes one, the next is hashed.
    """
    made: list[Leaf] = []
    writing: asyncio.Future[str] | None = None
    at_ms: int = await tx.fetchval(f"SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + length({_RING}::text) * 0")
    try:
        for start in range(0, len(facts), _PART):
            part, values = _leaves_of(kind, at_ms, facts[start : start + _PART])
            if writing is not None:
                await writing
            writing = asyncio.ensure_future(tx.execute(_MANY, kind, at_ms, *values))
            await asyncio.sleep(0)  # the statement leaves before the next part is hashed
            made += part
        if writing is not None:
            await writing
    finally:
        if writing is not None and not writing.done():
            writing.cancel()
    return tuple(made)


_PART = 1000
_MANY = (
    "WITH leaf AS (INSERT INTO log_leaf (id, kind, at_ms, salt, fact, commitment) SELECT id, $1, $2, salt, fact, commitment"
    " FROM unnest($3::uuid[], $4::bytea[], $5::bytea[], $6::bytea[]) AS u (id, salt, fact, commitment) RETURNING id)"
    " INSERT INTO log_pending (leaf_id) SELECT id FROM leaf"
)


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
