"""From a local subject to the nation's 标识替换: once, at the match (identity.md 1).

Rooms above that keep rows under a local subject (drafts, favourites) follow by `follow_subject`.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta

from tongban.identity.actions.sessions import BELL
from tongban.identity.queries.persons import alias_index, number_index
from tongban.identity.rules.home import STATEMENT_DAYS
from tongban.identity.rules.typed import masked_name
from tongban.kernel.db import Tx, ring
from tongban.kernel.node import Node

Follower = Callable[[Tx, Node, str, str], Awaitable[None]]
_followers: list[Follower] = []


def follow_subject(follower: Follower) -> Follower:
    """Register `async (tx, node, old, new)` to rewrite a room's own rows when a subject changes 跟着换标识."""
    _followers.append(follower)
    return follower


def local_subject() -> str:
    """A new `l…` subject for a person not yet matched; it never leaves this node."""
    return "l" + base64.b32encode(secrets.token_bytes(17)).decode().lower().rstrip("=")[:26]


async def replace(tx: Tx, node: Node, old: str, new: str) -> None:
    """Everything of this node under `old` becomes `new`'s; sealed values bound to the subject are sealed anew."""
    person = await tx.fetchrow("SELECT name, name_masked, number FROM person WHERE subject = $1", old)
    phone: bytes | None = await tx.fetchval("SELECT phone FROM account WHERE subject = $1", old)
    await tx.execute("INSERT INTO subject_alias (old, subject, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", alias_index(node, old), new, node.clock.now())
    if phone is not None:
        plain = node.cipher.open("contact", "account.phone", old, phone)
        await tx.execute("UPDATE account SET subject = $2, phone = $3 WHERE subject = $1", old, new, node.cipher.seal("contact", "account.phone", new, plain))
    if person is not None:
        await tx.execute("DELETE FROM person WHERE subject = $1", old)
    for table in ("session", "device", "authenticator", "signin_record", "access_reason"):
        await tx.execute(f"UPDATE {table} SET subject = $2 WHERE subject = $1", old, new)
    await tx.execute("DELETE FROM match_pending WHERE subject = $1", old)
    for follower in _followers:
        await follower(tx, node, old, new)
    await ring(tx, BELL)


async def put_person(
    tx: Tx, node: Node, subject: str, *, home: str, proof: int, name: str, number: str, photo_held: bool, matched: bool
) -> None:
    """Write or refresh the row of an own person 登记本节点的人, found again by the blind index of the number."""
    now = node.clock.now()
    await tx.execute(
        "INSERT INTO person AS p (subject, home, proof, name, name_masked, number, bi_number, photo_held, matched_at, seen_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        " ON CONFLICT (subject) DO UPDATE SET home = excluded.home, proof = greatest(p.proof, excluded.proof), name = excluded.name,"
        " name_masked = excluded.name_masked, number = excluded.number, bi_number = excluded.bi_number,"
        " photo_held = excluded.photo_held, matched_at = coalesce(excluded.matched_at, p.matched_at), seen_at = excluded.seen_at",
        subject, home, proof, node.cipher.seal("identity", "person.name", subject, name),
        node.cipher.seal("identity", "person.name_masked", subject, masked_name(name)),
        node.cipher.seal("sensitive", "person.number", subject, number), number_index(node, number) if matched else None,
        photo_held, now if matched else None, now,
    )  # fmt: skip


async def put_visitor(tx: Tx, node: Node, subject: str, *, home: str, proof: int, name_masked: str) -> None:
    """Write or refresh the row of a visitor 别处来的人: subject, home, level and masked name, nothing more."""
    await tx.execute(
        "INSERT INTO person AS p (subject, home, proof, name_masked, seen_at) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (subject) DO UPDATE SET home = excluded.home, proof = excluded.proof, name_masked = excluded.name_masked,"
        " seen_at = excluded.seen_at",
        subject, home, proof, node.cipher.seal("identity", "person.name_masked", subject, name_masked), node.clock.now(),
    )  # fmt: skip


async def put_statement(tx: Tx, node: Node, subject: str, statement: str | None) -> None:
    """Keep the register's home statement 账号所在地证明 of an own person, sealed, with its end."""
    if statement is None:
        return
    await tx.execute(
        "UPDATE account SET home_statement = $2, statement_until = $3 WHERE subject = $1",
        subject, node.cipher.seal("identity", "account.home_statement", subject, statement),
        node.clock.now() + timedelta(days=STATEMENT_DAYS),
    )  # fmt: skip


async def statement_of(tx: Tx, node: Node, subject: str) -> str | None:
    """The home statement of an own person, None when there is none."""
    blob: bytes | None = await tx.fetchval("SELECT home_statement FROM account WHERE subject = $1", subject)
    return None if blob is None else node.cipher.open("identity", "account.home_statement", subject, blob).reveal()
