"""An account moves home 账号迁移 (identity.md 6.6): asked at the new home, let go by the old, turned by the register.

Old home A: shows it on every channel held, waits 24 hours (none in person), closes and writes `account.moved` in one
transaction. New home B: keeps the parcel, has the register turn the home on both signatures, opens the account.
Authenticators stay behind; cases, credentials and grants hang on the subject and do not move. Mandates have a home at both ends: they go along.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from tongban import federation, notifications
from tongban.identity.actions import confirming, ending, home_proof, keys, mandates_moving, subjects
from tongban.identity.actions.first_time import tell_hub
from tongban.identity.errors import failure
from tongban.identity.model import Session
from tongban.identity.providers import sms
from tongban.identity.queries import persons
from tongban.identity.queries.sessions import by_id
from tongban.identity.rules import home as rules
from tongban.identity.rules import levels
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import LevelNeeded, SelfOnly
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

WAIT = timedelta(hours=24)
LEVEL = 3
BELL = "identity.moves"
GUARDIAN_FIRST = "identity.guardian_first"


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """What an account takes along 随账号带走的: proof and phone, and the old home's signed release. Encrypted to the new home."""

    id: str
    subject: str
    to: str
    release: str
    name: str
    number: str
    phone: str
    proof: int
    proof_method: str
    photo_held: bool
    v: int = 1


class Moving(msgspec.Struct, frozen=True, kw_only=True):
    """A move under way 正在搬: where to or from, and when the old home lets go; `heard` is False while the old home has not answered."""

    id: str
    side: str
    other: str
    state: str
    due_at: Any
    heard: bool = True


# ---- the new home ---------------------------------------------------------------------------------------------


async def ask(node: Node, actor: Actor) -> Moving:
    """Ask the old home to let the account move here 申请搬来; level 3, oneself only. No transaction may be open.

    Raises LevelNeeded, Failure `identity.move_here`, `identity.home_away`, `identity.move_refused`, `identity.guardian_first`.
    """
    if actor.for_subject:
        raise SelfOnly("搬账号")
    actor.require(1)
    if actor.home in ("", node.id) or node.settings.role != "province":
        raise failure("identity.move_here")
    if actor.acr < LEVEL:
        raise LevelNeeded(LEVEL)
    async with node.db.transaction() as tx:
        session = await by_id(tx, actor.sid)
        place = await _name(tx, actor.home)
        if session is None or not session.home_sid:
            raise failure("identity.move_here")
        running = await tx.fetchval(
            "SELECT id FROM account_move WHERE subject = $1 AND side = 'to' AND state = 'waiting' AND other = $2", actor.subject, actor.home
        )
        move = str(running) if running else uuid7()
        # the row is there before the old home may answer by letter
        await tx.execute(
            "INSERT INTO account_move (subject, id, side, other, state, asked_at, due_at) VALUES ($1, $2, 'to', $3, 'waiting', $4, $5)"
            " ON CONFLICT DO NOTHING",
            actor.subject, move, actor.home, node.clock.now(), node.clock.now() + WAIT,
        )  # fmt: skip
    body = {"v": 1, "id": move, "sid": session.home_sid, "subject": actor.subject}
    try:
        answer = await federation.call(node, actor.home, "account.move_request", body)
    except federation.CallRefused as no:
        await _forget(node, actor.subject, move)
        if no.reasons[:1] == (GUARDIAN_FIRST,):
            raise failure(GUARDIAN_FIRST) from None
        raise failure("identity.move_refused", place=place) from None
    except federation.CallFailed:
        raise failure("identity.home_away", place=place) from None
    due = rules.moment(answer.get("due_at"), node.clock.now() + WAIT)
    async with node.db.transaction() as tx:
        await tx.execute(
            "UPDATE account_move SET due_at = $3, heard_at = $4 WHERE subject = $1 AND id = $2 AND state = 'waiting'",
            actor.subject, move, due, node.clock.now(),
        )  # fmt: skip
    return Moving(id=move, side="to", other=actor.home, state="waiting", due_at=due)


async def _forget(node: Node, subject: str, move: str) -> None:
    async with node.db.transaction() as tx:
        await tx.execute("DELETE FROM account_move WHERE subject = $1 AND id = $2 AND state = 'waiting' AND side = 'to'", subject, move)


