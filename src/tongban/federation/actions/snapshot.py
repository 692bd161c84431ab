"""Snapshots 快照: the current facts to everybody, for a node that is new or was away too long (federation.md 7).

A snapshot is the part of a log that still counts: the letters to `*` that nothing replaced, as they were signed. Whoever loads
it lets the same handlers run, then reads on from the place it names. Letters to one node are never in it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import msgspec

from tongban.federation.actions.alarm import raise_alarm
from tongban.federation.actions.apply import attempt
from tongban.federation.actions.office import LETTERS_BELL, handlers_of, office, public_key
from tongban.federation.actions.stamp import own_streams
from tongban.federation.actions.way import NoAnswer, exchange
from tongban.federation.model import Directory, ListedNode
from tongban.federation.rules import directory as rules
from tongban.federation.rules import wire
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import b64, digest, jcs, parse_json
from tongban.kernel.log import log
from tongban.kernel.node import Node

PART_BYTES: Final = 5 * 1024 * 1024
AGE: Final = timedelta(days=1)


class Part(msgspec.Struct, frozen=True):
    """A part as the snapshot names it: JSON lines of letters of one kind."""

    kind: str
    count: int
    bytes: int
    digest: str
    url: str


class Snapshot(msgspec.Struct, frozen=True):
    """What an origin signs: its current facts stand in `parts`; a reader goes on after (epoch, seq) with these `streams`."""

    v: int
    origin: str
    epoch: int
    seq: int
    streams: dict[str, wire.Place]
    at: int
    parts: tuple[Part, ...]


async def take_snapshot(node: Node) -> Snapshot:
    """Write this node's snapshot (做快照), in one repeatable-read transaction with the end of the log."""
    found = await office(node).need(node)
    signer = office(node).signer(node, found)
    kinds = sorted(handlers_of(node).replaces)
    async with node.db.transaction() as tx:
        await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        head = await tx.fetchrow("SELECT epoch, seq FROM outbox_head")
        assert head is not None
        rows = await tx.fetch(
            "SELECT o.kind, o.head, o.kid, o.sig, o.body FROM outbox o WHERE o.\"to\" = '*' AND o.seq IS NOT NULL AND o.body IS NOT NULL"
            " AND NOT (o.kind = ANY($1::text[]) AND EXISTS (SELECT FROM outbox n WHERE n.\"to\" = '*' AND n.about = o.about"
            "  AND n.kind = ANY($1::text[]) AND n.seq IS NOT NULL AND (n.epoch, n.seq) > (o.epoch, o.seq)))"
            " ORDER BY o.epoch, o.seq",
            kinds,
        )  # fmt: skip
        parts = _parts(node, rows)
        streams = await own_streams(tx, head["epoch"])
        made = Snapshot(1, node.id, head["epoch"], head["seq"], streams, node.clock.ms(), tuple(part for part, _ in parts))
        told = msgspec.to_builtins(made)
        signed = jcs({"snapshot": told, "sig": {"kid": signer.kid, "value": b64(signer.sign(jcs(told)))}})
        await tx.execute("DELETE FROM node_snapshot WHERE origin = $1", node.id)
        await tx.execute(
            "INSERT INTO node_snapshot (origin, epoch, seq, at, signed) VALUES ($1, $2, $3, $4, $5)",
            node.id, made.epoch, made.seq, made.at, signed,
        )  # fmt: skip
        await tx.executemany(
            "INSERT INTO node_snapshot_part (origin, digest, kind, content) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            [(node.id, part.digest, part.kind, content) for part, content in parts],
        )
    log("federation.snapshot", seq=made.seq, count=sum(part.count for part in made.parts))
    return made


def _parts(node: Node, rows: list[Any]) -> list[tuple[Part, bytes]]:
    """The letters as JSON lines, kind by kind, in pieces that one answer can carry."""
    found: list[tuple[Part, bytes]] = []
    for kind in sorted({row["kind"] for row in rows}):
        lines: list[bytes] = []
        for row in [one for one in rows if one["kind"] == kind]:
            line = wire.write_letter(row["head"], row["kid"], row["sig"], row["body"])
            if lines and sum(map(len, lines)) + len(lines) + len(line) > PART_BYTES:
                found.append(_part(node, kind, lines))
                lines = []
            lines.append(line)
        found.append(_part(node, kind, lines))
    return found


