"""The doors of calls 调用的门 (federation.md 4, 8). This is the busiest road between nodes, so a call is read and answered as bytes,
and who finds no place in time is told so before a signature is looked at.
"""

from __future__ import annotations

import time
from typing import Any

from litestar import Response, asgi, post
from litestar.di import NamedDependency
from litestar.exceptions import MethodNotAllowedException
from litestar.params import FromPath
from litestar.response import Stream
from litestar.types import Receive, Scope, Send

from tongban.federation.actions.answer import (
    REQUEST_BYTES,
    Incoming,
    Reply,
    admit,
    answer_call,
    problem_reply,
    signed_headers,
)
from tongban.federation.actions.office import office
from tongban.federation.actions.places import places
from tongban.federation.actions.stream import begin
from tongban.federation.api.doors import PLAIN, SICK, Ask, incoming, response, sick
from tongban.federation.errors import Problem
from tongban.federation.rules import frames
from tongban.kernel.node import Node


@asgi("/federation/call", is_mount=True, opt=PLAIN, copy_scope=False)
async def call(scope: Scope, receive: Receive, send: Send) -> None:
    """A question of another node (同步调用)."""
    if scope.get("method") != "POST":  # a web socket has none
        raise MethodNotAllowedException(headers={"allow": "POST"})
    node: Node = scope["litestar_app"].state.node
    came = _head(scope)
    reply, headers = await _answer(node, came, scope["path"].strip("/"), receive)
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    pairs.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})


async def _answer(node: Node, came: Incoming, service: str, receive: Receive) -> tuple[Reply, dict[str, str]]:
    """What is answered, and its headers, signed. The place is held until then: a signature is work too.

    It is asked for when the whole call is here: whoever sends slowly under a borrowed name holds no place of that name's.
    """
    memory = office(node)
    room, caller = places(node), came.headers.get("tongban-from", "")
    try:
        came = await _whole(came, receive)
        found = await memory.look(node)
        name = caller if found is not None and found.node(caller) is not None else ""  # strangers have one place among them all
        await room.take(name, came.arrived)
    except Problem as problem:
        reply = problem_reply(problem)
        return reply, await signed_headers(node, await memory.look(node), came, reply, sign=room.may_sign())
    except SICK as error:
        reply = sick(error)
        return reply, await signed_headers(node, memory.directory, came, reply)
    try:
        try:
            begun = time.monotonic()
            asked = await admit(node, came)
            room.believed(time.monotonic() - begun)
            reply = await answer_call(node, asked, service, came.body)
        except Problem as problem:
            reply = problem_reply(problem)
        except SICK as error:
            reply = sick(error)
        return reply, await signed_headers(node, await memory.look(node), came, reply)
    finally:
        room.leave(name)


def _head(scope: Scope) -> Incoming:
    """The request without its body; header names come in lower case (ASGI)."""
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    client = scope.get("client")
    return Incoming(
        "POST", raw_path.split(b"?")[0].decode("ascii"), scope["query_string"].decode("ascii"),
        {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}, b"", client[0] if client else "",
        time.monotonic(),
    )  # fmt: skip


async def _whole(came: Incoming, receive: Receive) -> Incoming:
    """With its body, read no further than the limit. Problem `malformed` when its sender broke off."""
    told = came.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and int(told) > REQUEST_BYTES:
        return came.having(bytes(REQUEST_BYTES + 1))  # too large as announced: not read at all
    body = b""
    while True:
        part: Any = await receive()
        if part["type"] != "http.request":
            raise Problem("malformed")
        body += part.get("body", b"")
        if not part.get("more_body", False) or len(body) > REQUEST_BYTES:
            return came.having(body)


@post("/federation/stream/{service:str}", opt=PLAIN)
async def stream(request: Ask, node: NamedDependency[Node], service: FromPath[str]) -> Response[Any]:
    """A question with a large answer: frames, each signed (流式应答); a problem like that of a call when there is none."""
    came = await incoming(request)
    try:
        flow = await begin(node, await admit(node, came), service, came)
        return Stream(flow, status_code=200, media_type=frames.TYPE, headers={"cache-control": "no-store"})
    except Problem as problem:
        reply = problem_reply(problem)
    except SICK as error:
        reply = sick(error)
    return response(reply, await signed_headers(node, await office(node).look(node), came, reply))
