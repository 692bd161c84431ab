"""Making and ending mandates 授权: grant, accept, refuse, stop; with homes that may differ (R-301, T-85, T-86, T-94).

The row stands where it was granted, whose word it is, and at the agent's home. Letters: mandate.offered, .accepted, .over.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

import msgspec

from tongban import federation, notifications
from tongban.identity.actions import (
    acting,
    confirming,
    following,
    mandates_moving,
    notices,
    register,
    subjects,
    texting,
)
from tongban.identity.errors import failure, not_matched, refusal
from tongban.identity.model import MatchAsked
from tongban.identity.queries import mandates as queries
from tongban.identity.rules import mandates as rules
from tongban.identity.rules import typed
from tongban.identity.rules.ages import age
from tongban.identity.rules.mandates import Deed, Mandate, book
from tongban.kernel import jobs
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals, SelfOnly
from tongban.kernel.gm import Personal, hmac_sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

GRANT_LEVEL, ACCEPT_LEVEL = 3, 2


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody found in the register to act or to be acted for 找到的人: subject, home of the account, name as typed."""

    subject: str
    home: str
    name: Personal
    number: Personal = Personal("")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a grantor chooses 授权的内容: items by code or one named set, acts, days."""

    items: tuple[str, ...] = ()
    set_name: str = ""
    acts: tuple[str, ...] = ()
    days: int = 0


async def find(node: Node, name: str, number: str) -> Agent | Refusals:
    """Whether the register knows this person, and where the account is 核对对方. Never inside a transaction."""
    wrong = [] if name.strip() else [refusal("identity.name_needed", "name")]
    if bad := typed.check_number(number):
        wrong.append(bad)
    if wrong:
        return tuple(wrong)
    number, name = typed.normal(number), typed.normal_name(name)
    years = age(number, node.clock.today())
    if years is not None and years < book().ages.confirm_under:
        return (refusal("identity.agent_too_young", "number"),)
    answer = await register.ask(node, MatchAsked(number=number, name=name, purpose="mandate"))
    if answer is None:
        return (refusal("identity.register_away", "number"),)
    if not answer.matched or answer.subject is None:
        return (not_matched(answer.why),)
    if not answer.home:
        return (refusal("identity.agent_no_account", "number"),)
    return Agent(subject=answer.subject, home=answer.home, name=Personal(name), number=Personal(number))


def judge(wanted: Wanted, *, kind: str, names: dict[str, str]) -> tuple[tuple[str, ...], int] | Refusals:
    """The items and the set version that are granted, or what is wrong (pure). `names`: items on offer, code to name.

    Never "all": each item is named, or a set is. What may not be delegated is refused with its reason.
    """
    wrong = []
    chosen = next((one for one in book().sets(kind) if one.name == wanted.set_name), None)
    items = tuple(dict.fromkeys((*(chosen.items if chosen else ()), *(one for one in wanted.items if one in names))))
    if not items:
        wrong.append(refusal("identity.items_needed", "items"))
    for code in wanted.items:
        entry = rules.forbidden(Deed(act="submit", item=code, item_name=names.get(code, "")), book().never)
        if entry is not None:
            wrong.append(refusal("identity.item_never", "items", item=names.get(code, ""), reason=entry.reason))
    known = {one.code for one in book().act}
    if not wanted.acts or not set(wanted.acts) <= known:
        wrong.append(refusal("identity.acts_needed", "acts"))
    if wanted.days < 1:
        wrong.append(refusal("identity.days_needed", "days"))
    return tuple(wrong) or (items, chosen.version if chosen else 0)


async def grant(tx: Tx, node: Node, actor: Actor, agent: Agent, wanted: Wanted, *, names: dict[str, str]) -> Mandate | Refusals:
    """Offer a mandate 授权: level 3, at the grantor's home; for a company by its legal representative, asked of the register just now.

    The agent has 7 days to accept. Of somebody of 14 to 17 a guardian says yes to this very mandate first. Raises LevelNeeded,
    SelfOnly (an agent never delegates on), Failure `identity.act_at_home`, `identity.recovered_wait`, `identity.mandate_news`.
    """
    company = bool(actor.for_subject)
    if company and actor.basis != "legal_rep":
        actor.require_self("再授权给别人")
        raise SelfOnly("再授权给别人")
    if actor.home not in {"", node.id}:
        raise failure("identity.act_at_home")
    grantor = actor.for_subject or actor.subject
    found = judge(wanted, kind="organisation" if company else "person", names=names)
    if not is_granted(found):
        return found  # type: ignore[return-value]
    items, version = found
    if agent.subject == actor.subject:
        return (refusal("identity.agent_self", "number"),)
    actor.require(GRANT_LEVEL)
    await acting.require_act(tx, node, actor, Deed(act="submit", level=GRANT_LEVEL))
    until: datetime | None = await tx.fetchval("SELECT recovered_until FROM account WHERE subject = $1", actor.subject)
    if until is not None and until > node.clock.now():
        raise failure("identity.recovered_wait", time=acting.moment(until))
    about, what = _about(node, agent, items, wanted), f"请{agent.name.reveal()}代办"
    if not company and not await confirming.confirmed(tx, node, actor, level=GRANT_LEVEL, about=about, what=what):
        return (refusal("identity.guardian_first"),)
    me = await queries.party(tx, node, grantor)
    basis: rules.Basis = "org_agent" if company else "family"
    now = node.clock.now()
    made = await put(tx, node, {
        "id": uuid7(), "grantor": grantor, "agent": agent.subject, "basis": basis, "items": items, "set_name": wanted.set_name if version else "",
        "set_version": version, "acts": ordered(wanted.acts), "from_at": now, "until_at": rules.longest(basis, now, wanted.days),
        "wait_until": rules.waits(basis, now), "granted_acr": actor.acr, "granted_by_subject": actor.subject if company else "",
        "granted_node": node.id, "agent_node": agent.home, "state": "offered", "offered_until": now + timedelta(days=book().limits.accept_days),
        "grantor_name": me.name if me and me.name else actor.name or Personal(""), "agent_name": agent.name,
    })  # fmt: skip
    await _offer(tx, node, made)
    log("identity.mandate_offered", kind=basis, peer=agent.home)
    return made


def _about(node: Node, agent: Agent, items: tuple[str, ...], wanted: Wanted) -> str:
    """The key of one wanted mandate, for the question to a guardian: another agent, item, act or term is another question."""
    plain = "\x1f".join((agent.subject, *items, *ordered(wanted.acts), str(wanted.days)))
    return f"mandate:{hmac_sm3(node.keys.secret('guardian-about'), plain.encode())[:16].hex()}"


def is_granted(found: object) -> TypeGuard[tuple[tuple[str, ...], int]]:
    """Whether `judge` answered with items, not with what is wrong (pure)."""
    return isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], tuple) and isinstance(found[1], int)


def ordered(acts: tuple[str, ...]) -> tuple[str, ...]:
    """Acts in the book's order; whoever fills in or hands in may look."""
    wanted = {*acts, "view"}
    return tuple(one.code for one in book().act if one.code in wanted)


