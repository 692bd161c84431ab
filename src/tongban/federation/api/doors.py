"""What the doors between nodes share 各门共用: a request read no further than its limit, believed, answered and signed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg
from litestar import Request, Response

from tongban.federation.actions.answer import (
    REQUEST_BYTES,
    Asked,
    Candidate,
    Incoming,
    Reply,
    admit,
    in_flight,
    problem_reply,
    signed_headers,
)
from tongban.federation.actions.office import office
from tongban.federation.errors import EnrolmentRefused, Problem
from tongban.kernel.gm import BadEncoding, parse_object
from tongban.kernel.log import log_failure
from tongban.kernel.node import Node

LONGEST_WAIT: Final = 25
PLAIN: Final = {"plain": True}
SICK: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
Ask = Request[Any, Any, Any]
Work = Callable[[Asked, Incoming], Awaitable[Reply]]


async def incoming(request: Ask) -> Incoming:
    """The request's bytes, read no further than the limit."""
    body = bytearray()
    if request.method == "POST" and int(request.headers.get("content-length", "0") or 0) <= REQUEST_BYTES:
        async for chunk in request.stream():
            body += chunk
            if len(body) > REQUEST_BYTES:
                break
    elif request.method == "POST":
        body = bytearray(REQUEST_BYTES + 1)  # too large as announced: not read at all
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return Incoming(
        request.method, raw_path.split(b"?")[0].decode("ascii"), request.scope["query_string"].decode("ascii"),
        {name.lower(): value for name, value in request.headers.items()}, bytes(body),
        request.client.host if request.client else "",
    )  # fmt: skip


async def answered(request: Ask, node: Node, work: Work, *, candidate: Candidate | None = None) -> Response[bytes]:
    """Believe the request, do the work, sign what comes of it, also when that is a problem."""
    came = await incoming(request)
    try:
        asked = await admit(node, came, candidate=candidate)
        async with in_flight(node, asked.caller):
            reply = await work(asked, came)
    except Problem as problem:
        reply = problem_reply(problem)
    except SICK as error:
        reply = sick(error)
    return response(reply, await signed_headers(node, await office(node).look(node), came, reply))


def sick(error: BaseException) -> Reply:
    """What is said when our own database is away."""
    log_failure("federation.sick", error)
    return problem_reply(Problem("overloaded", retry_after=2))


def response(reply: Reply, headers: dict[str, str]) -> Response[bytes]:
    others = {name: value for name, value in headers.items() if name != "content-type"}
    return Response(reply.body, status_code=reply.status, headers=others, media_type=reply.content_type)


def open_door(request: Ask, node: Node) -> None:
    address = request.client.host if request.client else ""
    if not office(node).open_doors.takes(address, time.monotonic()):
        raise Problem("quota", retry_after=1)


def _small_enough(came: Incoming) -> None:
    if len(came.body) > REQUEST_BYTES:
        raise Problem("too_large")


async def unsigned(request: Ask, node: Node, work: Callable[[Incoming], Awaitable[Reply]]) -> Response[bytes]:
    """The three doors that need no signature; limited by address."""
    came = await incoming(request)
    try:
        open_door(request, node)
        _small_enough(came)
        reply = await work(came)
    except Problem as problem:
        reply = problem_reply(problem)
    except EnrolmentRefused as error:
        reply = problem_reply(Problem("refused", reasons=(error.reason,)))
    except SICK as error:
        reply = sick(error)
    found = await office(node).look(node)
    headers = {
        "tongban-from": node.id,
        "tongban-directory": str(found.version if found else 0),
        "cache-control": "no-store",
    }
    if reply.retry_after is not None:
        headers["retry-after"] = str(reply.retry_after)
    return response(reply, headers)


def message(body: bytes) -> dict[str, Any]:
    """The object of a body; Problem `malformed` when it is none."""
    try:
        return parse_object(body)
    except BadEncoding as error:
        raise Problem("malformed") from error


def number(text: str, *, most: int = 2**53 - 1) -> int:
    """A number of a query; Problem `malformed` when it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise Problem("malformed")
    return min(int(text), most)
