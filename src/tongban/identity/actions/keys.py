"""Token keys of this node and of the others 令牌密钥: made, published, rotated; others' come by a signed call.

The private half is derived from a secret of the KeyStore and never stored; the table holds ids and dates only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

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


_locks: WeakKeyDictionary[Node, dict[str, asyncio.Lock]] = WeakKeyDictionary()


async def signing_key(tx: Tx, node: Node, alg: Alg) -> TokenKey:
    """The key that signs now; the first one is made on first use."""
    kid: str | None = await tx.fetchval(
        "SELECT kid FROM jose_key WHERE alg = $1 AND use_from <= $2 AND retired_at IS NULL ORDER BY use_from DESC LIMIT 1",
        alg, node.clock.now(),
    )  # fmt: skip
    if kid is None:
        used = [int(row["kid"].rsplit("/", 1)[1][1:]) for row in await tx.fetch("SELECT kid FROM jose_key WHERE alg = $1", alg)]
        kid = await _make(tx, node, alg, max(used, default=0) + 1, use_from=node.clock.now())
    return _key(node, kid, alg)


async def jwks(tx: Tx, node: Node) -> dict[str, Any]:
    """The public keys 公钥集: current, next, and retired ones for 48 hours (RFC 7517)."""
    for alg in ALGORITHMS:
        await signing_key(tx, node, alg)
    rows = await tx.fetch(
        "SELECT kid, alg FROM jose_key WHERE retired_at IS NULL OR retired_at > $1 ORDER BY use_from DESC, kid",
        node.clock.now() - KEEP_AFTER,
    )
    return {"keys": [_key(node, row["kid"], row["alg"]).jwk for row in rows]}


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
            " (SELECT 1 FROM jose_key y WHERE y.alg = k.alg AND y.use_from > k.use_from AND y.use_from <= $2)",
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
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT keys, fetched_at FROM jwks_cache WHERE node = $1", other)
    now = node.clock.now()
    known: list[dict[str, Any]] = [] if row is None else row["keys"]["keys"]
    age = None if row is None else now - row["fetched_at"]
    names_known = kid_of(token) in {one.get("kid") for one in known}
    if age is not None and (age < REFETCH or (names_known and age < FRESH)):
        return known
    try:
        answer = await federation.call(node, other, "identity.jwks", {"v": 1})
    except (federation.CallFailed, federation.CallRefused):
        if names_known:
            return known
        raise TokenRefused("keys of that node cannot be had") from None
    fetched = [one for one in answer.get("keys", []) if isinstance(one, dict) and str(one.get("kid", "")).startswith(f"{other}/")]
    async with node.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO jwks_cache (node, keys, fetched_at) VALUES ($1, $2, $3)"
            " ON CONFLICT (node) DO UPDATE SET keys = excluded.keys, fetched_at = excluded.fetched_at",
            other, {"keys": fetched}, now,
        )  # fmt: skip
    return fetched


def proof_key(node: Node) -> TokenKey:
    """The key with which this node proves possession as a client (DPoP)."""
    return TokenKey(f"{node.id}/dpop", "Ed25519", node.keys.secret("jose-dpop"))


async def _make(tx: Tx, node: Node, alg: Alg, order: int, *, use_from: datetime) -> str:
    kid = f"{node.id}/{LETTERS_OF[alg]}{order}"
    await tx.execute(
        "INSERT INTO jose_key (kid, alg, published_at, use_from) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        kid, alg, node.clock.now(), use_from,
    )  # fmt: skip
    return kid


def _key(node: Node, kid: str, alg: Alg) -> TokenKey:
    return TokenKey(kid, alg, node.keys.secret("jose-" + kid.rsplit("/", 1)[1]))