async def put(tx: Tx, node: Node, fields: dict[str, Any]) -> Mandate:
    """Write a mandate's row, names sealed, and read it back; an id that is there already changes nothing."""
    now = node.clock.now()
    made = fields["id"]
    whole = {"wait_until": None, "granted_staff": "", "accepted_at": None, "news_at": now, "made_at": now, **fields}
    sealed = {name: node.cipher.seal("identity", f"mandate.{name}", made, whole[name]) for name in ("grantor_name", "agent_name")}
    row = {**whole, **sealed, "items": list(whole["items"]), "acts": list(whole["acts"])}
    names = ", ".join(row)
    marks = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    await tx.execute(f"INSERT INTO mandate ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING", *row.values())
    found = await queries.by_id(tx, node, made)
    assert found is not None
    return found


async def _offer(tx: Tx, node: Node, made: Mandate) -> None:
    if made.agent_node == node.id:
        await _ask_agent(tx, node, made)
        return
    proof = await subjects.statement_of(tx, node, made.granted_by_subject or made.grantor)
    await letter_to(tx, node, made.agent_node, made, "mandate.offered", body_of(made, proof or ""))


def body_of(made: Mandate, proof: str) -> dict[str, Any]:
    """The body of `mandate.offered`."""
    return {
        "id": made.id, "grantor": made.grantor, "agent": made.agent, "basis": made.basis, "items": list(made.items),
        "set_name": made.set_name, "set_version": made.set_version, "acts": list(made.acts), "from_at": _ms(made.from_at),
        "until_at": _ms(made.until_at), "wait_until": _ms(made.wait_until) if made.wait_until else 0, "granted_acr": made.granted_acr,
        "granted_by_subject": made.granted_by_subject, "granted_staff": made.granted_staff, "state": made.state,
        "offered_until": _ms(made.offered_until), "grantor_name": made.grantor_name.reveal(), "agent_name": made.agent_name.reveal(),
        "proof": proof,
    }  # fmt: skip


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _at(ms: Any) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


