"""The door for other nodes 节点接口 (federation.md 1): bytes in, checks, one verb or query, signed bytes out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import asyncpg
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from tongban.federation.actions import enrol, passing, report
from tongban.federation.actions.answer import (
    REQUEST_BYTES,
    Asked,
    Candidate,
    Incoming,
    Reply,
    admit,
    answer_call,
    in_flight,
    problem_reply,
    signed_headers,
)
from tongban.federation.actions.office import ENROLMENT_BELL, LETTERS_BELL, office
from tongban.federation.actions.renew import renew as renew_keys
from tongban.federation.actions.revocations import newest_list
from tongban.federation.actions.snapshot import serve_snapshot
from tongban.federation.actions.stream import begin
from tongban.federation.errors import EnrolmentRefused, Problem
from tongban.federation.model import Directory
from tongban.federation.queries.directory import served as served_directory
from tongban.federation.queries.served import (
    MOST_LETTERS,
    MOST_ORIGINS,
    Position,
    RolledBack,
    Served,
    chain_of,
    serve_letters,
    write_served,
)
from tongban.federation.rules import frames
from tongban.kernel.gm import BadEncoding, jcs, parse_object
from tongban.kernel.log import log_failure
from tongban.kernel.node import Node

LONGEST_WAIT: Final = 25
_SICK = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
_Ask = Request[Any, Any, Any]
_Work = Callable[[Asked, Incoming], Awaitable[Reply]]
PLAIN: Final = {"plain": True}


async def _incoming(request: _Ask) -> Incoming:
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


async def _answered(request: _Ask, node: Node, work: _Work, *, candidate: Candidate | None = None) -> Response[bytes]:
    """Believe the request, do the work, sign what comes of it, also when that is a problem."""
    incoming = await _incoming(request)
    try:
        asked = await admit(node, incoming, candidate=candidate)
        async with in_flight(node, asked.caller):
            reply = await work(asked, incoming)
    except Problem as problem:
        reply = problem_reply(problem)
    except _SICK as error:
        log_failure("federation.sick", error)
        reply = problem_reply(Problem("overloaded", retry_after=2))
    found = await office(node).look(node)
    return _response(reply, await signed_headers(node, found, incoming, reply))


def _response(reply: Reply, headers: dict[str, str]) -> Response[bytes]:
    others = {name: value for name, value in headers.items() if name != "content-type"}
    return Response(reply.body, status_code=reply.status, headers=others, media_type=reply.content_type)


def _open_door(request: _Ask, node: Node) -> None:
    address = request.client.host if request.client else ""
    if not office(node).open_doors.takes(address, time.monotonic()):
        raise Problem("quota", retry_after=1)


def _small_enough(incoming: Incoming) -> None:
    if len(incoming.body) > REQUEST_BYTES:
        raise Problem("too_large")


async def _unsigned(request: _Ask, node: Node, work: Callable[[Incoming], Awaitable[Reply]]) -> Response[bytes]:
    """The three doors that need no signature; limited by address."""
    incoming = await _incoming(request)
    try:
        _open_door(request, node)
        _small_enough(incoming)
        reply = await work(incoming)
    except Problem as problem:
        reply = problem_reply(problem)
    except EnrolmentRefused as error:
        reply = problem_reply(Problem("refused", reasons=(error.reason,)))
    except _SICK as error:
        log_failure("federation.sick", error)
        reply = problem_reply(Problem("overloaded", retry_after=2))
    found = await office(node).look(node)
    headers = {
        "tongban-from": node.id,
        "tongban-directory": str(found.version if found else 0),
        "cache-control": "no-store",
    }
    if reply.retry_after is not None:
        headers["retry-after"] = str(reply.retry_after)
    return _response(reply, headers)


def _message(body: bytes) -> dict[str, Any]:
    try:
        return parse_object(body)
    except BadEncoding as error:
        raise Problem("malformed") from error


# ---- directory and enrolment ------------------------------------------------------------------------------------


@get("/federation/directory", opt=PLAIN)
async def directory(request: _Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """The directory this node holds, byte for byte as the hub signed it (节点目录)."""
    try:
        _open_door(request, node)
    except Problem as problem:
        return _response(problem_reply(problem), {"retry-after": "1"})
    async with node.db.reading() as tx:
        found = await served_directory(tx)
    if found is None:
        return _response(problem_reply(Problem("not_found")), {})
    version, raw, etag = found
    headers = {"etag": etag, "tongban-from": node.id, "tongban-directory": str(version), "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(raw, headers=headers, media_type="application/json")


@get("/federation/crl", opt=PLAIN)
async def revocation_list(request: _Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """The hub root's certificate revocation list, DER, for software that only knows X.509 (证书撤销列表)."""
    try:
        _open_door(request, node)
    except Problem as problem:
        return _response(problem_reply(problem), {"retry-after": "1"})
    async with node.db.reading() as tx:
        der = await newest_list(tx)
    if der is None:
        return _response(problem_reply(Problem("not_found")), {})
    return Response(der, headers={"cache-control": "max-age=60"}, media_type="application/pkix-crl")


