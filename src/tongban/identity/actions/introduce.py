"""The hub introduces 引荐 (identity.md 2, 6.2): which home a number or phone belongs to, and nothing else.

It issues no token for anybody and keeps no session for other nodes' people.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

import msgspec

from tongban import federation
from tongban.identity.actions import throttle
from tongban.identity.errors import failure, waiting
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules import throttle as limits
from tongban.identity.rules import typed
from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.indexes import one_alone
from tongban.kernel.node import Node

HINT_LIFE = timedelta(seconds=60)


class Introduction(msgspec.Struct, frozen=True):
    """A home the hub knows, and a handle by which that home alone fetches what was typed."""

    home: str
    handle: str


class Place(msgspec.Struct, frozen=True):
    """A node at which accounts are opened 账号所在地."""

    id: str
    name: str
    url: str


async def places(tx: Tx) -> list[Place]:
    """The provinces of the directory, by id; none before this node is enrolled."""
    try:
        listed = (await federation.directory(tx)).nodes
    except federation.NotMember:
        return []
    return [Place(one.id, one.name, one.base_url) for one in sorted(listed, key=lambda one: one.id) if one.role == "province" and one.status == "active"]


async def address(tx: Tx, home: str) -> str:
    """Where the pages of a person's home begin 账号所在地的网址; empty for none or an unknown one."""
    return next((one.url for one in await places(tx) if one.id == home), "")


async def remember(tx: Tx, node: Node, home: str, *, number: str | None, phone: str | None) -> None:
    """Index a person's number and phone to the home 记下账号所在地; the values themselves are dropped.

    The first home stays: what one node says of a number does not move it away from another (T-32).
    """
    for kind, value in (("number", number), ("phone", phone)):
        if value:
            marks = _marks(node, kind, value)
            await one_alone(tx, "home_index", "bi", marks)
            await tx.execute(
                "INSERT INTO home_index (kind, bi, home, since) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT (kind, bi) DO NOTHING",
                kind, marks[0], home, node.clock.now(),
            )  # fmt: skip


async def turn(tx: Tx, node: Node, home: str, *, to: str, number: str, phone: str) -> None:
    """An account moved 账号搬走了: the index turns where it names the old home, and nowhere else (T-32)."""
    listed = (await federation.directory(tx)).node(to)
    if listed is None or listed.role != "province":
        return
    for kind, value in (("number", number), ("phone", phone)):
        if value:
            await tx.execute(
                "UPDATE home_index SET home = $4, since = $5 WHERE kind = $1 AND bi = ANY($2::bytea[]) AND home = $3",
                kind, _marks(node, kind, value), home, to, node.clock.now(),
            )  # fmt: skip


async def forget(tx: Tx, node: Node, home: str, *, number: str, phone: str) -> int:
    """An account was closed, or has another number or phone now 账号注销或换号: these rows of the index go where they name that
    home, and nowhere else (T-32); how many.
    """
    gone = 0
    for kind, value in (("number", number), ("phone", phone)):
        if value:
            gone += len(await tx.fetch(
                "DELETE FROM home_index WHERE kind = $1 AND bi = ANY($2::bytea[]) AND home = $3 RETURNING 1",
                kind, _marks(node, kind, value), home,
            ))  # fmt: skip
    return gone


async def introduce(tx: Tx, node: Node, who: str, *, visited: str, address: str, browser: str) -> Introduction:
    """Which home a typed number or phone has 账号在哪里. Raises `identity.too_many`.

    For somebody the hub does not know the home is the visited node itself, when accounts are opened there, else empty; the
    work done is the same, row for row (R-8).
    """
    block = limits.address_block(address)
    own = await throttle.take(tx, node, f"lookup:{browser}", limits.LOOKUPS_BROWSER) if browser else 0
    # a new cookie is free, so all browsers of a block share a purse too, and those without a cookie a small one
    shared = await throttle.take(tx, node, f"lookup-block:{block}", limits.widened(limits.LOOKUPS_BLOCK, address))
    nameless = 0 if browser else await throttle.take(tx, node, f"lookup-address:{block}", limits.widened(limits.LOOKUPS_ADDRESS, address))
    if wait := max(own, shared, nameless):
        raise failure("identity.too_many", t=waiting(wait), retry_after=wait)
    kind = typed.kind_of(who) or "phone"
    value = typed.normal(who)
    known: str | None = await tx.fetchval("SELECT home FROM home_index WHERE kind = $1 AND bi = ANY($2::bytea[])", kind, _marks(node, kind, value))
    await tx.execute(
        "INSERT INTO discovery_log (id, at, from_node, home) VALUES ($1, $2, $3, $4)", uuid7(), node.clock.now(), visited, known or ""
    )
    opens = any(one.id == visited for one in await places(tx))
    home = known or (visited if opens else "")
    handle = secrets.token_urlsafe(24)
    key = hashed(handle)
    await tx.execute(
        "INSERT INTO home_hint (handle_hash, home, typed, expires_at) VALUES ($1, $2, $3, $4)",
        key, home, node.cipher.seal("sensitive", "home_hint.typed", key.hex(), value), node.clock.now() + HINT_LIFE,
    )  # fmt: skip
    return Introduction(home, handle)


async def redeem(tx: Tx, node: Node, caller: str, handle: str) -> str | None:
    """What was typed, for the home it was meant for, once within 60 s 取引荐凭条."""
    key = hashed(handle)
    blob: bytes | None = await tx.fetchval(
        "UPDATE home_hint SET used_at = $3 WHERE handle_hash = $1 AND home = $2 AND used_at IS NULL AND expires_at > $3 RETURNING typed",
        key, caller, node.clock.now(),
    )  # fmt: skip
    return None if blob is None else node.cipher.open("sensitive", "home_hint.typed", key.hex(), blob).reveal()


async def fetch_hint(node: Node, handle: str) -> str:
    """The home's part: ask the hub once what the person typed there; empty when it cannot be had."""
    try:
        answer = await federation.call(node, node.settings.hub, "identity.hint", {"v": 1, "handle": handle})
    except (federation.CallFailed, federation.CallRefused):
        return ""
    return str(answer.get("typed", ""))


async def hub_ready(node: Node) -> bool:
    """Whether the hub answers now, so that a person is not sent to a dead end 枢纽在不在."""
    try:
        await federation.call(node, node.settings.hub, "identity.jwks", {"v": 1}, budget_ms=800)
    except (federation.CallFailed, federation.CallRefused):
        return False
    return True


def _marks(node: Node, kind: str, value: str) -> list[bytes]:
    return node.cipher.linked_marks(f"home_index.{kind}", typed.normal(value))
