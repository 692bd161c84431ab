"""Mandates 授权 as this node holds them: given, received, the one a browser acts under now."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tongban.identity.model import Session
from tongban.identity.queries.persons import person
from tongban.identity.rules import mandates as rules
from tongban.identity.rules.mandates import Mandate
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.gm import Personal
from tongban.kernel.node import Node

_PLAIN = tuple(name for name in Mandate.__struct_fields__ if name not in {"grantor_name", "agent_name"})
COLUMNS = ", ".join((*_PLAIN, "grantor_name", "agent_name"))


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Who a case is for 办事的一方: a person or an organisation, as far as this node knows; `number` is the ID number or the code."""

    subject: str
    kind: str
    home: str
    name: Personal | None = None
    number: Personal | None = None
    phone: Personal | None = None


DONE_SHOWN: Final = 50
"""So many acts the page of a mandate shows, and so many move along with an account."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """One act done for another 代办的一件."""

    act: str
    what: Personal
    about: str
    at: Any


def mandate_of(node: Node, row: Any) -> Mandate:
    """A row as a Mandate, names opened."""

    def opened(column: str) -> Personal:
        return node.cipher.open("identity", f"mandate.{column}", row["id"], row[column])

    fields = {name: row[name] for name in _PLAIN}
    return Mandate(**{
        **fields, "items": tuple(row["items"]), "acts": tuple(row["acts"]), "shown": tuple(row["shown"]), "grantor_name": opened("grantor_name"),
        "agent_name": opened("agent_name"),
    })  # fmt: skip


async def by_id(tx: Tx, node: Node, mandate_id: str, *, lock: bool = False) -> Mandate | None:
    """One mandate whatever its state; the caller judges whose it is (T-42)."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM mandate WHERE id = $1" + (" FOR UPDATE" if lock else ""), mandate_id)
    return None if row is None else mandate_of(node, row)


async def given(tx: Tx, node: Node, grantor: str) -> tuple[Mandate, ...]:
    """What somebody gave, newest first, by-law powers left out 我给出的."""
    rows = await tx.fetch(
        f"SELECT {COLUMNS} FROM mandate WHERE grantor = $1 AND basis <> 'legal_rep' AND told_by = '' AND state NOT IN ('arriving','moved') ORDER BY made_at DESC LIMIT 100", grantor
    )
    return tuple(mandate_of(node, row) for row in rows)


async def received(tx: Tx, node: Node, agent: str) -> tuple[Mandate, ...]:
    """What somebody may or might do for others, newest first 别人交给我的; copies at a visited node are left out."""
    rows = await tx.fetch(
        f"SELECT {COLUMNS} FROM mandate WHERE agent = $1 AND state NOT IN ('arriving','moved') AND told_by = '' ORDER BY made_at DESC LIMIT 200", agent
    )
    return tuple(mandate_of(node, row) for row in rows)


async def usable(tx: Tx, node: Node, agent: str) -> tuple[Mandate, ...]:
    """The mandates under which somebody can act here now 现在能代办的; at a visited node with what the home showed and was proven."""
    now = node.clock.now()
    rows = await tx.fetch(f"SELECT {COLUMNS} FROM mandate WHERE agent = $1 AND state = 'active' ORDER BY made_at DESC LIMIT 200", agent)
    return tuple(one for one in (mandate_of(node, row) for row in rows) if rules.alive(one, now))


async def shown_by(tx: Tx, node: Node, agent: str, home: str) -> tuple[Mandate, ...]:
    """What a visitor may act under here 到访时能代办的: granted here, or shown by the home; the unproven ones are still `arriving`."""
    now = node.clock.now()
    rows = await tx.fetch(
        f"SELECT {COLUMNS} FROM mandate WHERE agent = $1 AND until_at > $4 AND ((told_by = $2 AND state IN ('arriving','active'))"
        " OR (told_by = '' AND granted_node = $3 AND agent_node = $2 AND state = 'active')) ORDER BY made_at DESC LIMIT 200",
        agent, home, node.id, now,
    )  # fmt: skip
    return tuple(mandate_of(node, row) for row in rows)


async def done_under(tx: Tx, node: Node, mandate_id: str, most: int = DONE_SHOWN) -> tuple[Done, ...]:
    """What was done under a mandate, newest first 代办记录."""
    rows = await tx.fetch("SELECT id, act, what, about, at FROM mandate_act WHERE mandate = $1 ORDER BY at DESC LIMIT $2", mandate_id, most)
    return tuple(
        Done(act=row["act"], what=node.cipher.open("identity", "mandate_act.what", row["id"], row["what"]), about=row["about"], at=row["at"])
        for row in rows
    )


