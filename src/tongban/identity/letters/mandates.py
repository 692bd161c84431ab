"""Mandates, organisations and guardians between nodes 授权、法人、监护的信件和调用 (identity.md 2).

Each letter is believed only from the node whose word the fact is (T-32): a mandate's granting node or the agent's home, the
register of organisations, the register of persons, and for a new company the authority of its division.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from tongban import federation
from tongban.identity.actions import (
    acting,
    confirming,
    guardians,
    mandate_names,
    mandate_word,
    mandates,
    mandates_moving,
    organisations,
    other_guardians,
    visiting,
)
from tongban.identity.letters.words import Calls, Letters, register_only, text
from tongban.identity.queries import mandates as queries
from tongban.identity.queries.organisations import OPEN, REGISTER
from tongban.identity.queries.persons import current_subject
from tongban.identity.rules import mandates as rules
from tongban.identity.rules.home import REGISTER_NODE, moment
from tongban.kernel import jobs
from tongban.kernel.db import Tx
from tongban.kernel.ids import BadIdentifier, is_uuid
from tongban.kernel.log import log
from tongban.kernel.node import Node


async def offered(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`mandate.offered`: somebody elsewhere asks a person of this home to act for them."""
    await mandates.arrived(tx, node, letter)


async def _ours(tx: Tx, node: Node, letter: federation.Letter, *senders: str) -> rules.Mandate | None:
    """The mandate a letter is about when its sender has a say in it; `senders` are the fields that name such nodes."""
    key = str(letter.body.get("id") or letter.body.get("mandate") or "")
    found = await queries.by_id(tx, node, key, lock=True) if is_uuid(key) else None
    told = found is not None and mandates_moving.from_the_old_home(found, letter.origin, node.clock.now())
    if found is None or not (told or letter.origin in {getattr(found, one) for one in senders}):
        log("identity.letter_not_theirs", peer=letter.origin, kind=letter.kind)
        return None
    return None if await mandates_moving.passed_on(tx, found, node, letter.kind, letter.body) else found


