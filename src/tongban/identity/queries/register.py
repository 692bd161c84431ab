"""The population register 人口登记 at its node: what `exchange` and the ID card issuer read there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from tongban.identity.model import PopulationAttributes
from tongban.identity.queries.persons import current_subjects
from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node


async def population_attributes(tx: Tx, node: Node, subject: str) -> PopulationAttributes | None:
    """What the register knows of a subject 人口登记信息; None at every node but the register's, and for strangers.

    Whoever calls writes the ledger line (`consent.record_access`): this is only the reading.
    """
    return (await populations(tx, node, (subject,)))[0]


async def populations(tx: Tx, node: Node, subjects: Sequence[str]) -> list[PopulationAttributes | None]:
    """As `population_attributes`, for many at once, in the order given (成批读登记)."""
    now = await current_subjects(tx, node, subjects)
    rows = await tx.fetch(
        "SELECT subject, doctype, number, name, sex, born, nation, address, division, photo_held, since, version"
        " FROM register_entry WHERE subject = ANY($1::text[])",
        sorted(set(now.values())),
    )
    found = {row["subject"]: row for row in rows}
    return [None if (row := found.get(now[subject])) is None else _attributes(node, row) for subject in subjects]


def _attributes(node: Node, row: Any) -> PopulationAttributes:
    subject = row["subject"]

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
