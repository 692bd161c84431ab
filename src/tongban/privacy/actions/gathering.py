"""Gathering a copy at home 归集副本: this node's part, every other node's by call, then the file; step by step, so that a kill costs one step.

What has come is kept in sealed pieces. A node that stays silent is named, not waited for without end (privacy.md 7).
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from tongban import consent, federation, identity
from tongban.kernel.gm import BadEncoding, unb64
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node
from tongban.privacy.actions import making
from tongban.privacy.actions.collecting import collect
from tongban.privacy.actions.pieces import PIECE, Pieces, drop_pieces, keep_piece
from tongban.privacy.actions.sharing import SERVICE, Taken
from tongban.privacy.model.copies import Copy, Part
from tongban.privacy.queries.copies import copy_of, count_of
from tongban.privacy.rules.limits import COPIES

_CALL_MS = 8_000
_PATIENCE = timedelta(minutes=COPIES.patience_minutes)
_LONGEST = timedelta(hours=COPIES.longest_hours)
_GROWS_TO = 5
"""Steps without news come 2, 4, … 32 seconds apart."""


async def gather_due(node: Node) -> None:
    """Take one step of every copy that is due (归集). Another process of this node may be at one: that one is passed over."""
    async with node.db.reading() as tx:
        due = await tx.fetch(
            "SELECT subject, id, tries FROM copy_request WHERE state = 'gathering' AND next_at <= $1 ORDER BY next_at LIMIT 20",
            node.clock.now(),
        )
    for row in due:
        await _one(node, row["subject"], str(row["id"]), int(row["tries"]))


async def _one(node: Node, subject: str, request: str, tries: int) -> None:
    """One step under a lock of this connection: killed with the process, so nobody waits for a dead one."""
    async with node.db.reading() as tx:
        if not await tx.fetchval("SELECT pg_try_advisory_lock(hashtext('privacy-copy'), hashtext($1))", request):
            return
        try:
            further = await step(node, subject, request)
            await making.give_up(node, subject, request)
        except Exception as error:  # noqa: BLE001  the clock goes on with the next person's copy; this one is tried again
            log_failure("privacy.copy_step_failed", error, count=tries)
            further = False
        finally:
            await tx.execute("SELECT pg_advisory_unlock(hashtext('privacy-copy'), hashtext($1))", request)
    tries = 0 if further else tries + 1
    async with node.db.transaction() as tx:
        await tx.execute(
            "UPDATE copy_request SET tries = $3, next_at = $4 WHERE subject = $1 AND id = $2 AND state = 'gathering'",
            subject, request, tries, node.clock.now() + timedelta(seconds=2 ** (min(tries, _GROWS_TO))),
        )  # fmt: skip


async def step(node: Node, subject: str, request: str) -> bool:
    """Ask every node that is not here yet, and make the file when nobody is waited for any more (走一步); whether anything came.

    No transaction may be open.
    """
    async with node.db.reading() as tx:
        copy = await copy_of(tx, node, subject, request)
    if copy is None or copy.state != "gathering":
        return False
    proof = await identity.home_proof(node, subject) or (await identity.home_proof(node, copy.guardian) if copy.guardian else "")
    open_parts = [one for one in copy.parts if one.state != "here"]
    came = await asyncio.gather(*(_part(node, copy, one, proof) for one in open_parts))
    async with node.db.reading() as tx:
        copy = await copy_of(tx, node, subject, request)
    if copy is None or copy.state != "gathering":  # stopped meanwhile
        return False
    if not any(_waited_for(one, copy.asked_at, node.clock.now()) for one in copy.parts):
        await making.make(node, copy)
        await asyncio.gather(*(_done(node, copy, one, proof) for one in copy.parts if one.node != node.id and one.state == "here"))
        return True
    return any(came)


def _waited_for(part: Part, asked_at: datetime, now: datetime) -> bool:
    """Silent for ten minutes is silent; who has answered has until tomorrow."""
    if part.state == "here":
        return False
    return now < asked_at + (_LONGEST if part.answered_at else _PATIENCE)


async def _part(node: Node, copy: Copy, part: Part, proof: str) -> bool:
    try:
        return await (_own(node, copy) if part.node == node.id else _fetch(node, copy, part, proof))
    except (federation.CallFailed, federation.CallRefused, federation.NotMember, federation.UnknownNode) as error:
        log("privacy.copy_node_silent", peer=part.node, error=type(error).__name__)
    except (BadEncoding, KeyError, TypeError, ValueError) as error:
        log_failure("privacy.copy_node_unclear", error, peer=part.node)
    return False


async def _own(node: Node, copy: Copy) -> bool:
    """This node's own part, from the start: what a kill has left of it goes first."""
    async with node.db.transaction() as tx:
        await drop_pieces(tx, copy.subject, copy.id, node.id)
    size = await collect(node, copy.subject, Pieces(node, copy.subject, copy.id, node.id), whole=copy.whole)
    async with node.db.transaction() as tx:
        await _here(tx, node, copy, node.id, size)
    return True


