"""Diverged and returned 断点与退信: what a node says when another's log went back in time (federation.md 6.2).

This release keeps and answers these messages and stops what would do harm: a stamper that is proved to have been put back,
a cursor before a fork. Opening an epoch, reinstating and going back are done by a person with the operator's guide.
"""

from __future__ import annotations

from typing import Any

from tongban.federation.actions.alarm import raise_alarm
from tongban.federation.actions.measure import RETURNED
from tongban.federation.actions.office import office, public_key
from tongban.federation.actions.stamp import stop_stamping
from tongban.federation.actions.way import NoAnswer, exchange
from tongban.federation.errors import Problem
from tongban.federation.rules import wire
from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node


async def report_diverged(node: Node, origin: str) -> bool:
    """Tell `origin` that it has been put back, with its own signature over a place it does not hold (报告断点)."""
    found = await office(node).need(node)
    peer = found.node(origin)
    async with node.db.transaction() as tx:
        row = await tx.fetchrow(
            "SELECT epoch, seq, head, kid, sig FROM letter_applied WHERE origin = $1 ORDER BY epoch DESC, seq DESC LIMIT 1",
            origin,
        )
        statement = await tx.fetchrow(
            "SELECT epoch, signed FROM head_statement WHERE origin = $1 ORDER BY at DESC LIMIT 1", origin
        )
        await tx.execute(
            "UPDATE letter_cursor SET stopped = 'rolled_back' WHERE origin = $1 AND stopped IS NULL", origin
        )
        await raise_alarm(
            tx,
            "origin_rolled_back",
            origin,
            str(row["epoch"] if row else 0),
            "对方的信件记录退回了，已停收并报告对方",
            b"",
        )
    if peer is None or (row is None and statement is None):
        return False
    evidence: dict[str, Any] = {"letters": [], "head_statements": []}
    if row is not None:
        evidence["letters"].append(wire.write_letter(row["head"], row["kid"], row["sig"], None).decode())
    if statement is not None:
        evidence["head_statements"].append(statement["signed"].decode())
    epoch = (row or statement or {"epoch": 0})["epoch"]
    told = {"v": 1, "origin": origin, "epoch": epoch, "evidence": _as_values(evidence)}
    try:
        answer = await exchange(
            node, found, peer, "POST", "/federation/diverged", body=jcs(told), budget_ms=2500, seconds=3
        )
    except NoAnswer as error:
        log("federation.report_not_answered", peer=origin, code=error.code)
        return False
    return answer.status == 200


def _as_values(evidence: dict[str, list[str]]) -> dict[str, Any]:
    from tongban.kernel.gm import parse_json

    return {name: [parse_json(one) for one in found] for name, found in evidence.items()}


async def take_report(tx: Tx, node: Node, reporter: str, body: dict[str, Any]) -> dict[str, Any]:
    """A report about this node's own log (收断点报告). Only our own signature over a place we do not hold counts.

    If it holds, nothing more is stamped until a person has looked. One report of each reporter and epoch. Raises Problem.
    """
    origin, epoch, evidence = body.get("origin"), body.get("epoch"), body.get("evidence")
    if not isinstance(origin, str) or not isinstance(epoch, int) or not isinstance(evidence, dict):
        raise Problem("malformed")
    if origin != node.id:
        raise Problem("not_found")
    holds = await _proved(tx, node, evidence)
    await tx.execute(
        "INSERT INTO diverged_report (reporter, origin, epoch, evidence, holds) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        reporter, origin, epoch, jcs(evidence), holds,
    )  # fmt: skip
    if holds:
        await stop_stamping(
            tx, node, "diverged", "别的节点持有本节点签过、本节点却没有的信：数据库像是退回过，已停止发信"
        )
    return {"v": 1, "holds": holds}


async def _proved(tx: Tx, node: Node, evidence: dict[str, Any]) -> bool:
    found = await office(node).need(node)
    for one in evidence.get("letters") or []:
        try:
            letter = wire.parse_letter(one)
        except wire.Malformed:
            continue
        key = public_key(found, letter.kid)
        ours = letter.head.origin == node.id and letter.kid.startswith(f"{node.id}/")
        if not ours or key is None or not wire.signed_by(letter, key):
            continue
        held = await tx.fetchval(
            "SELECT digest FROM outbox WHERE epoch = $1 AND seq = $2", letter.head.epoch, letter.head.seq
        )
        if held != letter.digest:
            return True
    for one in evidence.get("head_statements") or []:
        try:
            signed = wire.parse_statement(one)
        except wire.Malformed:
            continue
        key = public_key(found, signed.kid)
        said = signed.statement
        if said.origin != node.id or key is None or not wire.verify(key, signed.canonical, signed.signature):
            continue
        row = await tx.fetchrow("SELECT epoch, seq FROM outbox_head")
        if row is None or (said.epoch, said.seq) > (row["epoch"], row["seq"]):
            return True
    return False


async def take_returned(tx: Tx, node: Node, reporter: str, body: dict[str, Any]) -> dict[str, Any]:
    """Letters of ours that somebody set aside come home (收退信): kept whole, then acknowledged by id. Raises Problem.

    Putting their facts back (`reinstate`) is a person's matter in this release; the back office lists them.
    """
    found = await office(node).need(node)
    taken: list[str] = []
    for one in body.get("letters") or []:
        try:
            letter = wire.parse_letter(one)
        except wire.Malformed as error:
            raise Problem("malformed") from error
        key = public_key(found, letter.kid)
        if (
            letter.head.origin != node.id
            or key is None
            or not wire.signed_by(letter, key)
            or not wire.body_fits(letter)
        ):
            continue
        await tx.execute(
            "INSERT INTO letter_returned (id, epoch, seq, returned_by, letter) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            letter.head.id, letter.head.epoch, letter.head.seq, reporter, jcs(one),
        )  # fmt: skip
        taken.append(letter.head.id)
        RETURNED.labels(node.id).inc()
    if taken:
        await raise_alarm(tx, "returned", reporter, taken[0], "有退回的信，需要人工核对后补办", b"")
    return {"v": 1, "acknowledged": taken}
