"""Fetching letters 取信: by the hub, or directly when the hub is away (federation.md 5.3, 5.5)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from tongban.federation.actions.alarm import raise_alarm
from tongban.federation.actions.go_back import SAYS_SO, go_back, keep_epoch_letter, pass_epoch
from tongban.federation.actions.measure import PULL_PATH
from tongban.federation.actions.office import DIRECTORY_BELL, heard_bell, office, recovering
from tongban.federation.actions.receive import Batch, Received, receive, receive_statement
from tongban.federation.actions.report import report_diverged
from tongban.federation.actions.snapshot import load_snapshot
from tongban.federation.actions.way import Answer, NoAnswer, exchange
from tongban.federation.model import Directory
from tongban.federation.queries.mail import cursors, statements
from tongban.federation.rules.chain import Cursor
from tongban.federation.rules.wire import Malformed, Sealed, parse_letter, parse_statement
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node

WAIT_SECONDS = 25
ORIGINS_A_POLL = 200
DIRECT_AGAIN_SECONDS = 60.0
OLD_HEAD_MS = 300_000
ROLLED_BACK_SECONDS = 5.0
_SUPERVISE_SECONDS = 1.0
_BACKOFF = (1.0, 2.0, 4.0, 8.0, 15.0)


class Pulled(msgspec.Struct, frozen=True):
    """What one fetch did; `stuck` means asking again at once would bring the same."""

    received: list[Received]
    more: bool
    stuck: bool


async def pull_once(node: Node, server: str, origins: list[str] | None = None, *, wait: int = WAIT_SECONDS) -> Pulled:
    """One fetch from `server` of what it has for this node, applied (取一次信). `origins`: all but this node if None.

    Raises NoAnswer when no signed answer came, and the database's errors when nothing could commit.
    """
    memory = office(node)
    found = await memory.need(node)
    peer = found.node(server)
    if peer is None or not peer.base_urls:
        raise NoAnswer("unknown_node")
    since = node.bell.generation(DIRECTORY_BELL)
    held = await _held(node, found, origins)
    if not held:
        await node.bell.wait(DIRECTORY_BELL, seconds=1, since=since)
        return Pulled([], more=False, stuck=False)
    held = [one for one in held if one.seq > 0 or not await _from_snapshot(node, one, server)]
    if not held:
        return Pulled([], more=True, stuck=False)  # begun by their snapshots: asked on from there at once
    query = "&".join([*(f"from={one.origin}.{one.epoch}.{one.seq}" for one in held), f"wait={wait}", "limit=500"])
    asking = asyncio.ensure_future(
        exchange(node, found, peer, "GET", "/federation/letters", query=query, budget_ms=20_000, seconds=wait + 10)
    )
    answer = await _unless_others_are_wanted(node, asking, {one.origin for one in held}, origins, since)
    if answer is None:
        return Pulled([], more=False, stuck=False)
    if answer.status == 409:
        memory.rolled_back[server] = time.monotonic()
        await _diverged(node, server)
        return Pulled([], more=False, stuck=True)
    if answer.status != 200:
        raise NoAnswer(str(answer.body.get("code", "malformed")))
    return await _apply(node, server, {one.origin: one for one in held}, answer.body)


async def _from_snapshot(node: Node, cursor: Cursor, server: str) -> bool:
    """Begin an origin that was never read with its snapshot, tried once a run of this process; True when the cursor moved.

    Never a relay: a snapshot passes over the letters to others, and each that followed would be a gap to it.
    """
    tried, me = office(node).snapshots_tried, (await office(node).need(node)).node(node.id)
    if cursor.origin in tried or (me is not None and me.relay):
        return False
    tried.add(cursor.origin)
    return bool(await load_snapshot(node, cursor.origin, (server,)))


async def _held(node: Node, found: Directory, origins: list[str] | None) -> list[Cursor]:
    rolled, now = office(node).rolled_back, time.monotonic()
    async with node.db.reading() as tx:
        held = [one for one in await cursors(tx) if _wanted(found, one, origins)]
    # a server that does not know its own letters any more says nothing at all while it is asked for them
    return [one for one in held if now - rolled.get(one.origin, float("-inf")) > ROLLED_BACK_SECONDS][:ORIGINS_A_POLL]


async def _unless_others_are_wanted(
    node: Node, asking: asyncio.Task[Answer], asked_for: set[str], origins: list[str] | None, since: int
) -> Answer | None:
    """The answer; or None, and the poll is hung up, when the directory changed so that it asks for the wrong origins.

    A poll names its origins when it leaves and may wait 25 s: a node that has joined since would be read only after that.
    """
    try:
        while not asking.done():
            ringing = asyncio.ensure_future(node.bell.wait(DIRECTORY_BELL, seconds=WAIT_SECONDS, since=since))
            try:
                await asyncio.wait((asking, ringing), return_when=asyncio.FIRST_COMPLETED)
            finally:
                ringing.cancel()
            if asking.done():
                break
            since = node.bell.generation(DIRECTORY_BELL)
            found = await office(node).need(node)
            if {one.origin for one in await _held(node, found, origins)} != asked_for:
                return None
        return asking.result()
    finally:
        asking.cancel()


def _wanted(found: Directory, cursor: Cursor, origins: list[str] | None) -> bool:
    """A suspended node's new letters wait; a stopped origin waits for a person."""
    listed = found.node(cursor.origin)
    if listed is None or listed.status == "suspended" or cursor.origin in found.emergency.isolate:
        return False
    if cursor.stopped and cursor.stopped not in SAYS_SO:
        return False  # a person looks first; a history that does not fit is asked on for the epoch letter that mends it
    return origins is None or cursor.origin in origins


