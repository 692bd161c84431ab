"""The population register 人口登记 behind the register's node: a table filled from people.yaml in the demo.

A register with a 网号 service (公安部令第173号, voluntary for the person) fits behind the same Protocol.
The key K that makes subjects is asked from the KeyStore of this node and nowhere else (identity.md 1, T-01).
"""

from __future__ import annotations

import asyncio
import base64
from datetime import date
from typing import Protocol

import msgspec

from tongban.identity.queries.persons import number_marks
from tongban.identity.rules.typed import normal, normal_name
from tongban.kernel.db import Tx
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.indexes import one_alone
from tongban.kernel.node import Node

KEY_NAME = "subject-n1"


class Registered(msgspec.Struct, frozen=True):
    """What the register knows of a number: whether the name is the one written there."""

    subject: str
    name_agrees: bool
    photo_held: bool
    since: date
    home: str | None


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An invented person to enter 录入的演示人员."""

    name: str
    number: str
    sex: str
    born: date
    nation: str
    address: str
    division: str
    photo_held: bool = True
    since: date = date(2010, 1, 1)
    doctype: str = "111"


async def way_now(tx: Tx) -> str:
    """How the demo register behaves now, as chosen at /demo/register."""
    found: str | None = await tx.fetchval("SELECT way FROM demo_register")
    return found or "works"


async def choose_way(tx: Tx, way: str) -> None:
    """Let the demo register behave in one of WAYS from now on."""
    await tx.execute("INSERT INTO demo_register (id, way) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET way = excluded.way", way)


class Register(Protocol):
    """A population register."""

    async def look(self, tx: Tx, node: Node, *, doctype: str, number: str, name: str) -> Registered | None:
        """What is written under this number; None when nothing is."""
        ...

    async def value(self, tx: Tx, node: Node, subject: str, attribute: str) -> str | None:
        """What is written of one attribute (codes of disputes.toml); None for somebody not in the register."""
        ...

    async def correct(self, tx: Tx, node: Node, subject: str, attribute: str, value: str) -> tuple[str, str]:
        """Write another value of one attribute 更正; the value before, and the subject that follows when the number changed."""
        ...


WAYS = ("works", "slow", "wrong", "away")


class DemoRegister:
    """The demo twin 演示人口登记 over the table register_entry: `works`, `slow` (does not answer), `wrong` (answers nonsense), `away`."""

    def __init__(self, way: str = "works") -> None:
        self.way = way

    async def look(self, tx: Tx, node: Node, *, doctype: str, number: str, name: str) -> Registered | None:
        if self.way == "away":
            raise ConnectionRefusedError("demo register is away")
        if self.way == "slow":
            await asyncio.Event().wait()  # never answers: the asker's patience is what is being shown
        if self.way == "wrong":
            return Registered("nobody", name_agrees=True, photo_held=False, since=date(1900, 1, 1), home=None)
        row = await tx.fetchrow(
            "SELECT subject, name, photo_held, since, home FROM register_entry WHERE bi_number = ANY($1::bytea[])",
            number_marks(node, normal(number), doctype),
        )
        if row is None:
            return None
        written = node.cipher.open("identity", "register_entry.name", row["subject"], row["name"]).reveal()
        agrees = normal_name(written) == normal_name(name)
        return Registered(row["subject"], agrees, row["photo_held"], row["since"], row["home"])

    async def value(self, tx: Tx, node: Node, subject: str, attribute: str) -> str | None:
        blob: bytes | None = await tx.fetchval(f"SELECT {_column(attribute)} FROM register_entry WHERE subject = $1", subject)
        return None if blob is None else _open(node, subject, attribute, blob)

    async def correct(self, tx: Tx, node: Node, subject: str, attribute: str, value: str) -> tuple[str, str]:
        before = await self.value(tx, node, subject, attribute)
        if before is None:
            raise LookupError("nobody in the register")
        if attribute != "number":
            await tx.execute(
                f"UPDATE register_entry SET {_column(attribute)} = $2 WHERE subject = $1", subject, _seal(node, subject, attribute, value)
            )
            return before, ""
        return before, await self._renumber(tx, node, subject, normal(value))

    async def _renumber(self, tx: Tx, node: Node, old: str, number: str) -> str:
        """Another number is another subject: the row is sealed anew under it; subject_alias leads there."""
        row = await tx.fetchrow("SELECT * FROM register_entry WHERE subject = $1 FOR UPDATE", old)
        assert row is not None
        new = subject_of(node, row["doctype"], number)
        sealed = {one: _seal(node, new, one, _open(node, old, one, row[_column(one)])) for one in ("name", "sex", "born", "nation", "address")}
        marks = number_marks(node, number, row["doctype"])
        await one_alone(tx, "register_entry", "bi_number", marks)
        await tx.execute(
            "UPDATE register_entry SET subject = $2, number = $3, bi_number = $4, name = $5, sex = $6, born = $7, nation = $8, address = $9"
            " WHERE subject = $1",
            old, new, _seal(node, new, "number", number), marks[0], *sealed.values(),
        )  # fmt: skip
        for table in ("dispute_desk", "register_version"):
            await tx.execute(f"UPDATE {table} SET subject = $2 WHERE subject = $1", old, new)
        # in the same transaction: a guardian who could not be found for a moment would lose the mandate (T-88)
        for one in await tx.fetch("SELECT subject, guardian_subject, relation FROM guardian_entry WHERE $1 IN (subject, guardian_subject)", old):
            before = (one["subject"], one["guardian_subject"])
            minor, adult = (new if name == old else name for name in before)
            words = node.cipher.open("identity", "guardian_entry.relation", "".join(before), one["relation"]).reveal()
            await tx.execute(
                "UPDATE guardian_entry SET subject = $3, guardian_subject = $4, relation = $5 WHERE subject = $1 AND guardian_subject = $2",
                *before, minor, adult, node.cipher.seal("identity", "guardian_entry.relation", minor + adult, words),
            )  # fmt: skip
        return new


_COLUMNS = ("name", "sex", "born", "nation", "address", "number")


def _column(attribute: str) -> str:
    """The column of an attribute; KeyError for a word that is none, so that no other text reaches a statement."""
    if attribute not in _COLUMNS:
        raise KeyError(attribute)
    return attribute


def _seal(node: Node, subject: str, attribute: str, text: str) -> bytes:
    return node.cipher.seal("sensitive" if attribute == "number" else "identity", f"register_entry.{_column(attribute)}", subject, text)


def _open(node: Node, subject: str, attribute: str, blob: bytes) -> str:
    group = "sensitive" if attribute == "number" else "identity"
    return node.cipher.open(group, f"register_entry.{_column(attribute)}", subject, blob).reveal()


def subject_of(node: Node, doctype: str, number: str) -> str:
    """The nation-wide pseudonym of a natural person 自然人标识: `n1` + base32 of HMAC-SM3(K, label ‖ doctype ‖ number)[:20]."""
    data = b"tongban/subject/n/1\x00" + doctype.encode() + b"\x1f" + normal(number).encode()
    made = hmac_sm3(node.keys.secret(KEY_NAME), data)[:20]
    return "n1" + base64.b32encode(made).decode().lower()


async def enter(tx: Tx, node: Node, entry: NewEntry) -> str:
    """Enter an invented person unless the number is there already; the subject either way."""
    number = normal(entry.number)
    subject = subject_of(node, entry.doctype, number)

    def sealed(column: str, text: str) -> bytes:
        return _seal(node, subject, column, text)

    marks = number_marks(node, number, entry.doctype)
    await one_alone(tx, "register_entry", "bi_number", marks)
    await tx.execute(
        "INSERT INTO register_entry (subject, doctype, number, bi_number, name, sex, born, nation, address, division, photo_held,"
        " since, demo) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, true) ON CONFLICT DO NOTHING",
        subject, entry.doctype, sealed("number", number), marks[0], sealed("name", entry.name),
        sealed("sex", entry.sex), sealed("born", entry.born.isoformat()), sealed("nation", entry.nation),
        sealed("address", entry.address), entry.division, entry.photo_held, entry.since,
    )  # fmt: skip
    return subject
