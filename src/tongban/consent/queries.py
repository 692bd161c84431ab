"""Looking at 授权与台账: what is allowed, who used my data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tongban import transparency
from tongban.consent.model import Access, Ask, Consent, Line, PendingAsk
from tongban.consent.rules import access_fact
from tongban.kernel.db import Tx

LEDGER_KEPT = timedelta(days=3 * 366)
"""How long a line of the ledger stays at least (privacy.md 4: 3 years [K])."""
_CONSENT = """SELECT c.*, w.at AS withdrawn_at FROM consent c
              LEFT JOIN consent_withdrawal w ON w.subject = c.subject AND w.consent_id = c.id"""

_LINE = "SELECT a.*, d.until, d.basis AS delay_basis FROM access_record a LEFT JOIN access_delay d ON d.about = a.about AND a.about <> ''"


async def pending(tx: Tx, subject: str, ask_id: str, *, lock: bool = False) -> PendingAsk | None:
    """One consent page of this person (授权页), also when answered; `lock` holds the row for the answer."""
    statement = "SELECT id, ask, back, answer FROM consent_ask WHERE subject = $1 AND id = $2"
    row = await tx.fetchrow(statement + (" FOR UPDATE" if lock else ""), subject, ask_id)
    if row is None:
        return None
    return PendingAsk(id=row["id"], ask=msgspec.convert(row["ask"], Ask), back=row["back"], answer=row["answer"])


async def allows(
    tx: Tx, subject: str, purpose: str, receiver: str, *, at: datetime, fields: tuple[str, ...] = ()
) -> Consent | None:
    """The consent that allows this purpose to this receiver at that moment, else None (是否同意).

    With `fields` (Chinese words), all of them must be in the consent. Withdrawal counts from its own moment on.
    """
    rows = await tx.fetch(
        _CONSENT
        + """ WHERE c.subject = $1 AND c.purpose = $2 AND c.receiver = $3 AND c.given_at <= $4 AND c.until > $4
              AND w.at IS NULL ORDER BY c.given_at DESC""",
        subject,
        purpose,
        receiver,
        at,
    )
    return next((_consent(row) for row in rows if set(fields) <= set(row["fields"])), None)


def standing(subject: str, purpose: str, receiver: str, at: str) -> str:
    """The SQL expression for the id of the newest consent that stands, for a statement that is on its way anyway (仍有效的授权).

    The arguments are SQL: parameters or columns. It says what `allows` says, and NULL where that says None.
    """
    return (
        f"(SELECT c.id FROM consent c WHERE c.subject = {subject} AND c.purpose = {purpose} AND c.receiver = {receiver}"
        f" AND c.given_at <= {at} AND c.until > {at} AND NOT EXISTS (SELECT FROM consent_withdrawal w"
        " WHERE w.subject = c.subject AND w.consent_id = c.id) ORDER BY c.given_at DESC LIMIT 1)"
    )


async def consent_of(tx: Tx, subject: str, consent_id: str) -> Consent | None:
    """One consent of this person, also when withdrawn."""
    row = await tx.fetchrow(_CONSENT + " WHERE c.subject = $1 AND c.id = $2", subject, consent_id)
    return _consent(row) if row else None


async def consents(tx: Tx, subject: str) -> tuple[Consent, ...]:
    """Everything this person allowed, newest first (授权记录)."""
    rows = await tx.fetch(_CONSENT + " WHERE c.subject = $1 ORDER BY c.given_at DESC LIMIT 500", subject)
    return tuple(_consent(row) for row in rows)


async def lines(
    tx: Tx, node_id: str, subject: str, *, limit: int = 200, now: datetime | None = None, before: tuple[datetime, str] | None = None
) -> tuple[Line, ...]:
    """This node's lines about this person, newest first (本节点的台账). `node_id` names this node in each line.

    A line held back with a basis (`hold_back`) comes on its day; `now` is the node's clock, else the database's. `before`, time
    and number of a line, asks for the older ones: at both ends of an access they are the same, so both ends cut at the same place.
    """
    at, number = before or (None, None)
    rows = await tx.fetch(
        _LINE + """ WHERE a.subject = $1 AND (d.until IS NULL OR d.until <= coalesce($3, now()))
            AND ($4::timestamptz IS NULL OR (a.at, a.id) < ($4, $5::uuid)) ORDER BY a.at DESC, a.id DESC LIMIT $2""",
        subject,
        limit,
        now,
        at,
        number,
    )
    return tuple(_line(row, node_id) for row in rows)


async def line_count(tx: Tx, subject: str, *, now: datetime) -> int:
    """How many lines this node has about this person, without those held back (台账有几行)."""
    count: int = await tx.fetchval(
        "SELECT count(*) FROM access_record a LEFT JOIN access_delay d ON d.about = a.about AND a.about <> ''"
        " WHERE a.subject = $1 AND (d.until IS NULL OR d.until <= $2)", subject, now,
    )  # fmt: skip
    return count


async def line(tx: Tx, node_id: str, subject: str, access_id: str, side: str, *, now: datetime | None = None) -> Line | None:
    """One line of this person (台账的一行); one held back is not there yet."""
    row = await tx.fetchrow(
        _LINE + " WHERE a.subject = $1 AND a.id = $2 AND a.side = $3 AND (d.until IS NULL OR d.until <= coalesce($4, now()))",
        subject,
        access_id,
        side,
        now,
    )
    return _line(row, node_id) if row else None


async def lines_everyone(tx: Tx, node_id: str, *, about: str = "", limit: int = 100) -> tuple[tuple[str, Line], ...]:
    """The newest lines of this node over all persons, each with its subject (取用审计). For auditors only."""
    rows = await tx.fetch(
        _LINE + " WHERE ($1 = '' OR a.about = $1) ORDER BY a.at DESC, a.id DESC LIMIT $2", about, limit
    )
    return tuple((row["subject"], _line(row, node_id)) for row in rows)


async def breadth(tx: Tx, *, since: datetime) -> tuple[tuple[str, int], ...]:
    """How many persons' data each node was given since then (给出的人数), from the owner's lines; for the alarm of T-29."""
    rows = await tx.fetch(
        "SELECT receiver, count(DISTINCT subject) AS people FROM access_record WHERE at >= $1 AND side = 'owner' GROUP BY receiver", since
    )
    return tuple((row["receiver"], row["people"]) for row in rows)


async def used(tx: Tx, access_id: str, side: str) -> tuple[str, Line] | None:
    """The line of one access by its number, with whose it is (按编号找一次取用). For verbs that must know that it happened."""
    row = await tx.fetchrow(_LINE + " WHERE a.id = $1 AND a.side = $2", access_id, side)
    return (row["subject"], _line(row, "")) if row else None


async def withdrawn_untold(tx: Tx, node_id: str, *, limit: int = 200) -> tuple[tuple[str, str, str, datetime], ...]:
    """Withdrawals that the giver has not been told of (还没告知的撤回): (subject, consent, giver, when)."""
    rows = await tx.fetch(
        """SELECT w.subject, w.consent_id, c.giver, w.at FROM consent_withdrawal w
           JOIN consent c ON c.subject = w.subject AND c.id = w.consent_id
           WHERE c.giver <> $1 AND NOT EXISTS (SELECT 1 FROM consent_withdrawal_told t WHERE t.subject = w.subject AND t.consent_id = w.consent_id)
           ORDER BY w.at LIMIT $2""",
        node_id, limit,
    )  # fmt: skip
    return tuple((row["subject"], row["consent_id"], row["giver"], row["at"]) for row in rows)


def fact_of(subject: str, found: Line) -> bytes:
    """The canonical bytes whose salted hash is the line's leaf (凭证原文), for the receipt a person downloads.

    A line that followed its person to another number names the pseudonym of its day, as its leaf does.
    """
    return access_fact(
        Access(
            subject=found.written_subject or subject,
            who=found.who,
            fields=found.fields,
            purpose=found.purpose,
            source=found.source,
            receiver=found.receiver,
            basis=found.basis,
            kind=found.kind,
            about=found.about,
            consent_id=found.consent_id,
            id=found.id,
            at=found.at,
            count=found.count,
        )
    )


async def in_log(tx: Tx) -> AsyncIterator[transparency.Row]:
    """Every line of the ledger as the log should know it (逐行核对)."""
    after = ("", "00000000-0000-0000-0000-000000000000", "")
    while True:
        rows = await tx.fetch(
            "SELECT a.*, NULL AS until, '' AS delay_basis FROM access_record a WHERE (subject, id, side) > ($1, $2::uuid, $3)"
            " ORDER BY subject, id, side LIMIT 1000", *after,
        )  # fmt: skip
        for row in rows:
            yield transparency.Row(f"access_record {row['id']} {row['side']}", row["leaf"], fact_of(row["subject"], _line(row, "")))
        if len(rows) < 1000:
            return
        after = (rows[-1]["subject"], rows[-1]["id"], rows[-1]["side"])


def _consent(row: Any) -> Consent:
    return Consent(
        id=row["id"],
        purpose=row["purpose"],
        why=row["why"],
        giver=row["giver"],
        giver_name=row["giver_name"],
        receiver=row["receiver"],
        receiver_name=row["receiver_name"],
        fields=tuple(row["fields"]),
        text_digest=row["text_digest"],
        given_at=row["given_at"],
        until=row["until"],
        channel=row["channel"],
        acr=row["acr"],
        withdrawn_at=row["withdrawn_at"],
    )


def _line(row: Any, node_id: str) -> Line:
    return Line(
        id=row["id"],
        at=row["at"],
        kind=row["kind"],
        who=row["who"],
        fields=tuple(row["fields"]),
        purpose=row["purpose"],
        source=row["source"],
        receiver=row["receiver"],
        basis=row["basis"],
        about=row["about"],
        consent_id=row["consent_id"],
        side=row["side"],
        digest=row["digest"],
        leaf=row["leaf"],
        node=node_id,
        count=row["count"],
        shown_from=row["until"],
        delay_basis=row["delay_basis"] or "",
        written_subject=row["written_subject"] or "",
    )


transparency.recorded("data.accessed", "access_record", "leaf", in_log, kept=LEDGER_KEPT - timedelta(days=1))
