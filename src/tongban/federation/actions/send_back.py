"""Sending back 退信: letters that a restored origin's log has lost go home until they are met in it again (federation.md 6.2).

That the origin said it has them is not enough: the life that said so may be forgotten by a second restore (docs/model/again.pml,
ONCE). While one of them is missing all are sent, oldest first, so that their order holds (ALONE); and only to a life of the
origin whose epoch letter was heard and gone by (ANYTIME).
"""

from __future__ import annotations

from typing import Any, Final

from tongban.federation.actions.go_back import closing
from tongban.federation.actions.office import office
from tongban.federation.actions.way import NoAnswer, exchange
from tongban.federation.model import Directory, ListedNode
from tongban.federation.rules import wire
from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs, parse_json
from tongban.kernel.log import log
from tongban.kernel.node import Node

AGAIN_SECONDS: Final = 300
_AT_ONCE: Final = 100
_Place = tuple[int, int, str]
_FIRST: Final[_Place] = (0, 0, "00000000-0000-0000-0000-000000000000")
_BYTES: Final = 700_000


async def send_back(node: Node) -> int:
    """Give restored origins the letters that their logs lost (退信); how many were taken."""
    memory = office(node)
    found = await memory.look(node)
    if found is None:
        return 0
    async with node.db.reading() as tx:
        rows = await tx.fetch("SELECT DISTINCT origin FROM letter_to_return WHERE settled_at IS NULL")
    total = 0
    for row in rows:
        peer = found.node(row["origin"])
        if peer is not None:
            total += await _to(node, found, peer)
    return total


async def _to(node: Node, found: Directory, peer: ListedNode) -> int:
    async with node.db.transaction() as tx:
        heard = await _due(tx, peer.id, relays=bool((me := found.node(node.id)) and me.relay))
    if heard is None:
        return 0
    total, after = 0, _FIRST
    while True:
        letters, last = await _page(node, peer.id, after)
        if not letters:
            return total
        taken = await _send(node, found, peer, letters, heard)
        total += taken
        if not taken:
            return total
        after = last


async def _due(tx: Tx, origin: str, *, relays: bool) -> int | None:
    """The newest epoch letter heard of the origin, 0 for none, when something is to be sent to it now; else None."""
    if relays:  # what was set aside left the relay: whatever is there again was met
        await tx.execute(
            "UPDATE letter_to_return t SET met_at = now() FROM relay r"
            " WHERE t.origin = $1 AND t.met_at IS NULL AND t.settled_at IS NULL AND r.origin = t.origin AND r.id = t.id",
            origin,
        )
    if not await tx.fetchval("SELECT EXISTS (SELECT FROM letter_to_return WHERE origin = $1 AND settled_at IS NULL AND met_at IS NULL)", origin):
        await tx.execute("UPDATE letter_to_return SET settled_at = now() WHERE origin = $1 AND settled_at IS NULL", origin)
        return None
    due = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM letter_to_return WHERE origin = $1 AND settled_at IS NULL AND met_at IS NULL"
        " AND (acknowledged_at IS NULL OR sent_at < now() - make_interval(secs => $2)))",
        origin, AGAIN_SECONDS,
    )  # fmt: skip
    row = await tx.fetchrow("SELECT epoch, closed_by FROM letter_cursor WHERE origin = $1", origin)
    letter = await closing(tx, origin, row["epoch"]) if row is not None else None
    if not due or (row is not None and letter is not None and (row["epoch"], row["closed_by"]) != (letter.previous, letter.epoch)):
        return None  # first back to the ground of what the origin said last
    heard: int | None = await tx.fetchval("SELECT max(epoch) FROM epoch_letter WHERE origin = $1", origin)
    return heard or 0


async def _page(node: Node, origin: str, after: _Place) -> tuple[list[Any], _Place]:
    """The next letters to send, whole, and the place of the last."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT id::text AS id, epoch, seq, head, kid, sig, body FROM letter_to_return"
            " WHERE origin = $1 AND settled_at IS NULL AND (epoch, seq, id) > ($2, $3, $4::uuid) ORDER BY epoch, seq, id LIMIT $5",
            origin, *after, _AT_ONCE,
        )  # fmt: skip
    letters: list[Any] = []
    size, last = 0, after
    for row in rows:
        written = wire.write_letter(row["head"], row["kid"], row["sig"], row["body"])
        if letters and size + len(written) > _BYTES:
            break
        letters.append(parse_json(written))
        size, last = size + len(written), (row["epoch"], row["seq"], row["id"])
    return letters, last


async def _send(node: Node, found: Directory, peer: ListedNode, letters: list[Any], heard: int) -> int:
    try:
        answer = await exchange(
            node, found, peer, "POST", "/federation/returned", body=jcs({"v": 1, "letters": letters, "epoch": heard}), budget_ms=10_000, seconds=12
        )
    except NoAnswer as error:
        log("federation.not_returned", peer=peer.id, code=error.code)
        return 0
    taken = answer.body.get("acknowledged")
    if answer.status != 200 or not isinstance(taken, list):
        return 0
    async with node.db.transaction() as tx:
        await tx.execute(
            "UPDATE letter_to_return SET acknowledged_at = now(), sent_at = now() WHERE origin = $1 AND id::text = ANY($2::text[])",
            peer.id, [one for one in taken if isinstance(one, str)],
        )  # fmt: skip
    return len(taken)
