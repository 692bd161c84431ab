"""Diverged and returned 断点与退信: what a node says when another's log went back in time (federation.md 6.2).

A report counts only with the origin's own signature over a place that it does not hold, so nobody forces an epoch with words.
"""

from __future__ import annotations

from typing import Any

from tongban.federation.actions import come_home
from tongban.federation.actions.alarm import raise_alarm
from tongban.federation.actions.office import RECOVERY_BELL, office, public_key
from tongban.federation.actions.stamp import stop_stamping
from tongban.federation.actions.way import NoAnswer, exchange
from tongban.federation.errors import Problem
from tongban.federation.model import Directory, ListedNode
from tongban.federation.rules import epochs, wire
from tongban.kernel.db import Tx, ring
from tongban.kernel.gm import jcs, parse_json
from tongban.kernel.log import log
from tongban.kernel.node import Node

_EVIDENCE = 64


async def report_diverged(node: Node, origin: str, *, stop: bool = True) -> bool:
    """Tell `origin`, directly or by way of the hub, what we hold of it with its own signature (报告断点); True when it agrees.

    With `stop` nothing more is taken from it until its epoch letter comes; without, it may be an answer that was late.
    """
    found = await office(node).need(node)
    async with node.db.transaction() as tx:
        evidence = await _evidence(tx, origin)
        if stop:
            await tx.execute("UPDATE letter_cursor SET stopped = 'rolled_back' WHERE origin = $1 AND stopped IS NULL", origin)
            await raise_alarm(
                tx, "origin_rolled_back", origin, str(evidence["epoch"]), "对方的信件记录退回了，已停收并报告对方；它恢复完会自动续收", b""
            )
    if not any(evidence[kind] for kind in ("letters", "head_statements", "epochs")):
        return False
    told = {"v": 1, "origin": origin, "epoch": evidence.pop("epoch"), "evidence": evidence}
    for name in dict.fromkeys((origin, found.hub)):
        peer = found.node(name)
        if peer is None or name == node.id:
            continue
        holds = await _tell(node, found, peer, told)
        if holds is not None:
            return holds
    return False


async def _tell(node: Node, found: Directory, peer: ListedNode, told: dict[str, Any]) -> bool | None:
    try:
        answer = await exchange(
            node, found, peer, "POST", "/federation/diverged", body=jcs(told), budget_ms=2500, seconds=3
        )
    except NoAnswer as error:
        log("federation.report_not_answered", peer=peer.id, origin=told["origin"], code=error.code)
        return None
    return answer.body.get("holds") is True if answer.status == 200 else None


async def _evidence(tx: Tx, origin: str) -> dict[str, Any]:
    """The last letter of each stream held here, and the head statements: all signed by the origin itself."""
    letters = await tx.fetch(
        'SELECT DISTINCT ON ("to") epoch, head, kid, sig FROM ('
        ' SELECT "to", epoch, seq, head, kid, sig FROM letter_applied WHERE origin = $1'
        ' UNION ALL SELECT "to", epoch, seq, head, kid, sig FROM relay WHERE origin = $1) held'
        ' ORDER BY "to", epoch DESC, seq DESC LIMIT $2',
        origin, _EVIDENCE,
    )  # fmt: skip
    said = await tx.fetch("SELECT epoch, signed FROM head_statement WHERE origin = $1 ORDER BY at DESC LIMIT 2", origin)
    opened = await tx.fetch("SELECT epoch, signed FROM epoch_letter WHERE origin = $1 ORDER BY epoch DESC, previous LIMIT 1", origin)
    return {
        "epoch": max([row["epoch"] for row in (*letters, *said, *opened)], default=0),
        "letters": [parse_json(wire.write_letter(row["head"], row["kid"], row["sig"], None)) for row in letters],
        "head_statements": [parse_json(row["signed"]) for row in said],
        "epochs": [parse_json(row["signed"]) for row in opened],
    }


async def report_again(node: Node) -> None:
    """Origins whose history did not fit hear of it again until their epoch letter comes (再报一次)."""
    async with node.db.reading() as tx:
        rows = await tx.fetch("SELECT origin FROM letter_cursor WHERE stopped IN ('fork', 'rolled_back')")
    for row in rows:
        await report_diverged(node, row["origin"])


async def take_report(node: Node, reporter: str, body: dict[str, Any]) -> dict[str, Any]:
    """A report about this node's own log (收断点报告), or at the hub about another's, which is passed on. Raises Problem.

    Only our own signature over a place we do not hold counts; then the recovery begins. One report of each reporter and epoch.
    """
    origin, epoch, evidence = body.get("origin"), body.get("epoch"), body.get("evidence")
    if not isinstance(origin, str) or not isinstance(epoch, int) or not isinstance(evidence, dict):
        raise Problem("malformed")
    if origin != node.id:
        return await _pass_on(node, origin, epoch, evidence)
    async with node.db.transaction() as tx:
        holds = await _proved(tx, node, evidence)
        await tx.execute(
            "INSERT INTO diverged_report (reporter, origin, epoch, evidence, holds) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (reporter, origin, epoch) DO UPDATE SET holds = diverged_report.holds OR excluded.holds",
            reporter, origin, epoch, jcs(evidence), holds,
        )  # fmt: skip
        if holds:
            await stop_stamping(
                tx, node, "diverged", "别的节点持有本节点签过、本节点却没有的信：数据库像是退回过，正在把信要回来"
            )
    if holds:
        node.bell.ring(RECOVERY_BELL)
    return {"v": 1, "holds": holds}


