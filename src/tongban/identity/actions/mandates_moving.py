"""Mandates go along with an account that moves home 授权随账号搬走 (identity.md 6.6; T-22, T-85, T-87).

The old home hands over what its person gave and received, sealed for the new home, in the transaction that lets the account
go. Nodes that hold the other half, or were shown a copy, hear of it by letter; whoever asks the old home is told where to ask.
The new home speaks for what its person gave; of what its person received, the node whose word it is is asked before it counts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from tongban import federation
from tongban.identity.actions import mandate_word
from tongban.identity.errors import failure
from tongban.identity.queries import mandates as queries
from tongban.identity.rules import mandates as rules
from tongban.identity.rules.mandates import Mandate, book
from tongban.kernel import jobs
from tongban.kernel.actor import BY_LAW
from tongban.kernel.db import Tx
from tongban.kernel.ids import is_uuid
from tongban.kernel.log import log
from tongban.kernel.node import Node

KIND: Final = "account.mandates"
CHECK: Final = "identity.check_carried"
_IN_ONE_LETTER: Final = 100
_HEARD: Final = timedelta(days=30)
"""So long the old home may pass on what the other side still told it."""
_LAW: Final = list(BY_LAW)
_FAR: Final = 4_102_444_800_000
"""1 January 2100 in Unix ms; no time in a letter is later."""
_SPEAKER: Final = "coalesce(nullif(granted_by_subject, ''), grantor)"


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """One mandate on its way to the new home 随账号带走的授权; times in Unix ms, 0 for none."""

    id: str
    grantor: str
    agent: str
    basis: rules.Basis
    items: tuple[str, ...]
    acts: tuple[str, ...]
    from_at: int
    until_at: int
    wait_until: int
    offered_until: int
    accepted_at: int
    granted_acr: int
    granted_by_subject: str
    granted_staff: str
    granted_node: str
    agent_node: str
    state: str
    grantor_name: str
    agent_name: str
    set_name: str
    set_version: int
    shown: tuple[str, ...]


class CarriedAct(msgspec.Struct, frozen=True, kw_only=True):
    """One thing done under a mandate on its way to the new home 随账号带走的代办记录; `at` in Unix ms.

    Which case it was goes unsaid: that opens the case to the agent, and only the node where it was handed in may say so.
    """

    id: str
    mandate: str
    act: str
    what: str
    at: int


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `account.mandates`: which move, and mandates or what was done under them (一批授权或代办记录)."""

    id: str
    subject: str
    mandates: tuple[Carried, ...] = ()
    done: tuple[CarriedAct, ...] = ()
    v: int = 1


# ---- the old home -------------------------------------------------------------------------------------------------


async def hand_over(tx: Tx, node: Node, subject: str, to: str, move: str) -> frozenset[str]:
    """Send the mandates of `subject` to the new home and mark them as gone here 交出授权; the nodes that must hear of the move."""
    rows = await tx.fetch(
        f"SELECT {queries.COLUMNS} FROM mandate WHERE told_by = '' AND state IN ('arriving','offered','active')"
        f" AND ((agent = $1 AND agent_node = $2) OR ({_SPEAKER} = $1 AND granted_node = $2 AND basis <> ALL($3::text[]))) ORDER BY id FOR UPDATE",
        subject, node.id, _LAW,
    )  # fmt: skip
    found = [queries.mandate_of(node, row) for row in rows]
    for first in range(0, len(found), _IN_ONE_LETTER):
        load = Load(id=move, subject=subject, mandates=tuple(_carried(one) for one in found[first : first + _IN_ONE_LETTER]))
        await federation.send(tx, node, to=to, kind=KIND, about=f"mandates:{move}", body=load)
    done = await _done(tx, node, [one.id for one in found])
    for first in range(0, len(done), _IN_ONE_LETTER):
        body = Load(id=move, subject=subject, done=done[first : first + _IN_ONE_LETTER])
        await federation.send(tx, node, to=to, kind=KIND, about=f"mandates:{move}", body=body)
    await left_again(tx, node, subject, to)
    hear = {one.agent_node for one in found}.union(*(one.shown for one in found))
    hear |= {one.granted_node for one in found if one.basis not in BY_LAW}
    return frozenset(hear - {node.id, to})


