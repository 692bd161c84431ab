"""Alarms 告警: the same trouble is raised once, and stays until an operator closes it."""

from __future__ import annotations

import logging

from tongban.federation.actions.office import area
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node


async def raise_alarm(tx: Tx, kind: str, node: str, dedupe: str, sentence: str, evidence: bytes) -> bool:
    """Note what a person must look at (告警); False when the same one stands already. No bodies as evidence."""
    fresh = await tx.fetchval(
        "INSERT INTO federation_alarm (id, kind, node, dedupe, sentence, evidence) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (dedupe) DO NOTHING RETURNING 1",
        uuid7(), kind, node, f"{kind} {node} {dedupe}", sentence, evidence[:65536],
    )  # fmt: skip
    if fresh is not None:
        log("federation.alarm", level=logging.WARNING, kind=kind, peer=node)
    return fresh is not None


async def resolve_alarm(tx: Tx, node: Node, actor: Actor, alarm_id: str) -> None:
    """An operator has dealt with it (处理告警). Raises NotAllowed without the role `federation.operate`."""
    actor.require_may("federation.operate", division=area(node))
    await tx.execute(
        "UPDATE federation_alarm SET resolved_at = now(), resolved_by = $2, dedupe = dedupe || ' ' || id::text"
        " WHERE id = $1 AND resolved_at IS NULL",
        alarm_id, actor.staff_id,
    )  # fmt: skip
