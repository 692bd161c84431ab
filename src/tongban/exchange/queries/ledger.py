"""A person's ledger over all nodes 谁用过我的数据, and the proof of one line."""

from __future__ import annotations

import asyncio

import msgspec

from tongban import consent, federation, identity, transparency
from tongban.consent import Line
from tongban.exchange.model import Before, DataUse, Gathered
from tongban.exchange.rules import merged, told_down_to, within
from tongban.kernel.log import log
from tongban.kernel.node import Node

# How long one silent node may keep a person waiting for the whole page.
GATHER_MS = 1500
# Subjects that begin so were never matched and mean nothing to another node (identity.md 1).
LOCAL = "l"
# Lines of one node on one page; the older ones are asked for with the page before them.
PAGE = 200
# No line is as late as this: Unix ms of the year 2200.
LATEST = 7_258_118_400_000


async def data_use(node: Node, subject: str, *, before: Before | None = None, guardian: str = "") -> DataUse:
    """Who used this person's data, over every node that answers now, a page of the newest before `before` (谁用过我的数据).

    The page ends where the first node had more than it could tell, so that no use on it lacks an end that is only older.
    Own lines from the table, the others' by `federation.call exchange.ledger`, all at once; a node that is silent is
    named, never left out in silence. A visited node may ask the home only, and says where the whole ledger is; a
    subject of this node alone is told to nobody. `guardian` asks for a child without an account, as the register says there.
    Source: privacy.md 6.
    """
    async with node.db.reading() as tx:
        try:
            listed = (await federation.directory(tx)).nodes
        except federation.NotMember:
            listed = ()
        home = await identity.home_of(tx, subject) or node.id
    # one that is suspended cannot be asked: it is named as silent, not left out
    others = [one for one in listed if one.id != node.id and one.status in {"active", "leaving", "suspended"}]
    if subject.startswith(LOCAL):
        others = []
    elif home != node.id:
        others = [one for one in others if one.id == home]
    entitled = await _entitled(node, subject, guardian)
    here = await own_lines(node, subject, before)
    asked = await asyncio.gather(*(_ask(node, one.id, one.name, subject, entitled, before) for one in others))
    older = told_down_to((here, *asked))
    parts = [within(one, before=before, down_to=older) for one in (here, *asked)]
    silent = tuple(part.name for part in parts if not part.reached)
    place = next((one for one in others if one.id == home), None)
    return DataUse(
        uses=merged(parts, now=node.clock.now()), silent=silent, home=place.name if place else "", home_url=place.base_url if place else "", older=older
    )


async def _entitled(node: Node, subject: str, guardian: str) -> dict[str, str]:
    """What shows another node that this one may ask: the statement about the person's home, or about their guardian's."""
    shown = await identity.home_proof(node, subject)
    return {"home": shown} if shown or not guardian else {"home": await identity.home_proof(node, guardian), "guardian": guardian}


async def own_lines(node: Node, subject: str, before: Before | None) -> Gathered:
    """This node's part of a page (本节点的一页)."""
    async with node.db.reading() as tx:
        found = await consent.lines(tx, node.id, subject, limit=PAGE + 1, now=node.clock.now(), before=before)
    return Gathered(node=node.id, name=node.settings.name, reached=True, lines=found[:PAGE], more=len(found) > PAGE)


async def _ask(node: Node, other: str, name: str, subject: str, entitled: dict[str, str], before: Before | None) -> Gathered:
    span = {"before": consent.milliseconds(before[0]), "before_id": before[1]} if before else {}
    try:
        answer = await federation.call(
            node, other, "exchange.ledger", {"v": 1, "subject": subject, **entitled, **span}, budget_ms=GATHER_MS
        )
        lines = msgspec.convert(answer.get("lines", []), tuple[Line, ...])
    except (federation.CallFailed, federation.CallRefused, msgspec.ValidationError):
        log("exchange.ledger_silent", peer=other)
        return Gathered(node=other, name=name, reached=False)
    return Gathered(node=other, name=name, reached=True, lines=lines, more=answer.get("more") is True)


async def proof(node: Node, subject: str, access_id: str, side: str, at_node: str, *, guardian: str = "") -> bytes | None:
    """The receipt of one ledger line of this person as a file (凭证), from this node or the one that keeps it.

    None when there is no such line, the leaf is not under a signed head yet, or that node is silent.
    """
    if at_node == node.id:
        return await own_proof(node, subject, access_id, side)
    body = {"v": 1, "subject": subject, "id": access_id, "side": side, **await _entitled(node, subject, guardian)}
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
