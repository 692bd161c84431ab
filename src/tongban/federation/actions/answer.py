"""Answering another node 应答: who asks, checked in the order of federation.md 4; answers that are stored and signed."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from tongban.federation.actions.measure import SIGNATURE_FAILURES
from tongban.federation.actions.nonces import Used, use_nonce
from tongban.federation.actions.office import (
    BEHIND_BELL,
    budget_left,
    handlers_of,
    note_word,
    office,
    public_key,
    recovering,
)
from tongban.federation.actions.places import IN_FLIGHT
from tongban.federation.errors import CallFailed, CallRefused, Problem
from tongban.federation.model import Directory
from tongban.federation.rules import directory as directory_rules
from tongban.federation.rules import signatures
from tongban.kernel.beside import waiting
from tongban.kernel.checker import true_signature
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure
from tongban.kernel.gm import BadEncoding, Sm2PublicKey, digest, jcs, parse_object
from tongban.kernel.ids import is_uuid
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node
from tongban.kernel.signing import signed

REQUEST_BYTES = 1024 * 1024
MOST_WAITING = 200
"""Signatures that wait for a processor; beyond, a new request would wait longer than its caller (federation.md 8: back-pressure)."""
ANSWER_TYPE = "application/json"
PROBLEM_TYPE = "application/problem+json"


class Incoming(msgspec.Struct, frozen=True):
    """A request as it came; header names in lower case, `query` without its question mark, `arrived` in monotonic seconds."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    address: str
    arrived: float = msgspec.field(default_factory=time.monotonic)

    def having(self, body: bytes) -> Incoming:
        """The same with its body, which is read when there is a place to work on it."""
        return Incoming(self.method, self.path, self.query, self.headers, body, self.address, self.arrived)


class Asked(msgspec.Struct, frozen=True):
    """A request that is believed: who asks, until when (monotonic seconds), and the key against doing it twice."""

    caller: str
    status: str
    until: float
    idempotency_key: str | None


class Reply(msgspec.Struct, frozen=True):
    """What goes back, before it is signed."""

    status: int
    body: bytes
    content_type: str = ANSWER_TYPE
    retry_after: int | None = None


class Candidate(msgspec.Struct, frozen=True):
    """A key that counts for one request although the directory does not name it: that of a candidate (enrolment)."""

    kid: str
    node: str
    key: Sm2PublicKey


async def admit(node: Node, request: Incoming, *, candidate: Candidate | None = None) -> Asked:
    """Believe a request, or raise Problem at the first check that fails (核验来电).

    size → to me → key → node → components → window → digest → signature → nonce. The signature comes before the nonce
    so that strangers cannot fill the table; badly signed requests are counted by address before any SM2 work.
    """
    memory, now = office(node), time.monotonic()
    if memory.unsigned.exhausted(request.address, now):
        raise Problem("quota", retry_after=1)
    if waiting() >= MOST_WAITING:
        raise Problem("overloaded", retry_after=1)  # before any SM2 work: turning away must cost less than answering
    try:
        return await _admit(node, request, candidate)
    except signatures.BadMessage as error:
        memory.unsigned.takes(request.address, now)
        SIGNATURE_FAILURES.labels(_known_peer(node, request), error.code).inc()
        log("federation.refused", code=error.code, peer=_known_peer(node, request))
        raise Problem(error.code) from error


def _known_peer(node: Node, request: Incoming) -> str:
    """The claimed sender if the directory names it: a bounded label."""
    name = request.headers.get("tongban-from", "")
    found = office(node).directory
    return name if found is not None and found.node(name) is not None else "stranger"


