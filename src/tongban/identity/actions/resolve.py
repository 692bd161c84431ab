"""Who asks 认出办事的人: from the cookies of a request to an Actor. main's dependency calls it for every page.

A session is read through an in-process cache of 5 s; a rung bell (NOTIFY at every end of a session) empties it, and a
session of level 3 or more is read from its row every time (identity.md 7, 6.5).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from weakref import WeakKeyDictionary

import msgspec

from tongban import federation
from tongban.identity.actions import sessions
from tongban.identity.model import Session
from tongban.identity.queries import persons, staff
from tongban.identity.queries.sessions import by_cookie
from tongban.identity.rules import levels, roles
from tongban.kernel.actor import NOBODY, Actor
from tongban.kernel.log import log
from tongban.kernel.node import Node

SESSION_COOKIE = "__Host-tb_s"
STAFF_COOKIE = "__Host-tb_staff"
STAFF_PATHS = ("/staff", "/desk")
_CACHE_SECONDS = 5.0
_CACHE_MOST = 20_000
_TOUCH = timedelta(minutes=1)


class _Known(msgspec.Struct, frozen=True):
    actor: Actor
    read_at: float
    generation: int


_caches: WeakKeyDictionary[Node, dict[tuple[bool, str], _Known]] = WeakKeyDictionary()


async def resolve(node: Node, cookies: Mapping[str, str], *, path: str = "/") -> Actor:
    """The actor of a request 办事的人; NOBODY without a living session.

    Pages of staff (`/staff`, `/desk`) look at the staff cookie only. Elsewhere the citizen's counts, and the staff's when
    no citizen is signed in. The actor's `acr` is the level of this moment, after decay.
    """
    desk = any(path == one or path.startswith(one + "/") for one in STAFF_PATHS)
    if not desk:
        actor = await _of_cookie(node, cookies.get(SESSION_COOKIE, ""), staff_session=False)
        if actor.kind != "nobody":
            return actor
    return await _of_cookie(node, cookies.get(STAFF_COOKIE, ""), staff_session=True)


async def _of_cookie(node: Node, value: str, *, staff_session: bool) -> Actor:
    if not 20 <= len(value) <= 100 or not value.isascii():
        return NOBODY
    cache = _caches.setdefault(node, {})
    generation = node.bell.generation(sessions.BELL)
    key = (staff_session, value)
    known = cache.get(key)
    if known is not None and known.generation == generation and time.monotonic() - known.read_at < _CACHE_SECONDS:
        return known.actor
    async with node.db.reading() as tx:
        session = await by_cookie(tx, node, value, staff=staff_session)
        if session is None:
            cache.pop(key, None)
            return NOBODY
    session = await _alive(node, session)
    if session is None:
        return NOBODY
    actor = await _actor(node, session)
    if actor.acr < 3 or actor.kind == "staff":
        if len(cache) >= _CACHE_MOST:
            cache.clear()
        cache[key] = _Known(actor, time.monotonic(), generation)
    else:
        cache.pop(key, None)
    return actor


async def _alive(node: Node, session: Session) -> Session | None:
    """The session touched, with its level as it is worth now; a visitor's level 3 needs fresh news of the home."""
    now = node.clock.now()
    acr = worth = levels.decayed(session.acr, raised_at=session.raised_at, seen_at=session.seen_at, now=now)
    if session.kind == "citizen" and levels.home_news_wanted(acr, session.home, session.home_news_at, now):
        heard = await _news(node, session)
        if heard is False:
            return None
        if heard is None:
            worth = 2
    if now - session.seen_at > _TOUCH or acr != session.acr:
        idle = session.idle_until - session.seen_at
        async with node.db.transaction() as tx:
            await tx.execute(
                "UPDATE session SET seen_at = $3, idle_until = least($4, ends_at), acr = least(acr, $5)"
                " WHERE subject = $1 AND id = $2 AND revoked_at IS NULL",
                session.subject, session.id, now, now + idle, acr,
            )  # fmt: skip
    return msgspec.structs.replace(session, acr=worth)


async def _news(node: Node, session: Session) -> bool | None:
    """Whether the home says the session lives there; None when it cannot be heard."""
    try:
        answer = await federation.call(
            node, str(session.home), "identity.session", {"v": 1, "sid": session.home_sid}, budget_ms=1000
        )
    except (federation.CallFailed, federation.CallRefused) as error:
        log("identity.home_silent", peer=session.home, error=type(error).__name__)
        return None
    alive = answer.get("alive") is True
    async with node.db.transaction() as tx:
        if alive:
            await tx.execute(
                "UPDATE session SET home_news_at = $3 WHERE subject = $1 AND id = $2", session.subject, session.id, node.clock.now()
            )
        else:
            await sessions.end(tx, session.id, "ended_at_home", node.clock.now())
    return alive


async def _actor(node: Node, session: Session) -> Actor:
    async with node.db.reading() as tx:
        if session.kind == "staff":
            member = await staff.staff_member(tx, node, session.subject)
            if member is None:
                return NOBODY
            held = roles.in_force(await staff.assignments(tx, session.subject), node.clock.now())
            linked = await staff.linked_subject(tx, node, session.subject)
            return Actor(
                kind="staff", subject=session.subject, acr=session.acr, sid=session.id, name=member.name, home=node.id,
                staff_id=member.staff_no, unit=member.unit, assignments=held, linked_subject=linked,
            )  # fmt: skip
        person = await persons.person(tx, node, session.subject)
    return Actor(
        kind="citizen", subject=session.subject, acr=session.acr, sid=session.id, home=session.home or node.id,
        for_subject=session.acting_for or "", mandate=session.mandate or "",
        name=None if person is None else person.name or person.name_masked,
    )  # fmt: skip
