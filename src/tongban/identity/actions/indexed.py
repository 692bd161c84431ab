"""What identity is found by 身份的盲索引: the columns of marks, and how each goes over to a new index key (R-801, privacy.md 2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tongban.identity.queries.persons import number_index, phone_index
from tongban.kernel.db import Tx
from tongban.kernel.gm import CannotOpen
from tongban.kernel.indexes import Index
from tongban.kernel.node import Node


async def _account(_: Tx, node: Node, row: Any) -> bytes:
    return phone_index(node, _opened(node, "contact", "account.phone", row["subject"], row["phone"]))


async def _person(_: Tx, node: Node, row: Any) -> bytes:
    return number_index(node, _opened(node, "sensitive", "person.number", row["subject"], row["number"]), row["doctype"])


async def _registered(_: Tx, node: Node, row: Any) -> bytes:
    return number_index(node, _opened(node, "sensitive", "register_entry.number", row["subject"], row["number"]), row["doctype"])


async def _clerk(tx: Tx, node: Node, row: Any) -> bytes | None:
    """By the number given at the invitation. Where that is forgotten the person's row here, if any, goes over together with the clerk's.

    With neither nobody can tell whose mark it is: the clerk is linked by now, or was told that the register refused the number.
    """
    if row["citizen_number"] is not None:
        return number_index(node, _opened(node, "staff", "staff.citizen_number", row["subject"], row["citizen_number"]))
    old: bytes = row["bi_citizen"]
    person = await tx.fetchrow("SELECT subject, number, doctype FROM person WHERE bi_number = ANY($1::bytea[]) FOR UPDATE SKIP LOCKED", [old])
    if person is None:
        return old if await tx.fetchval("SELECT true FROM person WHERE bi_number = ANY($1::bytea[])", [old]) else None
    fresh = await _person(tx, node, person)
    await tx.execute("UPDATE person SET bi_number = $2 WHERE subject = $1", person["subject"], fresh)
    return fresh


def _opened(node: Node, group: str, column: str, row: str, blob: bytes | None) -> str:
    if blob is None:
        raise CannotOpen("gm.index_value", f"{column}: no value beside its index")
    return node.cipher.open(group, column, row, blob).reveal()


_DAY = timedelta(days=1)
INDEXES = (
    # clerks before persons: the two that are joined by their marks alone go over together
    Index(table="staff", column="bi_citizen", labels=("person.number",), reads=("subject", "citizen_number"), fresh=_clerk),
    Index(table="account", column="bi_phone", labels=("account.phone",), reads=("subject", "phone"), fresh=_account),
    Index(table="person", column="bi_number", labels=("person.number",), reads=("subject", "number", "doctype"), fresh=_person),
    Index(table="register_entry", column="bi_number", labels=("person.number",), reads=("subject", "number", "doctype"), fresh=_registered),
    Index(table="subject_alias", column="old", labels=("subject_alias.old",), linked=lambda _: "subject_alias.old"),
    Index(
        table="home_index", column="bi", labels=("home_index.number", "home_index.phone"), reads=("kind",),
        linked=lambda row: f"home_index.{row['kind']}",
    ),
    Index(table="login_tx", column="bi_phone", labels=("account.phone",), passes=_DAY),
    Index(table="demo_sms", column="bi_phone", labels=("account.phone",), passes=_DAY),
    Index(table="match_asked", column="bi_number", labels=("person.number",), passes=2 * _DAY),
)  # fmt: skip
