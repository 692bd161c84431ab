"""Acting for another away from home 到访时替别人办: the home shows the mandates, the node whose word each is proves it (R-301, R-303, T-85).

The home says who acts for whom (claim `acting` of its ID token, call `identity.mandates` for a person who is there now). It is
believed only about its own person: whether the mandate exists is asked of the register or of the grantor's home, which keep
in mind who asked and tell the end of it at once (T-22, T-87). What is told here is a copy, and goes when it is over.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tongban import consent
from tongban.identity.actions import acting, at_home, mandate_word
from tongban.identity.actions.at_home import HomeSays, Line
from tongban.identity.errors import failure
from tongban.identity.model import OpenedSession
from tongban.identity.queries import mandates as queries
from tongban.identity.rules import mandates as rules
from tongban.identity.rules.mandates import Mandate, book
from tongban.kernel.actor import BY_LAW, Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure
from tongban.kernel.ids import is_uuid, uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

LEVEL = 2
KEPT = timedelta(days=30)
"""A copy nobody uses any more, and one that is over, is forgotten after this time."""
_FIELDS = ("能替谁办事",)
_NAME = ("姓名", "授权内容")


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One mandate as the agent's home shows it 归属地出示的授权; times in Unix ms. `line` is the ledger line of whose name it tells."""

    id: str
    grantor: str
    basis: str
    items: tuple[str, ...]
    acts: tuple[str, ...]
    from_at: int
    until_at: int
    wait_until: int
    granted_acr: int
    granted_node: str
    granted_by_subject: str
    grantor_name: str
    set_name: str = ""
    set_version: int = 0
    line: Line | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What `identity.mandates` answers, with the ledger line of the agent (这个人能替谁办)."""

    agent_name: str
    mandates: tuple[Shown, ...]


# ---- at the agent's home ------------------------------------------------------------------------------------------


async def show(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call `identity.mandates` at the home 出示授权: what its person may act under, to a node where the person is signed in now.

    Written down for the agent and for each person whose name is told; who was told hears of the end.
    """
    async with node.db.transaction() as tx:
        told = await at_home.tell_visited(tx, node, caller, body, level=LEVEL, fields=_FIELDS, purpose="到访时替别人办事")
        found = [one for one in await queries.usable(tx, node, told.subject) if not one.copy]
        me = await queries.party(tx, node, told.subject)
        shown = [await _shown(tx, node, caller, one, told.line) for one in found]
        await tx.execute(
            "UPDATE mandate SET shown = array_append(array_remove(shown, $2), $2) WHERE id = ANY($1::uuid[])"
            " AND (granted_node <> $2 OR basis = ANY($3::text[]))",
            [one.id for one in found], caller, list(BY_LAW),
        )  # fmt: skip
    name = me.name.reveal() if me and me.name else ""
    return {"agent_name": name, "mandates": msgspec.to_builtins(shown), "line": msgspec.to_builtins(told.line)}


async def _shown(tx: Tx, node: Node, caller: str, one: Mandate, agents: Line) -> Shown:
    line = None
    if one.kind == "person":
        line = msgspec.structs.replace(agents, id=uuid7(), fields=_NAME, purpose="代办人到访当地替你办事", basis="你给出的授权或者监护关系")
        await consent.record_access(tx, node, _access(one.grantor, line, node.id, caller, "owner"))
    return Shown(
        id=one.id, grantor=one.grantor, basis=one.basis, items=one.items, acts=one.acts, from_at=_ms(one.from_at), until_at=_ms(one.until_at),
        wait_until=_ms(one.wait_until) if one.wait_until else 0, granted_acr=one.granted_acr, granted_node=one.granted_node,
        granted_by_subject=one.granted_by_subject, grantor_name=one.grantor_name.reveal(), set_name=one.set_name,
        set_version=one.set_version, line=line,
    )  # fmt: skip


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _access(subject: str, line: Line, source: str, receiver: str, side: Any) -> consent.Access:
    return consent.Access(
        subject=subject, kind="check", who=line.who, fields=line.fields, purpose=line.purpose, source=source, receiver=receiver,
        basis=line.basis, id=line.id, at=_at(line.at), side=side,
    )  # fmt: skip


