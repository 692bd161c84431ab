"""Looking at 数据共享: resources, grants, and a person's ledger over all nodes."""

from __future__ import annotations

import asyncio
import tomllib
from functools import cache
from importlib import resources as packaged
from typing import Any

import msgspec

from tongban import consent, federation, identity, transparency
from tongban.consent import Line
from tongban.exchange.model import DataUse, Gathered, Grant, Resource
from tongban.exchange.rules import merged
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node

# How long one silent node may keep a person waiting for the whole page.
GATHER_MS = 1500
# Subjects that begin so were never matched and mean nothing to another node (identity.md 1).
LOCAL = "l"


@cache
def resources() -> tuple[Resource, ...]:
    """Every data resource this release knows (数据资源目录), from resources.toml."""
    raw = tomllib.loads(packaged.files("tongban.exchange").joinpath("resources.toml").read_text("utf-8"))
    return msgspec.convert(raw["resource"], tuple[Resource, ...])


def resource(resource_id: str) -> Resource | None:
    """The resource of that id, or None."""
    return next((one for one in resources() if one.id == resource_id), None)


async def grants(tx: Tx, *, state: str = "") -> tuple[Grant, ...]:
    """The grants this node gives (本节点的共享授权), newest first."""
    rows = await tx.fetch("SELECT * FROM data_grant WHERE ($1 = '' OR state = $1) ORDER BY id DESC LIMIT 500", state)
    return tuple(grant_of(row) for row in rows)


async def grant(tx: Tx, grant_id: str) -> Grant | None:
    """One grant of this node."""
    row = await tx.fetchrow("SELECT * FROM data_grant WHERE id = $1", grant_id)
    return grant_of(row) if row else None


def grant_of(row: Any) -> Grant:
    """A row of data_grant as its noun."""
    return Grant(
        id=row["id"],
        resource=row["resource"],
        caller=row["caller"],
        purpose=row["purpose"],
        fields=tuple(row["fields"]),
        quota_per_day=row["quota_per_day"],
        starts_at=row["starts_at"],
        until=row["until"],
        state=row["state"],
        proposed_by=row["proposed_by"],
        approved_by=row["approved_by"],
        used_today=row["used_today"],
        reason=row["reason"],
    )


async def data_use(node: Node, subject: str) -> DataUse:
    """Who used this person's data, over every node that answers now (谁用过我的数据).

    Own lines from the table, the others' by `federation.call exchange.ledger`, all at once; a node that is silent is
    named, never left out in silence. A visited node may ask the home only, and says where the whole ledger is; a
    subject of this node alone is told to nobody. Source: privacy.md 6.
    """
    async with node.db.reading() as tx:
        own = await consent.lines(tx, node.id, subject, now=node.clock.now())
        try:
            listed = (await federation.directory(tx)).nodes
        except federation.NotMember:
            listed = ()
        home = await identity.home_of(tx, subject) or node.id
    others = [one for one in listed if one.id != node.id and one.status in {"active", "leaving"}]
    if subject.startswith(LOCAL):
        others = []
    elif home != node.id:
        others = [one for one in others if one.id == home]
    shown = await identity.home_proof(node, subject)
    parts = await asyncio.gather(*(_ask(node, one.id, one.name, subject, shown) for one in others))
    here = Gathered(node=node.id, name=node.settings.name, reached=True, lines=own)
    silent = tuple(part.name for part in parts if not part.reached)
    place = next((one for one in others if one.id == home), None)
    return DataUse(
        uses=merged((here, *parts)), silent=silent, home=place.name if place else "", home_url=place.base_url if place else ""
    )


async def _ask(node: Node, other: str, name: str, subject: str, shown: str) -> Gathered:
    try:
        answer = await federation.call(
            node, other, "exchange.ledger", {"v": 1, "subject": subject, "home": shown}, budget_ms=GATHER_MS
        )
        lines = msgspec.convert(answer.get("lines", []), tuple[Line, ...])
    except (federation.CallFailed, federation.CallRefused, msgspec.ValidationError):
        log("exchange.ledger_silent", peer=other)
        return Gathered(node=other, name=name, reached=False)
    return Gathered(node=other, name=name, reached=True, lines=lines)


async def proof(node: Node, subject: str, access_id: str, side: str, at_node: str) -> bytes | None:
    """The receipt of one ledger line of this person as a file (凭证), from this node or the one that keeps it.

    None when there is no such line, the leaf is not under a signed head yet, or that node is silent.
    """
    if at_node == node.id:
        return await own_proof(node, subject, access_id, side)
    shown = await identity.home_proof(node, subject)
    body = {"v": 1, "subject": subject, "id": access_id, "side": side, "home": shown}
    try:
        answer = await federation.call(node, at_node, "exchange.receipt", body, budget_ms=GATHER_MS)
    except (federation.CallFailed, federation.CallRefused):
        return None
    text = answer.get("receipt")
    return text.encode() if isinstance(text, str) else None


async def own_proof(node: Node, subject: str, access_id: str, side: str) -> bytes | None:
    """As `proof`, for a line of this node."""
    async with node.db.reading() as tx:
        found = await consent.line(tx, node.id, subject, access_id, side, now=node.clock.now())
        if found is None:
            return None
        try:
            made = await transparency.receipt(tx, found.leaf, statement=consent.fact_of(subject, found))
        except (transparency.ReceiptNotReady, transparency.NoSuchLeaf):
            return None
    return made.to_bytes()
