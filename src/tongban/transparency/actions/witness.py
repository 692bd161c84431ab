"""Heads between nodes (见证): telling others one's own, and checking theirs. Knows nothing of letters (decisions.md D-2)."""

from __future__ import annotations

import msgspec

from tongban.kernel.db import Tx
from tongban.kernel.gm import BadEncoding, Sm2PublicKey, jcs, unb64
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.transparency.errors import HeadRefused
from tongban.transparency.model import HEAD_TYPE, WITNESS_TYPE, Announcement, Head, Witnessed, WitnessState, unnamed
from tongban.transparency.queries import consistency, signing_name
from tongban.transparency.queries import head as newest_head
from tongban.transparency.rules import consistent


async def announce(tx: Tx) -> Announcement | None:
    """The newest head with the proof that it continues the one announced before (通告树头), or None if nothing grew.

    The caller sends `to_json()` to the other nodes in the same transaction: then every head sent is the continuation of
    the one sent before it.
    """
    since: int = await tx.fetchval("SELECT announced FROM log_tree FOR UPDATE")
    head = await newest_head(tx, covering=since + 1)
    if head is None:
        return None
    proof = await consistency(tx, since, head.size)
    await tx.execute("UPDATE log_tree SET announced = $1", head.size)
    return Announcement(head, since, proof)


async def witness(tx: Tx, node: Node, *, origin: str, key: Sm2PublicKey, body: dict[str, object]) -> Witnessed:
    """Checks a head of the node `origin` against the last one witnessed, keeps it, and countersigns it (见证树头).

    `key`: the public key that `origin` has in the directory under the head's kid. `body`: an Announcement's JSON, or a
    head's with `since` and `proof` fetched for `gap`. States: `first` (nothing to compare with), `consistent`, `gap` (a
    proof from `held` to `size` is needed: fetch it and call again), `fork` (two histories: kept for ever and shown).
    Raises HeadRefused for a head that is malformed, not of `origin` or not signed by `key`.
    """
    told = _read(body)
    _check_signature(told.head, origin, key)
    row = await tx.fetchrow(
        "SELECT size, root FROM log_witnessed WHERE node = $1 AND state IN ('first', 'consistent') ORDER BY size DESC LIMIT 1"
        " FOR UPDATE",
        origin,
    )
    held, held_root = (0, b"") if row is None else (row["size"], row["root"])
    state = await _judge(tx, origin, told, held, held_root)
    await _keep(tx, node, told.head, state)
    if state == "fork":
        log("transparency.fork", origin=origin, count=told.head.size)
    return Witnessed(origin, state, told.head.size, told.head.root, held)


async def _judge(tx: Tx, origin: str, told: Announcement, held: int, held_root: bytes) -> WitnessState:
    head = told.head
    if not held:
        return "first"
    same = await tx.fetch(
        "SELECT root FROM log_witnessed WHERE node = $1 AND size = $2 AND state <> 'fork'", origin, head.size
    )
    if any(row["root"] != head.root for row in same):
        return "fork"  # one size, two roots: no proof can mend it
    if any(row["root"] == head.root for row in same) and head.size <= held:
        return "consistent"
    if head.size < held:
        return "gap"
    if told.since == held or (told.since == 0 and held == 0):
        return "consistent" if consistent(held, head.size, held_root, head.root, told.proof) else "fork"
    return "gap"


async def _keep(tx: Tx, node: Node, head: Head, state: WitnessState) -> None:
    kid = countersignature = None
    if state in {"first", "consistent"}:
        signer = node.keys.signer(await signing_name(tx))
        statement = {"type": WITNESS_TYPE, "v": 1, "witness": node.keys.node, "head": head.signed}
        kid, countersignature = signer.kid, signer.sign(jcs(statement))
    await tx.execute(
        "INSERT INTO log_witnessed (node, size, at_ms, root, state, head, seen_at, kid, countersignature)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (node, size, root) DO UPDATE"
        " SET state = $5, seen_at = $7, kid = $8, countersignature = $9 WHERE log_witnessed.state = 'gap'",
        head.log,
        head.size,
        head.at_ms,
        head.root,
        state,
        head.to_json(),
        node.clock.now(),
        kid,
        countersignature,
    )


def _check_signature(head: Head, origin: str, key: Sm2PublicKey) -> None:
    if head.log != origin or head.kid.partition("/")[0] != origin:
        raise HeadRefused("the head is another node's")
    if not key.verify(jcs(head.signed), head.signature):
        raise HeadRefused("the signature does not hold")


class _HeadBody(msgspec.Struct, frozen=True):
    type: str
    v: int
    log: str
    size: int
    at: int
    root: str


class _Signature(msgspec.Struct, frozen=True):
    kid: str
    alg: str
    value: str


class _Body(msgspec.Struct, frozen=True):
    head: _HeadBody
    sig: _Signature
    since: int = 0
    proof: tuple[str, ...] = ()


def _read(body: dict[str, object]) -> Announcement:
    try:
        told = msgspec.convert(body, _Body)
        head = told.head
        if (head.type, head.v, told.sig.alg) != (HEAD_TYPE, 1, "sm2-sm3") or head.size < 0 or len(told.proof) > 130:
            raise HeadRefused("not a head of this kind")
        signature = unb64(told.sig.value, length=64)
        found = Head(head.log, head.size, head.at, unnamed(head.root), told.sig.kid, signature)
        return Announcement(found, told.since, tuple(unnamed(one) for one in told.proof))
    except (msgspec.ValidationError, BadEncoding) as why:
        raise HeadRefused("malformed") from why
