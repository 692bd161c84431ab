"""The nodes as the back office shows them 节点与信件 (federation.md 11): tables and this process's memory, put side by side."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from tongban.federation.actions.office import Office, office
from tongban.federation.model import Directory, ListedNode, Mail
from tongban.federation.queries.mail import mails
from tongban.federation.rules import directory as rules
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

_RECENT_SECONDS = 300.0
_QUIET_MS = 300_000
"""A node says every 30 s how far it has written; when nothing of that came for ten times as long, its letters are not fetched (federation.md 5.5)."""


class NodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of 各节点. `tone` is ok, warn or bad; the worst come first."""

    id: str
    name: str
    role: str
    state: str
    tone: str
    own: bool
    read_to: int
    behind: int
    behind_seconds: int
    quiet_minutes: int
    parked: int
    path: str
    last_word: str
    calls: str
    breaker: str
    offset: str
    directory: str
    certificate_until: datetime | None
    days_left: int | None
    epoch: int
    stopped: str


_ROLES = {"hub": "枢纽", "ministry": "部门", "province": "省"}
_STATES = {"joining": "正在入网", "active": "正常", "leaving": "正在退出", "suspended": "已暂停", "gone": "已退出"}
STOPS = {
    "fork": "同一编号有两封不同的信", "bad_letter": "信不合规", "bad_signature": "签名不对", "mass_parking": "很多信办不了",
    "rolled_back": "对方的记录退回了", "no_body": "对方已没有信的内容",
}  # fmt: skip
_ORDER = {"bad": 0, "warn": 1, "ok": 2}


async def node_rows(tx: Tx, node: Node) -> list[NodeRow]:
    """Every node of the directory, red first (各节点)."""
    memory = office(node)
    found = await memory.look(node)
    if found is None:
        return []
    read = {mail.origin: mail for mail in await mails(tx)}
    rows = [_row(node, memory, found, listed, read.get(listed.id)) for listed in found.nodes]
    return sorted(rows, key=lambda row: (_ORDER[row.tone], row.id))


def _row(node: Node, memory: Office, found: Directory, listed: ListedNode, mail: Mail | None) -> NodeRow:
    own = listed.id == node.id
    quiet = 0 if own else _quiet_minutes(mail, node.clock.ms())
    state, tone = _state(memory, found, listed, mail, own=own, relay=_relays(found, node.id), quiet=quiet)
    key = listed.current("sign")
    until = rules.certificate(key.cert).not_after if key else None
    days = (until - datetime.fromtimestamp(node.clock.ms() / 1000, UTC)).days if until else None
    offset = memory.offset(listed.id)
    version = memory.peer_versions.get(listed.id)
    return NodeRow(
        id=listed.id, name=listed.name + ("，本节点" if own else ""), role=_ROLES.get(listed.role, listed.role), state=state,
        tone="warn" if tone == "ok" and days is not None and days < 30 else tone, own=own,
        read_to=mail.seq if mail else 0, behind=_behind(mail), behind_seconds=_behind_seconds(mail, node.clock.ms()), quiet_minutes=quiet,
        parked=mail.parked if mail else 0, path="" if own else _path(node, found, listed, memory, quiet=quiet),
        last_word=_since(memory.heard.get(listed.id)) if not own else "", calls=_calls(memory, listed.id), breaker=_breaker(memory, listed.id),
        offset=f"{offset:+.1f} 秒" if offset is not None else "", directory=str(version) if version else "",
        certificate_until=until, days_left=days, epoch=mail.epoch if mail else listed.epoch,
        stopped=STOPS.get(mail.stopped, mail.stopped) if mail and mail.stopped else "",
    )  # fmt: skip


def _behind(mail: Mail | None) -> int:
    """Letters the origin says it has stamped beyond what was read here; within one epoch only."""
    if mail is None or mail.head_epoch != mail.epoch:
        return 0
    return max(0, (mail.head_seq or 0) - mail.seq)


