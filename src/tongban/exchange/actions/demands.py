"""The life of a demand 共享需求: asked by one node, reviewed by two persons of the owner, granted or refused with reasons;
a refusal may be disputed, and the data administration (the hub) has the owner decide again.

Each step is one transaction with its leaf and its letter; the row of the other end follows by letter and goes only forward.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Literal

import msgspec

from tongban import transparency
from tongban.exchange.actions.grants import give
from tongban.exchange.actions.post import division, due, hears, tell
from tongban.exchange.errors import DemandGone
from tongban.exchange.model import Demand, DemandState
from tongban.exchange.queries import definition, demand, listed
from tongban.exchange.queries.desk import demand_of
from tongban.exchange.rules import day_end, known, terms
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

SENT, DECIDED, WITHDRAWN = "demand.sent", "demand.decided", "demand.withdrawn"
DISPUTED, JUDGED = "demand.disputed", "demand.judged"
LONGEST = timedelta(days=3 * 366)
"""No grant for longer: then the need is looked at again (product rule)."""


class Wanted(msgspec.Struct, frozen=True):
    """What a demand asks (需求内容), as the form and the letter carry it."""

    resource: str
    fields: tuple[str, ...]
    purpose: str
    purpose_words: str
    basis: str
    volume_per_day: int
    until: date
    item: str = ""


class Sent(msgspec.Struct, frozen=True):
    """The body of `demand.sent` and `demand.disputed` (需求来函, 异议来函)."""

    v: int
    id: str
    asker: str
    wanted: Wanted
    reason_code: str = ""
    reason: str = ""
    dispute: str = ""


class Decided(msgspec.Struct, frozen=True):
    """The body of `demand.decided` and `demand.judged` (需求答复, 异议处理)."""

    v: int
    id: str
    state: Literal["granted", "refused", "upheld", "sent"]
    reason_code: str = ""
    reason: str = ""
    fields: tuple[str, ...] = ()
    per_day: int | None = None
    until: date | None = None
    grant: str | None = None
    judgement: str = ""
    due_on: date | None = None


async def ask(tx: Tx, node: Node, actor: Actor, wanted: Wanted) -> Demand | Refusals:
    """Send a demand to the owner of a resource (提出共享需求): fields, purpose, basis, volume, item, until."""
    actor.require_may("exchange.propose", division=division(node))
    held = await listed(tx, wanted.resource)
    if held is None or held.state != "active":
        return (Refusal("exchange.no_such_resource", "目录里没有这项数据，或者它现在不提供", "resource"),)
    found, wrong = held.resource, []
    if found.owner == node.id:
        wrong.append(Refusal("exchange.own", "这是本单位的数据，不用提需求", "resource"))
    if found.sharing == "refused":
        wrong.append(Refusal("exchange.not_shared", f"这项数据不予共享：{found.sharing_reason or found.basis}", "resource"))
    wrong += _faults(node, wanted, known(found, wanted.fields))
    if wrong:
        return tuple(wrong)
    now, made = node.clock.now(), uuid7()
    made_demand = await _insert(
        tx, made, "asker", node.id, found.owner, wanted, due(node, terms().demand_answer.days), now, asked_by=actor.staff_id
    )
    await _leaf(tx, made_demand)
    await tell(tx, node, found.owner, SENT, f"demand:{made}", Sent(1, made, node.id, wanted))
    return made_demand


def _faults(node: Node, wanted: Wanted, in_resource: tuple[str, ...]) -> list[Refusal]:
    today = node.clock.today()
    wrong = []
    if not wanted.fields or in_resource != wanted.fields:
        wrong.append(Refusal("exchange.fields", "至少选一项数据，只能从目录里选", "fields"))
    if not wanted.purpose_words.strip():
        wrong.append(Refusal("exchange.purpose", "写清用来办什么事", "purpose_words"))
    if not wanted.basis.strip():
        wrong.append(Refusal("exchange.basis", "写清凭哪一条规定要这些数据", "basis"))
    if wanted.volume_per_day < 1:
        wrong.append(Refusal("exchange.quota", "每天的次数至少是 1", "volume_per_day"))
    if not today < wanted.until <= today + LONGEST:
        wrong.append(Refusal("exchange.until", "到期日要在今天以后、三年以内", "until"))
    return wrong


@hears(SENT)
async def demand_came(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """A demand for one of our resources (收到需求): it waits for our review until its day."""
    said = msgspec.convert(body, Sent)
    if said.asker != origin:
        raise ValueError("a demand is sent by the node that asks")
    held = await listed(tx, said.wanted.resource)
    if held is None or held.resource.owner != node.id or known(held.resource, said.wanted.fields) != said.wanted.fields:
        raise ValueError("not a resource of ours as it is now")
    await _insert(
        tx, said.id, "owner", origin, node.id, said.wanted, due(node, terms().demand_answer.days), node.clock.now()
    )


async def review(
    tx: Tx, node: Node, actor: Actor, demand_id: str, *, verdict: str, fields: tuple[str, ...] = (), per_day: int = 0,
    until: date | None = None, reason_code: str = "", reason: str = "",
) -> Demand | Refusals:  # fmt: skip
    """The first person of the owner proposes what to answer (初审): grant with fields, quota and end, or refuse with a ground."""
    actor.require_may("exchange.propose", division=division(node))
    found = await _at(tx, demand_id, "owner", "sent", "reviewed")
    wrong = []
    if verdict == "grant":
        if not fields or not set(fields) <= set(found.fields):
            wrong.append(Refusal("exchange.fields", "只能从对方要的数据项里选，至少一项", "fields"))
        if not 0 < per_day <= found.volume_per_day:
            wrong.append(Refusal("exchange.quota", f"每天的次数在 1 到 {found.volume_per_day} 之间", "per_day"))
        if until is None or not node.clock.today() < until <= found.until:
            wrong.append(Refusal("exchange.until", f"到期日在今天以后，不晚于 {found.until:%Y-%m-%d}", "given_until"))
    elif verdict == "refuse":
        if not terms().ground(reason_code):
            wrong.append(Refusal("exchange.ground", "请选不同意的理由", "reason_code"))
        if not reason.strip():
            wrong.append(Refusal("exchange.reason", "不同意要写清理由和依据的条款", "reason"))
    else:
        wrong.append(Refusal("exchange.verdict", "请选同意还是不同意", "verdict"))
    if wrong:
        return tuple(wrong)
    agreed = verdict == "grant"
    row = await tx.fetchrow(
        """UPDATE data_demand SET state = 'reviewed', verdict = $2, given_fields = $3, given_per_day = $4, given_until = $5,
           reason_code = $6, reason = $7, reviewed_by = $8, changed_at = $9 WHERE id = $1 AND side = 'owner' RETURNING *""",
        demand_id, verdict, list(fields) if agreed else [], per_day if agreed else None, until if agreed else None,
        "" if agreed else reason_code, reason, actor.staff_id, node.clock.now(),
    )  # fmt: skip
    return demand_of(row)


async def decide(tx: Tx, node: Node, actor: Actor, demand_id: str, *, agrees: bool) -> Demand | Refusals:
    """The second person of the owner agrees with the review, or sends it back (复核). Agreed, the answer goes out at once."""
    actor.require_may("exchange.approve", division=division(node))
    found = await _at(tx, demand_id, "owner", "reviewed")
    if found.reviewed_by == actor.staff_id:
        return (Refusal("exchange.four_eyes", "初审的人不能自己复核，请另一位同事来批"),)
    if not agrees:
        return await _to(tx, node, found, "sent")
    if found.verdict == "refuse":
        done = await _to(tx, node, found, "refused")
        answer = Decided(1, found.id, "refused", found.reason_code, found.reason)
    else:
        if await definition(tx, found.resource) is None:
            return (Refusal("exchange.no_such_resource", "这项数据现在不提供，不能成立授权"),)
        assert found.given_per_day is not None
        assert found.given_until is not None
        made = await give(
            tx, node, demand=found.id, resource=found.resource, caller=found.asker, purpose=found.purpose, fields=found.given_fields,
            quota_per_day=found.given_per_day, until=day_end(found.given_until), reason=found.basis,
            people=(found.reviewed_by, actor.staff_id),
        )  # fmt: skip
        done = await _to(tx, node, found, "granted", grant=made.id)
        answer = Decided(
            1, found.id, "granted", "", found.reason, found.given_fields, found.given_per_day, found.given_until, made.id
        )
    await tell(tx, node, found.asker, DECIDED, f"demand:{found.id}", answer)
    return done


@hears(DECIDED)
async def demand_decided(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """The owner's answer to our demand (收到答复)."""
    said = msgspec.convert(body, Decided)
    found = await demand(tx, said.id, side="asker", lock=True)
    if found is None or found.owner != origin:
        raise ValueError("an answer to a demand that was not sent to that node")
    if found.state == "withdrawn":
        return
    await tx.execute(
        """UPDATE data_demand SET state = $2, reason_code = $3, reason = $4, given_fields = $5, given_per_day = $6, given_until = $7,
           grant_id = $8, changed_at = $9 WHERE id = $1 AND side = 'asker'""",
        said.id, said.state, said.reason_code, said.reason, list(said.fields), said.per_day, said.until, said.grant, node.clock.now(),
    )  # fmt: skip