@post("/federation/enrol", opt=PLAIN)
async def enrol_post(request: _Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """A candidate's application; both sides prove the code without sending it (入网申请)."""

    async def work(incoming: Incoming) -> Reply:
        return Reply(202, await enrol.take_application(node, _message(incoming.body)))

    return await _unsigned(request, node, work)


@get("/federation/enrol/{enrolment:str}", opt=PLAIN)
async def enrol_get(request: _Ask, node: NamedDependency[Node], enrolment: FromPath[str]) -> Response[bytes]:
    """What became of an application, for the key that made it; waits up to `wait` seconds for a decision."""
    async with node.db.reading() as tx:
        found = await enrol.application_answer(tx, enrolment)
    candidate = Candidate(found[1], found[3], found[2]) if found is not None else None

    async def work(_asked: Asked, incoming: Incoming) -> Reply:
        wait = _number(dict(parse_qsl(incoming.query)).get("wait", "0"), most=LONGEST_WAIT)
        until = time.monotonic() + wait
        while True:
            since = node.bell.generation(ENROLMENT_BELL)
            async with node.db.reading() as tx:
                told = await enrol.application_answer(tx, enrolment)
            if told is None:
                raise Problem("not_found")
            left = until - time.monotonic()
            if told[0]["status"] != "pending" or left <= 0 or office(node).closing:
                return Reply(200, jcs(told[0]))
            await node.bell.wait(ENROLMENT_BELL, seconds=left, since=since)

    return await _answered(request, node, work, candidate=candidate)


@post("/federation/renew", opt=PLAIN)
async def renew(request: _Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """New keys of a running node, at the hub (更换密钥)."""

    async def work(asked: Asked, incoming: Incoming) -> Reply:
        if node.id != node.settings.hub:
            raise Problem("no_such_service")
        try:
            async with node.db.transaction() as tx:
                return Reply(200, jcs(await renew_keys(tx, node, asked.caller, _message(incoming.body))))
        except EnrolmentRefused as error:
            raise Problem("refused", reasons=(error.reason,)) from error

    return await _answered(request, node, work)


@post("/federation/revoke", opt=PLAIN)
async def revoke(request: _Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """A key revokes itself; kept and passed on (密钥自行撤销)."""

    async def work(incoming: Incoming) -> Reply:
        if not await passing.hear_revocation(node, incoming.body):
            raise Problem("bad_signature")
        return Reply(200, jcs({"v": 1, "status": "revoked"}))

    return await _unsigned(request, node, work)


# ---- calls -----------------------------------------------------------------------------------------------------


@post("/federation/call/{service:str}", opt=PLAIN)
async def call(request: _Ask, node: NamedDependency[Node], service: FromPath[str]) -> Response[bytes]:
    """A question of another node (同步调用)."""

    async def work(asked: Asked, incoming: Incoming) -> Reply:
        return await answer_call(node, asked, service, incoming.body)

    return await _answered(request, node, work)


@post("/federation/stream/{service:str}", opt=PLAIN)
async def stream(request: _Ask, node: NamedDependency[Node], service: FromPath[str]) -> Response[Any]:
    """A question with a large answer: frames, each signed (流式应答); a problem like that of a call when there is none."""
    incoming = await _incoming(request)
    try:
        flow = await begin(node, await admit(node, incoming), service, incoming)
        return Stream(flow, status_code=200, media_type=frames.TYPE, headers={"cache-control": "no-store"})
    except Problem as problem:
        reply = problem_reply(problem)
    except _SICK as error:
        log_failure("federation.sick", error)
        reply = problem_reply(Problem("overloaded", retry_after=2))
    return _response(reply, await signed_headers(node, await office(node).look(node), incoming, reply))


# ---- letters -----------------------------------------------------------------------------------------------------


@get("/federation/letters", opt=PLAIN)
async def letters(request: _Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """Letters for the caller beyond what it has, waiting up to `wait` seconds for one (取信)."""

    async def work(asked: Asked, incoming: Incoming) -> Reply:
        if asked.status == "joining":
            node.bell.ring(ENROLMENT_BELL)  # it is there: the hub may call it back
        positions, wait, limit = _pull_query(incoming.query)
        found = await office(node).need(node)
        try:
            return Reply(200, write_served(await _poll(node, found, asked.caller, positions, wait, limit)))
        except RolledBack as error:
            raise Problem("diverged") from error

    return await _answered(request, node, work)


async def _poll(node: Node, found: Directory, caller: str, positions: list[Position], wait: int, limit: int) -> Served:
    """Answer at once when there is something; one waiting poll of each caller, an older one ends empty."""
    reader, me = found.node(caller), found.node(node.id)
    assert reader is not None
    mine, polls = asyncio.Event(), office(node).polls
    if wait:
        older = polls.get(caller)
        if older is not None:
            older.set()
        polls[caller] = mine
    until = time.monotonic() + wait
    try:
        while True:
            since = node.bell.generation(LETTERS_BELL)
            async with node.db.reading() as tx:
                served = await serve_letters(tx, node.id, reader, positions, limit, relays=bool(me and me.relay))
            left = until - time.monotonic()
            if served.letters or left <= 0 or mine.is_set() or office(node).closing:
                return served
            await _either(node.bell.wait(LETTERS_BELL, seconds=left, since=since), mine.wait())
    finally:
        if polls.get(caller) is mine:
            del polls[caller]


async def _either(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _pull_query(query: str) -> tuple[list[Position], int, int]:
    positions: list[Position] = []
    wait, limit = 0, MOST_LETTERS
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "from":
            positions.append(_position(value))
        elif name == "wait":
            wait = _number(value, most=LONGEST_WAIT)
        elif name == "limit":
            limit = max(1, _number(value, most=MOST_LETTERS))
    if len(positions) > MOST_ORIGINS or len({one.origin for one in positions}) != len(positions):
        raise Problem("malformed")
    return positions, wait, limit


def _position(text: str) -> Position:
    parts = text.split(".")
    if len(parts) != 3 or not parts[0].isalnum():
        raise Problem("malformed")
    return Position(parts[0], _number(parts[1]), _number(parts[2]))


def _number(text: str, *, most: int = 2**53 - 1) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise Problem("malformed")
    return min(int(text), most)


@get("/federation/chain", opt=PLAIN)
async def chain(request: _Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """(seq, digest) pairs of an origin's streams that the caller reads, newest first below `before` (信件链)."""

    async def work(asked: Asked, incoming: Incoming) -> Reply:
        asked_for = dict(parse_qsl(incoming.query))
        epoch, before = (_number(asked_for.get(name, "")) for name in ("epoch", "before"))
        reader = (await office(node).need(node)).node(asked.caller)
        assert reader is not None
        async with node.db.reading() as tx:
            links = await chain_of(tx, node.id, reader, asked_for.get("from", ""), epoch, before)
        return Reply(200, jcs({"v": 1, "chain": links}))

    return await _answered(request, node, work)


@get("/federation/snapshot", opt=PLAIN)
async def snapshot(request: _Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """The current facts of an origin to everybody, as it signed them, or one part of them (快照)."""

    async def work(_asked: Asked, incoming: Incoming) -> Reply:
        wanted = dict(parse_qsl(incoming.query))
        async with node.db.reading() as tx:
            found = await serve_snapshot(tx, wanted.get("from", ""), wanted.get("part", ""))
        if found is None:
            raise Problem("not_found")
        return Reply(200, found)

    return await _answered(request, node, work)


@post("/federation/diverged", opt=PLAIN)
async def diverged(request: _Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """Somebody holds letters of ours that we do not (断点报告)."""

    async def work(asked: Asked, incoming: Incoming) -> Reply:
        return Reply(200, jcs(await report.take_report(node, asked.caller, _message(incoming.body))))

    return await _answered(request, node, work)


@post("/federation/returned", opt=PLAIN)
async def returned(request: _Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """Letters of ours that another node set aside (退信)."""

    async def work(asked: Asked, incoming: Incoming) -> Reply:
        return Reply(200, jcs(await report.take_returned(node, asked.caller, _message(incoming.body))))

    return await _answered(request, node, work)


routes = [directory, revocation_list, enrol_post, enrol_get, renew, revoke, call, stream, letters, chain, snapshot, diverged, returned]
