"""Who asks 认出办事的人: from the cookies of a request to an Actor. main's dependency calls it for every page.

A session is read through an in-process cache of 5 s. A rung bell (NOTIFY at every end of a session) empties it; should
the bell not be heard, the table is asked every 2 s whether anything ended. A session of level 3 or more is read from its
row every time (identity.md 7, 6.5).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from tongban import federation
from tongban.identity.actions import sessions
from tongban.identity.errors import SENTENCES
from tongban.identity.model import Session
from tongban.identity.queries import mandates, persons, staff
from tongban.identity.queries.sessions import arriving, of_cookie
from tongban.identity.rules import levels, roles
from tongban.identity.rules.factors import FACTORS
from tongban.kernel.actor import NOBODY, Actor
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node

SESSION_COOKIE = "__Host-tb_s"
STAFF_COOKIE = "__Host-tb_staff"
STAFF_PATHS = ("/staff", "/desk")
QUIET_PATHS = ("/session/ending",)
"""Pages a browser opens by itself: they do not count as somebody being there."""
_CACHE_SECONDS = FACTORS.sessions.cache_seconds
_CACHE_MOST = 20_000
_TOUCH = timedelta(minutes=1)
_LONGEST_COUNTED = 24 * 3600
_MORE, _JOIN = f"{persons.NAMED}, {mandates.JOINED}", f"{persons.NAMED_JOIN} {mandates.JOIN}"


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and what the page should say about the sign-in itself 来人.

    `left` is the seconds until the session ends when that is within a day, else 0; `note` a sentence for the top of the
    page; `cookie` a new cookie (name, value, seconds to keep) when the value was turned.
    """

    actor: Actor
    left: int = 0
    warn: int = 0
    note: str = ""
    cookie: tuple[str, str, int | None] | None = None


class _Known(msgspec.Struct, frozen=True):
    actor: Actor
    read_at: float
    generation: int
    until: datetime | None = None
    warn: int = 0
    note: str = ""


class _Memory:
    """What one process remembers for one node."""

    def __init__(self, node: Node) -> None:
        self.known: dict[tuple[bool, str], _Known] = {}
        self.looked_at = time.monotonic()
        self.ended_until = node.clock.now()

    async def hear(self, node: Node) -> None:
        """Forget everything when the table says that a session ended since the last look; asked every 2 s at most."""
        if time.monotonic() - self.looked_at < FACTORS.sessions.revoked_seconds:
            return
        self.looked_at = time.monotonic()
        async with node.db.reading() as tx:
            last: datetime | None = await tx.fetchval("SELECT max(revoked_at) FROM session WHERE revoked_at > $1", self.ended_until)
        if last is not None:
            self.ended_until = last
            self.known.clear()


_memories: WeakKeyDictionary[Node, _Memory] = WeakKeyDictionary()


async def resolve(node: Node, cookies: Mapping[str, str], *, path: str = "/") -> Actor:
    """The actor of a request 办事的人; NOBODY without a living session. As `arrive`, without a turn of the cookie."""
    return (await arrive(node, cookies, path=path)).actor


async def arrive(node: Node, cookies: Mapping[str, str], *, path: str = "/", turn: bool = False) -> Arrival:
    """Who asks, and what to tell about the sign-in 来人.

    Pages of staff (`/staff`, `/desk`) look at the staff cookie only. Elsewhere the citizen's counts, and the staff's when
    no citizen is signed in. The actor's `acr` is the level of this moment, after decay. With `turn` a cookie value older
    than a day is turned; the caller must give the new one to the browser.
    """
    desk = any(path == one or path.startswith(one + "/") for one in STAFF_PATHS)
    quiet = path in QUIET_PATHS
    if not desk:
        found = await _of_cookie(node, cookies.get(SESSION_COOKIE, ""), staff_session=False, quiet=quiet, turn=turn and not quiet)
        if found.actor.kind != "nobody":
            return found
    return await _of_cookie(node, cookies.get(STAFF_COOKIE, ""), staff_session=True, quiet=quiet, turn=False)


async def _of_cookie(node: Node, value: str, *, staff_session: bool, quiet: bool, turn: bool) -> Arrival:
    if not 20 <= len(value) <= 100 or not value.isascii():
        return Arrival(actor=NOBODY)
    memory = _memories.get(node) or _memories.setdefault(node, _Memory(node))
    await memory.hear(node)
    generation = node.bell.generation(sessions.BELL)
    key = (staff_session, value)
    known = memory.known.get(key)
    if known is not None and known.generation == generation and time.monotonic() - known.read_at < _CACHE_SECONDS:
        return _told(node, known)
    async with node.db.reading() as tx:
        row = await arriving(tx, node, value, staff=staff_session, more=_MORE, join=_JOIN)
    session = None if row is None else of_cookie(row)
    if session is None or (alive := await _alive(node, session, quiet=quiet)) is None:
        memory.known.pop(key, None)
        return Arrival(actor=NOBODY)
    known = await _known(node, alive, row, generation)
    if known.actor.acr < 3 or known.actor.kind == "staff":
        if len(memory.known) >= _CACHE_MOST:
            memory.known.clear()
        memory.known[key] = known
    else:
        memory.known.pop(key, None)
    told = _told(node, known)
    if turn and session.current and node.clock.now() - session.rotated_at >= sessions.TURN:
        async with node.db.transaction() as tx:
            turned = await sessions.turn(tx, node, session)
        if turned is not None:
            memory.known.pop(key, None)
            return msgspec.structs.replace(told, cookie=(SESSION_COOKIE, turned, kept_seconds(session)))
    return told


