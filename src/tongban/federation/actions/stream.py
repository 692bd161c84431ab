"""Streams 流式应答: a large answer frame by frame (rules/frames.py), asked for like a call and signed piece by piece.

A service whose handler in CALLS is an async generator is a stream: each thing it gives is one frame, and the last frame goes
out when it has ended. Neither end holds more than a frame. The budget is the patience for each frame, at both ends: a register
that is too slow ends the stream with `deadline`, a reader that does not read is left. Nothing is tried twice.
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp
import msgspec

from tongban.federation.actions.answer import Asked, Incoming
from tongban.federation.actions.call import LONGEST_BUDGET_MS, callable_node
from tongban.federation.actions.office import budget_left, handlers_of, office, public_key
from tongban.federation.actions.places import IN_FLIGHT
from tongban.federation.actions.way import NoAnswer, address, verified
from tongban.federation.errors import PROBLEMS, CallFailed, CallRefused, Problem
from tongban.federation.model import Directory
from tongban.federation.rules import directory as directory_rules
from tongban.federation.rules import frames, signatures
from tongban.kernel.beside import beside
from tongban.kernel.errors import Failure
from tongban.kernel.gm import BadEncoding, b64, jcs, parse_object
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node

_REFUSAL_BYTES = 64 * 1024
_Parts = AsyncGenerator[dict[str, Any], None]
_closing: set[asyncio.Task[None]] = set()


class Flow:
    """A stream being answered (应答中的流): an async iterator of lines. Its place among the caller's requests is given back when
    it ends, fails, or nobody took the next frame within the patience.
    """

    def __init__(self, node: Node, asked: Asked, request_signature: str, parts: _Parts, first: dict[str, Any] | None, patience: float) -> None:
        self._node, self._asked, self._parts = node, asked, parts
        self._chain = frames.Chain(node.id, asked.caller, request_signature)
        self._first, self._begun, self._closed, self._patience = first, False, False, patience
        office(node).in_flight[asked.caller] += 1
        self._timer = asyncio.get_running_loop().call_later(patience, self.close)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self._timer.cancel()
        if self._closed:
            raise StopAsyncIteration
        try:
            body, end = await self._say()
            found = await office(self._node).need(self._node)
            signer = office(self._node).signer(self._node, found)
            line = await beside(lambda: self._chain.write(signer, body, end))
        except BaseException:
            self.close()  # no last frame: the reader sees that it was cut
            raise
        if end:
            self.close()
        else:
            self._timer = asyncio.get_running_loop().call_later(self._patience, self.close)
        return line

    async def _say(self) -> tuple[dict[str, Any], str]:
        """What the next frame says, and how the stream ends with it, if it does."""
        try:
            part = self._first if not self._begun else await next_part(self._asked.caller, self._parts, self._patience)
        except Problem as problem:
            return {"reasons": list(problem.reasons)}, problem.code
        finally:
            self._begun, self._first = True, None
        return ({}, frames.WHOLE) if part is None else (part, "")

    def close(self) -> None:
        """Let go of everything (收流); again changes nothing."""
        self._timer.cancel()
        if not self._closed:
            self._closed = True
            office(self._node).in_flight[self._asked.caller] -= 1
            ending = asyncio.get_running_loop().create_task(_end(self._parts))  # whoever cancelled us does not cancel that
            _closing.add(ending)
            ending.add_done_callback(_closing.discard)


async def _end(parts: _Parts) -> None:
    await parts.aclose()


async def begin(node: Node, asked: Asked, service: str, incoming: Incoming) -> Flow:
    """The stream that answers a request, its first frame's content at hand (开始应答). Raises Problem: then there is no stream."""
    handler = handlers_of(node).calls.get(service)
    if handler is None or not inspect.isasyncgenfunction(handler):
        raise Problem("no_such_service")
    if office(node).in_flight[asked.caller] >= IN_FLIGHT:
        raise Problem("busy")
    try:
        body = parse_object(incoming.body)
    except BadEncoding as error:
        raise Problem("malformed") from error
    bound = signatures.signature_value(incoming.headers)
    assert bound is not None
    parts, patience = handler(node, asked.caller, body), max(0.001, asked.until - time.monotonic())
    return Flow(node, asked, bound, parts, await next_part(asked.caller, parts, patience), patience)


async def next_part(caller: str, parts: _Parts, patience: float) -> dict[str, Any] | None:
    """What the handler gives next, None when it has ended; every failure is a Problem."""
    token = budget_left.set(time.monotonic() + patience)
    try:
        async with asyncio.timeout(patience):
            return await anext(parts, None)
    except TimeoutError as error:
        raise Problem("deadline") from error
    except CallRefused as error:
        raise Problem(error.problem, reasons=error.reasons) from error
    except Failure as error:
        raise Problem("refused", reasons=(error.failure_code,)) from error
    except Exception as error:
        log_failure("federation.stream_broke", error, peer=caller)
        raise Problem("upstream") from error
    finally:
        budget_left.reset(token)


