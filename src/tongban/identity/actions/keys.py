"""Token keys of this node and of the others 令牌密钥: made, published, rotated; others' come by a signed call.

The private half is derived from a secret of the KeyStore and never stored; the table holds ids and dates only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from tongban import federation
from tongban.identity.errors import TokenRefused
from tongban.identity.tokens import ALGORITHMS, Alg, TokenKey, kid_of
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

LETTERS_OF: dict[Alg, str] = {"Ed25519": "j", "ES256": "w"}
PUBLISH_BEFORE = timedelta(hours=24)
KEEP_AFTER = timedelta(hours=48)
ROTATE_EVERY = timedelta(days=90)
REFETCH = timedelta(seconds=30)
TURN_OVER = REFETCH + timedelta(seconds=5)
FRESH = timedelta(seconds=300)


MARK = "(SELECT coalesce(string_agg(kid || ':' || xmin::text, ' ' ORDER BY kid), '') FROM jose_key)"
"""What the table of keys is now, as an SQL expression: two equal marks, the same keys."""
_MOST_MARKS = 4
_REREAD_SECONDS = 2.0
_locks: WeakKeyDictionary[Node, dict[str, asyncio.Lock]] = WeakKeyDictionary()


class Dated(msgspec.Struct, frozen=True):
    """A token key with its days 令牌密钥的日期; the private half is derived when it signs."""

    kid: str
    alg: Alg
    use_from: datetime
    retired_at: datetime | None


class Ring(msgspec.Struct, frozen=True):
    """All token keys of this node as the table has them 钥匙串, newest first; `mark` says of which table."""

    mark: str
    keys: tuple[Dated, ...]

    def signing(self, node: Node, alg: Alg) -> TokenKey | None:
        """The key that signs now."""
        now = node.clock.now()
        found = next((one for one in self.keys if one.alg == alg and one.use_from <= now and one.retired_at is None), None)
        return None if found is None else _key(node, found.kid, alg)

    def public(self, node: Node) -> list[dict[str, Any]]:
        """Current, next, and retired ones for 48 hours, as JWKs."""
        oldest = node.clock.now() - KEEP_AFTER
        return [_key(node, one.kid, one.alg).jwk for one in self.keys if one.retired_at is None or one.retired_at > oldest]


class _Memory:
    def __init__(self) -> None:
        self.rings: dict[str, Ring] = {}
        self.newest: Ring | None = None
        self.read_at = -_REREAD_SECONDS
        self.made: dict[str, TokenKey] = {}
        self.others: dict[str, tuple[list[dict[str, Any]], datetime]] = {}


_memories: WeakKeyDictionary[Node, _Memory] = WeakKeyDictionary()


def _memory(node: Node) -> _Memory:
    return _memories.setdefault(node, _Memory())


async def read_ring(tx: Tx, node: Node) -> Ring:
    """The keys as the table has them now; the first ones are made on first use."""
    for _ in range(2):
        rows = await tx.fetch(f"SELECT kid, alg, use_from, retired_at, {MARK} AS mark FROM jose_key ORDER BY use_from DESC, kid")
        ring = Ring(rows[0]["mark"] if rows else "", tuple(Dated(row["kid"], row["alg"], row["use_from"], row["retired_at"]) for row in rows))
        missing = [alg for alg in ALGORITHMS if ring.signing(node, alg) is None]
        if not missing:
            break
        for alg in missing:
            used = [int(one.kid.rsplit("/", 1)[1][1:]) for one in ring.keys if one.alg == alg]
            await _make(tx, node, alg, max(used, default=0) + 1, use_from=node.clock.now())
    return ring


async def signer_of(node: Node, alg: Alg) -> TokenKey:
    """The key that signs now, read from the table two seconds ago at most: for what we sign as a client."""
    memory = _memory(node)
    if time.monotonic() - memory.read_at > _REREAD_SECONDS:
        memory.newest = None
    found = (await ring_of(node)).signing(node, alg)
    if found is None:  # the next one signs from now on, or the first is to be made
        async with node.db.transaction() as tx:
            found = await signing_key(tx, node, alg)
    return found


async def ring_of(node: Node) -> Ring:
    """The keys as last read: for a judgement that is checked against the table's mark afterwards 记得的钥匙串."""
    memory = _memory(node)
    if memory.newest is None:
        async with node.db.transaction() as tx:
            ring = await read_ring(tx, node)
        _keep(memory, ring)
    if memory.newest is None:
        message = "a ring just kept is not there"
        raise LookupError(message)
    return memory.newest


async def ring_at(tx: Tx, node: Node, mark: str) -> Ring:
    """The keys of the table with this mark: from memory, else read in the caller's transaction."""
    memory = _memory(node)
    found = memory.rings.get(mark)
    if found is None or any(found.signing(node, alg) is None for alg in ALGORITHMS):
        found = await read_ring(tx, node)
        if found.mark == mark:
            _keep(memory, found)
        return found
    memory.newest = found
    return found


def _keep(memory: _Memory, ring: Ring) -> None:
    """Only what is committed may be remembered."""
    while len(memory.rings) >= _MOST_MARKS:
        del memory.rings[next(iter(memory.rings))]
    memory.rings[ring.mark] = memory.newest = ring
    memory.read_at = time.monotonic()