async def _pass_on(node: Node, origin: str, epoch: int, evidence: dict[str, Any]) -> dict[str, Any]:
    """A relay carries the report to its origin: the evidence proves itself, whoever brings it."""
    found = await office(node).need(node)
    me, peer = found.node(node.id), found.node(origin)
    if me is None or not me.relay or peer is None:
        raise Problem("not_found")
    holds = await _tell(node, found, peer, {"v": 1, "origin": origin, "epoch": epoch, "evidence": evidence})
    if holds is None:
        raise Problem("upstream", retry_after=5)
    return {"v": 1, "holds": holds}


async def _proved(tx: Tx, node: Node, evidence: dict[str, Any]) -> bool:
    """Whether something in it is ours by signature and not in our log. What a closed epoch orphaned is returned, not reported."""
    head = await tx.fetchrow("SELECT epoch, seq FROM outbox_head")
    if head is None:
        return False
    letters = evidence.get("letters")
    for one in letters[:_EVIDENCE] if isinstance(letters, list) else []:
        if await _letter_proves(tx, node, one, head["epoch"]):
            return True
    said = evidence.get("head_statements")
    for one in said[:2] if isinstance(said, list) else []:
        if await _statement_proves(tx, node, one, (head["epoch"], head["seq"])):
            return True
    opened = evidence.get("epochs")
    for one in opened[:1] if isinstance(opened, list) else []:
        if await _opening_proves(node, one, head["epoch"]):
            return True
    return False


async def _opening_proves(node: Node, value: object, epoch: int) -> bool:
    """An epoch letter of ours above the epoch that we write in: we opened that one and do not know it any more."""
    found = await office(node).need(node)
    try:
        told = epochs.parse_epoch_letter(value)
    except wire.Malformed:
        return False
    key = public_key(found, told.kid)
    ours = told.letter.origin == node.id and told.kid.startswith(f"{node.id}/")
    return ours and key is not None and told.letter.epoch > epoch and wire.verify(key, told.canonical, told.signature)


async def _letter_proves(tx: Tx, node: Node, value: object, epoch: int) -> bool:
    found = await office(node).need(node)
    try:
        letter = wire.parse_letter(value)
    except wire.Malformed:
        return False
    key = public_key(found, letter.kid)
    ours = letter.head.origin == node.id and letter.kid.startswith(f"{node.id}/")
    if not ours or key is None or letter.head.epoch < epoch or not wire.signed_by(letter, key):
        return False
    held = await tx.fetchval("SELECT digest FROM outbox WHERE epoch = $1 AND seq = $2", letter.head.epoch, letter.head.seq)
    return bool(held != letter.digest)


async def _statement_proves(tx: Tx, node: Node, value: object, end: tuple[int, int]) -> bool:
    found = await office(node).need(node)
    try:
        signed = wire.parse_statement(value)
    except wire.Malformed:
        return False
    key, said = public_key(found, signed.kid), signed.statement
    if said.origin != node.id or key is None or said.epoch < end[0] or not wire.verify(key, signed.canonical, signed.signature):
        return False
    if (said.epoch, said.seq) > end:
        return True
    rows = await tx.fetch(
        'SELECT "to", seq, digest FROM outbox WHERE epoch = $1 AND seq = ANY($2::bigint[])',
        said.epoch, [place.seq for place in said.streams.values()],
    )  # fmt: skip
    return epochs.place_differs(said.streams, {(row["to"], row["seq"]): row["digest"] for row in rows})


async def take_returned(node: Node, reporter: str, body: dict[str, Any]) -> dict[str, Any]:
    """Letters of ours that somebody set aside come home (收退信): kept whole, acknowledged by id, put back. Raises Problem."""
    found = await office(node).need(node)
    letters = body.get("letters")
    if not isinstance(letters, list):
        raise Problem("malformed")
    try:
        async with node.db.transaction() as tx:
            if not await _meant_for_this_life(tx, node, body.get("epoch")):
                return {"v": 1, "acknowledged": []}
            taken, _ = await come_home.keep_home(tx, node, found, letters, reporter)
            if taken:
                await ring(tx, RECOVERY_BELL)
    except wire.Malformed as error:
        raise Problem("malformed") from error
    if taken:
        node.bell.ring(RECOVERY_BELL)
        log("federation.letters_returned", peer=reporter, count=len(taken))
    return {"v": 1, "acknowledged": taken}


async def _meant_for_this_life(tx: Tx, node: Node, heard: object) -> bool:
    """Whether whoever sends letters back has heard of the epoch that we write in; a neighbour that does not say so is believed."""
    if not isinstance(heard, int):
        return True
    opened = await tx.fetchval("SELECT max(h.epoch) FROM outbox_head h JOIN epoch_letter e ON e.origin = $1 AND e.epoch = h.epoch", node.id)
    return heard == (opened or 0)