async def left_again(tx: Tx, node: Node, subject: str, to: str) -> None:
    """The mandates of an account that left: those of which no side is here any more are gone 授权离开本节点."""
    rows = await tx.fetch(
        f"SELECT id FROM mandate WHERE told_by = '' AND state IN ('arriving','offered','active') AND $1 IN (agent, {_SPEAKER})"
        " AND $2 IN (agent_node, granted_node)", subject, node.id,
    )  # fmt: skip
    await repoint(tx, node, subject, origin=node.id, to=to)
    await tx.execute(
        "UPDATE mandate SET state = 'moved', moved_to = $2, over_at = $3, over_why = 'moved' WHERE id = ANY($1::uuid[])"
        " AND agent_node <> $4 AND granted_node <> $4",
        [row["id"] for row in rows], to, node.clock.now(), node.id,
    )  # fmt: skip


async def _done(tx: Tx, node: Node, mandates: list[str]) -> tuple[CarriedAct, ...]:
    """What was done under these mandates, as much of each as its page shows."""
    rows = await tx.fetch(
        "SELECT a.id, a.mandate, a.act, a.what, a.at FROM unnest($1::uuid[]) AS one (id) CROSS JOIN LATERAL"
        " (SELECT * FROM mandate_act m WHERE m.mandate = one.id ORDER BY m.at DESC LIMIT $2) a ORDER BY a.mandate, a.at",
        mandates, queries.DONE_SHOWN,
    )  # fmt: skip
    return tuple(
        CarriedAct(
            id=str(row["id"]), mandate=str(row["mandate"]), act=row["act"], at=_ms(row["at"]),
            what=node.cipher.open("identity", "mandate_act.what", row["id"], row["what"]).reveal(),
        )
        for row in rows
    )  # fmt: skip


def _carried(one: Mandate) -> Carried:
    names = set(Carried.__struct_fields__) - {"from_at", "until_at", "wait_until", "offered_until", "accepted_at", "grantor_name", "agent_name"}
    return Carried(
        from_at=_ms(one.from_at), until_at=_ms(one.until_at), wait_until=_ms(one.wait_until), offered_until=_ms(one.offered_until),
        accepted_at=_ms(one.accepted_at), grantor_name=one.grantor_name.reveal(), agent_name=one.agent_name.reveal(),
        **{name: getattr(one, name) for name in names},
    )  # fmt: skip


def _ms(at: datetime | None) -> int:
    return 0 if at is None else int(at.timestamp() * 1000)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


async def repoint(tx: Tx, node: Node, subject: str, *, origin: str, to: str) -> None:
    """What `origin` had a say in because it was this person's home, `to` has a say in now 改写归属地.

    A node gives away its own say only: rows in which another node speaks or is the agent's home do not change by its word.
    """
    await tx.execute(
        "UPDATE mandate SET moved_at = $4, agent_node = CASE WHEN agent = $1 AND agent_node = $2 THEN $3 ELSE agent_node END,"
        f" granted_node = CASE WHEN {_SPEAKER} = $1 AND granted_node = $2 AND basis <> ALL($5::text[]) THEN $3 ELSE granted_node END,"
        " told_by = CASE WHEN agent = $1 AND told_by = $2 AND $3 <> $6 THEN $3 ELSE told_by END,"
        " grantor_node = CASE WHEN grantor = $1 AND grantor_node = $2 THEN $3 ELSE grantor_node END,"
        " moved_from = CASE WHEN $3 = $6 THEN $2 ELSE moved_from END"
        f" WHERE (agent = $1 AND agent_node = $2) OR ({_SPEAKER} = $1 AND granted_node = $2 AND basis <> ALL($5::text[]))"
        " OR (grantor = $1 AND grantor_node = $2)",
        subject, origin, to, node.clock.now(), _LAW, node.id,
    )  # fmt: skip


