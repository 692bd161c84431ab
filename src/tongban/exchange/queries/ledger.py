"""A person's ledger over all nodes 谁用过我的数据, and the proof of one line."""

from __future__ import annotations

import asyncio

import msgspec

from tongban import consent, federation, identity, transparency
from tongban.consent import Line
from tongban.exchange.model import DataUse, Gathered
from tongban.exchange.rules import merged
from tongban.kernel.log import log
from tongban.kernel.node import Node

# How long one silent node may keep a person waiting for the whole page.
GATHER_MS = 1500
# Subjects that begin so were never matched and mean nothing to another node (identity.md 1).
LOCAL = "l"


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