# ---- at the visited node ------------------------------------------------------------------------------------------


async def ask(node: Node, actor: Actor) -> HomeSays[Answer] | None:
    """Ask a visitor's home whom the visitor may act for, and keep what it shows, unproven 问归属地. Never inside a transaction."""
    alone = msgspec.structs.replace(actor, for_subject="", mandate="")
    says = await at_home.ask_home(node, alone, "identity.mandates", Answer)
    if says is not None and says.answer is not None:
        async with node.db.transaction() as tx:
            await _keep(tx, node, actor, says.answer)
    return says


async def _keep(tx: Tx, node: Node, actor: Actor, told: Answer) -> None:
    """Copies of what is shown; what is not shown any more is over. A word of our own is not copied, and what ended stays ended."""
    now, home = node.clock.now(), actor.home
    good = [one for one in told.mandates if _sound(one) and (one.granted_node != node.id or one.basis in BY_LAW)]
    gone = await tx.fetch(
        "SELECT id FROM mandate WHERE agent = $1 AND told_by = $2 AND state IN ('arriving','active') AND NOT (id = ANY($3::uuid[]))",
        actor.subject, home, [one.id for one in good],
    )  # fmt: skip
    for row in gone:
        await acting.end(tx, node, row["id"], "ended", "home")
    for one in good:
        if one.line is not None:
            await consent.record_access(tx, node, _access(one.grantor, one.line, home, node.id, "caller"))
        await tx.execute(
            "INSERT INTO mandate (grantor, id, agent, basis, items, set_name, set_version, acts, from_at, until_at, wait_until, granted_acr,"
            " granted_by_subject, granted_node, agent_node, state, offered_until, news_at, grantor_name, agent_name, made_at, told_by)"
            " VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,'arriving',$9,$16,$17,$18,$16,$15)"
            # one that could not be proven may be shown again: the grantor's home may hear of the acceptance later than we do
            " ON CONFLICT (id) DO UPDATE SET until_at = least(mandate.until_at, excluded.until_at),"
            " state = CASE WHEN mandate.over_why = 'not_proven' THEN 'arriving' ELSE mandate.state END,"
            " over_why = CASE WHEN mandate.over_why = 'not_proven' THEN '' ELSE mandate.over_why END, told_by = excluded.told_by,"
            " grantor_name = excluded.grantor_name, agent_name = excluded.agent_name, agent_node = excluded.agent_node"  # only the person's home of now is asked, which may be another than the last time
            " WHERE mandate.told_by <> '' AND mandate.agent = excluded.agent",
            one.grantor, one.id, actor.subject, one.basis, list(one.items), one.set_name[:40], one.set_version, list(one.acts), _at(one.from_at),
            min(_at(one.until_at), rules.longest(one.basis, now, 10**5)), _at(one.wait_until) if one.wait_until else None, one.granted_acr,
            one.granted_by_subject, one.granted_node, home, now,
            node.cipher.seal("identity", "mandate.grantor_name", one.id, one.grantor_name[:120]),
            node.cipher.seal("identity", "mandate.agent_name", one.id, told.agent_name[:120]),
        )  # fmt: skip


def _sound(one: Shown) -> bool:
    """Whether what is shown could be a mandate at all: known words, items unless the law gives the power, a person or organisation."""
    known = {act.code for act in book().act}
    shaped = is_uuid(one.id) and one.grantor[:2] in {"n1", "o1"} and 0 < one.from_at < one.until_at < 4_102_444_800_000
    by_law = one.basis in BY_LAW
    whose = (one.basis in {"legal_rep", "org_agent"}) == one.grantor.startswith("o1")
    if not (shaped and whose and one.acts and set(one.acts) <= known and bool(one.items) != by_law):
        return False
    return by_law or (one.basis in {"family", "org_agent", "hall"} and bool(one.granted_by_subject) == (one.basis == "org_agent"))