async def signing_key(tx: Tx, node: Node, alg: Alg) -> TokenKey:
    """The key that signs now; the first one is made on first use."""
    found = (await read_ring(tx, node)).signing(node, alg)
    if found is None:
        message = "a key just made does not sign"
        raise LookupError(message)
    return found


async def jwks(tx: Tx, node: Node) -> dict[str, Any]:
    """The public keys 公钥集: current, next, and retired ones for 48 hours (RFC 7517)."""
    return {"keys": (await read_ring(tx, node)).public(node)}


async def rotate(tx: Tx, node: Node, *, at_once: bool = False, compromised: bool = False) -> int:
    """Publish a next key when the current one is 89 days old, retire what a younger one replaced; how many were made.

    `at_once` signs with new keys as soon as everybody who meets an unknown key id may ask again, so no sign-in fails.
    `compromised` takes the old keys away in this moment: sign-ins under way fail, and so does whoever stole a key.
    """
    now, made = node.clock.now(), 0
    for alg in ALGORITHMS:
        rows = await tx.fetch("SELECT kid, use_from FROM jose_key WHERE alg = $1 ORDER BY use_from DESC FOR UPDATE", alg)
        if rows and (at_once or compromised or now >= rows[0]["use_from"] + ROTATE_EVERY - PUBLISH_BEFORE):
            order = max(int(row["kid"].rsplit("/", 1)[1][1:]) for row in rows) + 1
            if at_once or compromised:
                gone = now - KEEP_AFTER if compromised else now
                await tx.execute(
                    "UPDATE jose_key SET retired_at = $2 WHERE alg = $1 AND ((retired_at IS NULL AND use_from > $4) OR ($3 AND coalesce(retired_at, $4) > $2))",
                    alg, gone, compromised, now,
                )  # fmt: skip
            wait = timedelta(0) if compromised else TURN_OVER if at_once else PUBLISH_BEFORE
            await _make(tx, node, alg, order, use_from=now + wait)
            made += 1
        await tx.execute(
            "UPDATE jose_key k SET retired_at = $2 WHERE alg = $1 AND retired_at IS NULL AND EXISTS"
            " (SELECT 1 FROM jose_key y WHERE y.alg = k.alg AND y.use_from > k.use_from AND y.use_from <= $2"
            " AND (y.retired_at IS NULL OR y.retired_at > y.use_from))",  # a key dropped before it signed replaces nobody
            alg, now,
        )  # fmt: skip
    return made


async def keys_of(node: Node, other: str, token: str) -> Sequence[dict[str, Any]]:
    """The keys of another node that may have signed `token`: from the cache, else by a signed call (T-03).

    An unknown key id causes at most one call in 30 s. Raises TokenRefused when the node cannot be heard and no key is cached.
    """
    if other == node.id:
        async with node.db.reading() as tx:
            return list((await jwks(tx, node))["keys"])
    async with _locks.setdefault(node, {}).setdefault(other, asyncio.Lock()):
        return await _keys_of_other(node, other, token)


async def _keys_of_other(node: Node, other: str, token: str) -> Sequence[dict[str, Any]]:
    memory, now, kid = _memory(node).others, node.clock.now(), kid_of(token)
    known, fetched_at = memory.get(other, ([], datetime.min.replace(tzinfo=UTC)))
    if timedelta(0) <= now - fetched_at < FRESH and any(one.get("kid") == kid for one in known):
        return known
    async with node.db.alone() as tx:  # another process may have asked meanwhile
        row = await tx.fetchrow("SELECT keys, fetched_at FROM jwks_cache WHERE node = $1", other)
    known = [] if row is None else row["keys"]["keys"]
    age = None if row is None else now - row["fetched_at"]
    names_known = kid in {one.get("kid") for one in known}
    if row is not None and age is not None and (age < REFETCH or (names_known and age < FRESH)):
        memory[other] = known, row["fetched_at"]
        return known
    try:
        answer = await federation.call(node, other, "identity.jwks", {"v": 1})
    except (federation.CallFailed, federation.CallRefused):
        if names_known:
            return known
        raise TokenRefused("keys of that node cannot be had") from None
    memory.pop(other, None)
    fetched = [one for one in answer.get("keys", []) if isinstance(one, dict) and str(one.get("kid", "")).startswith(f"{other}/")]
    async with node.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO jwks_cache (node, keys, fetched_at) VALUES ($1, $2, $3)"
            " ON CONFLICT (node) DO UPDATE SET keys = excluded.keys, fetched_at = excluded.fetched_at",
            other, {"keys": fetched}, now,
        )  # fmt: skip
    memory[other] = fetched, now
    return fetched


def proof_key(node: Node) -> TokenKey:
    """The key with which this node proves possession as a client (DPoP)."""
    return _key(node, f"{node.id}/dpop", "Ed25519")


async def _make(tx: Tx, node: Node, alg: Alg, order: int, *, use_from: datetime) -> str:
    kid = f"{node.id}/{LETTERS_OF[alg]}{order}"
    await tx.execute(
        "INSERT INTO jose_key (kid, alg, published_at, use_from) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        kid, alg, node.clock.now(), use_from,
    )  # fmt: skip
    return kid


def _key(node: Node, kid: str, alg: Alg) -> TokenKey:
    made = _memory(node).made
    found = made.get(kid)
    if found is None:
        found = made[kid] = TokenKey(kid, alg, node.keys.secret("jose-" + kid.rsplit("/", 1)[1]))
    return found
