"""Demo registers 演示登记库: invented people and companies; twins that are away, slow, or answer nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tongban import identity
from tongban.exchange.model import Record
from tongban.exchange.rules import name_verdict
from tongban.kernel.gm import sm3
from tongban.kernel.node import Node
from tongban.kernel.together import Together


async def _populations(node: Node, subjects: list[str]) -> Sequence[identity.PopulationAttributes | BaseException | None]:
    async with node.db.alone() as tx:
        return await identity.populations(tx, node, subjects)


_population: Together[str, identity.PopulationAttributes | None] = Together(_populations)


class Population:
    """The demo population register of identity (演示人口登记), told as the resource tells it."""

    async def read(self, node: Node, subject: str, _asked: Mapping[str, str]) -> Record | None:
        found = await _population(node, subject)
        if found is None:
            return None
        return Record(
            {
                "name": found.name.reveal(),
                "number": found.number.reveal(),
                "sex": found.sex.reveal(),
                "nationality": found.nationality.reveal(),
                "address": found.address.reveal(),
                "division": found.division,
                "photo_held": "有" if found.photo_held else "没有",
            }
        )


class Household:
    """The demo household register (演示户籍): whose household, where, how many; from the same rows as the population."""

    async def read(self, node: Node, subject: str, _asked: Mapping[str, str]) -> Record | None:
        found = await _population(node, subject)
        if found is None:
            return None
        # an invented number of the household: the same for the same address, nobody's in the world
        number = int.from_bytes(sm3(found.address.reveal().encode())[:4], "big") % 10**7
        return Record(
            {
                "book": f"{found.division}{number:07d}",
                "head": found.name.reveal(),
                "relation": "户主",
                "members": "1",
                "address": found.address.reveal(),
                "kind": "家庭户",
            }
        )


class CompanyNames:
    """Whether a company name is free (演示企业名称库)."""

    async def read(self, node: Node, _subject: str, asked: Mapping[str, str]) -> Record | None:
        name = asked.get("company_name", "").strip()
        if not name:
            return None
        async with node.db.reading() as tx:
            rows = await tx.fetch("SELECT name FROM demo_company WHERE status = '存续'")
            taken = (*(row["name"] for row in rows), *await identity.registered_names(tx))
        return Record(name_verdict(name, taken))


class Companies:
    """The demo register of legal persons (演示法人登记): subject `o1` + credit code."""

    async def read(self, node: Node, subject: str, _asked: Mapping[str, str]) -> Record | None:
        code = subject.removeprefix("o1").upper()
        async with node.db.reading() as tx:
            entry = await identity.org_entry(tx, node, "o1" + code.lower())
            row = None if entry is not None else await tx.fetchrow("SELECT * FROM demo_company WHERE code = $1", code)
        if entry is not None:
            return Record({
                "name": entry.name, "code": entry.code, "status": entry.status, "division": entry.division,
                "registered_on": entry.registered_on.isoformat(), "legal_name": entry.legal_name.reveal(),
            })  # fmt: skip
        return None if row is None else Record(_company(row) | {"capital_wan": str(row["capital_wan"])})


class CompanyPages:
    """The companies of a place, in parts (演示企业名录): `division` is a GB/T 2260 code, of two digits a level."""

    async def part(self, node: Node, asked: Mapping[str, str], after: str, most: int) -> tuple[tuple[Mapping[str, str], ...], str]:
        place = "".join(one for one in asked.get("division", "") if one.isdigit())
        while place.endswith("00"):
            place = place[:-2]
        async with node.db.reading() as tx:
            rows = await tx.fetch(
                "SELECT * FROM demo_company WHERE division LIKE $1 AND code > $2 ORDER BY code LIMIT $3",
                place + "%", after, most + 1,
            )  # fmt: skip
        found = tuple(_company(row) for row in rows[:most])
        return found, found[-1]["code"] if len(rows) > most else ""


def _company(row: Any) -> dict[str, str]:
    return {
        "name": row["name"], "code": row["code"], "status": row["status"], "division": row["division"],
        "registered_on": row["registered_on"].isoformat(),
    }  # fmt: skip


class Away:
    """A register that is away (登记库不在): what a source down looks like."""

    async def read(self, _node: Node, _subject: str, _asked: Mapping[str, str]) -> Record | None:
        raise ConnectionRefusedError("demo register is away")


class Slow:
    """A register that answers after a while (登记库慢), for deadlines and breakers."""

    def __init__(self, behind: Any, seconds: float) -> None:
        self._behind = behind
        self._seconds = seconds
        self.asked = 0

    async def read(self, node: Node, subject: str, asked: Mapping[str, str]) -> Record | None:
        self.asked += 1
        await asyncio.sleep(self._seconds)
        found: Record | None = await self._behind.read(node, subject, asked)
        return found


class Wrong:
    """A register that answers nonsense (登记库答错): values of the wrong kind, and fields nobody asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    async def read(self, _node: Node, _subject: str, _asked: Mapping[str, str]) -> Record | None:
        return Record(dict(self._values))
