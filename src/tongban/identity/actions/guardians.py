"""Guardians 监护人: who they are says the population register, to whom it concerns; a minor hears what they did (T-88).

A relation that a court froze is not named any more, so it gives nothing from the next question on.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec

from tongban import consent, federation, notifications
from tongban.identity.providers.register import subject_of
from tongban.identity.queries.register import population_attributes
from tongban.identity.rules.ages import grown_child_at, grown_up_at
from tongban.identity.rules.home import REGISTER_NODE
from tongban.identity.rules.mandates import ACT_WORDS, Mandate
from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node


class Ward(msgspec.Struct, frozen=True, kw_only=True):
    """A minor whose guardian asks 孩子: as the register tells the guardian's home; `home` is empty without an account."""

    subject: str
    name: str
    relation: str
    grown_up_at: datetime
    home: str = ""


class Guardian(msgspec.Struct, frozen=True, kw_only=True):
    """A guardian of a minor 监护人: as the register tells the minor's home; `home` is empty without an account."""

    subject: str
    home: str


async def enter(tx: Tx, node: Node, child: str, guardian: str, relation: str, since: date) -> None:
    """Write a relation into the register 登记监护关系, by two document numbers."""
    minor, adult = subject_of(node, "111", child), subject_of(node, "111", guardian)
    await tx.execute(
        "INSERT INTO guardian_entry (subject, guardian_subject, relation, since, demo) VALUES ($1,$2,$3,$4,$5) ON CONFLICT DO NOTHING",
        minor, adult, node.cipher.seal("identity", "guardian_entry.relation", minor + adult, relation), since, node.settings.demo,
    )  # fmt: skip


async def freeze(tx: Tx, node: Node, minor: str, guardian: str, why: str) -> bool:
    """End a relation, or freeze it by a court order 停止监护关系; the guardian's home hears of it. False when there is none."""
    done = await tx.fetchval(
        "UPDATE guardian_entry SET ended_at = $3, ended_why = $4 WHERE subject = $1 AND guardian_subject = $2 AND ended_at IS NULL RETURNING true",
        minor, guardian, node.clock.now(), why,
    )  # fmt: skip
    home = await tx.fetchval("SELECT home FROM register_entry WHERE subject = $1", guardian)
    if done and home and home != node.id:
        body = {"minor": minor, "guardian": guardian, "why": why, "at": node.clock.ms()}
        await federation.send(tx, node, to=home, kind="guardian.changed", about=f"guardian:{uuid7()}", body=body)
    return bool(done)


async def wards_of(tx: Tx, node: Node, caller: str, guardian: str) -> tuple[tuple[Ward, ...], dict[str, Any]]:
    """The minors of a guardian who is at home at `caller`, and the ledger line. Raises CallRefused 403 for another node."""
    await _home_only(tx, caller, guardian)
    rows = await tx.fetch(
        "SELECT g.subject, g.relation, coalesce(r.home, '') AS home FROM guardian_entry g LEFT JOIN register_entry r ON r.subject = g.subject"
        " WHERE g.guardian_subject = $1 AND g.ended_at IS NULL", guardian,
    )  # fmt: skip
    found = []
    line = {"line": uuid7(), "at": node.clock.ms()}
    for row in rows:
        known = await population_attributes(tx, node, row["subject"])
        if known is None:
            continue
        relation = node.cipher.open("identity", "guardian_entry.relation", row["subject"] + guardian, row["relation"]).reveal()
        found.append(Ward(subject=row["subject"], name=known.name.reveal(), relation=relation, grown_up_at=grown_up_at(known.birth), home=row["home"]))
    side = "local" if caller == node.id else "owner"
    for one in found:
        await consent.record_access(tx, node, _access(one.subject, line, caller, side))
    return tuple(one for one in found if one.grown_up_at > node.clock.now()), line


async def guardians_of(tx: Tx, node: Node, caller: str, minor: str) -> tuple[Guardian, ...]:
    """The guardians of a minor, for the home of the minor or of one of them. Raises CallRefused 403 for another node."""
    of_one = (
        "SELECT true FROM guardian_entry g JOIN register_entry r ON r.subject = g.guardian_subject"
        " WHERE g.subject = $1 AND g.ended_at IS NULL AND r.home = $2 LIMIT 1"
    )
    if not await tx.fetchval(of_one, minor, caller):
        await _home_only(tx, caller, minor)
    rows = await tx.fetch(
        "SELECT g.guardian_subject AS subject, coalesce(r.home, '') AS home FROM guardian_entry g"
        " LEFT JOIN register_entry r ON r.subject = g.guardian_subject WHERE g.subject = $1 AND g.ended_at IS NULL", minor,
    )  # fmt: skip
    line = {"line": uuid7(), "at": node.clock.ms()}
    await consent.record_access(tx, node, _access(minor, line, caller, "local" if caller == node.id else "owner"))
    return tuple(Guardian(**row) for row in rows)


async def is_guardian(tx: Tx, node: Node, caller: str, guardian: str, minor: str) -> dict[str, Any]:
    """Whether the register knows this relation now, for a node where the guardian acts; yes or no, and written down."""
    known = await tx.fetchval(
        "SELECT true FROM guardian_entry WHERE guardian_subject = $1 AND subject = $2 AND ended_at IS NULL", guardian, minor
    )
    attributes = await population_attributes(tx, node, minor) if known else None
    yes = attributes is not None and grown_up_at(attributes.birth) > node.clock.now()
    line = {"line": uuid7(), "at": node.clock.ms()}
    if yes:
        await consent.record_access(tx, node, _access(minor, line, caller, "local" if caller == node.id else "owner"))
    alone = yes and attributes is not None and grown_child_at(grown_up_at(attributes.birth)) > node.clock.now()
    return {"yes": yes, "alone": alone, **line}


