"""Persons and accounts 人和账号 as this node knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tongban.identity.model import Account, Person
from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node

if TYPE_CHECKING:
    import asyncpg

_PERSON = """
    SELECT p.subject, p.home, p.proof, p.doctype, p.name, p.name_masked, p.number, p.photo_held, p.matched_at, a.phone
    FROM person p LEFT JOIN account a ON a.subject = p.subject AND a.status <> 'closed'
"""
_ACCOUNT = "SELECT id, subject, status, proof, proof_method, proof_at, opened_at FROM account"


JOIN = "LEFT JOIN person q ON q.subject = w.subject LEFT JOIN account h ON h.subject = q.subject AND h.status <> 'closed'"
"""Joins the person of `w.subject` to a statement that asks for more besides; no old subject: rows of identity follow at once."""
_JOINED = ("subject", "home", "proof", "doctype", "name", "name_masked", "number", "photo_held", "matched_at")
JOINED = ", ".join((*(f"q.{one} AS q_{one}" for one in _JOINED), "h.phone AS q_phone", "h.home_statement AS q_statement"))


def joined(node: Node, row: asyncpg.Record) -> Person | None:
    """The person of a statement with `JOIN` and `JOINED`, None when there was none."""
    if row["q_subject"] is None:
        return None
    return _person(node, {one: row[f"q_{one}"] for one in (*_JOINED, "phone")})


NAMED_JOIN = "LEFT JOIN person q ON q.subject = s.subject"
NAMED = "q.subject AS q_subject, q.name AS q_name, q.name_masked AS q_name_masked"
"""The name of the person of a session `s`, in a statement that asks for more besides; `named` reads it."""


def named(node: Node, row: Any) -> Personal | None:
    """What to call the person: the name, for a visitor the masked one; None when there is none here."""
    column = "name" if row["q_name"] is not None else "name_masked"
    blob: bytes | None = row[f"q_{column}"]
    return None if blob is None else node.cipher.open("identity", f"person.{column}", row["q_subject"], blob)


async def person(tx: Tx, node: Node, subject: str) -> Person | None:
    """The person behind a subject, as far as this node may know 这个人; None when never met here.

    A visitor has `name_masked` and no name, number or phone. An old subject is followed to the new one.
    """
    subject = await current_subject(tx, node, subject)
    row = await tx.fetchrow(f"{_PERSON} WHERE p.subject = $1", subject)
    return None if row is None else _person(node, row)


async def person_by_number(tx: Tx, node: Node, number: str, doctype: str = "111") -> Person | None:
    """The person with this document number, found by this node's own blind index."""
    row = await tx.fetchrow(f"{_PERSON} WHERE p.bi_number = ANY($1::bytea[])", number_marks(node, number, doctype))
    return None if row is None else _person(node, row)


async def home_of(tx: Tx, subject: str) -> str | None:
    """The home node of a subject 账号所在地, None when this node never met the person."""
    home: str | None = await tx.fetchval("SELECT home FROM person WHERE subject = $1", subject)
    return home


async def account(tx: Tx, subject: str) -> Account | None:
    """The account a subject has at this node, None when its home is elsewhere."""
    row = await tx.fetchrow(f"{_ACCOUNT} WHERE subject = $1", subject)
    return None if row is None else msgspec.convert(dict(row), Account)


async def recovered_until(tx: Tx, subject: str) -> datetime | None:
    """Until when a recovered account makes no mandate, no move and no change of factors 刚找回的账号; None when it is free."""
    until: datetime | None = await tx.fetchval("SELECT recovered_until FROM account WHERE subject = $1", subject)
    return until


async def phone_of(tx: Tx, node: Node, subject: str) -> str:
    """The account's phone in clear, for a message to be sent now; empty when it has none."""
    blob: bytes | None = await tx.fetchval("SELECT phone FROM account WHERE subject = $1 AND status <> 'closed'", subject)
    return "" if blob is None else node.cipher.open("contact", "account.phone", subject, blob).reveal()


async def accounts(tx: Tx, *, since: datetime | None = None, after: str = "", most: int | None = None) -> list[str]:
    """Subjects with an open account at this node; local ones (`l…`) are left out.

    `since`: only those opened, matched or proven anew since then. `after` and `most` leaf through all of them, in the order of subjects.
    """
    lately = "" if since is None else "AND proof_at >= $3"
    rows = await tx.fetch(
        f"SELECT subject FROM account WHERE status <> 'closed' AND subject NOT LIKE 'l%' AND subject > $1 {lately} ORDER BY subject LIMIT $2",
        after, most, *(() if since is None else (since,)),
    )  # fmt: skip
    return [row["subject"] for row in rows]


async def accounts_by_number(tx: Tx, node: Node, numbers: Iterable[str]) -> list[str]:
    """Subjects with an open account at this node whose document number is one of these."""
    rows = await tx.fetch(
        "SELECT a.subject FROM person p JOIN account a ON a.subject = p.subject AND a.status <> 'closed' WHERE p.bi_number = ANY ($1) ORDER BY a.opened_at",
        [mark for one in numbers for mark in number_marks(node, one)],
    )  # fmt: skip
    return [row["subject"] for row in rows]


async def current_subject(tx: Tx, node: Node, subject: str) -> str:
    """The subject that follows an old one, or the same (identity.md 1)."""
    found: str | None = await tx.fetchval("SELECT subject FROM subject_alias WHERE old = ANY($1::bytea[])", alias_marks(node, subject))
    return found or subject


async def current_subjects(tx: Tx, node: Node, subjects: Sequence[str]) -> dict[str, str]:
    """As `current_subject`, for many at once: each with the one that follows it."""
    marks = {mark: subject for subject in subjects for mark in alias_marks(node, subject)}
    rows = await tx.fetch("SELECT old, subject FROM subject_alias WHERE old = ANY($1::bytea[])", list(marks))
    return {subject: subject for subject in subjects} | {marks[row["old"]]: row["subject"] for row in rows}


def number_index(node: Node, number: str, doctype: str = "111") -> bytes:
    """This node's blind index of a document number, to be written."""
    return number_marks(node, number, doctype)[0]


def number_marks(node: Node, number: str, doctype: str = "111") -> list[bytes]:
    """Every mark a row with this document number may stand under; the first is written."""
    return node.cipher.marks("person.number", number if doctype == "111" else f"{doctype}:{number}")


def alias_marks(node: Node, subject: str) -> list[bytes]:
    """Every mark a subject that was replaced may stand under; the first is written."""
    return node.cipher.linked_marks("subject_alias.old", subject)


def phone_index(node: Node, phone: str) -> bytes:
    """This node's blind index of a mobile number, to be written."""
    return phone_marks(node, phone)[0]


def phone_marks(node: Node, phone: str) -> list[bytes]:
    """Every mark a row with this mobile number may stand under; the first is written."""
    return node.cipher.marks("account.phone", phone)


def _person(node: Node, row: Mapping[str, Any]) -> Person:
    subject: str = row["subject"]

    def opened(group: str, column: str, blob: bytes | None) -> Personal | None:
        return None if blob is None else node.cipher.open(group, column, subject, blob)

    return Person(
        subject=subject,
        home=row["home"],
        proof=row["proof"],
        doctype=row["doctype"],
        name=opened("identity", "person.name", row["name"]),
        name_masked=opened("identity", "person.name_masked", row["name_masked"]),
        number=opened("sensitive", "person.number", row["number"]),
        phone=opened("contact", "account.phone", row["phone"]),
        photo_held=row["photo_held"],
        matched_at=row["matched_at"],
    )