def kept_seconds(session: Session) -> int | None:
    """How long a browser keeps the cookie of a session; None for sessions that end with the browser."""
    lasting = session.idle_until - session.seen_at
    return int(lasting.total_seconds()) if lasting.days >= 1 else None


def _told(node: Node, known: _Known) -> Arrival:
    left = 0 if known.until is None else int((known.until - node.clock.now()).total_seconds())
    actor = known.actor
    if actor.kind == "staff":  # an assignment that ran out in these seconds allows nothing any more
        actor = msgspec.structs.replace(actor, assignments=roles.in_force(actor.assignments, node.clock.now()))
    return Arrival(actor=actor, left=left if 0 < left < _LONGEST_COUNTED else 0, warn=known.warn, note=known.note)


async def _alive(node: Node, session: Session, *, quiet: bool) -> Session | None:
    """The session touched, with its level as it is worth now; a visitor's level 3 needs fresh news of the home."""
    now = node.clock.now()
    if session.kind == "staff" and now - session.seen_at > levels.STAFF_LOCK:
        return None  # not touched: the same member of staff proves it anew at /staff/login and goes on with this session
    if session.lock_after and now - session.seen_at > timedelta(seconds=session.lock_after):
        async with node.db.transaction() as tx:
            await sessions.lock(tx, node, session)
        return None
    acr = worth = levels.decayed(session.acr, raised_at=session.raised_at, seen_at=session.seen_at, now=now)
    if session.kind == "citizen" and levels.home_news_wanted(acr, session.home, session.home_news_at, now):
        heard = await _news(node, session)
        if heard is False:
            return None
        if heard is None:
            worth = 2
    if session.current and not quiet and (now - session.seen_at > _TOUCH or acr != session.acr or _just_turned(session)):
        async with node.db.transaction() as tx:
            await sessions.touch(tx, node, session, acr=acr)
        idle = session.idle_until - session.seen_at
        session = msgspec.structs.replace(session, seen_at=now, idle_until=min(now + idle, session.ends_at))
    return msgspec.structs.replace(session, acr=worth)


def _just_turned(session: Session) -> bool:
    """The new value is seen for the first time: the one before may end."""
    return session.rotated_at > session.seen_at


async def _news(node: Node, session: Session) -> bool | None:
    """Whether the home says the session lives there; None when it cannot be heard."""
    if session.home_sid is None:
        return None
    try:
        answer = await federation.call(
            node, str(session.home), "identity.session", {"v": 1, "sid": session.home_sid}, budget_ms=1000
        )
    except (federation.CallFailed, federation.CallRefused) as error:
        log("identity.home_silent", peer=session.home, error=type(error).__name__)
        return True if isinstance(error, federation.CallFailed) and await _letters_came(node, str(session.home)) else None
    alive = answer.get("alive") is True
    async with node.db.transaction() as tx:
        if alive:
            await tx.execute(
                "UPDATE session SET home_news_at = $3 WHERE subject = $1 AND id = $2", session.subject, session.id, node.clock.now()
            )
        else:
            await sessions.end(tx, session.id, "ended_at_home", node.clock.now())
    return alive


async def _letters_came(node: Node, home: str) -> bool:
    """News by letter (identity.md 6.4): all the home wrote until 15 minutes ago has been applied, so an end would be known."""
    async with node.db.reading() as tx:
        return await federation.mail_complete(tx, home, node.clock.now() - levels.HOME_NEWS)


async def _known(node: Node, session: Session, row: Any, generation: int) -> _Known:
    note = ""
    if session.away:
        note = SENTENCES["identity.away_level"][1].format(place=federation.name_of(node, str(session.home)))
    return _Known(
        await _member(node, session) if session.kind == "staff" else _citizen(node, session, row), time.monotonic(), generation,
        until=min(session.idle_until, session.ends_at), warn=levels.warn_seconds(session.kind), note=note,
    )  # fmt: skip


def _citizen(node: Node, session: Session, row: Any) -> Actor:
    """The person of the session that was just read, and the mandate it acts under."""
    actor = Actor(
        kind="citizen", subject=session.subject, acr=session.acr, sid=session.id, home=session.home or node.id, name=persons.named(node, row)
    )
    return mandates.dressed(node, actor, session, row)


async def _member(node: Node, session: Session) -> Actor:
    """The member of staff of a session, with what is assigned now; nobody when suspended."""
    async with node.db.reading() as tx:
        member = await staff.staff_member(tx, node, session.subject)
        if member is None or member.suspended:
            return NOBODY
        # a session by joining code binds a key and does nothing else
        held = () if "join" in session.amr else roles.in_force(await staff.assignments(tx, session.subject), node.clock.now())
        linked = await staff.linked_subject(tx, node, session.subject)
        return Actor(
            kind="staff", subject=session.subject, acr=session.acr, sid=session.id, name=member.name, home=node.id,
            staff_id=member.staff_no, unit=member.unit, assignments=held, linked_subject=linked, kin=await _kin(tx, node, linked),
        )  # fmt: skip


async def _kin(tx: Tx, node: Node, linked: str) -> frozenset[str]:
    """A clerk's family, and whom the clerk may act for: their cases are for colleagues 回避 (T-62)."""
    if not linked:
        return frozenset()
    acts_for = frozenset(one.grantor for one in await mandates.usable(tx, node, linked))
    return acts_for | await mandates.family_of(tx, node, linked)
