"""What the stewards look at: grants both ways, demands, corrections, message logs, alarms (数据共享管理员看的)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tongban.exchange.model import Alarm, Checked, Correction, Demand, Grant, HeldGrant, Message
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

CLAIMED, GROUNDS = "data_correction.claimed", "data_correction.grounds"


async def grants(tx: Tx, *, state: str = "") -> tuple[Grant, ...]:
    """The grants this node gives (本节点的共享授权), newest first."""
    rows = await tx.fetch("SELECT * FROM data_grant WHERE ($1 = '' OR state = $1) ORDER BY starts_at DESC, id DESC LIMIT 500", state)
    return tuple(grant_of(row) for row in rows)


async def grant(tx: Tx, grant_id: str) -> Grant | None:
    """One grant of this node."""
    row = await tx.fetchrow("SELECT * FROM data_grant WHERE id = $1", grant_id)
    return grant_of(row) if row else None


def grant_of(row: Any) -> Grant:
    """A row of data_grant as its noun."""
    return Grant(
        id=row["id"],
        resource=row["resource"],
        caller=row["caller"],
        purpose=row["purpose"],
        fields=tuple(row["fields"]),
        quota_per_day=row["quota_per_day"],
        starts_at=row["starts_at"],
        until=row["until"],
        state=row["state"],
        proposed_by=row["proposed_by"],
        approved_by=row["approved_by"],
        used_today=row["used_today"],
        reason=row["reason"],
        quota_per_hour=row["quota_per_hour"],
        demand=row["demand"],
    )


async def held_grants(tx: Tx) -> tuple[HeldGrant, ...]:
    """The grants other nodes gave this one (得到的授权), soonest to end first."""
    rows = await tx.fetch("SELECT * FROM data_grant_held ORDER BY state, until LIMIT 500")
    return tuple(
        HeldGrant(
            id=row["id"],
            owner=row["owner"],
            resource=row["resource"],
            purpose=row["purpose"],
            fields=tuple(row["fields"]),
            quota_per_day=row["quota_per_day"],
            until=row["until"],
            state=row["state"],
            reason=row["reason"],
            days_left=row["days_left"],
        )
        for row in rows
    )


async def demands(tx: Tx, side: str) -> tuple[Demand, ...]:
    """The demands this node sent (`asker`), got (`owner`) or has to judge (`judge`), those that wait first (共享需求)."""
    rows = await tx.fetch(
        """SELECT * FROM data_demand WHERE side = $1
           ORDER BY state IN ('granted', 'refused', 'upheld', 'withdrawn'), due_on, id DESC LIMIT 500""",
        side,
    )
    return tuple(demand_of(row) for row in rows)


async def demand(tx: Tx, demand_id: str, *, side: str = "", lock: bool = False) -> Demand | None:
    """One demand: of the given side, else the one this node has to act on first (owner, judge, asker)."""
    row = await tx.fetchrow(
        """SELECT * FROM data_demand WHERE id = $1 AND ($2 = '' OR side = $2)
           ORDER BY array_position(ARRAY['owner', 'judge', 'asker'], side) LIMIT 1"""
        + (" FOR UPDATE" if lock else ""),
        demand_id,
        side,
    )
    return demand_of(row) if row else None


def demand_of(row: Any) -> Demand:
    """A row of data_demand as its noun."""
    return Demand(
        id=row["id"],
        side=row["side"],
        asker=row["asker"],
        owner=row["owner"],
        resource=row["resource"],
        fields=tuple(row["fields"]),
        purpose=row["purpose"],
        purpose_words=row["purpose_words"],
        item=row["item"],
        basis=row["basis"],
        volume_per_day=row["volume_per_day"],
        until=row["until"],
        state=row["state"],
        due_on=row["due_on"],
        sent_at=row["sent_at"],
        changed_at=row["changed_at"],
        asked_by=row["asked_by"],
        reviewed_by=row["reviewed_by"],
        verdict=row["verdict"],
        given_fields=tuple(row["given_fields"]),
        given_per_day=row["given_per_day"],
        given_until=row["given_until"],
        reason_code=row["reason_code"],
        reason=row["reason"],
        dispute=row["dispute"],
        judgement=row["judgement"],
        grant_id=row["grant_id"],
        round=row["round"],
    )


async def corrections(tx: Tx, node: Node, side: str) -> tuple[Correction, ...]:
    """The correction requests this node sent (`asker`) or got (`owner`), those that wait first (纠错申请)."""
    rows = await tx.fetch(
        "SELECT * FROM data_correction WHERE side = $1 ORDER BY state IN ('corrected', 'kept'), due_on, id DESC LIMIT 200", side
    )
    return tuple(correction_of(node, row) for row in rows)


async def correction(tx: Tx, node: Node, correction_id: str, *, side: str = "", lock: bool = False) -> Correction | None:
    """One correction request, the owner's row first."""
    row = await tx.fetchrow(
        "SELECT * FROM data_correction WHERE id = $1 AND ($2 = '' OR side = $2) ORDER BY side DESC LIMIT 1" + (" FOR UPDATE" if lock else ""),
        correction_id,
        side,
    )
    return correction_of(node, row) if row else None


