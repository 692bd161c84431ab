"""What is broken and being mended 断点、恢复与两人事项, for the back office (federation.md 6, 11). Reads only."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban.federation.model import ComeHome, Proposal, Recovery
from tongban.federation.queries.nodes import STOPS
from tongban.federation.rules.wire import parse_statement
from tongban.kernel.db import Tx
from tongban.kernel.gm import parse_json


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """An origin whose history does not fit 断点: what we read of it and what it last said, side by side."""

    origin: str
    words: str
    epoch: int
    seq: int
    ours: str
    said_epoch: int | None
    said_seq: int | None
    theirs: str


class Expected(msgspec.Struct, frozen=True):
    """An invitation that nobody has used yet 等着用的邀请."""

    node: str
    name: str
    by: str
    until_ms: int


async def breaks(tx: Tx) -> list[Break]:
    """Stopped origins (断点): the last digest we hold of the stream to everybody, and the one they last signed."""
    rows = await tx.fetch(
        "SELECT c.origin, c.stopped, c.epoch, c.seq, c.streams, h.signed FROM letter_cursor c LEFT JOIN LATERAL"
        " (SELECT signed FROM head_statement WHERE origin = c.origin ORDER BY at DESC LIMIT 1) h ON true"
        " WHERE c.stopped IS NOT NULL ORDER BY c.origin"
    )
    found = []
    for row in rows:
        said = parse_statement(parse_json(row["signed"])).statement if row["signed"] else None
        theirs = said.streams.get("*") if said else None
        found.append(
            Break(
                origin=row["origin"], words=STOPS.get(row["stopped"], row["stopped"]), epoch=row["epoch"], seq=row["seq"],
                ours=str(row["streams"].get("*", {}).get("digest", ""))[:16], said_epoch=said.epoch if said else None,
                said_seq=said.seq if said else None, theirs=theirs.digest[:16] if theirs else "",
            )
        )  # fmt: skip
    return found


async def recoveries(tx: Tx) -> list[Recovery]:
    """The restores of this node, newest first (恢复), with what became of the letters that came home."""
    states = {row["state"]: row["count"] for row in await tx.fetch("SELECT state, count(*) FROM letter_returned GROUP BY state")}
    rows = await tx.fetch(  # a node that wrote on unnoticed is in doubt from its first letter that others have and it has not
        "SELECT r.*, least(r.last_at, (SELECT min((convert_from(l.letter, 'UTF8')::jsonb#>>'{head,at}')::bigint) FROM letter_returned l"
        " WHERE l.epoch = r.epoch)) AS doubt_from FROM node_recovery r ORDER BY begun_at DESC LIMIT 5"
    )
    return [
        Recovery(
            id=row["id"], why=row["why"], begun_ms=_ms(row["begun_at"]), epoch=row["epoch"], seq=row["seq"], last_at=row["doubt_from"],
            answered=row["answered"], opened=row["opened"], ended_ms=_ms(row["ended_at"]) if row["ended_at"] else None,
            states=states if number == 0 else {},
        )
        for number, row in enumerate(rows)
    ]  # fmt: skip


async def to_settle(tx: Tx) -> list[ComeHome]:
    """Own letters that came home and need a person (要人处理的回来的信), oldest place first."""
    rows = await tx.fetch(
        "SELECT * FROM letter_returned WHERE state IN ('conflict', 'by_hand', 'waiting') ORDER BY epoch, seq LIMIT 200"
    )
    return [_come_home(row) for row in rows]


def _come_home(row: Any) -> ComeHome:
    head = parse_json(row["letter"])
    assert isinstance(head, dict)
    head = head["head"]
    return ComeHome(
        id=row["id"], epoch=row["epoch"], seq=row["seq"], to=head["to"], kind=head["kind"], about=head["about"], by=row["returned_by"],
        state=row["state"], error=row["error"], at_ms=_ms(row["at"]),
    )  # fmt: skip


async def to_return(tx: Tx) -> dict[str, int]:
    """How many letters wait to be given back, by origin (待退回)."""
    rows = await tx.fetch("SELECT origin, count(*) FROM letter_to_return WHERE met_at IS NULL AND settled_at IS NULL GROUP BY origin ORDER BY origin")
    return {row["origin"]: row["count"] for row in rows}


async def proposals(tx: Tx) -> list[Proposal]:
    """What waits for a second officer (等另一位同事决定)."""
    rows = await tx.fetch("SELECT * FROM node_proposal WHERE decided_at IS NULL ORDER BY asked_at")
    return [
        Proposal(
            id=row["id"], kind=row["kind"], about=row["about"], value=row["value"], reason=row["reason"], asked_by=row["asked_by"],
            asked_ms=_ms(row["asked_at"]),
        )
        for row in rows
    ]  # fmt: skip


async def wanted_snapshot(tx: Tx, proposal: str) -> str:
    """The origin whose snapshot an open proposal wants loaded, empty for any other proposal (要载入谁的快照)."""
    return str(await tx.fetchval(
        "SELECT about FROM node_proposal WHERE id::text = $1 AND kind = 'load_snapshot' AND decided_at IS NULL", proposal
    ) or "")  # fmt: skip


async def expected(tx: Tx, now_ms: int) -> list[Expected]:
    """Invitations that are still good (邀请)."""
    rows = await tx.fetch(
        "SELECT node, name, invited_by, expires FROM node_invitation WHERE spent_at IS NULL AND expires > $1 AND wrong_proofs < 5 ORDER BY expires",
        now_ms,
    )
    return [Expected(row["node"], row["name"], row["invited_by"], row["expires"]) for row in rows]


async def last_retention(tx: Tx, name: str) -> tuple[int, dict[str, int]] | None:
    """When a retention job last ran, and what it removed (上次清理), or None."""
    row = await tx.fetchrow("SELECT at, counts FROM retention_run WHERE name = $1 ORDER BY at DESC LIMIT 1", name)
    return (_ms(row["at"]), row["counts"]) if row is not None else None


def _ms(moment: Any) -> int:
    return int(moment.timestamp() * 1000)
