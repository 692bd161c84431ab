"""Whose word a mandate is 授权谁说了算: proving a copy at a visited node, vouching for one's own, telling the end of it (T-22, T-87).

The register of organisations for a representative, the population register for a guardian, else the node where it was granted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tongban import federation
from tongban.identity.actions import guardians, organisations
from tongban.identity.actions.home_proof import is_home
from tongban.identity.actions.subjects import statement_of
from tongban.identity.rules.mandates import Mandate
from tongban.kernel import jobs
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node


async def prove(node: Node, found: Mandate) -> bool | None:
    """Whether the node whose word a copy is says so too 问说了算的一方; None when it cannot be heard. Never inside a transaction.

    The register of organisations for a representative, the population register for a guardian, else where it was granted:
    that must be the grantor's home by the register's statement, and its row must allow what was shown.
    """
    if found.basis == "guardian":
        return await guardians.ask_guardian(node, found.agent, found.grantor)
    if found.basis == "legal_rep":
        return await _represents(node, found.agent, found.grantor)
    body = {"v": 1, "id": found.id, "level": 3, "agent": found.agent, "grantor": found.grantor}
    try:
        answer = await federation.call(node, found.granted_node, "identity.mandate", body)
    except federation.CallRefused as no:
        return False if no.problem == "not_found" else None
    except (federation.CallFailed, federation.NotMember) as away:
        log("identity.mandate_silent", peer=found.granted_node, error=type(away).__name__)
        return None
    allowed = set(found.items) <= set(answer.get("items", ())) and set(found.acts) <= set(answer.get("acts", ()))
    speaker = found.granted_by_subject or found.grantor
    at_home = await is_home(node, speaker, found.granted_node, str(answer.get("proof", "")))
    if answer.get("alive") is not True or not allowed or not at_home:
        why = "not_allowed" if at_home else "not_home"
        log("identity.mandate_not_vouched", peer=found.granted_node, reason=why if answer.get("alive") is True else "over")
        return False
    return await _represents(node, speaker, found.grantor) if found.kind == "organisation" else True


async def _represents(node: Node, person: str, organisation: str) -> bool | None:
    companies = await organisations.ask(node, person)
    return None if companies is None else any(one.subject == organisation for one in companies)


async def vouch(tx: Tx, node: Node, caller: str, found: Mandate) -> dict[str, Any]:
    """What the granting node says of its own mandate to a node where the agent is 授权方作证; the asker is kept in mind."""
    await tx.execute(
        "UPDATE mandate SET shown = array_append(array_remove(shown, $2), $2) WHERE id = $1 AND agent_node <> $2", found.id, caller
    )
    proof = await statement_of(tx, node, found.granted_by_subject or found.grantor)
    return {"items": list(found.items), "acts": list(found.acts), "until": int(found.until_at.timestamp() * 1000), "proof": proof or ""}


async def tell_gone(tx: Tx, node: Node, mandate_id: str, shown: Sequence[str]) -> None:
    """Every node that was told hears that it is over: by call at once, by letter for certain 告诉到访过的节点."""
    nodes = [one for one in shown if one != node.id]
    for one in nodes:
        await federation.send(tx, node, to=one, kind="mandate.gone", about=f"mandate:{mandate_id}", body={"id": mandate_id})
    if nodes:
        await jobs.enqueue(tx, "identity.mandate_gone", {"id": mandate_id, "nodes": nodes})


async def push_gone(node: Node, payload: dict[str, Any]) -> None:
    """Job: the call `identity.mandate_gone` to each at once. A silent one has the letter."""

    async def told(one: str) -> None:
        try:
            await federation.call(node, one, "identity.mandate_gone", {"v": 1, "id": payload["id"]}, budget_ms=2000)
        except (federation.CallFailed, federation.CallRefused, federation.NotMember) as away:
            log("identity.mandate_end_unheard", peer=one, error=type(away).__name__)

    await asyncio.gather(*(told(one) for one in payload["nodes"]))
