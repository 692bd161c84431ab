"""Looking at what this node issued and did (查颁发的证照): by holder, by identifier, histories, uses."""

from __future__ import annotations

from datetime import datetime

import asyncpg
import msgspec

from tongban.credentials.model import Credential
from tongban.credentials.model.acts import Event
from tongban.credentials.queries.credentials import issued_here
from tongban.credentials.rules import templates
from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node


async def of_subject(tx: Tx, node: Node, subject: str) -> tuple[Credential, ...]:
    """What this node issued to a holder and did not replace, newest first (某人在本节点的证照)."""
    return await _standing(tx, node, "subject = $1", subject)


async def of_company(tx: Tx, node: Node, company: str) -> tuple[Credential, ...]:
    """What this node issued to a company and did not replace, by the credit code on it (`o1` + code), newest first (企业在本节点的证照)."""
    return await _standing(tx, node, "number = $1 AND holder_kind = 'legal'", company[2:].upper())


async def _standing(tx: Tx, node: Node, whose: str, value: str) -> tuple[Credential, ...]:
    rows = await tx.fetch(
        f"SELECT id FROM credential WHERE {whose} AND state <> ALL($2) ORDER BY issued_at DESC LIMIT 100", value, ["superseded", "moved"]
    )
    found = [await issued_here(tx, node, row["id"]) for row in rows]
    return tuple(one for one in found if one is not None)


async def by_identifier(tx: Tx, node: Node, identifier: str) -> Credential | None:
    """The credential of that 电子证照标识, or None."""
    number = await tx.fetchval("SELECT id FROM credential WHERE identifier = $1 ORDER BY issued_at DESC LIMIT 1", identifier)
    return await issued_here(tx, node, number) if number else None


async def events(tx: Tx, credential_id: str, office: str) -> tuple[Event, ...]:
    """What was done to a credential of ours, newest first (操作记录)."""
    rows = await tx.fetch(
        "SELECT id, operation, state, reason, basis, officer, confirmed_by, at FROM credential_event WHERE credential = $1 "
        "ORDER BY at DESC, id DESC LIMIT 100",
        credential_id,
    )
    return tuple(_event(row, Personal(row["reason"]), office, row["officer"], row["confirmed_by"]) for row in rows)


async def card_events(tx: Tx, node: Node, subject: str, card_id: str) -> tuple[Event, ...]:
    """What its issuer did to a card, as the holder was told, newest first (证照经过)."""
    rows = await tx.fetch(
        "SELECT id, operation, state, reason, basis, office, at FROM credential_card_event WHERE subject = $1 AND card = $2 "
        "ORDER BY at DESC, id DESC LIMIT 100",
        subject, card_id,
    )  # fmt: skip
    return tuple(
        _event(row, node.cipher.open("case", "credential_card_event.reason", str(row["id"]), row["reason"]), row["office"], "", "") for row in rows
    )


def _event(row: asyncpg.Record, reason: Personal, office: str, officer: str, confirmed_by: str) -> Event:
    act = templates.acts().get(row["operation"])
    return Event(
        str(row["id"]), row["operation"], act.words if act else row["operation"], row["state"], reason, row["basis"], office, officer,
        confirmed_by, row["at"],
    )  # fmt: skip


class UseRow(msgspec.Struct, frozen=True):
    """One use of a licence (一次用证), without its holder."""

    id: str
    side: str
    service: str
    type_code: str
    caller: str
    owner: str
    who: str
    reason: Personal
    fields: tuple[str, ...]
    result: str
    at: datetime


async def uses(tx: Tx, node: Node, limit: int = 200) -> tuple[UseRow, ...]:
    """The newest uses at this end (用证记录), for the auditor."""
    rows = await tx.fetch("SELECT * FROM credential_use ORDER BY at DESC, id DESC LIMIT $1", limit)
    return tuple(
        UseRow(
            str(row["id"]), row["side"], row["service"], row["type_code"], row["caller"], row["owner"], row["who"],
            node.cipher.open("case", "credential_use.reason", str(row["id"]), row["reason"]), tuple(row["fields"]), row["result"], row["at"],
        )
        for row in rows
    )  # fmt: skip
