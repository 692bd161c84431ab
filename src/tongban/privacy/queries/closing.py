"""Closing an account 注销, as the person sees it: what goes, what stays, what stops; the page of receipts."""

from __future__ import annotations

from typing import Any

import msgspec

from tongban import identity
from tongban.kernel.db import Tx
from tongban.kernel.gm import hmac_sm3, sm3
from tongban.kernel.node import Node
from tongban.privacy.model.closing import Paper, Receipt, Result, Waiting
from tongban.privacy.queries.known import holdings
from tongban.privacy.rules.times import in_words, together

GROUP = "identity"


def goes() -> tuple[str, ...]:
    """What is deleted, as the person calls it 会删的."""
    return tuple(dict.fromkeys(in_words(one.title) for one in holdings() if one.erase is not None and one.title))


def stays() -> tuple[str, ...]:
    """What the law keeps and until when, one sentence each 依法留下的."""
    return tuple(dict.fromkeys(one.stays for one in holdings() if one.stays))


async def here(tx: Tx, subject: str) -> frozenset[str]:
    """The tables of this node that hold something of this person 这里有这个人的哪些, by the column that names whose it is."""
    columns = await _whose(tx)
    if not columns:
        return frozenset()
    asked = " UNION ALL ".join(f"SELECT '{table}' AS name WHERE EXISTS (SELECT FROM {table} WHERE {column} = $1)" for table, column in columns.items())
    return frozenset(row["name"] for row in await tx.fetch(asked, subject))


async def _whose(tx: Tx) -> dict[str, str]:
    known = {one.table: (one.term.subject if one.term and one.term.subject else "subject") for one in holdings()}
    rows = await tx.fetch(
        "SELECT c.relname AS name, a.attname AS named FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY($1::text[]) AND a.attnum > 0 AND NOT a.attisdropped"
        " AND format_type(a.atttypid, a.atttypmod) = 'text'", list(known),
    )  # fmt: skip
    return {row["name"]: row["named"] for row in rows if known[row["name"]] == row["named"]}


def goes_of(tables: frozenset[str]) -> tuple[str, ...]:
    """Of what is deleted, what there is here 这里要删的."""
    return tuple(dict.fromkeys(in_words(one.title) for one in holdings() if one.erase is not None and one.table in tables))


def stays_of(tables: frozenset[str]) -> tuple[str, ...]:
    """Of what the law keeps, what there is here 这里依法留下的."""
    return tuple(dict.fromkeys(one.stays for one in holdings() if one.stays and one.table in tables))


async def waiting(tx: Tx, node: Node, subject: str) -> Waiting | None:
    """The closing of this person that can still be stopped 还能停的."""
    row = await tx.fetchrow("SELECT id, asked_at, due_at, paper FROM closing WHERE subject = $1 AND state = 'waiting'", subject)
    if row is None:
        return None
    text = node.cipher.open(GROUP, "closing.paper", str(row["id"]), row["paper"]).reveal()
    return Waiting(id=str(row["id"]), asked_at=row["asked_at"], due_at=row["due_at"], paper=msgspec.json.decode(text, type=Paper))


def link_hash(link: str) -> bytes:
    """The form in which the random part of an address is kept."""
    return sm3(link.encode("utf-8"))


def code_hash(node: Node, closing: str, code: str) -> bytes:
    """The form in which a code is kept: keyed, since eight digits could be tried."""
    return hmac_sm3(node.keys.secret("closing-code"), f"{closing} {code}".encode())


async def result(tx: Tx, closing: str) -> Result | None:
    """All nodes' receipts of one closing 全部回执."""
    page = await tx.fetchrow("SELECT closed_at, until FROM closing_page WHERE id = $1", closing)
    if page is None:
        return None
    rows = await tx.fetch("SELECT * FROM closing_receipt WHERE closing = $1 ORDER BY node", closing)
    return Result(closed_at=page["closed_at"], until=page["until"], receipts=tuple(_receipt(row) for row in rows))


def _receipt(row: Any) -> Receipt:
    return Receipt(
        node=row["node"], state=row["state"], counts=together(row["counts"]), stays=tuple(row["stays"]), held_until=row["held_until"],
        leaf=row["leaf"], at=row["at"],
    )  # fmt: skip


async def ties(tx: Tx, node: Node, subject: str) -> identity.Ties:
    """Whom the person acts for, who acts for them, the companies they represent 代办和企业."""
    return await identity.ties(tx, node, subject)