async def _admit(node: Node, request: Incoming, candidate: Candidate | None) -> Asked:
    headers = request.headers
    if len(request.body) > REQUEST_BYTES:
        raise Problem("too_large")
    if headers.get("tongban-to") != node.id:
        raise signatures.BadMessage("not_for_you")
    parameters = signatures.read_request_parameters(headers)
    caller = headers.get("tongban-from", "")
    key, status = await _key(node, parameters.keyid, caller, candidate)
    if status not in ("active", "leaving") and not (status == "joining" and request.method == "GET"):
        raise signatures.BadMessage("node_suspended")
    signatures.check_parts(parameters, request.method, headers)
    signatures.check_window(parameters.created, parameters.expires, node.clock.ms() // 1000)
    if request.method != "GET":
        signatures.check_digest(request.body, headers.get("content-digest"))
        if headers.get("content-type", "").strip() != ANSWER_TYPE:
            raise Problem("malformed")
    until = _until(headers, request.arrived)
    if until <= time.monotonic():
        raise Problem("deadline")  # nobody waits for the answer any more: before any SM2 work
    base, signature = signatures.request_signature(parameters, method=request.method, path=request.path, query=request.query, headers=headers)
    if not await true_signature(key, base, signature):
        raise signatures.BadMessage("bad_signature")
    await use_nonce(node, Used(caller, parameters.nonce, parameters.created, parameters.expires))
    note_word(node, caller)
    return Asked(caller, status, until, _idempotency_key(headers))


async def _key(node: Node, kid: str, caller: str, candidate: Candidate | None) -> tuple[Sm2PublicKey, str]:
    if candidate is not None and candidate.kid == kid and candidate.node == caller:
        return candidate.key, "joining"
    found = await office(node).look(node)
    if found is None:
        raise signatures.BadMessage("unknown_key")
    fault = directory_rules.call_key_fault(found, kid, caller, node.clock.ms())
    key = public_key(found, kid)
    if fault is not None or key is None:
        if fault == "unknown_key" and found.node(caller) is not None:
            node.bell.ring(BEHIND_BELL)  # a node we know signs with a key we do not: our directory may be old
        raise signatures.BadMessage(fault or "unknown_key")
    listed = found.node(caller)
    assert listed is not None
    return key, "suspended" if caller in found.emergency.isolate else listed.status


def _until(headers: Mapping[str, str], arrived: float) -> float:
    """When the caller's patience ends; it began when the request came, so waiting for a place or a check is part of it."""
    text = headers.get("tongban-budget", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= 20_000):
        raise Problem("malformed")
    return arrived + int(text) / 1000


def _idempotency_key(headers: Mapping[str, str]) -> str | None:
    key = headers.get("idempotency-key")
    if key is not None and not is_uuid(key):
        raise Problem("malformed")
    return key


@asynccontextmanager
async def in_flight(node: Node, caller: str) -> AsyncIterator[None]:
    """At most 200 requests of one caller at once (federation.md 8)."""
    count = office(node).in_flight
    if count[caller] >= IN_FLIGHT:
        raise Problem("busy")
    count[caller] += 1
    try:
        yield
    finally:
        count[caller] -= 1


# ---- services ----------------------------------------------------------------------------------------------------


class _Effect(msgspec.Struct):
    """The idempotency key of the call being answered, for `remember` inside the handler's transaction."""

    peer: str
    service: str
    key: str
    body_digest: str
    stored: bool = False


_effect: ContextVar[_Effect | None] = ContextVar("federation_effect", default=None)


async def remember(tx: Tx, node: Node, answer: dict[str, Any]) -> None:
    """Store the answer of the call being handled in the transaction of its effect (幂等).

    A handler with effect calls it last in its own transaction: then effect and answer are one, and the same
    Idempotency-Key gets the same answer for 7 days. Without a key nothing happens.
    """
    effect = _effect.get()
    if effect is None:
        return
    await tx.execute(
        "INSERT INTO call_answer (peer, service, key, body_digest, status, answer) VALUES ($1, $2, $3, $4, 200, $5)",
        effect.peer, effect.service, effect.key, effect.body_digest, _seal(node, effect.key, jcs(answer)),
    )  # fmt: skip
    effect.stored = True


def _seal(node: Node, key: str, answer: bytes) -> bytes:
    return node.cipher.seal_bytes("case", "call_answer.answer", key, answer)


async def answer_call(node: Node, asked: Asked, service: str, content: bytes) -> Reply:
    """Let the service's handler answer, once for each Idempotency-Key (应答). Raises Problem."""
    handler = handlers_of(node).calls.get(service)
    if handler is None or inspect.isasyncgenfunction(handler):  # a stream is asked for at its own door
        raise Problem("no_such_service")
    try:
        body = parse_object(content)
    except BadEncoding as error:
        raise Problem("malformed") from error
    if asked.idempotency_key is None:
        return Reply(200, await _handle(handler, node, asked, body))
    if await recovering(node):
        raise Problem("recovering", retry_after=5)  # a call with effect: this node does not know what it did (6.2)
    return await _once(node, asked, service, content, lambda: _handle(handler, node, asked, body))


async def _once(node: Node, asked: Asked, service: str, content: bytes, work: Callable[[], Any]) -> Reply:
    key = asked.idempotency_key
    assert key is not None
    running, mark = office(node).running, (asked.caller, service, key)
    effect = _Effect(asked.caller, service, key, digest(content))
    if mark in running:  # looked at and marked without a pause between: of two at once one runs
        raise Problem("in_progress")
    running.add(mark)
    token = _effect.set(effect)
    try:
        stored = await _stored(node, effect)
        if stored is not None:
            return stored
        answer: bytes = await work()
        if not effect.stored:  # a handler without effect of its own: the answer is kept all the same
            async with node.db.transaction() as tx:
                await tx.execute(
                    "INSERT INTO call_answer (peer, service, key, body_digest, status, answer)"
                    " VALUES ($1, $2, $3, $4, 200, $5) ON CONFLICT DO NOTHING",
                    effect.peer, effect.service, effect.key, effect.body_digest, _seal(node, key, answer),
                )  # fmt: skip
        return Reply(200, answer)
    finally:
        _effect.reset(token)
        running.discard(mark)


async def _stored(node: Node, effect: _Effect) -> Reply | None:
    async with node.db.reading() as tx:
        row = await tx.fetchrow(
            "SELECT body_digest, status, answer FROM call_answer WHERE peer = $1 AND service = $2 AND key = $3",
            effect.peer, effect.service, effect.key,
        )  # fmt: skip
    if row is None:
        return None
    if row["body_digest"] != effect.body_digest:
        raise Problem("key_reused")
    return Reply(row["status"], node.cipher.open_bytes("case", "call_answer.answer", effect.key, row["answer"]))


async def _handle(handler: Callable[..., Any], node: Node, asked: Asked, body: dict[str, Any]) -> bytes:
    """The handler's answer within the caller's budget; every failure becomes a row of the problem table."""
    token = budget_left.set(asked.until)
    try:
        async with asyncio.timeout(max(0.001, asked.until - time.monotonic())):
            return jcs(await handler(node, asked.caller, body))
    except TimeoutError as error:
        raise Problem("deadline") from error
    except CallRefused as error:
        raise Problem(error.problem, reasons=error.reasons) from error
    except CallFailed as error:
        raise Problem("upstream") from error
    except Failure as error:
        if error.http_status in (429, 503):
            raise Problem("overloaded", retry_after=error.retry_after or 1) from error
        raise Problem("not_found" if error.http_status == 404 else "refused", reasons=(error.failure_code,)) from error
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        log_failure("federation.call_malformed", error, peer=asked.caller)
        raise Problem("malformed") from error
    except Exception as error:
        log_failure("federation.call_broke", error, peer=asked.caller)
        raise Problem("upstream", retry_after=1) from error
    finally:
        budget_left.reset(token)


def problem_reply(problem: Problem) -> Reply:
    return Reply(problem.status, jcs(problem.body()), PROBLEM_TYPE, problem.retry_after)


async def signed_headers(node: Node, found: Directory | None, request: Incoming, reply: Reply, *, sign: bool = True) -> dict[str, str]:
    """Headers of the answer, signed when there is a request signature to tie it to and a key to sign with.

    Without `sign` only who is turned away beyond what can be signed: to a caller that is no answer but a broken connection.
    """
    version = found.version if found is not None else 0
    headers = {
        "content-type": reply.content_type,
        "tongban-from": node.id,
        "tongban-directory": str(version),
        "cache-control": "no-store",
    }
    if reply.retry_after is not None:
        headers["retry-after"] = str(reply.retry_after)
    bound = signatures.signature_value(request.headers)
    if not sign or bound is None or found is None or found.node(node.id) is None:
        return headers
    signer = office(node).signer(node, found)
    more, base = signatures.answer_to_sign(
        signer.kid, status=reply.status, body=reply.body, content_type=reply.content_type, directory=version, request_signature=bound,
        now=node.clock.ms() // 1000,
    )  # fmt: skip
    return headers | signatures.with_signature(more, await signed(node, signer, base))


async def forget_old(node: Node) -> None:
    """Delete nonces and stored answers past their time (federation.md 7)."""
    async with node.db.transaction() as tx:
        await tx.execute("DELETE FROM call_nonce WHERE peer <> '' AND expires < $1", node.clock.ms() // 1000)
        await tx.execute("DELETE FROM call_answer WHERE at < now() - interval '7 days'")
