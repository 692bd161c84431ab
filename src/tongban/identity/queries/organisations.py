"""Organisations 法人: the register at its node, and what the other nodes last heard of it."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.ids import CreditCode
from tongban.kernel.node import Node

REGISTER = "samr"
"""The node that keeps the register of organisations 法人登记."""
OPEN = "存续"


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation 企业和单位 as the register tells it; everything here is public."""

    subject: str
    code: str
    name: str
    status: str
    division: str
    version: int


class OrgEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the register of organisations 法人登记, at the register's node."""

    subject: str
    code: str
    name: str
    status: str
    division: str
    registered_on: date
    version: int
    changed_at: datetime
    legal_name: Personal
    legal_subject: str | None


def subject_of(code: str) -> str:
    """The subject of an organisation 法人标识: `o1` + code in lower case. Raises BadIdentifier."""
    return "o1" + CreditCode.parse(code).value.lower()


async def organisation(tx: Tx, subject: str) -> Organisation | None:
    """What this node last heard of an organisation, None when never."""
    row = await tx.fetchrow("SELECT subject, code, name, status, division, version FROM organisation WHERE subject = $1", subject)
    return None if row is None else Organisation(**row)


async def org_entry(tx: Tx, node: Node, subject: str) -> OrgEntry | None:
    """The register's row; None at every other node and for codes nobody registered. Whoever calls writes the ledger line."""
    row = await tx.fetchrow(
        "SELECT subject, code, name, status, division, registered_on, version, changed_at, legal_name, legal_subject"
        " FROM org_entry WHERE subject = $1", subject,
    )  # fmt: skip
    if row is None:
        return None
    return OrgEntry(**{**row, "legal_name": node.cipher.open("identity", "org_entry.legal_name", subject, row["legal_name"])})


async def registered_names(tx: Tx) -> list[str]:
    """Names of living organisations in the register 已登记的名称: a name is given once."""
    return [row["name"] for row in await tx.fetch("SELECT name FROM org_entry WHERE status = $1", OPEN)]