async def accepted(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`mandate.accepted`: the agent took it, says the agent's home."""
    found = await _ours(tx, node, letter, "agent_node")
    if found is not None and found.state == "offered":
        await mandates.accepted(tx, node, found)
    elif found is not None:  # on its way here with the account of whoever gave it
        await tx.execute("UPDATE mandate SET arriving_as = 'active', accepted_at = $2 WHERE id = $1 AND arriving_as = 'offered'", found.id, node.clock.now())


async def over(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`mandate.over`: stopped by the grantor or given back by the agent, each by the own home."""
    found = await _ours(tx, node, letter, "agent_node", "granted_node")
    if found is None:
        return
    why = "agent" if letter.origin == found.agent_node else "grantor"
    state = "refused" if letter.body.get("state") == "refused" and why == "agent" else "stopped"
    if letter.origin not in {found.agent_node, found.granted_node}:  # the old home passes on what was still said there
        why = "agent" if letter.body.get("why") == "agent" else "grantor"
        await mandates.over(tx, node, found, "stopped", why)
        if (found.agent_node if why == "grantor" else found.granted_node) == node.id:
            await mandates.tell_over(tx, node, found, why)
    elif await acting.end(tx, node, found.id, state, why):
        await mandates.tell_over(tx, node, found, why)


async def acted(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`mandate.acted`: an act was done under a mandate, says the agent's home, who granted it, or a node it was shown to.

    Kept here; whoever is represented hears of it where it was granted, and a minor from the guardian's home.
    """
    found = await _told(tx, node, letter)
    if found is None:
        return
    act, what, act_id = (str(letter.body.get(name, "")) for name in ("act", "what", "act_id"))
    if not is_uuid(act_id):
        return
    await tx.execute(
        "INSERT INTO mandate_act (grantor, id, mandate, agent, act, about, what, at) VALUES ($1,$2,$3,$4,$5,'',$6,$7) ON CONFLICT DO NOTHING",
        found.grantor, act_id, found.id, found.agent, act[:20],
        node.cipher.seal("identity", "mandate_act.what", act_id, what[:200]), node.clock.now(),
    )  # fmt: skip
    to = found.granted_by_subject if found.kind == "organisation" else found.grantor
    if to and found.granted_node == node.id:
        await acting.tell_act(tx, node, found, to, act, what[:200], act_id)
    elif found.basis == "guardian" and found.agent_node == node.id:
        await guardians.tell_ward(tx, node, found, act, what[:200], act_id)
        await other_guardians.tell_soon(tx, node, found, act, what[:200], act_id)


async def _told(tx: Tx, node: Node, letter: federation.Letter) -> rules.Mandate | None:
    key = str(letter.body.get("mandate", ""))
    found = await queries.by_id(tx, node, key, lock=True) if is_uuid(key) else None
    told = found is not None and mandates_moving.from_the_old_home(found, letter.origin, node.clock.now())
    if found is None or found.copy or not (told or letter.origin in {found.agent_node, found.granted_node, *found.shown}):
        log("identity.letter_not_theirs", peer=letter.origin, kind=letter.kind)
        return None
    return None if await mandates_moving.passed_on(tx, found, node, letter.kind, letter.body) else found


async def gone(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`mandate.gone`: a mandate that was shown here is over."""
    await visiting.heard_gone(tx, node, letter.origin, str(letter.body.get("id", "")))


async def gone_now(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `identity.mandate_gone`: the same at once; the letter makes it certain."""
    async with node.db.transaction() as tx:
        return {"done": await visiting.heard_gone(tx, node, caller, text(body, "id"))}


async def guardian_acted(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`guardian.acted`: a guardian did something for a minor of this home; believed once the register names the guardian."""
    words = {name: str(letter.body.get(name, "")) for name in ("minor", "guardian", "name", "act", "what", "act_id")}
    if not is_uuid(words["act_id"]) or len("".join(words.values())) > 600:
        return
    plain = "\x1f".join((words["name"], words["act"], words["what"]))
    sealed = node.cipher.seal("identity", "guardian_acted.job", words["act_id"], plain).hex()
    await jobs.enqueue(tx, "identity.check_guardian_acted", {
        "minor": words["minor"], "guardian": words["guardian"], "act_id": words["act_id"], "origin": letter.origin, "words": sealed,
    }, once=f"acted:{words['act_id']}")  # fmt: skip


async def register_changed(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`register.changed`: an organisation changed. An end ends every mandate, a new representative those of before (T-87).

    A letter may come late: what the new representative has given since, and the power the register named since, stays.
    """
    subject, what = str(letter.body.get("organisation", "")), str(letter.body.get("what", ""))
    if letter.origin != REGISTER or not subject.startswith("o1"):
        log("identity.letter_not_theirs", peer=letter.origin, kind=letter.kind)
        return
    await tx.execute(
        "UPDATE organisation SET name = $2, status = $3, version = $4 WHERE subject = $1 AND version < $4",
        subject, str(letter.body["name"]), str(letter.body["status"]), int(letter.body["version"]),
    )  # fmt: skip
    if not await tx.fetchval("SELECT true FROM organisation WHERE subject = $1 AND version > $2", subject, int(letter.body["version"])):
        await mandate_names.rename(tx, node, subject, str(letter.body["name"]))
    ended = letter.body["status"] != OPEN
    if what == "representative" or ended:
        now = node.clock.now()
        # the former one could give so long without the register being asked
        until = now if ended else moment(letter.body.get("at"), now) + timedelta(seconds=rules.book().limits.law_news_seconds)
        rows = await tx.fetch(
            "SELECT id FROM mandate WHERE grantor = $1 AND state = ANY($2::text[]) AND made_at <= $3", subject, list(rules.RUNNING), min(until, now)
        )
        for row in rows:
            found = await queries.by_id(tx, node, row["id"], lock=True)
            if found is not None and await acting.end(tx, node, found.id, "ended", "register") and found.agent_node == node.id:
                await mandates.tell_over(tx, node, found, "register")


async def organisation_registered(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`organisation.registered` at the register: an authority registered or changed a company of its own division."""
    if node.id != REGISTER:
        return
    try:
        new = msgspec.convert(letter.body, organisations.NewOrganisation)
        listed = (await federation.directory(tx)).node(letter.origin)
        if listed is None or not any(new.code[2:].startswith(one) for one in listed.divisions):
            log("identity.letter_not_theirs", peer=letter.origin, kind=letter.kind)
            return
        await organisations.enter(tx, node, new, by=letter.origin)
    except (msgspec.ValidationError, BadIdentifier):
        log("identity.letter_malformed", peer=letter.origin, kind=letter.kind)


async def guardian_changed(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`guardian.changed`: a court or the register ended a guardianship (T-88)."""
    if letter.origin != REGISTER_NODE:
        return
    row = await tx.fetchrow(
        "SELECT id FROM mandate WHERE grantor = $1 AND agent = $2 AND basis = 'guardian' AND state = 'active'",
        str(letter.body["minor"]), str(letter.body["guardian"]),
    )  # fmt: skip
    if row is not None:
        await acting.end(tx, node, row["id"], "ended", "register")


async def guardian_asked(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`guardian.asked`: the home of a minor asks a guardian of this home; believed once the register says so too."""
    await confirming.heard(tx, node, letter)


async def guardian_answered(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`guardian.answered`: what the guardian said. The minor's home asks the register itself who the guardians are."""
    said = letter.body.get("answer")
    ask_id = str(letter.body.get("id", ""))
    if said in ("yes", "no") and is_uuid(ask_id):
        await confirming.answered(tx, node, ask_id, str(letter.body.get("guardian", "")), said, by=letter.origin)


async def mandate(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `identity.mandate` at the granting node 这份授权还算数吗: to the agent's home only.

    For a company at level 3 the register is asked whether the giver still represents it.
    """
    key, level = text(body, "id"), body.get("level", 0)
    if not isinstance(level, int):
        raise federation.CallRefused(400, "malformed")
    async with node.db.reading() as tx:
        found = await queries.by_id(tx, node, key) if is_uuid(key) else None
    # the agent's home, or a node where the agent is now: one that knows all of it already
    visited = found is not None and (body.get("agent"), body.get("grantor")) == (found.agent, found.grantor)
    if found is not None and found.granted_node != node.id and found.moved_at is not None and (visited or found.agent_node == caller):
        raise federation.CallRefused(422, "refused", (mandate_word.MOVED, found.granted_node))
    if found is not None and found.state == "arriving":
        raise federation.CallRefused(503, "overloaded")  # its account is on its way here
    if found is None or found.granted_node != node.id or not (found.agent_node == caller or visited):
        raise federation.CallRefused(404, "not_found")
    alive = rules.alive(found, node.clock.now())
    if alive and found.granted_by_subject and level >= 3:
        companies = await organisations.ask(node, found.granted_by_subject)
        if companies is None:
            raise federation.CallRefused(503, "overloaded")
        if not any(one.subject == found.grantor for one in companies):
            async with node.db.transaction() as tx:
                await acting.end(tx, node, found.id, "ended", "register")
            alive = False
    if not visited or not (alive or found.state == "offered"):
        return {"alive": alive}
    async with node.db.transaction() as tx:
        return {"alive": alive, "state": found.state, **await mandate_word.vouch(tx, node, caller, found)}


async def shown(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `identity.mandates` at the agent's home: what a person who is at the caller now may act under."""
    return await visiting.show(node, caller, body)


async def represented(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `register.organisations` at the register of organisations 名下的企业: recorded at both ends."""
    if node.id != REGISTER:
        raise federation.CallRefused(404, "no_such_service")
    async with node.db.transaction() as tx:
        subject = await current_subject(tx, node, text(body, "subject"))
        return dict(msgspec.to_builtins(await organisations.represented(tx, node, caller, subject)))


async def wards(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `register.wards` at the population register 监护的孩子: to the guardian's home only, recorded like any share."""
    register_only(node)
    async with node.db.transaction() as tx:
        found, line = await guardians.wards_of(tx, node, caller, await current_subject(tx, node, text(body, "subject")))
    return {"wards": msgspec.to_builtins(found), **line}


async def guardians_asked(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `register.guardians` at the population register 监护人是谁: to the home of the minor or of a guardian, recorded like any share."""
    register_only(node)
    async with node.db.transaction() as tx:
        minor = await current_subject(tx, node, text(body, "subject"))
        return {"guardians": msgspec.to_builtins(await guardians.guardians_of(tx, node, caller, minor))}


async def guardian(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `register.guardian` at the population register 是不是监护人: yes or no about a pair the caller names, recorded."""
    register_only(node)
    async with node.db.transaction() as tx:
        pair = [await current_subject(tx, node, text(body, name)) for name in ("guardian", "minor")]
        return await guardians.is_guardian(tx, node, caller, *pair)


async def guardians_for_visit(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `identity.ask_guardians` at a minor's home: by a node where the minor is now."""
    return await confirming.ask_for_visited(node, caller, text(body, "subject"), text(body, "about"), text(body, "what"))


LETTERS: Letters = {
    ("mandate.offered", 1): offered,
    ("mandate.accepted", 1): accepted,
    ("mandate.over", 1): over,
    ("mandate.acted", 1): acted,
    ("mandate.gone", 1): gone,
    ("guardian.acted", 1): guardian_acted,
    (other_guardians.KIND, 1): other_guardians.heard,
    ("register.changed", 1): register_changed,
    ("organisation.registered", 1): organisation_registered,
    ("guardian.changed", 1): guardian_changed,
    ("guardian.asked", 1): guardian_asked,
    ("guardian.answered", 1): guardian_answered,
}
CALLS: Calls = {
    "identity.mandate": mandate,
    "identity.mandates": shown,
    "identity.mandate_gone": gone_now,
    "register.guardian": guardian,
    "identity.ask_guardians": guardians_for_visit,
    "register.organisations": represented,
    "register.wards": wards,
    "register.guardians": guardians_asked,
}
