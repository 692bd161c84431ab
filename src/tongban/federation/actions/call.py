"""Asking another node 调用: budget, retries, breaker around one signed request (federation.md 4)."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import msgspec

from tongban.federation.actions.measure import BREAKER_NUMBER, BREAKER_STATE, CALL_SECONDS
from tongban.federation.actions.office import budget_left, office
from tongban.federation.actions.way import Answer, NoAnswer, exchange
from tongban.federation.errors import FRESH_ONCE, PROBLEMS, RETRIED, CallFailed, CallRefused
from tongban.federation.model import Directory, ListedNode
from tongban.federation.rules import directory as directory_rules
from tongban.federation.rules.traffic import RETRIES, jitter
from tongban.kernel.gm import jcs
from tongban.kernel.log import log
from tongban.kernel.node import Node

BODY_BYTES = 1024 * 1024
LONGEST_BUDGET_MS = 20_000
HOP_MS = 50
_SERVICE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,3}")


async def call(
    node: Node,
    to: str,
    service: str,
    body: dict[str, Any] | msgspec.Struct,
    *,
    budget_ms: int = 2500,
    idempotency_key: str | None = None,
) -> dict[str, Any]:
    """The answer of `to`'s service to this question, within the caller's patience (同步调用).

    `budget_ms` at most 20 000; inside a call that this node is answering, what is left of that one's budget counts.
    For a service with effect give `idempotency_key`, stored with the business intent *before* the first attempt.
    Raises CallRefused (the other node said no) and CallFailed (no usable answer): catch both and take the service's
    stated fallback. Never call inside a transaction.
    """
    if not _SERVICE.fullmatch(service):
        raise ValueError(f"not a service name: {service}")
    content = jcs(msgspec.to_builtins(body))
    if len(content) > BODY_BYTES:
        raise CallRefused(413, "too_large")
    found = await office(node).need(node)
    peer = callable_node(found, to, node.clock.ms())
    until = _until(budget_ms)
    return await _attempts(node, found, peer, service, content, until, idempotency_key)


def callable_node(found: Directory, to: str, now_ms: int) -> ListedNode:
    """The node to call, if the directory allows it now; CallFailed otherwise."""
    peer = found.node(to)
    if peer is None or not peer.base_urls or peer.status == "gone":
        raise CallFailed("unknown_node", retryable=False)
    if peer.status == "suspended" or to in found.emergency.isolate:
        raise CallFailed("node_suspended", retryable=False)
    if directory_rules.freshness(found, now_ms) == "expired":
        raise CallFailed("directory_expired", retryable=False)
    return peer


def _until(budget_ms: int) -> float:
    """When patience ends, in monotonic seconds."""
    until = time.monotonic() + min(max(budget_ms, 1), LONGEST_BUDGET_MS) / 1000
    outer = budget_left.get()
    return until if outer is None else min(until, outer - HOP_MS / 1000)


async def _attempts(
    node: Node, found: Directory, peer: ListedNode, service: str, content: bytes, until: float, key: str | None
) -> dict[str, Any]:
    memory = office(node)
    breaker, retries = memory.breakers[peer.id, service], memory.retries[peer.id]
    retries.earn()
    fresh_used, number = False, 0
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise CallFailed("deadline")
        if not breaker.admits(time.monotonic()):
            raise CallFailed("breaker_open", retry_after=15)
        problem, answer = await _one(node, found, peer, service, content, left, key)
        breaker.note(time.monotonic(), good=answer is not None and answer.status not in (503, 504))
        BREAKER_STATE.labels(peer.id, service).set(BREAKER_NUMBER[breaker.state(time.monotonic())])
        if answer is not None and answer.status == 200:
            return answer.body
        if problem in FRESH_ONCE and not fresh_used:
            fresh_used = True
            found, peer = await _look_again(node, found, peer, problem)
            continue
        if answer is not None and problem not in RETRIED:
            _refuse(answer, problem)
        pause = _pause(answer, number)
        if number >= RETRIES or time.monotonic() + pause >= until or not retries.spend():
            raise CallFailed(problem, retry_after=_retry_after(answer))
        number += 1
        await asyncio.sleep(pause)


async def _one(
    node: Node, found: Directory, peer: ListedNode, service: str, content: bytes, left: float, key: str | None
) -> tuple[str, Answer | None]:
    """(problem code or empty, the verified answer or None)."""
    started = time.monotonic()
    try:
        answer = await exchange(
            node, found, peer, "POST", f"/federation/call/{service}", body=content,
            budget_ms=max(1, int(left * 1000)), seconds=left, idempotency_key=key,
        )  # fmt: skip
        problem = "" if answer.status == 200 else str(answer.body.get("code", "malformed"))
    except NoAnswer as error:
        answer, problem = None, error.code if error.code in ("unknown_key", "timeout") else "transport"
    spent = time.monotonic() - started
    CALL_SECONDS.labels(peer.id, service, problem or "ok").observe(spent)
    office(node).recent_calls[peer.id].append((time.monotonic(), spent, answer is not None and answer.status < 500))
    if problem:
        log("federation.call_not_answered", peer=peer.id, service=service, code=problem, ms=int(spent * 1000))
    return problem, answer


async def _look_again(node: Node, found: Directory, peer: ListedNode, problem: str) -> tuple[Directory, ListedNode]:
    """Once: the directory is fetched anew if a key was not known, then the call is signed afresh."""
    from tongban.federation.actions.directory import refresh

    if problem == "unknown_key":
        try:
            await refresh(node, peer=peer.id)
        except CallFailed as error:
            log("federation.no_directory", peer=peer.id, code=error.problem)
        found = await office(node).need(node)
        peer = callable_node(found, peer.id, node.clock.ms())
    return found, peer


def _refuse(answer: Answer, problem: str) -> None:
    """Raise what the other node said."""
    if PROBLEMS.get(problem, (0, ""))[0] != answer.status:
        raise CallFailed("malformed", retryable=False)
    reasons = answer.body.get("reasons")
    words = tuple(one for one in reasons if isinstance(one, str)) if isinstance(reasons, list) else ()
    raise CallRefused(answer.status, problem, words)


def _retry_after(answer: Answer | None) -> int | None:
    value = answer.body.get("retry_after") if answer is not None else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 3600 else None


def _pause(answer: Answer | None, number: int) -> float:
    """Seconds before the next attempt: what the other node asked for with jitter, else 100 ms · 3^n ± 50 %."""
    asked = _retry_after(answer)
    return jitter(asked) if asked else jitter(0.1 * 3**number)
