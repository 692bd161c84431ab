"""How far the mail is 收发进度: cursors, statements, parked letters, the outbox (federation.md 5, 11)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tongban.federation.model import Mail, Outbox, Parked
from tongban.federation.rules.chain import Cursor
from tongban.federation.rules.epochs import EpochLetter, parse_epoch_letter
from tongban.federation.rules.wire import Place, Statement, parse_statement
from tongban.kernel.db import Tx
from tongban.kernel.gm import parse_json


def cursor_from(row: Any) -> Cursor:
    """A row of letter_cursor."""
    return Cursor(
        row["origin"], row["epoch"], row["seq"], msgspec.convert(row["streams"], dict[str, Place]), row["view"],
        row["closed_at"], row["stopped"], row["closed_by"],
    )  # fmt: skip


async def cursors(tx: Tx) -> list[Cursor]:
    return [cursor_from(row) for row in await tx.fetch("SELECT * FROM letter_cursor ORDER BY origin")]


async def epoch_letters(tx: Tx, origin: str) -> list[EpochLetter]:
    """What an origin has said of its epochs, as far as it is held here (新纪元声明)."""
    rows = await tx.fetch("SELECT signed FROM epoch_letter WHERE origin = $1", origin)
    return [parse_epoch_letter(parse_json(row["signed"])).letter for row in rows]


async def statements(tx: Tx, origin: str) -> list[Statement]:
    """The head statements held of an origin, newest first: at most two."""
    rows = await tx.fetch("SELECT signed FROM head_statement WHERE origin = $1 ORDER BY at DESC LIMIT 2", origin)
    return [parse_statement(parse_json(row["signed"])).statement for row in rows]


async def mail_complete(tx: Tx, origin: str, until: datetime) -> bool:
    """Whether everything that `origin` committed before `until` has been taken here (信已收齐, cases.md 5).

    True when a head statement of the origin dated `until` or later is held and the cursor has reached its number.
    """
    row = await tx.fetchrow(
        "SELECT EXISTS (SELECT FROM head_statement h JOIN letter_cursor c ON c.origin = h.origin AND c.epoch = h.epoch"
        " WHERE h.origin = $1 AND h.at >= $2 AND c.seq >= h.seq) AS complete",
        origin, int(until.timestamp() * 1000),
    )  # fmt: skip
    return bool(row and row["complete"])


async def mails(tx: Tx) -> list[Mail]:
    """How far each origin has been read (各节点收件进度)."""
    rows = await tx.fetch(
        "SELECT c.*, h.epoch AS head_epoch, h.seq AS head_seq, h.at AS head_at,"
        " (SELECT count(*) FROM letter_parked p WHERE p.origin = c.origin) AS parked"
        " FROM letter_cursor c LEFT JOIN LATERAL (SELECT epoch, seq, at FROM head_statement"
        "  WHERE origin = c.origin ORDER BY at DESC LIMIT 1) h ON true ORDER BY c.origin"
    )
    return [
        Mail(
            origin=row["origin"], epoch=row["epoch"], seq=row["seq"], head_epoch=row["head_epoch"], head_seq=row["head_seq"],
            head_at=row["head_at"], parked=row["parked"], stopped=row["stopped"], moved_ms=int(row["moved_at"].timestamp() * 1000),
        )
        for row in rows
    ]  # fmt: skip


async def parked(tx: Tx, *, limit: int = 200) -> list[Parked]:
    """The letters that wait, the lowest of each thread with the number behind it (暂存信件)."""
    rows = await tx.fetch(
        "SELECT DISTINCT ON (origin, about) *, count(*) OVER (PARTITION BY origin, about) - 1 AS behind"
        " FROM letter_parked ORDER BY origin, about, epoch, seq LIMIT $1",
        limit,
    )
    return [
        Parked(
            id=row["id"], origin=row["origin"], about=row["about"], epoch=row["epoch"], seq=row["seq"], kind=row["kind"],
            kind_version=row["kind_version"], reason=row["reason"], error=row["error"],
            since_ms=int(row["since"].timestamp() * 1000), attempts=row["attempts"], behind=row["behind"],
        )
        for row in rows
    ]  # fmt: skip


async def outbox(tx: Tx) -> Outbox:
    """The sender's side (发件): the end of this node's log and what waits for a number."""
    head = await tx.fetchrow("SELECT epoch, seq, stopped FROM outbox_head")
    waiting = await tx.fetchrow("SELECT count(*) AS count, min(written_at) AS oldest FROM outbox WHERE seq IS NULL")
    assert waiting is not None
    return Outbox(
        epoch=head["epoch"] if head else 0,
        seq=head["seq"] if head else 0,
        unstamped=waiting["count"],
        oldest_unstamped_ms=int(waiting["oldest"].timestamp() * 1000) if waiting["oldest"] else None,
        stopped=head["stopped"] if head else None,
    )