# ---- asking ------------------------------------------------------------------------------------------------------


async def stream(
    node: Node, to: str, service: str, body: dict[str, Any] | msgspec.Struct, *, budget_ms: int = 2500
) -> AsyncGenerator[dict[str, Any], None]:
    """What `to`'s service answers, piece by piece (流式取用); each is genuine when it is given, and the answer is whole only when
    this ends without an error.

    `budget_ms` is the patience for each piece. Closing the generator cancels the stream at the other end. Raises CallRefused
    and CallFailed like `call`, before the first piece or after any; CallFailed `cut` when the end is missing, `forged` when
    a piece is not the next one of this answer. Never inside a transaction.
    """
    found = await office(node).need(node)
    peer, patience = callable_node(found, to, node.clock.ms()), min(max(budget_ms, 1), LONGEST_BUDGET_MS) / 1000
    breaker = office(node).breakers[peer.id, service]
    if not breaker.admits(time.monotonic()):
        raise CallFailed("breaker_open", retry_after=15)
    path, content, nonce = f"/federation/stream/{service}", jcs(msgspec.to_builtins(body)), b64(secrets.token_bytes(16))
    signer, now = office(node).signer(node, found), node.clock.ms() // 1000
    headers = await beside(
        lambda: signatures.sign_request(
            signer, method="POST", path=path, to=peer.id, budget_ms=int(patience * 1000), body=content, idempotency_key=None, now=now, nonce=nonce
        )
    )
    root, host = address(node, peer.base_url, peer.connect)
    limit = aiohttp.ClientTimeout(total=None, connect=min(3.0, patience), sock_read=patience)
    good = False
    try:
        async with node.http.session.post(
            f"{root}{path}", data=content, headers={**headers, **host}, allow_redirects=False, timeout=limit
        ) as answer:
            if answer.status != 200 or answer.content_type != frames.TYPE:
                good = True  # a signed no is an answer; anything else is noted where it is looked at
                await _say_no(node, found, peer.id, answer, headers)
            bound = signatures.signature_value(headers)
            assert bound is not None
            chain = frames.Chain(peer.id, node.id, bound)
            async for line in lines(answer.content):
                frame = await _believed(node, chain, line)
                good = True
                if frame.head.end == frames.WHOLE:
                    return
                if frame.head.end:
                    _ended(frame)
                yield frame.body
            raise CallFailed("cut")
    except TimeoutError as error:
        raise CallFailed("timeout") from error
    except (aiohttp.ClientError, OSError) as error:
        raise CallFailed("cut" if good else "transport") from error
    except frames.BadFrame as error:
        log("federation.stream_forged", peer=peer.id, service=service, code=error.why)
        raise CallFailed("forged", retryable=False) from error
    finally:
        breaker.note(time.monotonic(), good=good)


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The lines of an answer as they come; what is left without its end is no line. BadFrame when one is too long."""
    held = bytearray()
    async for chunk in content.iter_any():
        held += chunk
        while (end := held.find(b"\n")) >= 0:
            yield bytes(held[:end])
            del held[: end + 1]
        if len(held) > frames.LINE_BYTES:
            raise frames.BadFrame("too_long")


async def _believed(node: Node, chain: frames.Chain, line: bytes) -> frames.Frame:
    frame = frames.read(line)
    found = await office(node).need(node)
    key = public_key(found, frame.kid)
    if key is None or directory_rules.call_key_fault(found, frame.kid, chain.origin, node.clock.ms()):
        raise frames.BadFrame("key")
    known = key
    await beside(lambda: chain.take(frame, known))
    return frame


def _ended(frame: frames.Frame) -> None:
    """Raise what the other node said at the end of a stream that is not whole."""
    code, reasons = frame.head.end, frame.body.get("reasons")
    status = PROBLEMS.get(code, (0, ""))[0]
    if not 400 <= status < 500 or code in ("busy", "quota"):
        raise CallFailed(code if status else "malformed")
    raise CallRefused(status, code, tuple(one for one in reasons if isinstance(one, str)) if isinstance(reasons, list) else ())


async def _say_no(node: Node, found: Directory, peer: str, answer: aiohttp.ClientResponse, request: dict[str, str]) -> None:
    """Raise what came instead of a stream: a signed problem, or nothing that counts."""
    content = await answer.content.read(_REFUSAL_BYTES)
    listed, names = found.node(peer), {name.lower(): value for name, value in answer.headers.items()}
    assert listed is not None
    try:
        said = await verified(node, found, listed, answer.status, names, content, request)
    except NoAnswer as error:
        raise CallFailed("transport") from error
    code, reasons = str(said.get("code", "malformed")), said.get("reasons")
    if PROBLEMS.get(code, (0, ""))[0] != answer.status or answer.status >= 500 or code in ("busy", "quota"):
        raise CallFailed(code)
    raise CallRefused(answer.status, code, tuple(one for one in reasons if isinstance(one, str)) if isinstance(reasons, list) else ())