async def arrived(tx: Tx, node: Node, origin: str, parcel: Parcel) -> None:
    """The old home let go 收到账号: only what was asked for here, from the home that was asked, once."""
    sealed = node.cipher.seal("sensitive", "account_move.parcel", parcel.id, msgspec.json.encode(parcel).decode())
    taken = await tx.fetchval(
        "UPDATE account_move SET state = 'released', parcel = $4 WHERE id = $1 AND subject = $2 AND other = $3 AND side = 'to'"
        " AND state = 'waiting' RETURNING true",
        parcel.id, parcel.subject, origin, sealed,
    )  # fmt: skip
    if taken:
        await mandates_moving.repoint(tx, node, parcel.subject, origin=origin, to=node.id)
        await ring(tx, BELL)
    else:
        log("identity.move_not_asked", origin=origin)


async def finish(node: Node) -> None:
    """Have the register turn the home and open the accounts that came 落户; what the register does not answer waits its turn."""
    async with node.db.reading() as tx:
        rows = await tx.fetch("SELECT subject, id, parcel FROM account_move WHERE side = 'to' AND state = 'released' ORDER BY asked_at LIMIT 50")
    for row in rows:
        opened = node.cipher.open("sensitive", "account_move.parcel", row["id"], row["parcel"]).reveal()
        parcel = msgspec.json.decode(opened, type=Parcel)
        async with node.db.transaction() as tx:
            key = await keys.signing_key(tx, node, "Ed25519")
        accept = key.sign(rules.release(parcel.subject, node.id, node.id, parcel.id, node.clock.now()), typ=rules.ACCEPT_TYP)
        body = {"v": 1, "subject": parcel.subject, "release": parcel.release, "accept": accept}
        try:
            answer = await home_proof.turn(node, node.id, body) if node.id == rules.REGISTER_NODE else await federation.call(
                node, rules.REGISTER_NODE, "population.move", body
            )
        except (federation.CallFailed, federation.CallRefused) as error:
            log("identity.move_waits", error=type(error).__name__)
            continue
        async with node.db.transaction() as tx:
            await _open(tx, node, parcel, str(answer.get("statement", "")))


async def _open(tx: Tx, node: Node, parcel: Parcel, statement: str) -> None:
    """The account at its new home; an account that lived here before and comes back is the same row again."""
    done = await tx.fetchval(
        "UPDATE account_move SET state = 'opened', ended_at = $2, parcel = NULL WHERE id = $1 AND state = 'released' RETURNING true",
        parcel.id, node.clock.now(),
    )  # fmt: skip
    if not done:
        return
    subject, now = parcel.subject, node.clock.now()
    await tx.execute(
        "INSERT INTO account (subject, id, phone, bi_phone, proof, proof_method, proof_at, opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)"
        " ON CONFLICT (subject) DO UPDATE SET status = 'open', phone = excluded.phone, bi_phone = excluded.bi_phone, proof = excluded.proof,"
        " proof_method = excluded.proof_method, proof_at = excluded.proof_at, moved_to = NULL, moved_at = NULL",
        subject, uuid7(), node.cipher.seal("contact", "account.phone", subject, parcel.phone), persons.phone_index(node, parcel.phone),
        parcel.proof, parcel.proof_method, now,
    )  # fmt: skip
    await subjects.put_person(
        tx, node, subject, home=node.id, proof=parcel.proof, name=parcel.name, number=parcel.number, photo_held=parcel.photo_held, matched=True
    )
    await subjects.put_statement(tx, node, subject, statement)
    await tell_hub(tx, node, subject)
    await mandates_moving.settle(tx, node, subject)
    await notifications.notify(
        tx, node, subject=subject, kind="identity.moved_here", about=f"move:{parcel.id}", title="账号搬来了",
        text="以后在这里登录。原来的通行密钥留在原处，在“设备”里重新绑一个。", link="/me/devices",
    )  # fmt: skip
    log("identity.account_moved_here")


# ---- the old home ---------------------------------------------------------------------------------------------


