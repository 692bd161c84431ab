"""The population register 人口登记 at its node: what `exchange` and the ID card issuer read there."""

from __future__ import annotations

from datetime import date

from tongban.identity.model import PopulationAttributes
from tongban.identity.queries.persons import current_subject
from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node


async def population_attributes(tx: Tx, node: Node, subject: str) -> PopulationAttributes | None:
    """What the register knows of a subject 人口登记信息; None at every node but the register's, and for strangers.

    Whoever calls writes the ledger line (`consent.record_access`): this is only the reading.
    """
    subject = await current_subject(tx, node, subject)
    row = await tx.fetchrow(
        "SELECT subject, doctype, number, name, sex, born, nation, address, division, photo_held, since, version"
        " FROM register_entry WHERE subject = $1",
        subject,
    )
    if row is None:
        return None

    def opened(column: str) -> Personal:
        group = "sensitive" if column == "number" else "identity"
        return node.cipher.open(group, f"register_entry.{column}", subject, row[column])

    return PopulationAttributes(
        subject=subject,
        doctype=row["doctype"],
        number=opened("number"),
        name=opened("name"),
        sex=opened("sex"),
        birth=date.fromisoformat(opened("born").reveal()),
        nationality=opened("nation"),
        address=opened("address"),
        division=row["division"],
        photo_held=row["photo_held"],
        since=row["since"],
        version=row["version"],
    )


async def register_home(tx: Tx, subject: str) -> str | None:
    """The home the register has for a subject 登记的账号所在地; None at every other node and for people without account."""
    found: str | None = await tx.fetchval("SELECT home FROM register_entry WHERE subject = $1", subject)
    return found
