"""Going back 退到共同处: what a reader does when an origin says that it was restored (federation.md 6.2).

The origin's own log is the history. In one transaction the reader sets aside what lies beyond the last common place, moves
its cursor back there and adds one to `view`, so that what was fetched before dies in memory [M]. Effects are never undone.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tongban import transparency
from tongban.federation.actions.alarm import raise_alarm
from tongban.federation.actions.measure import STOPPED
from tongban.federation.actions.office import LETTERS_BELL, office, public_key
from tongban.federation.actions.way import NoAnswer, exchange
from tongban.federation.model import Directory, ListedNode
from tongban.federation.queries.mail import cursor_from, epoch_letters
from tongban.federation.rules import chain, epochs, wire
from tongban.federation.rules import directory as directory_rules
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import digest
from tongban.kernel.log import log
from tongban.kernel.node import Node

SAYS_SO = frozenset({"fork", "rolled_back"})
"""Why an origin is stopped that only its own epoch letter can mend: it is asked on."""
_PAGES = 2000


async def keep_epoch_letter(node: Node, value: object) -> epochs.SignedEpochLetter | None:
    """Keep an epoch letter that its origin signed (存新纪元声明); None for anything else."""
    found = await office(node).need(node)
    try:
        told = epochs.parse_epoch_letter(value)
    except wire.Malformed:
        return None
    said, key = told.letter, public_key(found, told.kid)
    fault = directory_rules.letter_key_fault(found, told.kid, said.origin, said.at)
    if key is None or fault or said.origin == node.id or not wire.verify(key, told.canonical, told.signature):
        return None
    async with node.db.transaction() as tx:
        fresh = await tx.fetchval(
            "INSERT INTO epoch_letter (origin, epoch, previous, signed) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING 1",
            said.origin, said.epoch, said.previous, told.whole,
        )  # fmt: skip
        if fresh is not None:
            # what a life acknowledged that is forgotten now is given back once more (docs/model/again.pml, ONCE)
            await tx.execute("UPDATE letter_to_return SET acknowledged_at = NULL WHERE origin = $1 AND settled_at IS NULL", said.origin)
            log("federation.epoch_heard", origin=said.origin, epoch=said.epoch)
            await transparency.declare_restore(tx, said.origin, said.epoch, said.at)
            await raise_alarm(
                tx, "epoch", said.origin, str(said.epoch), "这个节点恢复过数据库，开了新纪元；信已自动对齐，请留意它退回来的事项", told.whole
            )
    return told


async def closing(tx: Tx, origin: str, epoch: int) -> epochs.EpochLetter | None:
    """The epoch letter by which a reader in that epoch of the origin goes on, of those that are held; None where there is none."""
    return epochs.closing(await epoch_letters(tx, origin), epoch)


def _turned(row: Any, letter: epochs.EpochLetter) -> bool:
    """Whether the cursor goes by that letter already; a row of before the column goes by its end."""
    if row["epoch"] != letter.previous or row["closed_at"] is None:
        return False
    return bool(row["closed_by"] == letter.epoch if row["closed_by"] is not None else row["closed_at"] == letter.ends.seq)


async def go_back(node: Node, origin: str, server: str) -> bool:
    """Find the last common place with the restored origin and move there (退到共同处); True when the cursor moved or closed.

    `server` named the epoch letter: the walk down the origin's log asks it, then the origin. Nothing moves until the walk
    is proved down to common ground.
    """
    found = await office(node).need(node)
    me = found.node(node.id)
    relays = me is not None and me.relay
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT * FROM letter_cursor WHERE origin = $1", origin)
        letter = await closing(tx, origin, row["epoch"]) if row is not None else None
        if row is None or letter is None or _turned(row, letter):
            return False
        cursor = cursor_from(row)
        held = await _held(tx, cursor, letter.previous, relays=relays)
    streams = {one.to for one in held} | set(letter.ends.streams) if relays else {node.id, "*"}
    walk = epochs.Walk(letter.ends, held, streams)
    if not await _walk(node, found, walk, origin, letter.previous, (server, origin)):
        log("federation.no_common_ground", origin=origin, peer=server)
        return False
    read_to = cursor.seq if letter.previous == cursor.epoch else max((one.seq for one in held), default=0)
    ground = walk.last_common(read_to)
    async with node.db.transaction() as tx:
        return await _move(tx, cursor, letter, held, ground, relays=relays)


async def _held(tx: Tx, cursor: chain.Cursor, epoch: int, *, relays: bool) -> list[epochs.Held]:
    """What this node has read of the origin in that epoch, in the present one up to its cursor."""
    table = "relay" if relays else "letter_applied"
    rows = await tx.fetch(
        f'SELECT h.seq, h."to", h.head FROM {table} h WHERE h.origin = $1 AND h.epoch = $2 AND h.seq <= $3'
        " AND NOT EXISTS (SELECT FROM letter_to_return r WHERE r.origin = h.origin AND r.epoch = h.epoch AND r.seq = h.seq AND r.id = h.id AND r.met_at IS NULL)"
        " ORDER BY h.seq",
        cursor.origin, epoch, cursor.seq if epoch == cursor.epoch else 2**62,
    )  # fmt: skip
    return [epochs.Held(row["to"], row["seq"], digest(row["head"])) for row in rows]


async def _walk(
    node: Node, found: Directory, walk: epochs.Walk, origin: str, epoch: int, servers: tuple[str, ...]
) -> bool:
    """Down the origin's log until every stream has met common ground; each server is asked until it brings nothing new."""
    for name in dict.fromkeys(servers):
        peer = found.node(name)
        for _ in range(_PAGES):
            before = walk.before
            if before is None:
                return True
            if peer is None or not walk.take(await _page(node, found, peer, origin, epoch, before)):
                break
    return walk.before is None


