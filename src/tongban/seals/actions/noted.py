"""Every act on a seal is a row and a leaf (留痕): written in the transaction of the act."""

from __future__ import annotations

from tongban import transparency
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node


def officer(actor: Actor) -> str:
    """How an officer stands in rows (经办人): the staff number, or what acts by itself."""
    return actor.staff_id or actor.kind


async def noted(tx: Tx, node: Node, actor: Actor, seal_id: str, act: str, words: str = "", **facts: object) -> str:
    """Write down that this was done (记一笔); the leaf's id. `facts` go into the leaf, without persons."""
    leaf = await transparency.append(tx, f"seal.{act}", jcs({"seal": seal_id, "by": officer(actor), **facts}))
    await tx.execute(
        "INSERT INTO seal_act (seal_id, id, act, officer, words, at, leaf) VALUES ($1,$2,$3,$4,$5,$6,$7)",
        seal_id, uuid7(), act, officer(actor), words, node.clock.now(), leaf.id,
    )  # fmt: skip
    return leaf.id
