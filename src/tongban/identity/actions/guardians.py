"""Guardians 监护人: who they are says the population register; 14 to 17 a guardian confirms a level-3 act (T-88).

A relation that a court froze is not named any more, so it gives nothing from the next question on.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from tongban import consent, federation, notifications
from tongban.identity.errors import failure
from tongban.identity.model import Person
from tongban.identity.providers.register import subject_of
from tongban.identity.queries.persons import current_subject, person
from tongban.identity.queries.register import population_attributes
from tongban.identity.queries.sessions import visits
from tongban.identity.rules.ages import grown_child_at, grown_up_at, needs_confirming
from tongban.identity.rules.home import REGISTER_NODE
from tongban.identity.rules.mandates import ACT_WORDS, Mandate, book
from tongban.kernel import jobs
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

LEVEL = 3
"""Acts of this level and more ask a guardian."""


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
    """The guardians of a minor who is at home at `caller`. Raises CallRefused 403 for another node."""
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
    """Who the guardians of a minor of this home are, asked of the register 问监护人是谁. Raises CallFailed when it is away."""
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


# ---- 14 to 17: the guardian confirms ------------------------------------------------------------------------------


async def confirmed(tx: Tx, node: Node, actor: Actor, *, level: int, about: str, what: str) -> bool:
    """Whether a level-3 act of this person may go on: an adult, or a guardian said yes to this very thing 监护人点头了吗.

    The first time it asks the guardians (by a job) and answers False; nothing is raised, so that the asking stays.
    """
    if level < LEVEL or actor.for_subject:
        return True
    me = await person(tx, node, actor.subject)
    if me is None or not await _of_age_to_ask(tx, node, me):
        return True
    rows = await tx.fetch("SELECT answer, until_at FROM guardian_ask WHERE subject = $1 AND about = $2", actor.subject, about)
    if any(row["answer"] == "yes" and row["until_at"] > node.clock.now() for row in rows):
        return True
    if not rows:
        name = me.name.reveal() if me.name else ""
        sealed = node.cipher.seal("identity", "guardian_ask.job", actor.subject, f"{name}\x1f{what}")
        payload = {"subject": actor.subject, "about": about, "words": sealed.hex(), "home": me.home if me.home != node.id else ""}
        await jobs.enqueue(tx, "identity.ask_guardians", payload, once=f"guardian:{about}")
    return False


async def _of_age_to_ask(tx: Tx, node: Node, me: Person) -> bool:
    """14 to 17: by the number at home; at a visited node by what the home said at the sign-in (T-88)."""
    if me.number is not None:
        return needs_confirming(me.number.reveal(), node.clock.today())
    blob: bytes | None = await tx.fetchval("SELECT confirm_until FROM person WHERE subject = $1", me.subject)
    return blob is not None and int(node.cipher.open("identity", "person.confirm_until", me.subject, blob).reveal()) > node.clock.now().timestamp()


async def ask_guardians(node: Node, payload: dict[str, Any]) -> None:
    """Job: who the guardians are, and a message to each, at home here or by letter 请监护人确认."""
    subject, about = str(payload["subject"]), str(payload["about"])
    words = node.cipher.open("identity", "guardian_ask.job", subject, bytes.fromhex(payload["words"])).reveal()
    name, _, what = words.partition("\x1f")
    if payload.get("home"):
        await _ask_by_home(node, str(payload["home"]), subject, about, what)
        return
    found = await ask_guardians_of(node, subject)
    await _put_asks(node, found, subject, about, what, name)


async def _put_asks(node: Node, found: tuple[Guardian, ...], subject: str, about: str, what: str, name: str) -> None:
    now = node.clock.now()
    async with node.db.transaction() as tx:
        for one in found:
            if not one.home:
                continue
            made = uuid7()
            body = {
                "id": made, "subject": subject, "guardian": one.subject, "about": about, "what": what, "name": name,
                "home": one.home, "until": int((now + timedelta(days=book().limits.ask_days)).timestamp() * 1000),
            }  # fmt: skip
            await put_ask(tx, node, body, node.id)
            if one.home != node.id:
                await federation.send(tx, node, to=one.home, kind="guardian.asked", about=f"guardian-ask:{made}", body=body)


async def _ask_by_home(node: Node, home: str, subject: str, about: str, what: str) -> None:
    """A visiting minor: the home asks the guardians, and has the word about what they say here 请归属地去问监护人."""
    answer = await federation.call(node, home, "identity.ask_guardians", {"v": 1, "subject": subject, "about": about, "what": what})
    async with node.db.transaction() as tx:
        await put_ask(tx, node, {
            "id": str(answer["id"]), "subject": subject, "guardian": subject, "about": about, "what": what, "name": "", "home": home,
            "until": int(answer["until"]),
        }, node.id)  # fmt: skip


async def ask_for_visited(node: Node, caller: str, subject: str, about: str, what: str) -> dict[str, Any]:
    """The home's part: a node where this minor is signed in now wants the guardians to confirm an act there 替到访的节点去问.

    One id for the visited node, whichever guardian answers. Raises CallRefused 403 when the minor is not there.
    """
    asked = f"visit:{caller}:{about}"
    async with node.db.transaction() as tx:
        subject = await current_subject(tx, node, subject)
        me = await person(tx, node, subject)
        if me is None or not await visits(tx, node, subject, caller):
            raise federation.CallRefused(403, "no_grant")
        made = await tx.fetchval(
            "INSERT INTO guardian_visit (subject, id, about, node, asked_at) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (subject, about) DO UPDATE SET asked_at = guardian_visit.asked_at RETURNING id",
            subject, uuid7(), asked, caller, node.clock.now(),
        )  # fmt: skip
        known = await tx.fetchval("SELECT true FROM guardian_ask WHERE subject = $1 AND about = $2 LIMIT 1", subject, asked)
    until = node.clock.now() + timedelta(days=book().limits.ask_days)
    if not known:
        await _put_asks(node, await ask_guardians_of(node, subject), subject, asked, what, me.name.reveal() if me.name else "")
    return {"id": str(made), "until": int(until.timestamp() * 1000)}


async def put_ask(tx: Tx, node: Node, body: dict[str, Any], child_node: str) -> None:
    """Keep one ask and, at the guardian's home, tell the guardian 留下这次请求."""
    made = str(body["id"])
    done = await tx.fetchval(
        "INSERT INTO guardian_ask (subject, id, guardian_subject, about, what, asked_at, until_at, child_node, child_name,"
        " guardian_node) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10) ON CONFLICT DO NOTHING RETURNING true",
        body["subject"], made, body["guardian"], body["about"], node.cipher.seal("identity", "guardian_ask.what", made, str(body["what"])),
        node.clock.now(), datetime.fromtimestamp(int(body["until"]) / 1000, UTC), child_node,
        node.cipher.seal("identity", "guardian_ask.child_name", made, str(body["name"])), str(body["home"]),
    )  # fmt: skip
    here = await tx.fetchval("SELECT true FROM account WHERE subject = $1", body["guardian"])
    if done and here and body["guardian"] != body["subject"]:
        await notifications.notify(
            tx, node, subject=str(body["guardian"]), kind="guardian.asked", title=f"{body['name']}要办“{body['what']}”，请你点头",
            text="孩子不满 18 岁，这一步要监护人确认。你不点头，孩子就提交不了。", link=f"/me/agents/confirm/{made}", link_words="去看看",
            about=f"guardian-ask:{made}", group="家人",
        )  # fmt: skip


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One ask as the guardian sees it 一次确认."""

    id: str
    subject: str
    guardian: str
    about: str
    name: str
    what: str
    until_at: datetime
    answer: str | None
    child_node: str


async def ask_of(tx: Tx, node: Node, guardian: str, ask_id: str, *, lock: bool = False) -> Ask | None:
    """An ask to this guardian, None for anybody else (T-42)."""
    row = await tx.fetchrow(
        "SELECT * FROM guardian_ask WHERE id = $1 AND guardian_subject = $2" + (" FOR UPDATE" if lock else ""), ask_id, guardian
    )
    if row is None:
        return None
    return Ask(
        id=row["id"], subject=row["subject"], guardian=row["guardian_subject"], about=row["about"],
        name=node.cipher.open("identity", "guardian_ask.child_name", row["id"], row["child_name"]).reveal(),
        what=node.cipher.open("identity", "guardian_ask.what", row["id"], row["what"]).reveal(), until_at=row["until_at"],
        answer=row["answer"], child_node=row["child_node"],
    )  # fmt: skip


async def answer(tx: Tx, node: Node, actor: Actor, ask_id: str, *, agrees: bool) -> Ask:
    """The guardian says yes or no, once 监护人答复; level 2. Raises Failure `identity.mandate_ended` when it is not there or too late."""
    actor.require(2)
    found = await ask_of(tx, node, actor.subject, ask_id, lock=True)
    if found is None or found.until_at <= node.clock.now():
        raise failure("identity.mandate_ended", name="对方")
    if found.answer is None:
        said = "yes" if agrees else "no"
        await answered(tx, node, found.id, found.guardian, said, by=node.id)
        if found.child_node != node.id:
            body = {"id": found.id, "guardian": found.guardian, "answer": said}
            await federation.send(tx, node, to=found.child_node, kind="guardian.answered", about=f"guardian-ask:{found.id}", body=body)
        found = msgspec.structs.replace(found, answer=said)
    return found


async def answered(tx: Tx, node: Node, ask_id: str, guardian: str, said: str, *, by: str) -> None:
    """Keep the answer and, at the minor's home, tell the minor 记下答复; only the guardian's home `by` has the word."""
    row = await tx.fetchrow(
        "UPDATE guardian_ask SET answer = $3, answered_at = $4 WHERE id = $1 AND guardian_subject = $2 AND answer IS NULL"
        " AND guardian_node = $5 RETURNING subject, about, child_node, what",
        ask_id, guardian, said, node.clock.now(), by,
    )  # fmt: skip
    if row is None or row["child_node"] != node.id:
        return
    what = node.cipher.open("identity", "guardian_ask.what", ask_id, row["what"]).reveal()
    visit = await tx.fetchrow("SELECT id, node FROM guardian_visit WHERE subject = $1 AND about = $2", row["subject"], row["about"])
    if visit is not None:
        waiting = "SELECT true FROM guardian_ask WHERE subject = $1 AND about = $2 AND answer IS NULL LIMIT 1"
        if said == "no" and await tx.fetchval(waiting, row["subject"], row["about"]):
            return  # the other guardian may still agree
        body = {"id": str(visit["id"]), "guardian": row["subject"], "answer": said}
        await federation.send(tx, node, to=visit["node"], kind="guardian.answered", about=f"guardian-ask:{visit['id']}", body=body)
        return
    draft = str(row["about"]).removeprefix("draft:")
    await notifications.notify(
        tx, node, subject=row["subject"], kind="guardian.answered", title="监护人点头了" if said == "yes" else "监护人没有同意",
        text=f"{what}。" + ("现在可以提交了。" if said == "yes" else "和监护人商量好再办，填过的都在。"), link=f"/apply/{draft}/check",
        about=f"guardian-ask:{ask_id}", group="家人",
    )  # fmt: skip