def _behind_seconds(mail: Mail | None, now_ms: int) -> int:
    """How long letters that exist have been waiting to be read here, by the last word of their origin."""
    return max(0, (now_ms - (mail.head_at or now_ms)) // 1000) if mail is not None and _behind(mail) else 0


def _quiet_minutes(mail: Mail | None, now_ms: int) -> int:
    """Minutes since a letter or a word about its letters last came from that origin, by whatever way; 0 while that is usual.

    By the tables and not by this process's memory: whatever keeps the letters away, and since whenever, it shows here.
    """
    last = max(mail.head_at or 0, mail.moved_ms) if mail is not None else now_ms
    return (now_ms - last) // 60_000 if now_ms - last > _QUIET_MS else 0


def _breaker(memory: Office, peer: str) -> str:
    """The worst breaker of the calls to that node."""
    now = time.monotonic()
    states = {breaker.state(now) for (name, _), breaker in memory.breakers.items() if name == peer}
    return "断开" if "open" in states else "试探" if "half_open" in states else "接通" if states else ""


def _relays(found: Directory, node_id: str) -> bool:
    me = found.node(node_id)
    return me is not None and me.relay


def _state(
    memory: Office, found: Directory, listed: ListedNode, mail: Mail | None, *, own: bool, relay: bool, quiet: int
) -> tuple[str, str]:
    if listed.status != "active":
        return _STATES[listed.status], "warn"
    if mail is not None and mail.stopped:
        return "已停收", "bad"
    asked_directly = relay or listed.id == found.hub or memory.hub_away
    heard = memory.heard.get(listed.id)
    if not own and asked_directly and (heard is None or time.monotonic() - heard > 120):
        return "连不上", "bad"
    if quiet:
        return "收不到信", "bad"
    if mail is not None and mail.parked:
        return "有信停放", "warn"
    offset = memory.offset(listed.id)
    if offset is not None and abs(offset) > 5:
        return "钟不准", "bad" if abs(offset) > 20 else "warn"
    return "正常", "ok"


def _path(node: Node, found: Directory, listed: ListedNode, memory: Office, *, quiet: int) -> str:
    """Which way its letters come: as `pull.routes` asks for them."""
    asked_itself = listed.direct and (memory.hub_away or memory.suspected(listed.id) or quiet > 0)
    direct = _relays(found, node.id) or listed.id == found.hub or asked_itself
    return "直连" if direct else "经枢纽"


def _since(heard: float | None) -> str:
    if heard is None:
        return ""
    seconds = int(time.monotonic() - heard)
    return f"{seconds} 秒前" if seconds < 120 else f"{seconds // 60} 分钟前"


def _calls(memory: Office, peer: str) -> str:
    """Success and 95th percentile of the calls of the last 5 minutes."""
    recent = [one for one in memory.recent_calls[peer] if time.monotonic() - one[0] < _RECENT_SECONDS]
    if not recent:
        return ""
    good = sum(1 for _, _, fine in recent if fine)
    slowest = sorted(seconds for _, seconds, _ in recent)[max(0, int(len(recent) * 0.95) - 1)]
    return f"{good * 100 // len(recent)}%，{int(slowest * 1000)} 毫秒"


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """One letter's head, its place in the chain and what became of it; never its body."""

    id: str
    origin: str
    to: str
    epoch: int
    seq: int
    kind: str
    kind_version: int
    about: str
    at: datetime
    taken_at: datetime
    kid: str
    previous: str
    outcome: str
    reason: str
    error: str
    asked_by: str
    asked_reason: str


async def letter_view(tx: Tx, letter_id: str) -> LetterView | None:
    """A letter that came here, for the page of one letter (信件)."""
    row = await tx.fetchrow(
        "SELECT a.*, p.reason, p.error, s.asked_by, s.reason AS asked_reason FROM letter_applied a"
        " LEFT JOIN letter_parked p ON p.id = a.id LEFT JOIN letter_set_aside s ON s.id = a.id WHERE a.id::text = $1",
        letter_id,
    )
    if row is None:
        return None
    head: dict[str, Any] = msgspec.json.decode(row["head"])
    prev = head.get("prev")
    return LetterView(
        id=row["id"], origin=row["origin"], to=row["to"], epoch=row["epoch"], seq=row["seq"], kind=row["kind"],
        kind_version=row["kind_version"], about=row["about"], at=datetime.fromtimestamp(row["at"] / 1000, UTC),
        taken_at=row["taken_at"], kid=row["kid"], previous=f"第 {prev['seq']} 封" if prev else "这条流的第一封",
        outcome=row["outcome"], reason=row["reason"] or "", error=row["error"] or "", asked_by=row["asked_by"] or "",
        asked_reason=row["asked_reason"] or "",
    )  # fmt: skip


async def directory_changes(tx: Tx) -> list[str]:
    """What the newest directory says that the one before did not (与上一版的差别)."""
    rows = await tx.fetch("SELECT signed FROM directory_version ORDER BY version DESC LIMIT 2")
    if len(rows) < 2:
        return []
    new, old = (rules.parse(row["signed"]).directory for row in rows)
    return rules.changes({one.id: one for one in old.nodes}, {one.id: one for one in new.nodes})