def _part(node: Node, kind: str, lines: list[bytes]) -> tuple[Part, bytes]:
    content = b"\n".join(lines)
    mark = digest(content)
    return Part(kind, len(lines), len(content), mark, f"/federation/snapshot?from={node.id}&part={mark}"), content


async def keep_snapshot_fresh(node: Node) -> bool:
    """A new snapshot once a day when letters were sent since (每日快照); True when one was made."""
    found = await office(node).look(node)
    me = found.node(node.id) if found else None
    if me is None or me.status != "active":
        return False
    async with node.db.reading() as tx:
        row = await tx.fetchrow(
            "SELECT s.at, s.epoch = h.epoch AND s.seq = h.seq AS same FROM outbox_head h LEFT JOIN node_snapshot s ON s.origin = $1", node.id
        )
    if row is None or row["same"] or (row["at"] is not None and rules.when(row["at"]) + AGE > node.clock.now()):
        return False
    await take_snapshot(node)
    return True


# ---- serving and loading -----------------------------------------------------------------------------------------


async def serve_snapshot(tx: Tx, origin: str, part: str) -> bytes | None:
    """The snapshot of an origin as it was signed, or one of its parts as a JSON string; None when it is not here."""
    if not part:
        signed: bytes | None = await tx.fetchval("SELECT signed FROM node_snapshot WHERE origin = $1", origin)
        return signed
    content = await tx.fetchval("SELECT content FROM node_snapshot_part WHERE origin = $1 AND digest = $2", origin, part)
    return None if content is None else jcs({"v": 1, "lines": content.decode()})


async def load_snapshot(node: Node, origin: str, servers: tuple[str, ...] = ()) -> int | None:
    """Take an origin's snapshot and go on from its place (载入快照); how many facts were applied, None when nobody had one.

    Everything is fetched and checked first; effects, known ids and the cursor are one commit. A cursor that has read anything,
    or that would pass over letters to this node, stays as it is: then the letters themselves are read.
    """
    found = await office(node).need(node)
    for name in dict.fromkeys((*servers, found.hub, origin)):
        peer = found.node(name)
        if peer is None or name == node.id:
            continue
        got = await _fetch(node, found, peer, origin)
        if got is not None:
            async with node.db.transaction() as tx:
                return await _load(tx, node, *got)
    return None


async def fetch_snapshot(node: Node, origin: str) -> tuple[Snapshot, list[wire.Sealed]] | None:
    """An origin's snapshot from the hub or itself, whole and checked 取快照; None when nobody has one. No transaction may be open."""
    found = await office(node).need(node)
    for name in dict.fromkeys((found.hub, origin)):
        peer = found.node(name)
        got = await _fetch(node, found, peer, origin) if peer is not None and name != node.id else None
        if got is not None:
            return got
    return None


async def load_over(tx: Tx, node: Node, snapshot: Snapshot, letters: list[wire.Sealed]) -> int | None:
    """Go on from a snapshot though letters lie between, when two officers decided so 久断重接; how many facts were applied.

    None, and nothing changed, when this node is already there or when the origin is stopped by a history that does not fit: a
    snapshot never covers a fork. Letters to this node alone that lie between are not read: an alarm says which, for a person.
    """
    row = await tx.fetchrow("SELECT epoch, seq, streams, stopped FROM letter_cursor WHERE origin = $1 FOR UPDATE", snapshot.origin)
    if row is None or row["stopped"] in ("fork", "rolled_back") or (row["epoch"], row["seq"]) >= (snapshot.epoch, snapshot.seq):
        return None
    mine, read = snapshot.streams.get(node.id), row["streams"].get(node.id)
    applied = await _load(tx, node, snapshot, letters, over=True)
    if mine is not None and (row["epoch"] != snapshot.epoch or read is None or read["seq"] < mine.seq):
        await raise_alarm(
            tx, "snapshot_gap", snapshot.origin, f"{snapshot.epoch} {snapshot.seq}",
            f"载入了快照：从纪元 {row['epoch']} 第 {row['seq']} 封到纪元 {snapshot.epoch} 第 {mine.seq} 封之间，只写给本节点的信没有读，请和对方核对补办",
            b"",
        )  # fmt: skip
    return applied