async def requested(tx: Tx, node: Node, caller: str, move: str, sid: str, subject: str) -> Moving | None:
    """A node where the person is signed in asks to take the account over 收到搬家申请. Raises CallRefused.

    The person must be there now, at level 3 by this home's own session; a protected account stays (recovery, theft report).
    None while a guardian of somebody of 14 to 17 has not said yes: nothing is raised, so that the question to the guardian stays.
    """
    session = await by_id(tx, sid)
    now = node.clock.now()
    if session is None or session.subject != subject or session.home is not None or session.revoked_at is not None or caller not in session.visited:
        raise federation.CallRefused(403, "no_grant")
    if _level(node, session) < LEVEL:
        raise federation.CallRefused(403, "no_grant", ("identity.level_needed",))
    account = await tx.fetchrow("SELECT status, recovered_until FROM account WHERE subject = $1 FOR UPDATE", subject)
    if account is None or account["status"] != "open" or (account["recovered_until"] and account["recovered_until"] > now):
        raise federation.CallRefused(422, "refused", ("identity.move_refused",))
    known = await tx.fetchrow("SELECT * FROM account_move WHERE id = $1 AND side = 'from'", move)
    if known is not None:
        return _moving(known)
    if await tx.fetchval("SELECT true FROM account_move WHERE subject = $1 AND side = 'from' AND state = 'waiting'", subject):
        raise federation.CallRefused(422, "refused", ("identity.move_refused",))
    place = await _name(tx, caller)
    me = Actor(kind="citizen", subject=subject, home=node.id)
    if not await confirming.confirmed(tx, node, me, level=LEVEL, about=f"move:{caller}", what=f"把账号搬到{place}"):
        return None
    in_person = "inperson" in session.amr and _level(node, session) == 4
    due = now if in_person else now + WAIT
    row = await tx.fetchrow(
        "INSERT INTO account_move (subject, id, side, other, state, asked_at, due_at, in_person) VALUES ($1, $2, 'from', $3, 'waiting', $4, $5, $6)"
        " RETURNING *",
        subject, move, caller, now, due, in_person,
    )  # fmt: skip
    await _warn(tx, node, subject, move, place)
    await ring(tx, BELL)
    log("identity.move_requested", peer=caller)
    return _moving(row)


async def _warn(tx: Tx, node: Node, subject: str, move: str, place: str) -> None:
    """Shown and asked on the channels this home holds: the messages and the old phone. No name, no number."""
    await notifications.notify(
        tx, node, subject=subject, kind="identity.move_asked", about=f"move:{move}", title=f"有人要把你的账号搬到{place}",
        text="24 小时后搬走。不是你，马上点进去停止。", link="/me/home", link_words="去看看",
    )  # fmt: skip
    person = await persons.person(tx, node, subject)
    if person is not None and person.phone is not None:
        text = f"【{node.settings.name}】有人申请把你的账号搬到{place}，24 小时后搬走。不是你本人，马上登录，在“我的”里停止。"
        await sms(node).send(tx, node, person.phone.reveal(), text)


async def stop(tx: Tx, node: Node, subject: str) -> bool:
    """Stop a move before the old home lets go 停止搬家; False when none is waiting. The new home hears by letter."""
    row = await tx.fetchrow(
        "UPDATE account_move SET state = 'stopped', ended_at = $2 WHERE subject = $1 AND side = 'from' AND state = 'waiting' RETURNING id, other",
        subject, node.clock.now(),
    )  # fmt: skip
    if row is None:
        return False
    await federation.send(tx, node, to=row["other"], kind="account.move_stopped", about=f"move:{row['id']}", body={"id": row["id"]})
    return True


async def stopped(tx: Tx, node: Node, origin: str, move: str) -> None:
    """The old home will not let go 搬家停了."""
    row = await tx.fetchrow(
        "UPDATE account_move SET state = 'stopped', ended_at = $3 WHERE id = $1 AND other = $2 AND side = 'to' AND state = 'waiting' RETURNING subject",
        move, origin, node.clock.now(),
    )  # fmt: skip
    if row is not None:
        await notifications.notify(
            tx, node, subject=row["subject"], kind="identity.move_stopped", about=f"move:{move}", title="账号没有搬",
            text="在原来的地方停止了，账号还在原处。", link="/me/home",
        )  # fmt: skip


