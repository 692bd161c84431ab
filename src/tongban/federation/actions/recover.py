"""Recovery 恢复: this node's database went back in time; its own letters come home and a new epoch opens (federation.md 6.2).

Known by the operator's word (`tongban node restored`), by the database itself (timeline or system identifier changed), or by
another node with our own signature over what we do not hold. Until it is over reads go on and nothing of legal effect is done.
"""

from __future__ import annotations

from typing import Any, Final

from tongban import transparency
from tongban.federation.actions import come_home
from tongban.federation.actions.directory import refresh
from tongban.federation.actions.office import LETTERS_BELL, RECOVERS, RECOVERY_BELL, STAMPER_BELL, office
from tongban.federation.actions.stamp import database_life, own_streams, stop_stamping
from tongban.federation.actions.way import NoAnswer, exchange
from tongban.federation.errors import CallFailed
from tongban.federation.model import Directory, ListedNode
from tongban.federation.rules import epochs, wire
from tongban.federation.rules.wire import parse_statement
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import b64, jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

OFFICERS: Final = 2
_WHY: Final = {"restored": "database", "diverged": "diverged"}
_PAGES: Final = 10_000


async def restored(node: Node) -> bool:
    """The operator says that this node's database was put back (操作员报告恢复); False when it has written nothing yet.

    Part of the restore procedure, before the node serves: `tongban node restored`. Nonces of the old life are forgotten.
    """
    async with node.db.transaction() as tx:
        row = await tx.fetchrow("SELECT epoch, seq, stopped FROM outbox_head FOR UPDATE")
        if row is None:
            return False
        await stop_stamping(tx, node, "restored", "数据库恢复过：正在把发出去的信要回来，完成前不办有法律效力的事")
        await _begin(tx, "operator", row["epoch"], row["seq"])
        await tx.execute("DELETE FROM call_nonce")
    node.bell.ring(RECOVERY_BELL)
    return True


async def _begin(tx: Tx, why: str, epoch: int, seq: int) -> None:
    await tx.execute(
        "INSERT INTO node_recovery (id, why, epoch, seq, last_at) VALUES ($1, $2, $3, $4, (SELECT max(at) FROM outbox))"
        " ON CONFLICT DO NOTHING",
        uuid7(), why, epoch, seq,
    )  # fmt: skip


async def recover(node: Node) -> None:
    """One turn of the recovery, if there is one (推进恢复); outside of one, facts that came home since are put back.

    Ask the hub and every active node for our letters; when enough have answered, put the facts back, open the epoch.
    """
    memory = office(node)
    found = await memory.look(node)
    if found is None or found.node(node.id) is None:
        return
    row = await _open_row(node)
    if row is None:
        await come_home.put_all_back(node)
        return
    await _newest_directory(node)
    found = await memory.need(node)
    answered = dict(row["answered"])
    for peer in _asked(node, found):
        if peer.id not in answered:
            count = await _ask(node, found, peer, row)
            if count is not None:
                answered[peer.id] = count
    if not _enough(node, found, answered, len(row["decided_by"])):
        return
    await come_home.put_all_back(node)
    await _open(node, found, row["id"])


async def _open_row(node: Node) -> Any:
    """The recovery under way; begun here when the stamper found out by itself."""
    async with node.db.transaction() as tx:
        head = await tx.fetchrow("SELECT epoch, seq, stopped FROM outbox_head")
        if head is None or head["stopped"] not in RECOVERS:
            return None
        await _begin(tx, _WHY[head["stopped"]], head["epoch"], head["seq"])
        return await tx.fetchrow("SELECT * FROM node_recovery WHERE ended_at IS NULL")


async def _newest_directory(node: Node) -> None:
    """The directory went back with the database: a node that joined since must be asked as well."""
    try:
        await refresh(node)
    except CallFailed as error:
        log("federation.no_directory", code=error.problem)


def _asked(node: Node, found: Directory) -> list[ListedNode]:
    others = [one for one in found.nodes if one.id != node.id and one.status in ("active", "leaving") and one.base_urls]
    return sorted(others, key=lambda one: (one.id != found.hub, one.id))


def _enough(node: Node, found: Directory, answered: dict[str, int], officers: int) -> bool:
    """The hub has answered, or every active node did, or two officers decided not to wait."""
    if found.hub in answered or officers >= OFFICERS:
        return True
    return all(one.id in answered for one in found.active() if one.id not in (node.id, found.hub))


async def _ask(node: Node, found: Directory, peer: ListedNode, row: Any) -> int | None:
    """Everything of ours that `peer` holds beyond our log, kept; how many letters, or None when it did not answer."""
    position = (row["epoch"], row["seq"])
    count, highest = 0, 0
    for _ in range(_PAGES):
        query = f"from={node.id}.{position[0]}.{position[1]}&wait=0&limit=500"
        try:
            answer = await exchange(node, found, peer, "GET", "/federation/letters", query=query, budget_ms=10_000, seconds=12)
        except NoAnswer as error:
            log("federation.home_not_answered", peer=peer.id, code=error.code)
            return None
        if answer.status != 200:
            log("federation.home_not_answered", peer=peer.id, status=answer.status)
            return None
        letters = [one for one in answer.body.get("letters") or [] if isinstance(one, dict)]
        async with node.db.transaction() as tx:
            try:
                taken, seen = await come_home.keep_home(tx, node, found, letters, peer.id)
            except wire.Malformed as error:
                log("federation.home_malformed", peer=peer.id, code=error.code)
                return None
            highest = max(highest, seen, await _keep_own_words(tx, node, answer.body))
            count += len(taken)
        if answer.body.get("more") is not True or not letters:
            break
        position = max((one["head"]["epoch"], one["head"]["seq"]) for one in letters)
    async with node.db.transaction() as tx:
        await tx.execute(
            "UPDATE node_recovery SET answered = answered || jsonb_build_object($2::text, $3::int), highest = greatest(highest, $4)"
            " WHERE id = $1",
            row["id"], peer.id, count, highest,
        )  # fmt: skip
    log("federation.came_home", peer=peer.id, count=count)
    return count


