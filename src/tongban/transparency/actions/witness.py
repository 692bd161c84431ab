"""Heads between nodes (见证): telling others one's own, and checking theirs. Knows nothing of letters (decisions.md D-2)."""

from __future__ import annotations

import msgspec

from tongban.kernel.db import Tx
from tongban.kernel.gm import BadEncoding, Sm2PublicKey, jcs, unb64
from tongban.kernel.node import Node
from tongban.transparency.actions.restores import begin_anew, restore_between
from tongban.transparency.errors import HeadRefused
from tongban.transparency.model import (
    HEAD_TYPE,
    Announcement,
    ForkWay,
    Head,
    Witnessed,
    WitnessState,
    unnamed,
    witness_statement,
)
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
    check_signature(told.head, origin, key)
    row = await tx.fetchrow(
        "SELECT size, root FROM log_witnessed WHERE node = $1 AND state IN ('first', 'consistent') ORDER BY size DESC LIMIT 1"
        " FOR UPDATE",
        origin,
    )
    held, held_root = (0, b"") if row is None else (row["size"], row["root"])
    state = await _judge(tx, origin, told, held, held_root)
    if state == "fork":
        await _name(tx, node, told.head, held)
        if await begin_anew(tx, told.head):
            await tx.execute("DELETE FROM log_witnessed WHERE node = $1 AND size = $2 AND root = $3", origin, told.head.size, told.head.root)
            state = "first"
    await _keep(tx, node, told.head, state)
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
        return "fork" if await _restored_since(tx, origin, head) else "gap"
    if told.since == held or (told.since == 0 and held == 0):
        return "consistent" if consistent(held, head.size, held_root, head.root, told.proof) else "fork"
    return "gap"


async def _restored_since(tx: Tx, origin: str, head: Head) -> bool:
    """A smaller head signed after a declared restore: no proof can join it to what was held before."""
    newest = await tx.fetchval("SELECT max(at_ms) FROM log_witnessed WHERE node = $1 AND state IN ('first', 'consistent')", origin)
    return newest is not None and newest < head.at_ms and await restore_between(tx, origin, newest, head.at_ms)


async def _name(tx: Tx, node: Node, head: Head, held: int) -> None:
    """Both heads of a fork: the one told now, and the one of its size held here, or else the newest (点名)."""
    from tongban.transparency.actions.forks import record_fork

    row = await tx.fetchrow(
        "SELECT head, size FROM log_witnessed WHERE node = $1 AND state IN ('first', 'consistent') AND root <> $2"
        " ORDER BY (size = $3) DESC, (size = $4) DESC LIMIT 1",
        head.log, head.root, head.size, held,
    )  # fmt: skip
    if row is not None:
        way: ForkWay = "same_size" if row["size"] == head.size else "no_proof"
        await record_fork(tx, node, read_head(row["head"]), node.keys.node, head, head.log, way)


async def countersign(tx: Tx, node: Node, head: Head) -> tuple[str, bytes]:
    """This node's signature under another's head (联署): (key id, 64 bytes)."""
    signer = node.keys.signer(await signing_name(tx))
    return signer.kid, signer.sign(witness_statement(node.keys.node, head))


async def _keep(tx: Tx, node: Node, head: Head, state: WitnessState) -> None:
    kid = countersignature = None
    if state in {"first", "consistent"}:
        kid, countersignature = await countersign(tx, node, head)
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


def check_signature(head: Head, origin: str, key: Sm2PublicKey) -> None:
    """HeadRefused unless the head is of `origin` and signed by that key."""
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


def read_head(body: dict[str, object]) -> Head:
    """The signed head in a JSON body, whatever else stands there. Raises HeadRefused."""
    return _read({"head": body.get("head"), "sig": body.get("sig")}).head


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