async def let_go(node: Node) -> None:
    """Release the accounts whose wait is over 到时放行, one transaction each."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT id FROM account_move WHERE side = 'from' AND state = 'waiting' AND due_at <= $1 ORDER BY due_at LIMIT 50", node.clock.now()
        )
    for row in rows:
        async with node.db.transaction() as tx:
            await _release(tx, node, str(row["id"]))


async def _release(tx: Tx, node: Node, move: str) -> None:
    """Close the account and write `account.moved` in one transaction; sessions and authenticators of this home end."""
    row = await tx.fetchrow("SELECT * FROM account_move WHERE id = $1 AND state = 'waiting' AND side = 'from' FOR UPDATE", move)
    if row is None:
        return
    subject, to, now = row["subject"], row["other"], node.clock.now()
    account = await tx.fetchrow("SELECT * FROM account WHERE subject = $1 FOR UPDATE", subject)
    person = await persons.person(tx, node, subject)
    if account is None or account["status"] != "open" or person is None or person.name is None or person.number is None or person.phone is None:
        await stop(tx, node, subject)
        return
    key = await keys.signing_key(tx, node, "Ed25519")
    parcel = Parcel(
        id=move, subject=subject, to=to, release=key.sign(rules.release(subject, node.id, to, move, now), typ=rules.RELEASE_TYP),
        name=person.name.reveal(), number=person.number.reveal(), phone=person.phone.reveal(), proof=account["proof"],
        proof_method=account["proof_method"], photo_held=person.photo_held,
    )  # fmt: skip
    visited = await tx.fetch("SELECT DISTINCT unnest(visited) AS node FROM session WHERE subject = $1 AND home IS NULL", subject)
    hear = await mandates_moving.hand_over(tx, node, subject, to, move)
    await federation.send(tx, node, to=to, kind="account.moved", about=f"move:{move}", body=parcel)
    await federation.send(
        tx, node, to=node.settings.hub, kind="account.moved", about=f"account:{account['id']}",
        body={"number": parcel.number, "phone": parcel.phone, "to": to},
    )  # fmt: skip
    for one in sorted({*hear, *(row["node"] for row in visited)} - {to, node.settings.hub}):
        await federation.send(tx, node, to=one, kind="account.moved", about=f"move:{move}", body={"subject": subject, "to": to})
    await ending.leave_everywhere(tx, node, subject, "moved")
    await tx.execute("UPDATE authenticator SET ended_at = $2 WHERE subject = $1 AND ended_at IS NULL", subject, now)
    await tx.execute(
        "UPDATE account SET status = 'moved', moved_to = $2, moved_at = $3, home_statement = NULL, statement_until = NULL WHERE subject = $1",
        subject, to, now,
    )  # fmt: skip
    await tx.execute("UPDATE person SET home = $2 WHERE subject = $1", subject, to)
    await tx.execute("UPDATE account_move SET state = 'released', ended_at = $2 WHERE id = $1", move, now)
    log("identity.account_let_go", peer=to)


async def left_again(tx: Tx, node: Node, move: str, subject: str, to: str) -> None:
    """Our own letter says that this account left, and the database was put back to before that 补回搬走: it is closed here again."""
    if await tx.fetchval("SELECT status FROM account WHERE subject = $1 FOR UPDATE", subject) not in ("open", "restricted"):
        return
    now = node.clock.now()
    await mandates_moving.left_again(tx, node, subject, to)
    await ending.leave_everywhere(tx, node, subject, "moved")
    await tx.execute("UPDATE authenticator SET ended_at = $2 WHERE subject = $1 AND ended_at IS NULL", subject, now)
    await tx.execute(
        "UPDATE account SET status = 'moved', moved_to = $2, moved_at = $3, home_statement = NULL, statement_until = NULL WHERE subject = $1",
        subject, to, now,
    )  # fmt: skip
    await tx.execute("UPDATE person SET home = $2 WHERE subject = $1", subject, to)
    await tx.execute("UPDATE account_move SET state = 'released', ended_at = $2 WHERE id::text = $1 AND side = 'from' AND state = 'waiting'", move, now)


async def moved_elsewhere(tx: Tx, node: Node, origin: str, subject: str, to: str) -> None:
    """The home of a visitor, or of one side of a mandate, moved 对方搬了家: on the word of the old home only."""
    await tx.execute("UPDATE person SET home = $3 WHERE subject = $1 AND home = $2", subject, origin, to)
    await mandates_moving.repoint(tx, node, subject, origin=origin, to=to)


async def running(tx: Tx, subject: str) -> Moving | None:
    """The move of a person that waits or is on its way, at either end 正在搬的."""
    row = await tx.fetchrow(
        "SELECT * FROM account_move WHERE subject = $1 AND (state = 'waiting' OR (state = 'released' AND side = 'to')) ORDER BY asked_at DESC LIMIT 1",
        subject,
    )
    return None if row is None else _moving(row)


def _level(node: Node, session: Session) -> int:
    return levels.decayed(session.acr, raised_at=session.raised_at, seen_at=session.seen_at, now=node.clock.now())


def _moving(row: Any) -> Moving:
    heard = row["side"] == "from" or row["state"] != "waiting" or row["heard_at"] is not None
    return Moving(id=str(row["id"]), side=row["side"], other=row["other"], state=row["state"], due_at=row["due_at"], heard=heard)


async def _name(tx: Tx, other: str) -> str:
    listed = (await federation.directory(tx)).node(other)
    return listed.name if listed else other