async def _keep_own_words(tx: Tx, node: Node, body: dict[str, Any]) -> int:
    """Our own epoch letters and head statements that others hold: what we said in a life we do not remember; highest epoch."""
    highest = 0
    for one in body.get("epochs") or []:
        try:
            told = epochs.parse_epoch_letter(one)
        except wire.Malformed:
            continue
        if told.letter.origin == node.id and _signed_by_us(node, told.kid, told.canonical, told.signature):
            highest = max(highest, told.letter.epoch)
            await tx.execute(
                "INSERT INTO epoch_letter (origin, epoch, previous, signed) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                node.id, told.letter.epoch, told.letter.previous, told.whole,
            )  # fmt: skip
    for one in body.get("head_statements") or []:
        try:
            said = parse_statement(one)
        except wire.Malformed:
            continue
        if said.statement.origin == node.id and _signed_by_us(node, said.kid, said.canonical, said.signature):
            highest = max(highest, said.statement.epoch)
    return highest


def _signed_by_us(node: Node, kid: str, canonical: bytes, signature: str) -> bool:
    owner, _, name = kid.partition("/")
    return owner == node.id and node.keys.has(name) and wire.verify(node.keys.signer(name).public, canonical, signature)


async def _open(node: Node, found: Directory, recovery: str) -> None:
    """Open the epoch and the doors (开新纪元): one commit with the signed end of the old log and a leaf that says so."""
    signer = office(node).signer(node, found)
    me = found.node(node.id)
    async with node.db.transaction() as tx:
        head = await tx.fetchrow("SELECT epoch, seq, stopped FROM outbox_head FOR UPDATE")
        row = await tx.fetchrow("SELECT * FROM node_recovery WHERE id = $1 AND ended_at IS NULL FOR UPDATE", recovery)
        if head is None or row is None or head["stopped"] not in RECOVERS:
            return
        number = epochs.next_epoch(head["epoch"], me.epoch if me else 0, row["highest"], node.clock.ms())
        own = {to: {"seq": place.seq, "digest": place.digest} for to, place in (await own_streams(tx, head["epoch"])).items()}
        ends: dict[int, dict[str, Any]] = {head["epoch"]: {"seq": head["seq"], "streams": own}}
        for lost in await _lost_epochs(tx, node, head["epoch"], row["highest"]):
            ends[lost] = {"seq": 0, "streams": {}}
        for previous, end in sorted(ends.items()):
            told = {"v": 1, "origin": node.id, "epoch": number, "previous": previous, "ends": end, "at": node.clock.ms()}
            sig = {"kid": signer.kid, "value": b64(signer.sign(jcs(told)))}
            await tx.execute(
                "INSERT INTO epoch_letter (origin, epoch, previous, signed) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                node.id, number, previous, jcs({"epoch_letter": told, "sig": sig}),
            )  # fmt: skip
        system, timeline = await database_life(tx)
        await tx.execute(
            "UPDATE outbox_head SET epoch = $1, seq = 0, system_identifier = $2, timeline = $3, stopped = NULL", number, system, timeline
        )
        await tx.execute("UPDATE node_recovery SET opened = $2, ended_at = now() WHERE id = $1", recovery, number)
        await tx.execute(
            "UPDATE federation_alarm SET resolved_at = now(), dedupe = dedupe || ' ' || id::text"
            " WHERE node = $1 AND kind LIKE 'stamper_%' AND resolved_at IS NULL",
            node.id,
        )
        fact = {"epoch": number, "previous": head["epoch"], "end": head["seq"], "why": row["why"], "answered": sorted(row["answered"]),
                "decided_by": sorted(row["decided_by"])}  # fmt: skip
        await transparency.append(tx, "node.restored", jcs(fact))
        await transparency.declare_restore(tx, node.id, number, node.clock.ms())
        await transparency.sign_head(tx, node, anew_after_ms=0)  # the heads told from now on are of the time after
        for bell in (RECOVERY_BELL, LETTERS_BELL, STAMPER_BELL):
            await ring(tx, bell)
    for bell in (RECOVERY_BELL, LETTERS_BELL, STAMPER_BELL):
        node.bell.ring(bell)
    log("federation.epoch_opened", epoch=number, count=sum(row["answered"].values()))


async def _lost_epochs(tx: Tx, node: Node, own: int, highest: int) -> set[int]:
    """Epochs of a life that this database does not remember at all: their log here is empty, and readers must leave them."""
    rows = await tx.fetch("SELECT epoch FROM epoch_letter WHERE origin = $1 AND epoch > $2", node.id, own)
    return {row["epoch"] for row in rows} | ({highest} if highest > own else set())