async def _apply(node: Node, server: str, held: dict[str, Cursor], body: dict[str, Any]) -> Pulled:
    letters, unread = _by_origin(body.get("letters"), held)
    through = body.get("through")
    received: list[Received] = []
    closed, turned = await _epochs(node, server, body, held)
    for origin, cursor in held.items():
        looked = _through(through, origin) if origin not in unread else None  # nothing behind a letter that cannot be read
        mail = letters.get(origin, [])
        if origin in unread:
            await _unreadable(node, server, origin)
        if origin in turned or (cursor.closed_at is not None and not _names(closed, cursor)):
            continue  # fetched under the old view; or from a server that does not know yet that this epoch is closed [M]
        if not mail and (looked is None or looked <= (cursor.epoch, cursor.seq)):
            continue
        done = await receive(node, Batch(origin, cursor.view, mail, looked, server))
        received.append(done)
        if done.ended == "gap":
            await _gap(node, server, origin)
        elif done.ended == "fork":
            await report_diverged(node, origin)
        if cursor.closed_at is not None:
            await pass_epoch(node, origin)
    await _keep_words(node, body)
    stuck = bool(unread) or any(one.ended not in ("all", "old_view") and not one.moved for one in received)
    return Pulled(received, more=body.get("more") is True, stuck=stuck)


async def _epochs(
    node: Node, server: str, body: dict[str, Any], held: dict[str, Cursor]
) -> tuple[set[tuple[str, int, int]], set[str]]:
    """The epoch letters beside the letters: (origin, epoch, the new one) that this server names, and origins that turned just now."""
    closed: set[tuple[str, int, int]] = set()
    turned: set[str] = set()
    for one in body.get("epochs") or []:
        told = await keep_epoch_letter(node, one)
        if told is not None:
            closed.add((told.letter.origin, told.letter.previous, told.letter.epoch))
    for origin, cursor in held.items():
        named = max((epoch for whose, _, epoch in closed if whose == origin), default=0)
        if origin == server and await _knows_newer(node, origin, named):
            await report_diverged(node, origin, stop=False)  # it does not know what it signed itself, or this answer was late
            turned.add(origin)
        if named <= cursor.epoch:
            continue
        if await go_back(node, origin, server) | await pass_epoch(node, origin):
            turned.add(origin)
    return closed, turned