async def _page(
    node: Node, found: Directory, peer: ListedNode, origin: str, epoch: int, before: int
) -> list[tuple[epochs.Link, dict[str, Any]]]:
    try:
        answer = await exchange(
            node, found, peer, "GET", "/federation/chain", query=f"from={origin}&epoch={epoch}&before={before}",
            budget_ms=5000, seconds=6,
        )  # fmt: skip
        return epochs.read_links(answer.body.get("chain")) if answer.status == 200 else []
    except (NoAnswer, wire.Malformed) as error:
        log("federation.chain_not_answered", peer=peer.id, origin=origin, code=error.code)
        return []


async def _move(
    tx: Tx, before: chain.Cursor, letter: epochs.EpochLetter, held: list[epochs.Held], ground: int, *, relays: bool
) -> bool:
    """(b) set aside what lies beyond, (c) cursor back, (d) `view` + 1, (e) `closed_at`: one commit, or another time."""
    row = await tx.fetchrow("SELECT view, seq, epoch FROM letter_cursor WHERE origin = $1 FOR UPDATE", before.origin)
    if row is None or (row["view"], row["seq"], row["epoch"]) != (before.view, before.seq, before.epoch):
        return False  # it moved while we walked: the next look begins anew
    table = "relay" if relays else "letter_applied"
    aside = await tx.execute(
        'INSERT INTO letter_to_return (origin, epoch, seq, id, "to", head, kid, sig, body)'
        f' SELECT origin, epoch, seq, id, "to", head, kid, sig, body FROM {table}'
        " WHERE origin = $1 AND (epoch, seq) > ($2, $3) AND epoch < $4"
        " ON CONFLICT (origin, epoch, seq, id) DO UPDATE SET met_at = NULL, settled_at = NULL, acknowledged_at = NULL",
        before.origin, letter.previous, ground, letter.epoch,
    )  # fmt: skip
    if relays:
        await tx.execute(
            "DELETE FROM relay WHERE origin = $1 AND (epoch, seq) > ($2, $3) AND epoch < $4", before.origin, letter.previous, ground, letter.epoch
        )
    await tx.execute(
        "UPDATE letter_cursor SET epoch = $5, seq = $2, streams = $3, view = view + 1, closed_at = $4, closed_by = $6, stopped = NULL,"
        " moved_at = now() WHERE origin = $1",
        before.origin, ground, msgspec.to_builtins(epochs.streams_at(held, ground)), letter.ends.seq, letter.previous, letter.epoch,
    )  # fmt: skip
    if before.stopped:
        STOPPED.labels(before.origin, before.stopped).set(0)
    await ring(tx, LETTERS_BELL)
    log("federation.went_back", origin=before.origin, epoch=letter.previous, seq=ground, count=int(aside.split()[-1]))
    return True


async def pass_epoch(node: Node, origin: str) -> bool:
    """Begin the next epoch when all of the closed one has been read (进入新纪元); True when it was begun."""
    async with node.db.transaction() as tx:
        row = await tx.fetchrow("SELECT * FROM letter_cursor WHERE origin = $1 FOR UPDATE", origin)
        if row is None or row["closed_at"] is None or row["seq"] < row["closed_at"]:
            return False
        letter = await closing(tx, origin, row["epoch"])
        if letter is None or not _turned(row, letter):
            return False  # a newer letter has come meanwhile: first back to its ground
        await tx.execute(
            "UPDATE letter_cursor SET epoch = $2, seq = 0, streams = '{}', closed_at = NULL, closed_by = NULL, view = view + 1, moved_at = now()"
            " WHERE origin = $1",
            origin, letter.epoch,
        )  # fmt: skip
        await ring(tx, LETTERS_BELL)
    log("federation.epoch_begun", origin=origin, epoch=letter.epoch)
    return True
