"""The 72 hours of a new phone number 等 72 小时换号 (identity.md 8): nothing changes before they are over, every old channel can stop them.

Anybody who knows name and number can begin one, so none displaces another (T-20): they wait side by side, the first to be due
is taken, and each number hears what becomes of it. What is proved (two ways, a hall) ends all that wait.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tongban import notifications
from tongban.identity.actions import phone_change, sessions, throttle
from tongban.identity.actions.phone_change import STOP, Change
from tongban.identity.errors import refusal
from tongban.identity.providers import sms
from tongban.identity.queries.persons import phone_of
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules import throttle as limits
from tongban.identity.rules.factors import FACTORS
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

_LOCAL = "l"
"""A stand-in for an account that does not exist waits like any other and changes nothing."""


class Waits(msgspec.Struct, frozen=True):
    """A change that waits 在等的换号: until when, and whether another number was there before it."""

    due: datetime
    after_another: bool


async def wait(tx: Tx, node: Node, cookie: str) -> Waits | Refusals:
    """Begin the 72 hours 开始等: the new number must have answered; a notice with 停止 goes to every old channel.

    Those that wait already are not touched, and hear of it; the same number again waits on as before.
    """
    row = await phone_change.opened(tx, node, cookie)
    if "new" not in row["shown"]:
        return (refusal("identity.recover_code", "new", n=limits.TRIES - row["tries"]),)
    mine, now = phone_change.change_of(node, row), node.clock.now()
    before = await waiting(tx, node, mine.subject)
    if same := next((one for one in before if one.phone == mine.phone), None):
        await tx.execute("UPDATE phone_change SET state = 'stopped', ended_at = $3 WHERE subject = $1 AND id = $2", mine.subject, mine.id, now)
        return Waits(_due(same), after_another=same.id != before[0].id)
    week = FACTORS.recovery.waits_number_week * (limits.DEMO_FACTOR if node.settings.demo else 1)
    if left := await throttle.take(tx, node, f"waits-for:{mine.phone}", ((limits.WEEK, week),)):
        return (refusal("identity.too_many", "way", wait=left),)
    word, due = secrets.token_urlsafe(16), now + timedelta(hours=FACTORS.recovery.wait_hours)
    await tx.execute(
        "UPDATE phone_change SET state = 'waiting', due_at = $3, stop_hash = $4 WHERE subject = $1 AND id = $2",
        mine.subject, mine.id, due, hashed(word),
    )  # fmt: skip
    if len(before) == 1:
        await _another(tx, node, before[0])
    if not mine.subject.startswith(_LOCAL):
        await _notice(tx, node, mine, due, word)
    return Waits(due, after_another=bool(before))


def _due(change: Change) -> datetime:
    assert change.due_at is not None, "a change that waits has an end"
    return change.due_at


def words(at: datetime) -> str:
    """A moment in China time: 11月18日 10:02."""
    local = at.astimezone(CHINA)
    return f"{local.month}月{local.day}日 {local:%H:%M}"


async def _another(tx: Tx, node: Node, first: Change) -> None:
    """Tell the number that was first that a second one waits too; stand-ins hear it as well, or who exists would show."""
    await sms(node).send(
        tx, node, first.phone, f"【{node.settings.name}】又有一个号码在等着换到同一个账号。你的在先，没人停止，{words(_due(first))}还是换成你的。"
        "不是你或家人填的，带身份证到大厅问一下。",
    )  # fmt: skip


async def _notice(tx: Tx, node: Node, change: Change, due: datetime, word: str) -> None:
    when, link = words(due), f"/recover/stop/{word}"
    await notifications.notify(
        tx, node, subject=change.subject, kind="identity.phone_waiting", about=f"change:{change.id}", title="有人要换你账号的手机号",
        text=f"{when}换成新号码。不是你，点进去就停。", link=link, link_words="停止",
    )  # fmt: skip
    if phone := await phone_of(tx, node, change.subject):
        await sms(node).send(
            tx, node, phone, f"【{node.settings.name}】有人要在{when}换掉你账号的手机号。不是你，打开这里就停：{node.settings.base_url}{link}"
        )


async def waiting(tx: Tx, node: Node, subject: str) -> list[Change]:
    """The changes of this person that wait out their 72 hours 在等的换号, the one to be taken first."""
    rows = await tx.fetch("SELECT * FROM phone_change WHERE subject = $1 AND state = 'waiting' ORDER BY due_at, id", subject)
    return [phone_change.change_of(node, row) for row in rows]


async def stop(tx: Tx, node: Node, *, word: str = "", subject: str = "", row: str = "") -> bool:
    """停止: the one of a notice by its word; by the person signed in the one named, or all. Whether something was waiting."""
    rows = await tx.fetch(
        STOP + " AND (stop_hash = $2 OR (subject = $3 AND ($4 = '' OR id::text = $4))) RETURNING *",
        node.clock.now(), hashed(word) if word else b"-", subject, row,
    )  # fmt: skip
    await phone_change.over(tx, node, rows)
    for one in rows:
        await sessions.record(tx, node, one["subject"], "phone_stopped", 1, "")
    return bool(rows)


async def finish_due(node: Node) -> int:
    """Change the numbers whose 72 hours passed without 停止 到期换号; how many were due."""
    async with node.db.reading() as tx:
        due = await tx.fetch(
            "SELECT subject, id FROM phone_change WHERE state = 'waiting' AND due_at <= $1 ORDER BY due_at, id LIMIT 50", node.clock.now()
        )
    for one in due:
        async with node.db.transaction() as tx:
            await _finish(tx, node, one)
    return len(due)


async def _finish(tx: Tx, node: Node, one: Any) -> None:
    """One that is due; never before one of the same account that was due earlier, also when two clocks run at once."""
    await tx.execute("SELECT 1 FROM account WHERE subject = $1 FOR UPDATE", one["subject"])
    row = await tx.fetchrow(
        "UPDATE phone_change AS c SET state = 'done', ended_at = $3 WHERE subject = $1 AND id = $2 AND state = 'waiting' AND NOT EXISTS"
        " (SELECT FROM phone_change e WHERE e.subject = c.subject AND e.state = 'waiting' AND (e.due_at, e.id) < (c.due_at, c.id)) RETURNING *",
        one["subject"], one["id"], node.clock.now(),
    )  # fmt: skip
    if row is None:
        return
    if row["subject"].startswith(_LOCAL):
        await phone_change.over(tx, node, [row])
    else:
        await phone_change.change_number(tx, node, row, "", recovered=True)
