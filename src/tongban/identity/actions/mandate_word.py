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
from tongban.kernel.actor import BY_LAW
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node

_LEEWAY = 1.0
"""Seconds: moments travel as whole milliseconds."""
MOVED = "identity.moved"
"""The first reason of a refusal by an old home; the second is the node that has the account now."""


async def prove(node: Node, found: Mandate) -> bool | None:
    """Whether the node whose word a copy is says so too 问说了算的一方; None when it cannot be heard. Never inside a transaction.

    The register of organisations for a representative, the population register for a guardian, else where it was granted:
    that must be the grantor's home by the register's statement, and its row must allow what was shown.
    """
    state = await standing(node, found)
    return None if state is None else state == "active"


async def ask(node: Node, found: Mandate, body: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Who answered for the mandate, and what: empty when it is not known there; None when it cannot be heard 问授权方.

    An old home names the node that has the account now: that is asked instead, and from then on. A new home that does
    not know the mandate yet was not heard.
    """
    where, moved = found.granted_node, found.moved_at is not None and not found.arriving_as
    for _ in range(2):
        try:
            return where, await federation.call(node, where, "identity.mandate", {"v": 1, "id": found.id, **body})
        except federation.CallRefused as no:
            if no.reasons[:1] == (MOVED,) and len(no.reasons) == 2:
                await _repointed(node, found, where, no.reasons[1])
                where, moved = no.reasons[1], True
                continue
            return (where, {}) if no.problem == "not_found" and not moved else None
        except (federation.CallFailed, federation.NotMember) as away:
            log("identity.mandate_silent", peer=where, error=type(away).__name__)
            return None
    return None


async def _repointed(node: Node, found: Mandate, old: str, new: str) -> None:
    async with node.db.transaction() as tx:
        await tx.execute(
            "UPDATE mandate SET granted_node = $2, moved_at = $3 WHERE id = $1 AND granted_node = $4", found.id, new, node.clock.now(), old
        )


async def standing(node: Node, found: Mandate) -> str | None:
    """`active`, `offered` or `over`, by whose word it is; None when that cannot be heard. Never inside a transaction (现状)."""
    if found.basis in BY_LAW:
        holds = await (guardians.ask_guardian if found.basis == "guardian" else _represents)(node, found.agent, found.grantor)
        return None if holds is None else "active" if holds else "over"
    heard = await ask(node, found, {"level": 3, "agent": found.agent, "grantor": found.grantor})
    if heard is None:
        return None
    where, answer = heard
    state = "active" if answer.get("alive") is True else "offered" if answer.get("state") == "offered" and found.arriving_as else "over"
    allowed = _no_more(found, answer)
    speaker = found.granted_by_subject or found.grantor
    at_home = await is_home(node, speaker, where, str(answer.get("proof", "")))
    if state == "over" or not allowed or not at_home:
        why = "not_allowed" if at_home else "not_home"
        log("identity.mandate_not_vouched", peer=where, reason="over" if state == "over" else why)
        return "over"
    if found.kind == "organisation":
        represents = await _represents(node, speaker, found.grantor)
        return None if represents is None else state if represents else "over"
    return state


def _no_more(found: Mandate, answer: dict[str, Any]) -> bool:
    """Whether what was shown goes no further than the word of who gave it: items, acts, the end, and the wait before submitting (pure)."""
    end, wait = answer.get("until"), answer.get("wait", 0)
    if type(end) is not int or type(wait) is not int:
        return False
    waits = 0 if found.wait_until is None else found.wait_until.timestamp()
    within = found.until_at.timestamp() <= end / 1000 + _LEEWAY and waits + _LEEWAY >= wait / 1000
    return within and set(found.items) <= set(answer.get("items", ())) and set(found.acts) <= set(answer.get("acts", ()))


async def _represents(node: Node, person: str, organisation: str) -> bool | None:
    companies = await organisations.ask(node, person)
    return None if companies is None else any(one.subject == organisation for one in companies)


async def vouch(tx: Tx, node: Node, caller: str, found: Mandate) -> dict[str, Any]:
    """What the granting node says of its own mandate to a node where the agent is 授权方作证; the asker is kept in mind."""
    await tx.execute(
        "UPDATE mandate SET shown = array_append(array_remove(shown, $2), $2) WHERE id = $1 AND agent_node <> $2", found.id, caller
    )
    proof = await statement_of(tx, node, found.granted_by_subject or found.grantor)
    return {
        "items": list(found.items), "acts": list(found.acts), "until": int(found.until_at.timestamp() * 1000),
        "wait": int(found.wait_until.timestamp() * 1000) if found.wait_until else 0, "proof": proof or "",
    }  # fmt: skip


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