async def letter_to(tx: Tx, node: Node, to: str, made: Mandate, kind: str, body: dict[str, Any]) -> None:
    """A letter about a mandate."""
    await federation.send(tx, node, to=to, kind=kind, about=f"mandate:{made.id}", body=body)


async def arrived(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`mandate.offered` at the agent's home 收到授权: kept aside until a job has proven that the sender may speak for the grantor."""
    body = letter.body
    basis = str(body["basis"])
    acts = tuple(one for one in body["acts"] if one in {act.code for act in book().act})
    if basis not in {"family", "org_agent", "hall"} or not acts or not body["items"]:
        return
    at = node.clock.now()
    made = await put(tx, node, {
        "id": str(body["id"]), "grantor": str(body["grantor"]), "agent": str(body["agent"]), "basis": basis,
        "items": tuple(str(one) for one in body["items"]), "set_name": str(body["set_name"]), "set_version": int(body["set_version"]),
        "acts": acts, "from_at": _at(body["from_at"]), "until_at": min(_at(body["until_at"]), rules.longest(basis, at, 10**5)),
        "wait_until": _at(body["wait_until"]) if body["wait_until"] else None, "granted_acr": int(body["granted_acr"]),
        "granted_by_subject": str(body["granted_by_subject"]), "granted_staff": str(body["granted_staff"]), "granted_node": letter.origin,
        "agent_node": node.id, "state": "arriving", "offered_until": _at(body["offered_until"]),
        "grantor_name": Personal(str(body["grantor_name"])), "agent_name": Personal(str(body["agent_name"])),
    })  # fmt: skip
    proof = node.cipher.seal("identity", "mandate.proof", made.id, str(body["proof"]))
    await jobs.enqueue(tx, "identity.check_offer", {"id": made.id, "proof": proof.hex(), "state": str(body["state"])}, once=f"offer:{made.id}")


async def check_offer(node: Node, payload: dict[str, Any]) -> None:
    """Job: is the sender the grantor's home, and does who granted for a company represent it? 核对来的授权 (T-22, T-87).

    A word that proves false ends the offer; a register that is away makes the job come again.
    """
    from tongban.identity.actions import organisations
    from tongban.identity.actions.home_proof import is_home

    async with node.db.reading() as tx:
        found = await queries.by_id(tx, node, str(payload["id"]))
    if found is None or found.state != "arriving":
        return
    proof = node.cipher.open("identity", "mandate.proof", found.id, bytes.fromhex(payload["proof"])).reveal()
    speaker = found.granted_by_subject or found.grantor
    true = await is_home(node, speaker, found.granted_node, proof)
    if true and found.kind == "organisation":
        companies = await organisations.ask(node, speaker)
        if companies is None:
            raise failure("identity.mandate_news")
        true = bool(found.granted_by_subject) and any(one.subject == found.grantor for one in companies)
    async with node.db.transaction() as tx:
        if not true:
            await acting.end(tx, node, found.id, "ended", "not_proven")
            log("identity.mandate_not_proven", peer=found.granted_node, kind=found.basis)
            return
        state = "active" if found.basis == "hall" and payload["state"] == "active" else "offered"
        await tx.execute(
            "UPDATE mandate SET state = $2, news_at = $3, accepted_at = CASE WHEN $2 = 'active' THEN $3::timestamptz END WHERE id = $1"
            " AND state = 'arriving'", found.id, state, node.clock.now(),
        )  # fmt: skip
        if state == "active":
            await look_at_agent(tx, node, found.agent)
        else:
            await _ask_agent(tx, node, found)


async def _ask_agent(tx: Tx, node: Node, made: Mandate) -> None:
    await tell(
        tx, node, made.agent, made, "mandate.offered", f"{made.grantor_name.reveal()}想请你代办",
        f"看看办什么、到哪天，接不接都行。{acting.moment(made.offered_until)}前没接就作废。",
    )  # fmt: skip


async def tell(tx: Tx, node: Node, subject: str, made: Mandate, kind: str, title: str, text: str, dedupe: str = "") -> None:
    """A message about a mandate, leading to its page."""
    await notifications.notify(
        tx, node, subject=subject, kind=kind, title=title, text=text, link=f"/me/agents/{made.id}", about=f"mandate:{made.id}", group="代办",
        dedupe=dedupe,
    )  # fmt: skip


async def _agents_own(tx: Tx, node: Node, actor: Actor, mandate_id: str) -> Mandate:
    found = await queries.by_id(tx, node, mandate_id, lock=True)
    if found is None or found.agent != actor.subject or found.state == "arriving" or found.copy:
        raise failure("identity.mandate_gone")
    return found


async def accept(tx: Tx, node: Node, actor: Actor, mandate_id: str) -> Mandate:
    """The agent takes it, at level 2, within the 7 days 接受. Twice changes nothing. Raises Failure `identity.mandate_gone`, `.act_at_home`."""
    found = await _agents_own(tx, node, actor, mandate_id)
    if found.state == "active":
        return found
    actor.require(ACCEPT_LEVEL)
    if found.state != "offered" or found.offered_until <= node.clock.now():
        raise failure("identity.mandate_gone")
    await accepted(tx, node, found)
    if found.granted_node != node.id:
        await letter_to(tx, node, found.granted_node, found, "mandate.accepted", {"id": found.id})
    await look_at_agent(tx, node, found.agent)
    return msgspec.structs.replace(found, state="active", accepted_at=node.clock.now())


async def accepted(tx: Tx, node: Node, found: Mandate) -> None:
    """Write the acceptance, and tell who granted it when that is here 记下接受: a family's on every channel held (T-94)."""
    now = node.clock.now()
    await tx.execute("UPDATE mandate SET state = 'active', accepted_at = $2, news_at = $2 WHERE id = $1 AND state = 'offered'", found.id, now)
    if found.granted_node == node.id:
        to = found.granted_by_subject or found.grantor
        wait = f"{acting.moment(found.wait_until)}前只能看和填，不能提交。" if found.wait_until and found.wait_until > now else ""
        await tell(tx, node, to, found, "mandate.accepted", f"{found.agent_name.reveal()}接下了代办", f"{wait}他每办一步，都会告诉你。", "accepted")
        if found.basis == "family":
            from_when = f"{acting.moment(found.wait_until)}起能替你提交" if wait and found.wait_until else "能替你办事了"
            await texting.text_account(tx, node, to, f"【{node.settings.name}】你给的一份代办授权，代办人接下了，{from_when}。{texting.stop_words(node, found.id)}")


async def refuse(tx: Tx, node: Node, actor: Actor, mandate_id: str) -> None:
    """The agent does not take it, or gives it back 不接受、不办了."""
    found = await _agents_own(tx, node, actor, mandate_id)
    await over(tx, node, found, "refused" if found.state == "offered" else "stopped", "agent")


async def stop(tx: Tx, node: Node, actor: Actor, mandate_id: str) -> Mandate:
    """The person represented stops it, from anywhere, at once 停止授权; no level is asked, as for taking back a consent.

    For a company: who gave it, or any of its legal representatives. Raises Failure `identity.mandate_gone` for anybody else.
    """
    found = await queries.by_id(tx, node, mandate_id, lock=True)
    if found is None or not await may_stop(tx, node, actor, found):
        raise failure("identity.mandate_gone")
    await over(tx, node, found, "stopped", "grantor")
    return found


async def may_stop(tx: Tx, node: Node, actor: Actor, found: Mandate) -> bool:
    """Whether this person may end it 谁能停."""
    if actor.kind != "citizen" or not actor.subject or found.basis in {"legal_rep", "guardian"} or found.copy:
        return False
    if actor.subject in {found.grantor, found.granted_by_subject}:
        return True
    return found.kind == "organisation" and any(
        one.basis == "legal_rep" and one.grantor == found.grantor for one in await queries.usable(tx, node, actor.subject)
    )


async def over(tx: Tx, node: Node, found: Mandate, state: str, why: str) -> None:
    """A mandate is over 停了: written here, and told to the other side wherever it is, or to where the account moved."""
    if await mandates_moving.passed_on(tx, found, node, "mandate.over", {"id": found.id, "state": state, "why": why}):
        return
    if not await acting.end(tx, node, found.id, state, why):
        return
    other = found.agent_node if found.granted_node == node.id else found.granted_node
    if other != node.id:
        await letter_to(tx, node, other, found, "mandate.over", {"id": found.id, "state": state, "why": why})
    else:
        await tell_over(tx, node, found, why)


async def tell_over(tx: Tx, node: Node, found: Mandate, why: str) -> None:
    """Tell the other side that it is over 告诉对方停了."""
    if why == "agent":
        to = found.granted_by_subject or found.grantor
        await tell(tx, node, to, found, "mandate.over", f"{found.agent_name.reveal()}不代办了", "需要的话，请另外的人。", "over")
    else:
        await tell(tx, node, found.agent, found, "mandate.over", f"{found.grantor_name.reveal()}的代办停了", "你不能再替对方办事了。", "over")


async def look_at_agent(tx: Tx, node: Node, agent: str) -> None:
    """An alert to staff, never a block, when somebody acts for unusually many (T-86) 代办异常提醒."""
    limits = book().limits
    now = node.clock.now()
    row = await tx.fetchrow(
        "SELECT count(DISTINCT grantor) AS many, count(DISTINCT grantor) FILTER (WHERE accepted_at > $2) AS fresh FROM mandate"
        " WHERE agent = $1 AND state = 'active' AND basis IN ('family','hall') AND until_at > $3",
        agent, now - timedelta(days=limits.new_days), now,
    )  # fmt: skip
    assert row is not None
    for kind, count, over in (("many", row["many"], row["many"] > limits.many_grantors), ("fast", row["fresh"], row["fresh"] >= limits.new_grantors)):
        if over:
            new: bool = await tx.fetchval(
                "INSERT INTO mandate_alert AS a (agent, id, kind, grantors, at) VALUES ($1,$2,$3,$4,$5)"
                " ON CONFLICT (agent, kind) WHERE seen_at IS NULL DO UPDATE SET grantors = excluded.grantors, at = excluded.at RETURNING xmax = 0",
                agent, uuid7(), kind, count, now,
            )  # fmt: skip
            log("identity.mandate_alert", kind=kind, count=count)
            if new:
                await notices.tell_alert(tx, node, "mandates", "有人替很多人代办，去看一看", "/staff/mandates/alerts")


for _table, _columns in {
    "mandate": ("grantor", "agent", "granted_by_subject"), "mandate_act": ("grantor", "agent"), "mandate_alert": ("agent",),
    "guardian_ask": ("subject", "guardian_subject"), "guardian_visit": ("subject",), "org_entry": ("legal_subject",),
}.items():  # fmt: skip
    following.follow_rows(_table, columns=_columns)
