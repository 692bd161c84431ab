"""Demo registers 演示登记库: invented people and companies; one twin that works, one that is away, one that is slow."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tongban import identity
from tongban.exchange.rules import name_verdict
from tongban.kernel.db import Tx
from tongban.kernel.node import Node


class Population:
    """The demo population register of identity (演示人口登记), told as the resource tells it."""

    async def read(self, tx: Tx, node: Node, subject: str, _asked: Mapping[str, str]) -> Mapping[str, str] | None:
        found = await identity.population_attributes(tx, node, subject)
        if found is None:
            return None
        return {
            "name": found.name.reveal(),
            "number": found.number.reveal(),
            "sex": found.sex.reveal(),
            "nationality": found.nationality.reveal(),
            "address": found.address.reveal(),
            "division": found.division,
            "photo_held": "有" if found.photo_held else "没有",
        }


class CompanyNames:
    """Whether a company name is free (演示企业名称库)."""

    async def read(self, tx: Tx, _node: Node, _subject: str, asked: Mapping[str, str]) -> Mapping[str, str] | None:
        name = asked.get("company_name", "").strip()
        if not name:
            return None
        rows = await tx.fetch("SELECT name FROM demo_company WHERE status = '存续'")
        return name_verdict(name, (*(row["name"] for row in rows), *await identity.registered_names(tx)))


class Companies:
    """The demo register of legal persons (演示法人登记): subject `o1` + credit code."""

    async def read(self, tx: Tx, node: Node, subject: str, asked: Mapping[str, str]) -> Mapping[str, str] | None:
        code = (asked.get("code") or subject.removeprefix("o1")).upper()
        entry = await identity.org_entry(tx, node, "o1" + code.lower())
        if entry is not None:
            return {
                "name": entry.name, "code": entry.code, "status": entry.status, "division": entry.division,
                "registered_on": entry.registered_on.isoformat(), "legal_name": entry.legal_name.reveal(),
            }  # fmt: skip
        row = await tx.fetchrow("SELECT * FROM demo_company WHERE code = $1", code)
        if row is None:
            return None
        return {
            "name": row["name"],
            "code": row["code"],
            "status": row["status"],
            "division": row["division"],
            "registered_on": row["registered_on"].isoformat(),
            "capital_wan": str(row["capital_wan"]),
        }


class Away:
    """A register that is away (登记库不在): what a source down looks like."""

    async def read(self, _tx: Tx, _node: Node, _subject: str, _asked: Mapping[str, str]) -> Mapping[str, str] | None:
        raise ConnectionRefusedError("demo register is away")


class Slow:
    """A register that answers after a while (登记库慢), for deadlines and breakers."""

    def __init__(self, behind: Population | CompanyNames | Companies, seconds: float) -> None:
        self._behind = behind
        self._seconds = seconds

    async def read(self, tx: Tx, node: Node, subject: str, asked: Mapping[str, str]) -> Mapping[str, str] | None:
        await asyncio.sleep(self._seconds)
        return await self._behind.read(tx, node, subject, asked)