def _names(closed: set[tuple[str, int, int]], cursor: Cursor) -> bool:
    """Whether this server goes by the very letter that the cursor goes by; another one's log of that epoch may be another (ENDONLY)."""
    if cursor.closed_by is None:  # closed before the column was
        return any((origin, epoch) == (cursor.origin, cursor.epoch) for origin, epoch, _ in closed)
    return (cursor.origin, cursor.epoch, cursor.closed_by) in closed


async def _knows_newer(node: Node, origin: str, named: int) -> bool:
    """Whether an epoch letter of the origin is held here that the origin, which names all of its own, does not know (NOPROOF)."""
    async with node.db.reading() as tx:
        return bool(await tx.fetchval("SELECT EXISTS (SELECT FROM epoch_letter WHERE origin = $1 AND epoch > $2)", origin, named))


async def _gap(node: Node, server: str, origin: str) -> None:
    """A letter is missing: ask the origin itself; when it was the origin that left it out, an operator must hear."""
    log("federation.gap", origin=origin, peer=server)
    if server != origin:
        office(node).suspects[origin] = time.monotonic()
        return
    async with node.db.transaction() as tx:
        await raise_alarm(tx, "letter_gap", origin, "", "这个节点给的信缺了一封，后面的先不收，请联系对方", b"")


async def _unreadable(node: Node, server: str, origin: str) -> None:
    """A letter is no letter at all: ask the origin itself; when it was the origin that gave it, an operator must hear."""
    if server != origin:
        office(node).suspects[origin] = time.monotonic()
        return
    async with node.db.transaction() as tx:
        await raise_alarm(tx, "letter_malformed", origin, "", "这个节点给的一封信不合规，后面的先不收，请联系对方", b"")


def _by_origin(value: object, held: dict[str, Cursor]) -> tuple[dict[str, list[Sealed]], set[str]]:
    """The letters that can be read, by origin in their order, and origins of which one could not; what was not asked for is left out.

    A letter that cannot even be parsed ends its origin's run: the server is at fault, the next fetch goes elsewhere.
    """
    found: dict[str, list[Sealed]] = {}
    broken: set[str] = set()
    for one in value if isinstance(value, list) else []:
        head = one.get("head") if isinstance(one, dict) else None
        origin = head.get("from") if isinstance(head, dict) else None
        if origin not in held or origin in broken:
            continue
        try:
            found.setdefault(origin, []).append(parse_letter(one))
        except Malformed as error:
            broken.add(origin)
            log("federation.letter_malformed", origin=origin, code=error.code)
    return found, broken


def _through(value: object, origin: str) -> tuple[int, int] | None:
    one = value.get(origin) if isinstance(value, dict) else None
    if not isinstance(one, dict) or not isinstance(one.get("epoch"), int) or not isinstance(one.get("seq"), int):
        return None
    return one["epoch"], one["seq"]


async def _keep_words(node: Node, body: dict[str, Any]) -> None:
    """Head statements that came beside the letters; one that contradicts what is held is reported to its origin."""
    for one in body.get("head_statements") or []:
        try:
            signed = parse_statement(one)
        except Malformed:
            continue
        async with node.db.reading() as tx:
            known = any(held.at == signed.statement.at for held in await statements(tx, signed.statement.origin))
        if known:
            continue
        finding = await receive_statement(node, signed)
        if finding.kind in ("fork", "rolled_back"):
            await report_diverged(node, signed.statement.origin)


async def _diverged(node: Node, server: str) -> None:
    """The server says that this node is beyond its log: it has been put back. Tell it with its own signature."""
    log("federation.peer_rolled_back", peer=server)
    await report_diverged(node, server)


# ---- which way ---------------------------------------------------------------------------------------------------


