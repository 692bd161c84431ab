"""Acting for another 替别人办: begin, judge each act in the transaction of its verb, tell the person represented (R-301, T-85).

A verb calls `require_act` in its own transaction, after the page asked for fresh news with `freshen`; then `record_act`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from tongban import consent, federation, notifications
from tongban.identity.actions import guardians, mandate_word, organisations, other_guardians, sessions, texting
from tongban.identity.errors import failure
from tongban.identity.model import OpenedSession, Session
from tongban.identity.queries import mandates as queries
from tongban.identity.queries.organisations import REGISTER
from tongban.identity.rules import mandates as rules
from tongban.identity.rules.ages import grown_child_at
from tongban.identity.rules.home import REGISTER_NODE
from tongban.identity.rules.mandates import ACT_WORDS, Deed, Mandate, book
from tongban.kernel.actor import BY_LAW, Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import SelfOnly
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

LAW_ACTS = ("view", "draft", "submit", "pay", "receive")
BEGIN_LEVEL = {"legal_rep": 3}


class ByLaw(msgspec.Struct, frozen=True, kw_only=True):
    """A power that the law gives and a register knows 法定的权利: legal representative, guardian."""

    grantor: str
    name: Personal
    until: datetime
    home: str = ""


async def powers_by_law(node: Node, actor: Actor) -> bool:
    """Ask both registers whom this person may act for by law, and write it down 查我名下的企业和孩子. False when one was away.

    At the person's home only. What a register does not name any more ends at once.
    """
    companies = await organisations.ask(node, actor.subject)
    wards = await guardians.ask_wards(node, actor.subject)
    now = node.clock.now()
    year = now + timedelta(days=book().days("legal_rep"))
    async with node.db.transaction() as tx:
        me = await queries.party(tx, node, actor.subject)
        name = me.name if me and me.name else actor.name or Personal("")
        if companies is not None:
            found = [ByLaw(grantor=one.subject, name=Personal(one.name), until=year) for one in companies]
            await _put(tx, node, actor.subject, name, "legal_rep", REGISTER, found)
        if wards is not None:
            found = [ByLaw(grantor=one.subject, name=Personal(one.name), until=one.grown_up_at, home=one.home) for one in wards]
            await _put(tx, node, actor.subject, name, "guardian", REGISTER_NODE, [one for one in found if one.until > now])
    return companies is not None and wards is not None


async def _put(tx: Tx, node: Node, agent: str, agent_name: Personal, basis: str, source: str, found: list[ByLaw]) -> None:
    now = node.clock.now()
    named = [one.grantor for one in found]
    rows = await tx.fetch(
        "SELECT id FROM mandate WHERE agent = $1 AND basis = $2 AND state = 'active' AND NOT (grantor = ANY($3::text[]))", agent, basis, named
    )
    for row in rows:
        await end(tx, node, row["id"], "ended", "register")
    for one in found:
        made = uuid7()
        kept = await tx.fetchval(
            "INSERT INTO mandate (grantor, id, agent, basis, acts, from_at, until_at, granted_acr, granted_node, agent_node, state,"
            " offered_until, accepted_at, news_at, grantor_name, agent_name, made_at, grantor_node)"
            " VALUES ($1,$2,$3,$4,$5,$6,$7,3,$8,$9,'active',$6,$6,$6,$10,$11,$6,$12)"
            " ON CONFLICT (grantor, agent, basis) WHERE basis IN ('legal_rep','guardian') AND state = 'active'"
            " DO UPDATE SET news_at = excluded.news_at, until_at = excluded.until_at, grantor_node = excluded.grantor_node,"
            " agent_node = excluded.agent_node, told_by = '' RETURNING id",
            one.grantor, made, agent, basis, list(LAW_ACTS), now, one.until, source, node.id,
            node.cipher.seal("identity", "mandate.grantor_name", made, one.name),
            node.cipher.seal("identity", "mandate.agent_name", made, agent_name), one.home,
        )  # fmt: skip
        if str(kept) != made:  # known before; the register may call it otherwise by now
            await tx.execute(
                "UPDATE mandate SET grantor_name = $2, agent_name = $3 WHERE id = $1", kept,
                node.cipher.seal("identity", "mandate.grantor_name", kept, one.name), node.cipher.seal("identity", "mandate.agent_name", kept, agent_name),
            )  # fmt: skip


async def end(tx: Tx, node: Node, mandate_id: str, state: str, why: str) -> bool:
    """Write that a mandate is over 授权结束; browsers that act under it fall back at their next request, here and wherever it
    was shown. False when it was.
    """
    shown = await tx.fetchval(
        "UPDATE mandate SET state = $2, over_at = $3, over_why = $4 WHERE id = $1 AND state IN ('arriving','offered','active') RETURNING shown",
        mandate_id, state, node.clock.now(), why,
    )  # fmt: skip
    await mandate_word.tell_gone(tx, node, mandate_id, shown or ())
    await ring(tx, sessions.BELL)
    return shown is not None


async def freshen(node: Node, actor: Actor, *, level: int) -> None:
    """Ask the node or register whose word the mandate is, before an act that binds 问一声还算不算数. Never inside a transaction.

    Raises Failure 503 `identity.mandate_news` when it cannot be heard and the last news are too old for this level.
    """
    if not actor.for_subject:
        return
    async with node.db.reading() as tx:
        found = await queries.by_id(tx, node, actor.mandate)
    if found is None or not rules.alive(found, node.clock.now()):
        return
    holds = await _word(node, found, level)
    if holds is None:
        deed = Deed(act="submit", level=level)
        if not rules.fresh(found, deed, node.clock.now(), here=node.id, limits=book().limits):
            raise failure("identity.mandate_news")
        return
    async with node.db.transaction() as tx:
        if holds:
            await tx.execute("UPDATE mandate SET news_at = $2 WHERE id = $1", found.id, node.clock.now())
        else:
            by_register = found.basis in BY_LAW or found.granted_node == node.id
            await end(tx, node, found.id, "ended" if by_register else "stopped", "register" if by_register else "grantor")
    node.bell.ring(sessions.BELL)


async def _word(node: Node, found: Mandate, level: int) -> bool | None:
    """Whether it still holds; None when nobody could be asked. Of a copy the node whose word it is is asked, not who showed it."""
    if found.copy:
        return await mandate_word.prove(node, found)
    if found.basis == "guardian":
        wards = await guardians.ask_wards(node, found.agent)
        return None if wards is None else any(one.subject == found.grantor for one in wards)
    if found.basis == "legal_rep" or (found.granted_node == node.id and found.granted_by_subject and level >= 3):
        companies = await organisations.ask(node, found.granted_by_subject or found.agent)
        return None if companies is None else any(one.subject == found.grantor for one in companies)
    if found.granted_node == node.id:
        return True
    heard = await mandate_word.ask(node, found, {"level": level})
    return None if heard is None else heard[1].get("alive") is True


async def begin(
    tx: Tx, node: Node, actor: Actor, session: Session, mandate_id: str, *, guardian_consents: bool = False, carried: bool = False
) -> OpenedSession:
    """The session acts for another from now on, under a new cookie value 切换身份.

    A visitor acts under what the home showed and was proven, or under what was granted here. `carried`: the session at home
    acts so already, and was at the level for it. Raises LevelNeeded; Failure `identity.mandate_ended`, `identity.act_at_home`,
    `identity.guardian_consent`.
    """
    found = await queries.by_id(tx, node, mandate_id)
    if found is None or found.agent != actor.subject or not rules.alive(found, node.clock.now()):
        raise failure("identity.mandate_ended", name="对方")
    if session.home is not None and session.home != (found.told_by or (found.agent_node if found.granted_node == node.id else "")):
        raise failure("identity.act_at_home")
    if not carried:
        actor.require(BEGIN_LEVEL.get(found.basis, 2))
    if found.basis == "guardian":
        if not guardian_consents:
            raise failure("identity.guardian_consent")
        await consent.record_access(tx, node, consent.Access(
            subject=found.grantor, kind="view", who="监护人", fields=("办事需要的信息",), purpose="监护人替孩子办事", source=node.id,
            receiver=node.id, basis="监护人单独同意（个人信息保护法第三十一条）", about=f"mandate:{found.id}",
        ))  # fmt: skip
    return await sessions.act_for(tx, node, session, person=found.grantor, mandate=found.id)


async def leave(tx: Tx, node: Node, session: Session) -> OpenedSession:
    """Back to oneself, under a new cookie value 切回自己."""
    return await sessions.act_for(tx, node, session, person=None, mandate=None)


async def require_act(tx: Tx, node: Node, actor: Actor, deed: Deed) -> None:
    """Judge one act in the transaction of its verb 当场核对授权; nothing to judge for somebody who acts for oneself.

    The row is read here, so a mandate stopped a moment ago stops this act. Raises Failure 403 `identity.mandate_scope`,
    `identity.mandate_wait`, `identity.mandate_ended`, `identity.never_delegable`; 503 `identity.mandate_news`.
    """
    if actor.acting_ended:
        raise failure("identity.mandate_ended", name="对方")
    if not actor.for_subject:
        return
    found = await queries.by_id(tx, node, actor.mandate) if actor.mandate else None
    name = found.grantor_name.reveal() if found else "对方"
    if found is None or (found.agent, found.grantor) != (actor.subject, actor.for_subject):
        raise failure("identity.mandate_scope", name=name)
    code = rules.may_act(found, deed, book().never, node.clock.now())
    if code == "identity.never_delegable":
        entry = rules.forbidden(deed, book().never)
        raise SelfOnly(entry.words if entry else "这件事")
    if code:
        raise failure(code, name=name, time=moment(found.wait_until) if found.wait_until else "")
    if not rules.fresh(found, deed, node.clock.now(), here=node.id, limits=book().limits):
        raise failure("identity.mandate_news")


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """The child a guardian acts for now 监护人正在替的孩子. `home` is empty without an account; `alone`: under 14, the guardian alone decides."""

    subject: str
    home: str
    alone: bool


async def child_of(tx: Tx, node: Node, actor: Actor, what: str) -> Child:
    """Whose rights a guardian uses in this transaction 监护人替谁: the mandate by law is read here, and its news are fresh.

    Raises SelfOnly for whoever acts on another basis, Failure `identity.mandate_ended`, 503 `identity.mandate_news`.
    """
    found = await queries.by_id(tx, node, actor.mandate) if actor.mandate else None
    if found is None or found.basis != "guardian" or (found.agent, found.grantor) != (actor.subject, actor.for_subject):
        raise SelfOnly(what)
    now = node.clock.now()
    if not rules.alive(found, now):
        raise failure("identity.mandate_ended", name=found.grantor_name.reveal())
    if not rules.fresh(found, Deed(act="submit", level=3), now, here=node.id, limits=book().limits):
        raise failure("identity.mandate_news")
    return Child(subject=found.grantor, home=found.grantor_node, alone=grown_child_at(found.until_at) > now)


async def record_act(tx: Tx, node: Node, actor: Actor, act: str, *, what: str, about: str) -> None:
    """Write down an act done for another and tell the person represented, with 停止授权 in the message 告诉本人.

    For an organisation the one who gave the mandate is told. What a legal representative does is told to nobody else. Done at
    a visited node, the agent's home keeps it too.
    """
    if not actor.for_subject:
        return
    found = await queries.by_id(tx, node, actor.mandate)
    if found is None:
        return
    made = uuid7()
    await tx.execute(
        "INSERT INTO mandate_act (grantor, id, mandate, agent, act, about, what, at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8)",
        found.grantor, made, found.id, found.agent, act, about, node.cipher.seal("identity", "mandate_act.what", made, what), node.clock.now(),
    )  # fmt: skip
    to = found.granted_by_subject if found.kind == "organisation" else found.grantor
    nodes = {found.agent_node}
    if to and found.granted_node != node.id:
        nodes.add(found.granted_node)
    if to and found.granted_node == node.id and found.basis != "guardian":
        await tell_act(tx, node, found, to, act, what, made)
    elif found.basis == "guardian" and found.agent_node == node.id:
        await guardians.tell_ward(tx, node, found, act, what, made)
        await other_guardians.tell_soon(tx, node, found, act, what, made)
    body = {"mandate": found.id, "act": act, "what": what, "at": node.clock.ms(), "act_id": made}
    for one in sorted(nodes - {node.id, REGISTER_NODE}):
        await federation.send(tx, node, to=one, kind="mandate.acted", about=f"mandate:{found.id}", body=body)


async def tell_act(tx: Tx, node: Node, found: Mandate, to: str, act: str, what: str, act_id: str) -> None:
    """The message of one act, at the home of whoever is told 代办通知; by text message too when they are signed in nowhere."""
    whom = f"{found.grantor_name.reveal()}" if found.kind == "organisation" else "你"
    done = ACT_WORDS.get(act, "办了一步")
    mine = "你的单位" if found.kind == "organisation" else "你"
    await texting.text_without_app(tx, node, to, f"【{node.settings.name}】代办人替{mine}{done}。{texting.stop_words(node, found.id)}")
    await notifications.notify(
        tx, node, subject=to, kind="mandate.acted", title=f"{found.agent_name.reveal()}替{whom}{done}",
        text=f"{what}。不是你让办的，就停止授权，停了马上管用。", link=f"/me/agents/{found.id}/stop", link_words="停止授权",
        about=f"mandate:{found.id}", group="代办", dedupe=act_id,
    )  # fmt: skip


def moment(at: datetime) -> str:
    """A moment in China time: 11月18日 10:02."""
    local = at.astimezone(CHINA)
    return f"{local.month}月{local.day}日 {local:%H:%M}"