async def handed_in(tx: Tx, actor: Actor, case_id: str) -> bool:
    """Whether this actor may look at what came of a case: oneself and by law always, an agent for cases handed in under the mandate."""
    if not actor.for_subject or actor.by_law:
        return True
    if "receive" not in actor.acts or not case_id:
        return False
    done = await tx.fetchval("SELECT true FROM mandate_act WHERE mandate = $1 AND about = $2 AND act = 'submit' LIMIT 1", actor.mandate, f"case:{case_id}")
    return bool(done)


JOIN = "LEFT JOIN mandate m ON m.id = s.mandate"
JOINED = ", ".join(f"m.{one} AS m_{one}" for one in COLUMNS.split(", "))
"""The mandate a session `s` acts under, in a statement that asks for more besides; `dressed` reads it."""


def dressed(node: Node, actor: Actor, session: Session, row: Any) -> Actor:
    """The person of a session as the mandate it acts under allows now 以谁的身份; `row` has `JOINED`.

    A mandate that is over, is not this person's or is not here leaves the person alone, with `acting_ended`.
    """
    if session.mandate is None:
        return actor
    found = None if row["m_id"] is None else mandate_of(node, {one: row[f"m_{one}"] for one in COLUMNS.split(", ")})
    if found is None or found.agent != actor.subject or not rules.alive(found, node.clock.now()):
        return msgspec.structs.replace(actor, for_subject="", mandate="", acting_ended=True)
    return msgspec.structs.replace(
        actor, for_subject=found.grantor, mandate=found.id, basis=found.basis, acts=frozenset(found.acts),
        items=frozenset(found.items), for_name=found.grantor_name, acting_ended=False,
    )  # fmt: skip


async def family_of(tx: Tx, node: Node, subject: str) -> frozenset[str]:
    """Guardians, wards and whoever a family mandate ties to this person now, both ways 家人 (T-62)."""
    rows = await tx.fetch(
        "SELECT grantor AS other FROM mandate WHERE agent = $1 AND basis IN ('family','guardian') AND state = 'active' AND until_at > $2"
        " UNION SELECT agent FROM mandate WHERE grantor = $1 AND basis IN ('family','guardian') AND state = 'active' AND until_at > $2",
        subject, node.clock.now(),
    )  # fmt: skip
    return frozenset(row["other"] for row in rows)


async def told_for(tx: Tx, node: Node, subject: str, actor_subject: str, item: str) -> tuple[tuple[str, str], ...]:
    """Who hears news of a case: (subject, mandate) of the person and of agents who may receive 谁收通知.

    An organisation reads no messages: its representatives do. An ex-agent hears nothing (T-87).
    """
    people: list[tuple[str, str]] = [] if subject.startswith("o1") else [(subject, "")]
    if subject.startswith("o1") or (actor_subject and actor_subject != subject):
        rows = await tx.fetch(f"SELECT {COLUMNS} FROM mandate WHERE grantor = $1 AND state = 'active'", subject)
        for one in (mandate_of(node, row) for row in rows):
            wanted = one.basis == "legal_rep" or one.agent == actor_subject
            in_scope = one.basis in {"legal_rep", "guardian"} or any(item.endswith(code) for code in one.items)
            if wanted and in_scope and "receive" in one.acts and rules.alive(one, node.clock.now()):
                people.append((one.agent, one.id))
    return tuple(people)


async def party(tx: Tx, node: Node, subject: str) -> Party | None:
    """The one a case is for: an organisation by the register's last word, a person as known here, or by the name a mandate carries."""
    if subject.startswith("o1"):
        row = await tx.fetchrow("SELECT code, name FROM organisation WHERE subject = $1", subject)
        if row is None:
            return None
        return Party(subject=subject, kind="organisation", home="", name=Personal(row["name"]), number=Personal(row["code"]))
    known = await person(tx, node, subject)
    if known is not None and known.name is not None:
        return Party(subject=subject, kind="person", home=known.home, name=known.name, number=known.number, phone=known.phone)
    row = await tx.fetchrow(
        f"SELECT {COLUMNS} FROM mandate WHERE grantor = $1 AND state IN ('active','stopped','ended','moved') ORDER BY made_at DESC LIMIT 1", subject
    )
    if row is not None:
        found = mandate_of(node, row)
        return Party(subject=subject, kind="person", home=found.granted_node, name=found.grantor_name)
    return None if known is None else Party(subject=subject, kind="person", home=known.home)
