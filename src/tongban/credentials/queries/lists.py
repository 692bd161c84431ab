"""Looking at status lists (查状态清单): which are held, how old, what one said at a moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tongban.credentials.model import StatusList
from tongban.credentials.rules import record
from tongban.kernel.db import Tx
from tongban.kernel.gm import b64


class HeldList(msgspec.Struct, frozen=True):
    """One list held here (一份清单): its issuer, quarter where known, when signed, how many exceptions, how many cards need it."""

    issuer: str
    list_no: int
    period: str
    at: datetime
    exceptions: int
    cards: int
    past: int


async def held(tx: Tx, node_id: str) -> tuple[HeldList, ...]:
    """The newest version of every list held here, this node's own first (持有的清单)."""
    rows = await tx.fetch(
        "SELECT l.issuer, l.list_no, l.at, l.bits, coalesce(p.period, '') AS period, "
        "(SELECT count(*) FROM credential_card c WHERE c.issuer = l.issuer AND c.list_no = l.list_no) AS cards, "
        "(SELECT count(*) FROM credential_list_past h WHERE h.issuer = l.issuer AND h.list_no = l.list_no) AS past "
        "FROM credential_list l LEFT JOIN credential_period p ON l.issuer = $1 AND p.list_no = l.list_no "
        "ORDER BY l.issuer <> $1, l.issuer, l.list_no DESC LIMIT 200",
        node_id,
    )
    return tuple(
        HeldList(
            row["issuer"], row["list_no"], row["period"], row["at"], record.exceptions(bytes(row["bits"])), row["cards"], row["past"]
        )
        for row in rows
    )


async def held_signed(tx: Tx, issuer: str, list_no: int) -> dict[str, Any] | None:
    """The newest version held as it was signed, to be handed on (转交清单); None when none is."""
    row = await tx.fetchrow(
        "SELECT at, bits, kid, signature FROM credential_list WHERE issuer = $1 AND list_no = $2", issuer, list_no
    )
    if row is None:
        return None
    body = record.list_record(issuer, list_no, row["at"], bytes(row["bits"]))
    return {"list": body, "sig": {"kid": row["kid"], "value": b64(bytes(row["signature"]))}}


async def stale(tx: Tx, node_id: str, before: datetime) -> list[tuple[str, int]]:
    """The lists of other issuers that cards here point at and that are missing or older (该去取的清单)."""
    rows = await tx.fetch(
        "SELECT c.issuer, c.list_no FROM (SELECT DISTINCT issuer, list_no FROM credential_card WHERE issuer <> $1 "
        "AND replaced_by IS NULL AND (valid_until IS NULL OR valid_until >= $2::date)) c "
        "LEFT JOIN credential_list l ON l.issuer = c.issuer AND l.list_no = c.list_no "
        "WHERE l.at IS NULL OR l.at < $2 ORDER BY l.at NULLS FIRST LIMIT 50",
        node_id, before,
    )  # fmt: skip
    return [(row["issuer"], row["list_no"]) for row in rows]


async def list_at(tx: Tx, issuer: str, list_no: int, moment: datetime) -> StatusList | None:
    """What was known at a moment (当时的清单): the version signed last before it, past or newest; None when none was held."""
    row = await tx.fetchrow(
        "SELECT at, bits FROM (SELECT at, bits FROM credential_list_past WHERE issuer = $1 AND list_no = $2 "
        "UNION ALL SELECT at, bits FROM credential_list WHERE issuer = $1 AND list_no = $2) v WHERE at <= $3 ORDER BY at DESC LIMIT 1",
        issuer, list_no, moment,
    )  # fmt: skip
    return record.status_list(issuer, list_no, row["at"], bytes(row["bits"])) if row else None