async def ask_guardian(node: Node, guardian: str, minor: str) -> bool | None:
    """Ask the register whether somebody is the guardian of this minor 问是不是监护人; None when it cannot be reached."""
    answer = await _ask_pair(node, guardian, minor)
    return None if answer is None else answer.get("yes") is True


async def guards_alone(node: Node, guardian: str, minor: str) -> bool | None:
    """Whether the register names somebody as guardian of a child under 14, for whom a guardian alone decides 十四岁以下的监护人; None when away."""
    answer = await _ask_pair(node, guardian, minor)
    return None if answer is None else answer.get("yes") is True and answer.get("alone") is True


async def _ask_pair(node: Node, guardian: str, minor: str) -> dict[str, Any] | None:
    try:
        if node.id == REGISTER_NODE:
            async with node.db.transaction() as tx:
                return await is_guardian(tx, node, node.id, guardian, minor)
        answer = await federation.call(node, REGISTER_NODE, "register.guardian", {"v": 1, "guardian": guardian, "minor": minor})
    except (federation.CallFailed, federation.CallRefused, federation.NotMember) as away:
        log("identity.guardian_register_away", error=type(away).__name__)
        return None
    if answer.get("yes") is True:
        async with node.db.transaction() as tx:
            await consent.record_access(tx, node, _access(minor, answer, node.id, "caller"))
    return answer


async def tell_ward(tx: Tx, node: Node, found: Mandate, act: str, what: str, act_id: str) -> None:
    """The minor hears what a guardian did, at the minor's own home 监护人办了什么，告诉孩子."""
    if found.grantor_node in {"", node.id}:
        await told_ward(tx, node, found.grantor, found.agent_name.reveal(), act, what, act_id)
        return
    await federation.send(tx, node, to=found.grantor_node, kind="guardian.acted", about=f"guardian:{act_id}", body={
        "minor": found.grantor, "guardian": found.agent, "name": found.agent_name.reveal(), "act": act, "what": what, "act_id": act_id,
    })  # fmt: skip


async def told_ward(tx: Tx, node: Node, minor: str, name: str, act: str, what: str, act_id: str) -> None:
    """The message of one act of a guardian; there is nothing to stop in it, the law gives the power."""
    await notifications.notify(
        tx, node, subject=minor, kind="guardian.acted", title=f"{name[:40]}替你{ACT_WORDS.get(act, '办了一步')}", text=f"{what}。监护人可以替你办事，不明白的问监护人。",
        link="/messages", about=f"guardian:{act_id}", group="家人", dedupe=act_id,
    )  # fmt: skip


async def check_acted(node: Node, payload: dict[str, Any]) -> None:
    """Job: a guardian acted, says some node; told to the minor only when the register names that guardian, at home there (T-32)."""
    words = node.cipher.open("identity", "guardian_acted.job", str(payload["act_id"]), bytes.fromhex(payload["words"])).reveal()
    name, act, what = words.split("\x1f", 2)
    minor, guardian = str(payload["minor"]), str(payload["guardian"])
    if not any((one.subject, one.home) == (guardian, payload["origin"]) for one in await ask_guardians_of(node, minor)):
        log("identity.letter_not_theirs", peer=str(payload["origin"]), kind="guardian.acted")
        return
    async with node.db.transaction() as tx:
        await told_ward(tx, node, minor, name, act, what, str(payload["act_id"]))


async def ask_guardians_of(node: Node, minor: str) -> tuple[Guardian, ...]:
    """Who the guardians of a minor are, asked of the register 问监护人是谁: the minor or one of them is at home here.

    Raises CallFailed when it is away.
    """
    if node.id == REGISTER_NODE:
        async with node.db.transaction() as tx:
            return await guardians_of(tx, node, node.id, minor)
    answer = await federation.call(node, REGISTER_NODE, "register.guardians", {"v": 1, "subject": minor})
    return msgspec.convert(answer.get("guardians"), tuple[Guardian, ...])


async def _home_only(tx: Tx, caller: str, subject: str) -> None:
    home = await tx.fetchval("SELECT home FROM register_entry WHERE subject = $1", subject)
    if home != caller:
        raise federation.CallRefused(403, "no_grant")


def _access(subject: str, line: dict[str, Any], receiver: str, side: Any) -> consent.Access:
    return consent.Access(
        subject=subject, kind="check", who="统一身份认证", fields=("监护关系",), purpose="看监护人是谁", source=REGISTER_NODE,
        receiver=receiver, basis="个人信息保护法第三十一条", id=f"{line['line']}", at=datetime.fromtimestamp(line["at"] / 1000, UTC), side=side,
    )  # fmt: skip


async def ask_wards(node: Node, guardian: str) -> tuple[Ward, ...] | None:
    """Ask the register for the minors of a guardian 问监护关系; None when it cannot be reached. Never inside a transaction."""
    try:
        if node.id == REGISTER_NODE:
            async with node.db.transaction() as tx:
                return (await wards_of(tx, node, node.id, guardian))[0]
        answer = await federation.call(node, REGISTER_NODE, "register.wards", {"v": 1, "subject": guardian})
        found = msgspec.convert(answer.get("wards"), tuple[Ward, ...])
    except federation.CallRefused as no:
        return () if no.problem == "no_grant" else None
    except (federation.CallFailed, federation.NotMember, msgspec.ValidationError) as away:
        log("identity.guardian_register_away", error=type(away).__name__)
        return None
    async with node.db.transaction() as tx:
        for one in found:
            await consent.record_access(tx, node, _access(one.subject, answer, node.id, "caller"))
    return found