async def routes(node: Node, found: Directory) -> dict[str, list[str] | None]:
    """Server → origins to ask it for (None: all) 取信路线; nobody while this node recovers: it makes no transition then.

    The hub asks every node for its own letters. Others ask the hub, and, when it has been silent too long or its head
    statements of an origin are old, that origin as well: the same cursor row, so both at once is harmless.
    """
    me = found.node(node.id)
    if me is None or await recovering(node):
        return {}
    others = [one for one in found.nodes if one.id != node.id and one.status in ("active", "leaving") and one.base_urls]
    if me.relay:
        return {one.id: [one.id] for one in others}
    ways: dict[str, list[str] | None] = {one.id: None for one in others if one.id == found.hub}
    memory, now = office(node), time.monotonic()
    away = hub_is_away(node, found.hub, now)
    old = await _old_heads(node) if not away else set()
    for one in others:
        if one.id != found.hub and one.direct and (away or one.id in old or memory.suspected(one.id)):
            ways[one.id] = [one.id]
        PULL_PATH.labels(one.id).set(1 if one.id in ways and one.id != found.hub else 0)
    return ways


def hub_is_away(node: Node, hub: str, now: float) -> bool:
    """Whether the hub has given no signed answer for `hub_away_seconds`, or has been back for less than 60 s."""
    memory = office(node)
    since = memory.heard.get(hub, memory.started)
    if now - since > node.settings.hub_away_seconds:
        memory.hub_away = True
        return True
    if memory.hub_away and now - memory.first_heard.get(hub, now) >= DIRECT_AGAIN_SECONDS:
        memory.hub_away = False
    return memory.hub_away


async def _old_heads(node: Node) -> set[str]:
    """Origins whose newest head statement here is older than 300 s: somebody withholds, or they are away."""
    async with node.db.reading() as tx:
        rows = await tx.fetch("SELECT origin, max(at) AS at FROM head_statement GROUP BY origin")
    return {row["origin"] for row in rows if row["at"] < node.clock.ms() - OLD_HEAD_MS}


async def keep_pulling(node: Node, server: str, origins: list[str] | None) -> None:
    """Fetch from one server for ever (持续取信): at once again after each answer, slower while it does not answer.

    A server that was away and makes itself heard, by asking us something or answering another call, is asked at once.
    """
    failures = 0
    while True:
        bell, asked = DIRECTORY_BELL, time.monotonic()
        try:
            pulled = await pull_once(node, server, origins)
            failures = failures + 1 if pulled.stuck else 0
        except NoAnswer as error:
            failures += 1
            bell = heard_bell(server)
            log("federation.pull_not_answered", peer=server, code=error.code)
        except (OSError, msgspec.MsgspecError) as error:
            failures += 1
            log_failure("federation.pull_failed", error, peer=server)
        except Exception as error:  # noqa: BLE001  nothing moved; the fetcher backs off and tries again
            failures += 1
            log_failure("federation.pull_failed", error, peer=server)
        if failures:
            await node.bell.wait(bell, seconds=_BACKOFF[min(failures, len(_BACKOFF)) - 1])
            # a peer that calls us often and cannot answer is not asked at the pace of its calls
            await asyncio.sleep(max(0.0, asked + _BACKOFF[0] - time.monotonic()))


async def pull_all(node: Node) -> None:
    """Keep one fetcher for each way, as the directory and the hub's health ask for (收信总管). Runs until cancelled."""
    fetchers: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            since = node.bell.generation(DIRECTORY_BELL)
            found = await office(node).look(node)
            ways = await routes(node, found) if found is not None else {}
            for server in [one for one in fetchers if one not in ways or fetchers[one].done()]:
                fetchers.pop(server).cancel()
            for server, origins in ways.items():
                if server not in fetchers:
                    fetchers[server] = asyncio.create_task(keep_pulling(node, server, origins))
            await node.bell.wait(DIRECTORY_BELL, seconds=_SUPERVISE_SECONDS, since=since)
    finally:
        for task in fetchers.values():
            task.cancel()
        await asyncio.gather(*fetchers.values(), return_exceptions=True)