def correction_of(node: Node, row: Any) -> Correction:
    """A row of data_correction as its noun, opened."""
    key = f"{row['id']}.{row['side']}"
    return Correction(
        subject=row["subject"],
        id=row["id"],
        side=row["side"],
        peer=row["peer"],
        resource=row["resource"],
        field=row["field"],
        line=row["line"],
        claimed=node.cipher.open("sensitive", CLAIMED, key, row["claimed"]),
        grounds=node.cipher.open("case", GROUNDS, key, row["grounds"]),
        state=row["state"],
        due_on=row["due_on"],
        sent_at=row["sent_at"],
        asked_by=row["asked_by"],
        checked_by=row["checked_by"],
        verdict=row["verdict"],
        answer=row["answer"],
    )


async def messages(
    tx: Tx, side: str, peer: str, *, since: datetime | None = None, until: datetime | None = None, limit: int = 200, newest: bool = False
) -> tuple[Message, ...]:
    """Rows of the message log with one other node (交换日志), `since` ≤ at < `until`; `peer` "" is every node."""
    rows = await tx.fetch(
        f"""SELECT * FROM exchange_message WHERE ($1 = '' OR side = $1) AND ($2 = '' OR peer = $2)
            AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
            ORDER BY at {"DESC" if newest else ""}, id LIMIT $5""",
        side,
        peer,
        since,
        until,
        limit,
    )
    return tuple(message_of(row) for row in rows)


def message_of(row: Any) -> Message:
    """A row of exchange_message as its noun."""
    return Message(
        id=row["id"],
        side=row["side"],
        peer=row["peer"],
        resource=row["resource"],
        purpose=row["purpose"],
        fields=tuple(row["fields"]),
        request=row["request"],
        answer=row["answer"],
        outcome=row["outcome"],
        at=row["at"],
        ms=row["ms"],
    )


async def alarms(tx: Tx, *, closed: bool = False) -> tuple[Alarm, ...]:
    """The alarms that are open, newest first (没处理的告警); with `closed` those that were closed too."""
    rows = await tx.fetch(
        "SELECT * FROM exchange_alarm WHERE ($1 OR closed_at IS NULL) ORDER BY closed_at IS NOT NULL, raised_at DESC LIMIT 200", closed
    )
    return tuple(
        Alarm(
            id=row["id"],
            kind=row["kind"],
            peer=row["peer"],
            about=row["about"],
            count=row["count"],
            raised_at=row["raised_at"],
            closed_at=row["closed_at"],
            note=row["note"],
        )
        for row in rows
    )


async def checked(tx: Tx) -> tuple[Checked, ...]:
    """How far the message logs have been compared with each other node (对账进度)."""
    rows = await tx.fetch("SELECT * FROM exchange_checked ORDER BY peer")
    return tuple(
        Checked(peer=row["peer"], until=row["until"], calls=row["calls"], lost=row["lost"], checked_at=row["checked_at"])
        for row in rows
    )
