"""Demo records 演示登记记录: marriage, social insurance, real estate, education, vehicles of people who do not exist.

A demo register cannot know in advance who will be invented. So a record is made up the first time a person is asked about,
from words of made_up.toml chosen by the person's pseudonym, kept sealed, and from then on read and corrected like any other.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from importlib import resources as packaged
from typing import Any

import msgspec

from tongban.exchange.model import Record
from tongban.kernel.db import Tx
from tongban.kernel.gm import sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

COLUMN = "demo_record.body"
BEFORE = "更正前"
MADE_UP = (
    "mps.vehicle", "cn.education", "500000.marriage", "510000.marriage", "500000.social_insurance", "510000.social_insurance",
    "500000.real_estate", "510000.real_estate",
)  # fmt: skip
_FIRST_DAY = date(2015, 1, 1)


class Records:
    """One demo register over `demo_record` (演示登记)."""

    def __init__(self, resource: str) -> None:
        self.resource = resource

    async def read(self, node: Node, subject: str, _asked: Mapping[str, str]) -> Record | None:
        if not subject.startswith("n1"):
            return None
        async with node.db.reading() as tx:
            row = await tx.fetchrow("SELECT id, body, made_at FROM demo_record WHERE subject = $1 AND resource = $2", subject, self.resource)
            if row is None:
                values = made_up(self.resource, subject)
                if not values:
                    return None
                made = uuid7()
                row = await tx.fetchrow(
                    """INSERT INTO demo_record (subject, resource, id, body, made_at) VALUES ($1, $2, $3, $4, $5)
                       ON CONFLICT (subject, resource) DO UPDATE SET subject = excluded.subject RETURNING id, body, made_at""",
                    subject, self.resource, made, _seal(node, made, values), node.clock.now(),
                )  # fmt: skip
        assert row is not None
        kept = _open(node, row["id"], row["body"])
        return Record({name: value for name, value in kept.items() if isinstance(value, str)}, row["made_at"])

    async def correct(self, tx: Tx, node: Node, subject: str, field: str, value: str) -> None:
        """Put the right value in (更正登记); the old one stays in the record, with the day until which it stood."""
        row = await tx.fetchrow(
            "SELECT id, body FROM demo_record WHERE subject = $1 AND resource = $2 FOR UPDATE", subject, self.resource
        )
        if row is None:
            return
        kept, now = _open(node, row["id"], row["body"]), node.clock.now()
        old = {"项目": field, "原来是": kept.get(field, ""), "到": now.isoformat(timespec="seconds")}
        values = kept | {field: value, BEFORE: [*kept.get(BEFORE, ()), old]}
        await tx.execute(
            "UPDATE demo_record SET body = $3, made_at = $4 WHERE subject = $1 AND resource = $2",
            subject, self.resource, _seal(node, row["id"], values), now,
        )  # fmt: skip


def _seal(node: Node, record: str, values: Mapping[str, Any]) -> bytes:
    return node.cipher.seal("sensitive", COLUMN, record, msgspec.json.encode(values).decode())


def _open(node: Node, record: str, body: bytes) -> dict[str, Any]:
    """Values by field name, and under BEFORE what was corrected."""
    return msgspec.json.decode(node.cipher.open("sensitive", COLUMN, record, body).reveal(), type=dict[str, Any])


@cache
def _words() -> dict[str, dict[str, Any]]:
    raw: dict[str, dict[str, Any]] = tomllib.loads(packaged.files("tongban.exchange").joinpath("made_up.toml").read_text("utf-8"))
    return raw


def made_up(resource: str, subject: str) -> dict[str, str]:
    """The invented values of one person in one register (编造的记录), the same each time; {} for one without a record.

    >>> made_up("cn.education", "n1" + "a" * 32) == made_up("cn.education", "n1" + "a" * 32)
    True
    """
    place, _, kind = resource.partition(".")
    known = _words()[kind]
    chance = random.Random(sm3(f"{resource}\n{subject}".encode()))  # noqa: S311  invented data, no secret
    if chance.random() < float(known.get("nobody", 0)):
        return {}
    values: dict[str, str] = {}
    for name, one in known["field"].items():
        if "choices" in one:
            values[name] = chance.choice(one["choices"])
        elif "number" in one:
            low, high = one["number"]
            values[name] = str(chance.randint(low, high))
        elif "day" in one:
            values[name] = (_FIRST_DAY + timedelta(days=chance.randint(0, 3800))).isoformat()
        else:
            values[name] = "".join(chance.choice("0123456789") if letter == "#" else letter for letter in one["like"])
    where = _words()["place"].get(place, {})
    words, division = where.get("words", ""), where.get("division", "")
    return {name: value.replace("{place}", words).replace("{division}", division) for name, value in values.items()}
