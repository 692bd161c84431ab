"""Looking at prints (查打印单): the hall's queue, one job, the holder's pick-up orders, the state of a paper."""

from __future__ import annotations

from datetime import date, datetime

import asyncpg
import msgspec

from tongban.credentials.model import Pickup, PrintJob
from tongban.credentials.queries.credentials import GROUP
from tongban.credentials.queries.types import type_of
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

_JOB = (
    "SELECT j.*, b.spoil_by FROM credential_print_job j "
    "LEFT JOIN credential_blank b ON b.hall_code = j.hall_code AND b.blank_no = j.blank_no AND b.state = 'printed' "
)


def _job(node: Node, row: asyncpg.Record) -> PrintJob:
    kind = type_of(node, row["type_code"])
    return PrintJob(
        id=row["id"],
        issuer=row["issuer"],
        org_name=row["org_name"],
        type_code=row["type_code"],
        type_name=kind.name if kind else "证照",
        holder_name=node.cipher.open(
            "identity", "credential_print_job.holder_name", str(row["id"]), row["holder_name"]
        ),
        identifier=row["identifier"],
        hall_code=row["hall_code"],
        hall_name=row["hall_name"],
        state=row["state"],
        ordered_at=row["ordered_at"],
        valid_until=row["valid_until"],
        blank_no=row["blank_no"],
        list_no=row["list_no"],
        list_index=row["list_index"],
        changed_at=row["changed_at"],
        officer=row["officer"],
        wrong_codes=row["wrong_codes"],
        spoil_by=row["spoil_by"] or "",
    )


async def job(tx: Tx, node: Node, job_id: str) -> PrintJob | None:
    """One order at a hall of this node, or None."""
    row = await tx.fetchrow(_JOB + "WHERE j.id = $1", job_id)
    return _job(node, row) if row else None


async def queue(tx: Tx, node: Node, hall_codes: tuple[str, ...], *, done: bool = False) -> tuple[PrintJob, ...]:
    """The orders of these halls: waiting ones, or those done (待打印、已办)."""
    states = (
        ["handed_over", "expired", "returned", "cancelled"] if done else ["ordered", "accepted", "printed", "spoilt"]
    )
    order = "j.changed_at DESC" if done else "j.ordered_at"
    rows = await tx.fetch(
        _JOB + f"WHERE j.hall_code = ANY($1) AND j.state = ANY($2) ORDER BY {order} LIMIT 200", list(hall_codes), states
    )
    return tuple(_job(node, row) for row in rows)


async def job_ofd(tx: Tx, node: Node, job_id: str) -> bytes | None:
    """The document of an order while it is kept, or None."""
    row = await tx.fetchrow("SELECT id, ofd FROM credential_print_job WHERE id = $1", job_id)
    if row is None or not row["ofd"]:
        return None
    return node.cipher.open_bytes(GROUP, "credential_print_job.ofd", str(row["id"]), row["ofd"])


async def pickups(tx: Tx, node: Node, subject: str, card_id: str) -> tuple[Pickup, ...]:
    """The holder's print orders of a card, newest first (领证单)."""
    rows = await tx.fetch(
        "SELECT id, card, hall_name, code, state, valid_until, changed_at FROM credential_pickup WHERE subject = $1 AND card = $2 "
        "ORDER BY changed_at DESC",
        subject,
        card_id,
    )
    return tuple(
        Pickup(
            row["id"],
            row["card"],
            row["hall_name"],
            node.cipher.open("case", "credential_pickup.code", str(row["id"]), row["code"]),
            row["state"],
            row["valid_until"],
            row["changed_at"],
        )
        for row in rows
    )


class Paper(msgspec.Struct, frozen=True):
    """What anybody may know of a printed paper (纸质证照核对): no person in it."""

    type_code: str
    org_name: str
    hall_name: str
    state: str
    blank_no: str
    valid: bool
    until: date | None
    changed_at: datetime


async def paper(tx: Tx, order: str) -> Paper | None:
    """The paper of an order at its issuer, or None."""
    row = await tx.fetchrow(
        "SELECT c.type_code, c.org_name, c.state AS standing, c.valid_until, o.hall_name, o.state, o.blank_no, o.changed_at "
        "FROM credential_print_order o JOIN credential c ON c.subject = o.subject AND c.id = o.credential WHERE o.id = $1",
        order,
    )
    if row is None:
        return None
    return Paper(
        row["type_code"], row["org_name"], row["hall_name"], row["state"], row["blank_no"], row["standing"] == "valid",
        row["valid_until"], row["changed_at"],
    )  # fmt: skip


async def print_state(tx: Tx, credential_id: str) -> str:
    """The state of a credential's newest print order at its issuer; empty when there is none."""
    found: str | None = await tx.fetchval(
        "SELECT state FROM credential_print_order WHERE credential = $1 ORDER BY ordered_at DESC LIMIT 1", credential_id
    )
    return found or ""
