"""Emergency plans of signing in 登录应急预案 (R-203, T-17): switched by two of the staff, or by the clock when guessing is spread.

While `identity.spread_guessing` is on, codes have eight digits and unknown devices always give the number too.
Codes typed are counted in the process and written once in a while, so a sign-in pays no statement for it.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from tongban.identity.actions import proposals
from tongban.identity.errors import refusal
from tongban.identity.model import Proposal
from tongban.identity.rules.throttle import spread_guessing
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

SPREAD: Final = "identity.spread_guessing"
PLANS: Final = {SPREAD: "验证码改成 8 位，没用过的设备一律再填身份证号"}
_REREAD_SECONDS = 2.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that is on or was 一次启用."""

    id: str
    plan: str
    since: datetime
    by_whom: str
    why: str
    ended_at: datetime | None = None
    ended_by: str | None = None


class _Memory:
    def __init__(self) -> None:
        self.read_at = -_REREAD_SECONDS
        self.on: frozenset[str] = frozenset()
        self.entered = 0
        self.wrong = 0


_memories: WeakKeyDictionary[Node, _Memory] = WeakKeyDictionary()


def _memory(node: Node) -> _Memory:
    return _memories.setdefault(node, _Memory())


async def is_on(tx: Tx, node: Node, plan: str) -> bool:
    """Whether a plan is on now, at most two seconds late 预案是否启用."""
    memory = _memory(node)
    if time.monotonic() - memory.read_at >= _REREAD_SECONDS:
        rows = await tx.fetch("SELECT plan FROM login_plan WHERE ended_at IS NULL")
        memory.on, memory.read_at = frozenset(row["plan"] for row in rows), time.monotonic()
    return plan in memory.on


async def switch(tx: Tx, node: Node, plan: str, *, on: bool, by_whom: str, why: str) -> bool:
    """Switch a plan on or off 启停预案; False when it already was. KeyError for an unknown plan."""
    PLANS[plan]
    now = node.clock.now()
    if on:
        done = await tx.execute(
            "INSERT INTO login_plan (id, plan, since, by_whom, why) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            uuid7(), plan, now, by_whom, why,
        )  # fmt: skip
    else:
        done = await tx.execute("UPDATE login_plan SET ended_at = $2, ended_by = $3 WHERE plan = $1 AND ended_at IS NULL", plan, now, by_whom)
    _memory(node).read_at = -_REREAD_SECONDS
    changed = done.endswith(" 1")
    if changed:
        log("identity.plan_switched", kind=plan, status="on" if on else "off", node=node.id)
    return changed


async def propose(tx: Tx, node: Node, actor: Actor, plan: str, *, on: bool, why: str) -> Proposal | Refusals:
    """Ask another who operates the node to switch a plan 提议启停预案 (identity.md 9). Raises NotAllowed, KeyError for an unknown plan."""
    words = PLANS[plan]
    if on == (plan in {row["plan"] for row in await tx.fetch("SELECT plan FROM login_plan WHERE ended_at IS NULL")}):
        return (refusal("identity.plan_already", "why"),)
    division = (node.settings.divisions[0] if node.settings.divisions else "").ljust(6, "0")
    body = msgspec.json.encode(_Switch(plan=plan, on=on, why=why.strip()[:200] or "人工启停"))
    return await proposals.propose(tx, node, actor, "login.plan", division=division, words=f"{'启用' if on else '停用'}：{words}", body=body)


class _Switch(msgspec.Struct, frozen=True):
    plan: str
    on: bool
    why: str


async def _approved(tx: Tx, node: Node, approver: Actor, found: Proposal, body: bytes) -> str:
    asked = msgspec.json.decode(body, type=_Switch)
    changed = await switch(tx, node, asked.plan, on=asked.on, by_whom=found.proposed_by, why=asked.why)
    log("identity.plan_approved", kind=asked.plan, status="on" if asked.on else "off", node=approver.home)
    return ("启用了" if asked.on else "停用了") if changed else "已经是这样，没有变"


proposals.carries_out("login.plan", _approved)


async def history(tx: Tx, most: int = 20) -> list[Plan]:
    """Plans that are on or were, the newest first."""
    rows = await tx.fetch("SELECT id, plan, since, by_whom, why, ended_at, ended_by FROM login_plan ORDER BY since DESC LIMIT $1", most)
    return [msgspec.convert(dict(row), Plan) for row in rows]


def note_code(node: Node, *, wrong: bool) -> None:
    """A code was typed; counted in the process until `weigh` writes it."""
    memory = _memory(node)
    memory.entered += 1
    memory.wrong += wrong


async def weigh(tx: Tx, node: Node) -> bool:
    """Write the counts, and switch the plan on when this hour's share of wrong codes stands out from its week (T-17)."""
    memory, now = _memory(node), node.clock.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    if memory.entered:
        await tx.execute(
            "INSERT INTO code_count AS c (hour, entered, wrong) VALUES ($1, $2, $3)"
            " ON CONFLICT (hour) DO UPDATE SET entered = c.entered + excluded.entered, wrong = c.wrong + excluded.wrong",
            hour, memory.entered, memory.wrong,
        )  # fmt: skip
        memory.entered = memory.wrong = 0
    rows = await tx.fetch("SELECT hour, entered, wrong FROM code_count WHERE hour > $1 ORDER BY hour", hour - timedelta(days=7))
    this = next((row for row in rows if row["hour"] == hour), None)
    if this is None or not spread_guessing(this["entered"], this["wrong"], [row["wrong"] / row["entered"] for row in rows if row["hour"] < hour]):
        return False
    switched = await switch(tx, node, SPREAD, on=True, by_whom="clock", why=f"这个小时填错的验证码占 {100 * this['wrong'] // this['entered']}%")
    if switched:
        log("identity.spread_guessing_alarm", count=this["wrong"], node=node.id)
    return switched