async def admit(node: Node, found: Mandate) -> Mandate:
    """A copy proven just now, good to act under 核对过的授权. Never inside a transaction.

    Raises Failure `identity.mandate_news` when nobody could be asked, `identity.mandate_ended` when it does not hold.
    """
    holds = await mandate_word.prove(node, found)
    if holds is None:
        raise failure("identity.mandate_news")
    async with node.db.transaction() as tx:
        if not holds:
            await acting.end(tx, node, found.id, "ended", "not_proven")
            log("identity.mandate_not_proven", peer=found.told_by, kind=found.basis)
        else:
            if found.basis in BY_LAW:  # the home may have asked the register anew and given another id since
                await tx.execute(
                    "UPDATE mandate SET state = 'ended', over_at = $5, over_why = 'home' WHERE grantor = $1 AND agent = $2 AND basis = $3"
                    " AND id <> $4 AND told_by <> '' AND state = 'active'",
                    found.grantor, found.agent, found.basis, found.id, node.clock.now(),
                )  # fmt: skip
            await tx.execute(
                "UPDATE mandate SET state = 'active', accepted_at = coalesce(accepted_at, $2), news_at = $2 WHERE id = $1 AND state IN ('arriving','active')",
                found.id, node.clock.now(),
            )  # fmt: skip
    if not holds:
        raise failure("identity.mandate_ended", name=found.grantor_name.reveal())
    async with node.db.reading() as tx:
        return await queries.by_id(tx, node, found.id) or found


async def carry(node: Node, opened: OpenedSession, home: str, mandate: str) -> OpenedSession:
    """The session at home acts for somebody, so this one does from its first page on 带着身份过来; alone when that cannot be proven.

    The home's ID token named the mandate; what it is comes by the recorded call, and is proven before anything is done.
    """
    session, who = opened.session, Actor(kind="citizen", subject=opened.session.subject, acr=opened.session.acr, sid=opened.session.id, home=home)
    says = await ask(node, who)
    if says is None or says.answer is None:
        return opened
    async with node.db.reading() as tx:
        found = next((one for one in await queries.shown_by(tx, node, who.subject, home) if one.id == mandate), None)
    if found is None:
        return opened
    try:
        if found.copy:
            found = await admit(node, found)
        async with node.db.transaction() as tx:
            now_for = await acting.begin(tx, node, who, session, found.id, guardian_consents=True, carried=True)
    except (Failure, LookupError):
        log("identity.mandate_not_carried", peer=home)
        return opened
    return msgspec.structs.replace(now_for, device_cookie=opened.device_cookie)


# ---- the end of it ------------------------------------------------------------------------------------------------


async def heard_gone(tx: Tx, node: Node, origin: str, mandate_id: str) -> bool:
    """A copy here is over, says the agent's home or the node that granted it (T-32). False for anybody else's word."""
    found = await queries.by_id(tx, node, mandate_id, lock=True) if is_uuid(mandate_id) else None
    if found is None or not found.copy or origin not in {found.agent_node, found.granted_node}:
        return False
    return await acting.end(tx, node, found.id, "ended", "home")


async def forget(tx: Tx, node: Node) -> int:
    """Copies that are over, or that no session used for 30 days 删掉不用的副本; how many."""
    rows = await tx.fetch(
        "DELETE FROM mandate m WHERE told_by <> '' AND coalesce(over_at, news_at) < $1 AND NOT EXISTS"
        " (SELECT 1 FROM session s WHERE s.subject = m.agent AND s.mandate = m.id AND s.revoked_at IS NULL AND s.ends_at > $2) RETURNING id",
        node.clock.now() - KEPT, node.clock.now(),
    )  # fmt: skip
    return len(rows)