async def _fetch(node: Node, found: Directory, peer: ListedNode, origin: str) -> tuple[Snapshot, list[wire.Sealed]] | None:
    told = await _get(node, found, peer, f"from={origin}")
    if told is None:
        return None
    snapshot = _believed(node, found, told, origin)
    if snapshot is None:
        return None
    letters: list[wire.Sealed] = []
    for part in snapshot.parts:
        answer = await _get(node, found, peer, f"from={origin}&part={part.digest}")
        lines = answer.get("lines") if answer else None
        if not isinstance(lines, str) or digest(lines.encode()) != part.digest:
            log("federation.snapshot_part_wrong", peer=peer.id, origin=origin)
            return None
        try:
            letters += [wire.parse_letter(parse_json(line.encode())) for line in lines.split("\n") if line]
        except (wire.Malformed, ValueError):
            return None
    fits = all(
        one.head.origin == origin and one.head.to == "*" and one.body is not None and wire.body_fits(one) for one in letters
    )
    return (snapshot, letters) if fits else None


def _believed(node: Node, found: Directory, told: dict[str, Any], origin: str) -> Snapshot | None:
    """The snapshot, if its origin signed it: its digests cover the parts, and those are letters the origin wrote."""
    sig, raw = told.get("sig"), told.get("snapshot")
    if not isinstance(sig, dict) or not isinstance(raw, dict):
        return None
    try:
        snapshot = msgspec.convert(raw, Snapshot, strict=True)
    except msgspec.ValidationError:
        return None
    kid = str(sig.get("kid"))
    key = public_key(found, kid)
    fault = rules.letter_key_fault(found, kid, origin, snapshot.at)
    good = key is not None and not fault and wire.verify(key, jcs(raw), str(sig.get("value")))
    ahead = snapshot.at > node.clock.ms() + rules.AHEAD_MS
    return snapshot if good and not ahead and snapshot.origin == origin and snapshot.v == 1 else None


async def _get(node: Node, found: Directory, peer: ListedNode, query: str) -> dict[str, Any] | None:
    try:
        answer = await exchange(node, found, peer, "GET", "/federation/snapshot", query=query, budget_ms=10_000, seconds=20)
    except NoAnswer as error:
        log("federation.snapshot_not_answered", peer=peer.id, code=error.code)
        return None
    return answer.body if answer.status == 200 else None


async def _load(tx: Tx, node: Node, snapshot: Snapshot, letters: list[wire.Sealed], *, over: bool = False) -> int:
    handlers, applied = handlers_of(node), 0
    row = await tx.fetchrow("SELECT epoch, seq FROM letter_cursor WHERE origin = $1 FOR UPDATE", snapshot.origin)
    if not over and (row is None or row["seq"] > 0 or row["epoch"] > snapshot.epoch or node.id in snapshot.streams):
        return 0
    for one in letters:
        head = one.head
        fresh = await tx.fetchval(
            'INSERT INTO letter_applied (id, origin, epoch, seq, "to", kind, kind_version, about, at, head, kid, sig, body, outcome)'
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'applied') ON CONFLICT DO NOTHING RETURNING 1",
            head.id, head.origin, head.epoch, head.seq, head.to, head.kind, head.kind_version, head.about, head.at,
            one.head_bytes, one.kid, one.signature, one.body,
        )  # fmt: skip
        if fresh is None:
            continue
        assert one.body is not None
        tried = await attempt(tx, node, handlers, head, one.body, [])
        applied += tried.trouble is None
        if tried.trouble is not None:
            await raise_alarm(tx, "snapshot_fact", head.origin, head.id, "快照里有一件事这里办不了，请核对", one.head_bytes)
    streams = {to: place for to, place in snapshot.streams.items() if to == "*" or (over and to == node.id)}
    await tx.execute(
        "UPDATE letter_cursor SET epoch = $2, seq = $3, streams = $4, view = view + 1, closed_at = NULL, closed_by = NULL, stopped = NULL,"
        " moved_at = now() WHERE origin = $1",
        snapshot.origin, snapshot.epoch, snapshot.seq, msgspec.to_builtins(streams),
    )  # fmt: skip
    await ring(tx, LETTERS_BELL)
    log("federation.snapshot_loaded", origin=snapshot.origin, seq=snapshot.seq, count=applied)
    return applied