async def _fetch(node: Node, copy: Copy, part: Part, proof: str) -> bool:
    """The rest of another node's part: asked for from the first piece that is not here."""
    news = False
    while True:
        async with node.db.reading() as tx:
            had, _ = await count_of(tx, copy.subject, copy.id, part.node)
        told = await federation.call(node, part.node, SERVICE, _question(copy, part, proof, had), budget_ms=_CALL_MS)
        ready = told.get("state") == "ready"
        given = [unb64(str(one)) for one in told.get("pieces", [])] if ready else []
        total, count = (int(told["byte_count"]), int(told["count"])) if ready else (0, 0)
        if any(len(one) > PIECE for one in given) or had + len(given) > count:
            raise ValueError("not the pieces that were asked for")
        async with node.db.transaction() as tx:
            if not await tx.fetchval("SELECT state = 'gathering' FROM copy_request WHERE subject = $1 AND id = $2 FOR UPDATE", copy.subject, copy.id):
                return news
            first = await tx.fetchval(
                "UPDATE copy_part SET state = 'preparing', byte_count = $4, answered_at = coalesce(answered_at, $5)"
                " WHERE subject = $1 AND request = $2 AND node = $3 RETURNING answered_at = $5",
                copy.subject, copy.id, part.node, total, node.clock.now(),
            )  # fmt: skip
            # what was told is used only with its line in the ledger here too; a second time changes nothing
            await consent.record_access(tx, node, Taken(copy.subject, part.line, part.line_at, part.name, bool(copy.guardian)).access(part.node, node.id, "caller"))
            for number, piece in enumerate(given, had):
                await keep_piece(tx, node, copy.subject, copy.id, part.node, number, piece)
            if ready and had + len(given) == count:
                await _here(tx, node, copy, part.node, total)
                return True
        news = news or bool(first) or bool(given)
        if not given:
            return news


def _question(copy: Copy, part: Part, proof: str, had: int, *, done: bool = False) -> dict[str, Any]:
    return {
        "v": 1, "subject": copy.subject, "proof": proof, "guardian": copy.guardian, "request": copy.id, "whole": copy.whole, "line": part.line,
        "at": int(part.line_at.timestamp() * 1000), "place": part.name, "from": had, "done": done,
    }  # fmt: skip


async def _here(tx: Any, node: Node, copy: Copy, of: str, size: int) -> None:
    await tx.execute(
        "UPDATE copy_part SET state = 'here', byte_count = $4, answered_at = coalesce(answered_at, $5) WHERE subject = $1 AND request = $2 AND node = $3",
        copy.subject, copy.id, of, size, node.clock.now(),
    )  # fmt: skip


async def _done(node: Node, copy: Copy, part: Part, proof: str) -> None:
    """Tell a node that its part is not needed any more; if it does not hear, its own clock removes it."""
    try:
        await federation.call(node, part.node, SERVICE, _question(copy, part, proof, 0, done=True), budget_ms=_CALL_MS)
    except (federation.CallFailed, federation.CallRefused) as error:
        log("privacy.copy_node_silent", peer=part.node, error=type(error).__name__)