async def passed_on(tx: Tx, found: Mandate, node: Node, kind: str, body: dict[str, Any]) -> bool:
    """Whether a row went away with an account: then what is said about it goes to the node that has it now 转告."""
    if found.state != "moved":
        return False
    await federation.send(tx, node, to=found.moved_to, kind=kind, about=f"mandate:{found.id}", body=body)
    return True


# ---- the new home -------------------------------------------------------------------------------------------------


async def arrived(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`account.mandates`: what comes along with an account that was asked for here, from the home that was asked 收到授权."""
    try:
        load = msgspec.convert(letter.body, Load)
    except msgspec.ValidationError:
        log("identity.letter_malformed", peer=letter.origin, kind=letter.kind)
        return
    state = await tx.fetchval(
        "SELECT state FROM account_move WHERE id = $1 AND subject = $2 AND other = $3 AND side = 'to' AND state <> 'stopped' FOR UPDATE",
        load.id if is_uuid(load.id) else None, load.subject, letter.origin,
    )  # fmt: skip
    if state is None:
        log("identity.move_not_asked", origin=letter.origin)
        return
    for one in load.mandates:
        if _sound(one, load.subject, letter.origin):
            await _put(tx, node, one, load.subject, letter.origin)
    for done in load.done:
        await _put_done(tx, node, done, load.subject, letter.origin)
    if state == "opened":
        await settle(tx, node, load.subject)


def _sound(one: Carried, subject: str, origin: str) -> bool:
    """Whether the old home may say this: a mandate its person gave there or received there, of known words."""
    known = {act.code for act in book().act}
    speaks = (one.granted_by_subject or one.grantor) == subject and one.granted_node == origin and one.basis not in BY_LAW
    receives = one.agent == subject and one.agent_node == origin
    shaped = is_uuid(one.id) and one.state in {"arriving", "offered", "active"} and 0 < one.from_at < one.until_at < _FAR
    return shaped and (speaks or receives) and bool(one.acts) and set(one.acts) <= known and bool(one.items) != (one.basis in BY_LAW)


async def _put(tx: Tx, node: Node, one: Carried, subject: str, origin: str) -> None:
    """The row, not yet good for anything; a copy shown here before, or the row of an earlier stay, becomes it. Our own word stays ours."""
    now = node.clock.now()
    agent_node = node.id if one.agent == subject and one.agent_node == origin else one.agent_node
    speaks = (one.granted_by_subject or one.grantor) == subject and one.granted_node == origin and one.basis not in BY_LAW
    await tx.execute(
        "INSERT INTO mandate (grantor, id, agent, basis, items, set_name, set_version, acts, from_at, until_at, wait_until, granted_acr,"
        " granted_by_subject, granted_staff, granted_node, agent_node, state, offered_until, accepted_at, news_at, grantor_name, agent_name,"
        " made_at, shown, moved_from, moved_at, arriving_as)"
        " VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,'arriving',$17,$18,$19,$20,$21,$19,$22,$23,$19,$24)"
        " ON CONFLICT (id) DO UPDATE SET state = 'arriving', arriving_as = excluded.arriving_as, told_by = '', moved_to = '', over_at = NULL,"
        " over_why = '', moved_from = excluded.moved_from, moved_at = excluded.moved_at, agent_node = excluded.agent_node,"
        " granted_node = excluded.granted_node, shown = excluded.shown, accepted_at = excluded.accepted_at"
        " WHERE (mandate.told_by = $23 OR mandate.state = 'moved') AND mandate.grantor = excluded.grantor AND mandate.agent = excluded.agent",
        one.grantor, one.id, one.agent, one.basis, list(one.items), one.set_name[:40], one.set_version, list(one.acts), _at(one.from_at),
        min(_at(one.until_at), rules.longest(one.basis, now, 10**5)), _at(one.wait_until) if one.wait_until else None, one.granted_acr,
        one.granted_by_subject, one.granted_staff[:40], node.id if speaks else one.granted_node, agent_node, _at(one.offered_until),
        _at(one.accepted_at) if one.accepted_at else None, now, node.cipher.seal("identity", "mandate.grantor_name", one.id, one.grantor_name[:120]),
        node.cipher.seal("identity", "mandate.agent_name", one.id, one.agent_name[:120]), [name for name in one.shown if name != node.id],
        origin, "active" if one.state == "active" else "offered",
    )  # fmt: skip


async def _put_done(tx: Tx, node: Node, one: CarriedAct, subject: str, origin: str) -> None:
    """One thing done, under a mandate that came along with this account from this home; under any other it is left out."""
    if not (is_uuid(one.id) and is_uuid(one.mandate)) or one.act not in rules.ACT_WORDS or not 0 < one.at < _FAR:
        return
    await tx.execute(
        "INSERT INTO mandate_act (grantor, id, mandate, agent, act, about, what, at)"
        f" SELECT grantor, $1, id, agent, $3, '', $4, $5 FROM mandate WHERE id = $2 AND moved_from = $6 AND $7 IN (agent, {_SPEAKER})"
        " ON CONFLICT DO NOTHING",
        one.id, one.mandate, one.act, node.cipher.seal("identity", "mandate_act.what", one.id, one.what[:200]), min(_at(one.at), node.clock.now()),
        origin, subject,
    )  # fmt: skip


async def settle(tx: Tx, node: Node, subject: str) -> None:
    """The account is open here: what it gave holds from now on by this node's word, the rest is asked about at once 落实授权."""
    await tx.execute(
        "UPDATE mandate SET state = arriving_as, arriving_as = '', news_at = $3 WHERE state = 'arriving' AND arriving_as <> ''"
        f" AND {_SPEAKER} = $1 AND granted_node = $2",
        subject, node.id, node.clock.now(),
    )  # fmt: skip
    for row in await tx.fetch("SELECT id FROM mandate WHERE state = 'arriving' AND arriving_as <> '' AND agent = $1", subject):
        await jobs.enqueue(tx, CHECK, {"id": str(row["id"])}, once=f"carried:{row['id']}")


async def check(node: Node, payload: dict[str, Any]) -> None:
    """Job: does the node whose word it is say so too? 核对带来的授权. A word that cannot be heard makes the job come again."""
    async with node.db.reading() as tx:
        found = await queries.by_id(tx, node, str(payload["id"]))
    if found is None or found.state != "arriving" or not found.arriving_as:
        return
    state = await mandate_word.standing(node, found)
    if state is None:
        raise failure("identity.mandate_news")
    async with node.db.transaction() as tx:
        known = await queries.by_id(tx, node, found.id, lock=True)
        if known is None or known.state != "arriving":
            return
        if state == "over":
            await tx.execute("UPDATE mandate SET state = 'ended', over_at = $2, over_why = 'not_proven' WHERE id = $1", found.id, node.clock.now())
            log("identity.mandate_not_proven", peer=found.moved_from, kind=found.basis)
            return
        if found.basis in BY_LAW:  # asked of the register here before, under another id
            await tx.execute(
                "UPDATE mandate SET state = 'ended', over_at = $5, over_why = 'home' WHERE grantor = $1 AND agent = $2 AND basis = $3 AND id <> $4"
                " AND state = 'active'", found.grantor, found.agent, found.basis, found.id, node.clock.now(),
            )  # fmt: skip
        await tx.execute("UPDATE mandate SET state = $2, arriving_as = '', news_at = $3 WHERE id = $1", found.id, state, node.clock.now())


def from_the_old_home(found: Mandate, origin: str, now: datetime) -> bool:
    """Whether this is the old home passing on what it was still told (pure)."""
    return bool(found.moved_from) and origin == found.moved_from and found.moved_at is not None and now - found.moved_at < _HEARD