async def withdraw(tx: Tx, node: Node, actor: Actor, demand_id: str) -> Demand | Refusals:
    """Take a demand back while it waits (撤回需求); in a dispute the data administration hears of it too."""
    actor.require_may("exchange.propose", division=division(node))
    found = await _at(tx, demand_id, "asker", "sent", "disputed")
    done = await _to(tx, node, found, "withdrawn")
    for one in dict.fromkeys((found.owner, node.settings.hub) if found.state == "disputed" else (found.owner,)):
        await tell(tx, node, one, WITHDRAWN, f"demand:{found.id}", {"v": 1, "id": found.id})
    return done


@hears(WITHDRAWN)
async def demand_withdrawn(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """The asker no longer wants it (对方撤回). An answer given before stands."""
    for side in ("owner", "judge"):
        found = await demand(tx, str(body["id"]), side=side, lock=True)
        if found is not None and found.asker == origin and found.state in {"sent", "reviewed", "refused", "disputed"}:
            await _to(tx, node, found, "withdrawn")


async def dispute(tx: Tx, node: Node, actor: Actor, demand_id: str, *, words: str) -> Demand | Refusals:
    """Bring a refusal before the data administration (提出异议), with what speaks against it; once for each demand."""
    actor.require_may("exchange.propose", division=division(node))
    found = await _at(tx, demand_id, "asker", "refused")
    if found.dispute:
        return (Refusal("exchange.disputed_once", "这份需求已经提过一次异议"),)
    if not words.strip():
        return (Refusal("exchange.reason", "写清为什么不同意对方的理由", "dispute"),)
    day = due(node, terms().dispute_answer.days)
    row = await tx.fetchrow(
        """UPDATE data_demand SET state = 'disputed', dispute = $2, dispute_by = $3, due_on = $4, changed_at = $5
           WHERE id = $1 AND side = 'asker' RETURNING *""",
        demand_id, words, actor.staff_id, day, node.clock.now(),
    )  # fmt: skip
    made = demand_of(row)
    await _leaf(tx, made)
    body = Sent(1, found.id, node.id, _wanted(found), found.reason_code, found.reason, words)
    await tell(tx, node, node.settings.hub, DISPUTED, f"demand:{found.id}", body)
    return made


@hears(DISPUTED)
async def dispute_came(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """A dispute about a refusal, at the data administration (收到异议)."""
    said = msgspec.convert(body, Sent)
    if node.id != node.settings.hub or said.asker != origin:
        raise ValueError("a dispute goes from the asker to the hub")
    held = await listed(tx, said.wanted.resource)
    if held is None:
        raise ValueError("no such resource")
    await _insert(
        tx, said.id, "judge", origin, held.resource.owner, said.wanted, due(node, terms().dispute_answer.days), node.clock.now(),
        state="disputed", reason_code=said.reason_code, reason=said.reason, dispute=said.dispute,
    )  # fmt: skip


async def judge(tx: Tx, node: Node, actor: Actor, demand_id: str, *, upholds: bool, words: str) -> Demand | Refusals:
    """The data administration decides (处理异议): the refusal stands, or the owner has to review again. It grants nothing itself."""
    actor.require_may("exchange.approve", division=division(node))
    found = await _at(tx, demand_id, "judge", "disputed")
    if not words.strip():
        return (Refusal("exchange.reason", "写清处理意见", "judgement"),)
    state: Literal["upheld", "sent"] = "upheld" if upholds else "sent"
    row = await tx.fetchrow(
        "UPDATE data_demand SET state = $2, judgement = $3, reviewed_by = $4, changed_at = $5 WHERE id = $1 AND side = 'judge' RETURNING *",
        demand_id, state, words, actor.staff_id, node.clock.now(),
    )  # fmt: skip
    made = demand_of(row)
    await _leaf(tx, made)
    answer = Decided(1, found.id, state, judgement=words, due_on=due(node, terms().demand_answer.days))
    for one in dict.fromkeys((found.owner, found.asker)):
        await tell(tx, node, one, JUDGED, f"demand:{found.id}", answer)
    return made


@hears(JUDGED)
async def demand_judged(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """What the data administration decided (异议结果): at the owner the demand waits again when the refusal did not stand."""
    if origin != node.settings.hub:
        raise ValueError("only the hub decides a dispute")
    said = msgspec.convert(body, Decided)
    await tx.execute(
        """UPDATE data_demand SET state = $2, judgement = $3, due_on = coalesce($4, due_on), changed_at = $5, round = round + 1,
           verdict = '', reviewed_by = '', late_told = false
           WHERE id = $1 AND ((side = 'owner' AND state = 'refused') OR (side = 'asker' AND state = 'disputed'))""",
        said.id, said.state, said.judgement, said.due_on, node.clock.now(),
    )  # fmt: skip


async def _at(tx: Tx, demand_id: str, side: str, *states: str) -> Demand:
    found = await demand(tx, demand_id, side=side, lock=True)
    if found is None or found.state not in states:
        raise DemandGone
    return found


async def _to(tx: Tx, node: Node, found: Demand, state: DemandState, *, grant: str | None = None) -> Demand:
    row = await tx.fetchrow(
        "UPDATE data_demand SET state = $3, grant_id = coalesce($4, grant_id), changed_at = $5 WHERE id = $1 AND side = $2 RETURNING *",
        found.id, found.side, state, grant, node.clock.now(),
    )  # fmt: skip
    made = demand_of(row)
    await _leaf(tx, made)
    log("exchange.demand", service=made.resource, state=state, kind=made.side)
    return made


async def _leaf(tx: Tx, made: Demand) -> None:
    fact = jcs({"demand": made.id, "side": made.side, "state": made.state, "resource": made.resource, "round": made.round, "v": 1})
    leaf = await transparency.append(tx, "data.demand", fact)
    await tx.execute("UPDATE data_demand SET leaf = $3 WHERE id = $1 AND side = $2", made.id, made.side, str(leaf.id))


async def _insert(
    tx: Tx, demand_id: str, side: str, asker: str, owner: str, wanted: Wanted, due_on: date, now: datetime, *, state: str = "sent",
    asked_by: str = "", reason_code: str = "", reason: str = "", dispute: str = "",
) -> Demand:  # fmt: skip
    row = await tx.fetchrow(
        """INSERT INTO data_demand (id, side, asker, owner, resource, fields, purpose, purpose_words, item, basis, volume_per_day,
           until, state, due_on, asked_by, reason_code, reason, dispute, sent_at, changed_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19) RETURNING *""",
        demand_id, side, asker, owner, wanted.resource, list(wanted.fields), wanted.purpose, wanted.purpose_words, wanted.item,
        wanted.basis, wanted.volume_per_day, wanted.until, state, due_on, asked_by, reason_code, reason, dispute, now,
    )  # fmt: skip
    return demand_of(row)


def _wanted(found: Demand) -> Wanted:
    return Wanted(
        found.resource, found.fields, found.purpose, found.purpose_words, found.basis, found.volume_per_day, found.until, found.item
    )
