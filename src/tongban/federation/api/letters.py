"""The doors of the post 信件的门 (federation.md 5 to 7): letters, their chain, snapshots, and what came back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from urllib.parse import parse_qsl

from litestar import Response, get, post
from litestar.di import NamedDependency

from tongban.federation.actions import report
from tongban.federation.actions.answer import Asked, Incoming, Reply
from tongban.federation.actions.office import ENROLMENT_BELL, LETTERS_BELL, office
from tongban.federation.actions.snapshot import serve_snapshot
from tongban.federation.api.doors import LONGEST_WAIT, PLAIN, Ask, answered, message, number
from tongban.federation.errors import Problem
from tongban.federation.model import Directory
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
from tongban.kernel.gm import jcs
from tongban.kernel.node import Node


@get("/federation/letters", opt=PLAIN)
async def letters(request: Ask, node: NamedDependency[Node]) -> Response[bytes]:
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

    return await answered(request, node, work)


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
            wait = number(value, most=LONGEST_WAIT)
        elif name == "limit":
            limit = max(1, number(value, most=MOST_LETTERS))
    if len(positions) > MOST_ORIGINS or len({one.origin for one in positions}) != len(positions):
        raise Problem("malformed")
    return positions, wait, limit


def _position(text: str) -> Position:
    parts = text.split(".")
    if len(parts) != 3 or not parts[0].isalnum():
        raise Problem("malformed")
    return Position(parts[0], number(parts[1]), number(parts[2]))


@get("/federation/chain", opt=PLAIN)
async def chain(request: Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """(seq, digest) pairs of an origin's streams that the caller reads, newest first below `before` (信件链)."""

    async def work(asked: Asked, incoming: Incoming) -> Reply:
        asked_for = dict(parse_qsl(incoming.query))
        epoch, before = (number(asked_for.get(name, "")) for name in ("epoch", "before"))
        reader = (await office(node).need(node)).node(asked.caller)
        assert reader is not None
        async with node.db.reading() as tx:
            links = await chain_of(tx, node.id, reader, asked_for.get("from", ""), epoch, before)
        return Reply(200, jcs({"v": 1, "chain": links}))

    return await answered(request, node, work)


@get("/federation/snapshot", opt=PLAIN)
async def snapshot(request: Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """The current facts of an origin to everybody, as it signed them, or one part of them (快照)."""

    async def work(_asked: Asked, incoming: Incoming) -> Reply:
        wanted = dict(parse_qsl(incoming.query))
        async with node.db.reading() as tx:
            found = await serve_snapshot(tx, wanted.get("from", ""), wanted.get("part", ""))
        if found is None:
            raise Problem("not_found")
        return Reply(200, found)

    return await answered(request, node, work)


@post("/federation/diverged", opt=PLAIN)
async def diverged(request: Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """Somebody holds letters of ours that we do not (断点报告)."""

    async def work(asked: Asked, incoming: Incoming) -> Reply:
        return Reply(200, jcs(await report.take_report(node, asked.caller, message(incoming.body))))

    return await answered(request, node, work)


@post("/federation/returned", opt=PLAIN)
async def returned(request: Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """Letters of ours that another node set aside (退信)."""

    async def work(asked: Asked, incoming: Incoming) -> Reply:
        return Reply(200, jcs(await report.take_returned(node, asked.caller, message(incoming.body))))

    return await answered(request, node, work)
