"""Closing an account 注销 at the home (privacy.md 7, R-409): asked for, thought over for seven days, then told to every node.

One transaction closes the account and writes all letters, so nothing is half closed whatever is killed; what each node then
does is in `leaving`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from tongban import federation, identity, notifications, transparency
from tongban.kernel.actor import Actor
from tongban.kernel.clock import CHINA
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import LevelNeeded
from tongban.kernel.gm import jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log, log_failure
from tongban.kernel.node import Node
from tongban.privacy.actions import papers, wards
from tongban.privacy.actions.leaving import BELL, Told, keep
from tongban.privacy.errors import NothingToClose
from tongban.privacy.model.closing import Waiting
from tongban.privacy.queries import closing as queries
from tongban.privacy.rules.times import times

LEVEL = 3
CLOSED = "account.closed"


async def ask(tx: Tx, node: Node, actor: Actor) -> Waiting | None:
    """Ask for the closing 申请注销, oneself, at level 3 or at a counter; asked twice it is one. A guardian asks for a child.

    None when a guardian is asked first (14 to 17). Raises SelfOnly, LevelNeeded, NothingToClose.
    """
    actor.require(1)
    subject = await wards.whose(tx, node, actor, "注销账号") if actor.for_subject else actor.subject
    account = await identity.account(tx, subject)
    childs = account is None and bool(actor.for_subject)  # under 14, what is kept without an account
    if not childs and (account is None or account.status != "open"):
        raise NothingToClose
    if actor.acr < LEVEL:
        raise LevelNeeded(LEVEL)
    known = await queries.waiting(tx, node, subject)
    if known is not None:
        return known
    if actor.for_subject:
        made = await begin(tx, node, subject, level=actor.acr, guardian=actor.subject)
        await identity.record_act(tx, node, actor, "close", what=f"{_day(made.due_at)} 注销", about=f"closing:{made.id}")
        return made
    assert account is not None
    if not await identity.confirmed(tx, node, actor, level=LEVEL, about=f"closing:{account.id}", what="注销账号"):
        return None
    return await begin(tx, node, actor.subject, level=actor.acr)


async def begin(tx: Tx, node: Node, subject: str, *, level: int, guardian: str = "") -> Waiting:
    """The seven days begin 开始等: row, page of receipts with its paper, a word to the person. Whoever calls has judged who asks."""
    made, now, limits = uuid7(), node.clock.now(), times().closing
    due = now + timedelta(days=limits.days)
    paper = await papers.make(tx, node, "closing_page", made, until=due + timedelta(days=limits.page_days))
    sealed = node.cipher.seal(queries.GROUP, "closing.paper", made, msgspec.json.encode(paper).decode())
    await tx.execute(
        "INSERT INTO closing (subject, id, asked_at, due_at, level, paper, guardian_subject) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        subject, made, now, due, level, sealed, guardian,
    )  # fmt: skip
    await transparency.append(tx, "privacy.closing_asked", jcs({"id": made, "level": level, "v": 1}))
    await _tell(tx, node, subject, made, "asked", f"你的账号 {_day(due)} 注销", "是监护人申请的。在这之前你随时能停。" if guardian else "在这之前随时能停。不是你申请的，马上点进去停止。")
    await identity.text_account(
        tx, node, subject, f"【{node.settings.name}】有人申请注销你的账号，{_day(due)}注销。不是你本人，马上登录，在“我的”里停止。"
    )
    return Waiting(id=made, asked_at=now, due_at=due, paper=paper)


async def stop(tx: Tx, node: Node, subject: str) -> bool:
    """Stop it 不注销了: one tap, no higher level; False when none waits."""
    stopped = await tx.fetchval(
        "UPDATE closing SET state = 'stopped', ended_at = $2, paper = NULL WHERE subject = $1 AND state = 'waiting' RETURNING id",
        subject, node.clock.now(),
    )  # fmt: skip
    if stopped is None:
        return False
    await tx.execute("DELETE FROM closing_page WHERE id = $1", stopped)
    await transparency.append(tx, "privacy.closing_stopped", jcs({"id": str(stopped), "v": 1}))
    await _tell(tx, node, subject, str(stopped), "stopped", "账号不注销了", "什么都没有删，照常使用。")
    return True


async def warn(tx: Tx, node: Node) -> int:
    """Tell those whose last day has begun 快到期的再说一次; how many."""
    now = node.clock.now()
    rows = await tx.fetch(
        "UPDATE closing SET warned_at = $1 WHERE state = 'waiting' AND warned_at IS NULL AND due_at <= $2 RETURNING subject, id, due_at",
        now, now + timedelta(days=times().closing.warn_days),
    )  # fmt: skip
    for row in rows:
        await _tell(tx, node, row["subject"], str(row["id"]), "soon", f"你的账号 {_day(row['due_at'])} 注销", "还能停。要停，点进去按一下。")
        await identity.text_account(tx, node, row["subject"], f"【{node.settings.name}】你的账号{_day(row['due_at'])}注销。不想注销，登录后在“我的”里停止。")
    return len(rows)


async def close_due(node: Node) -> None:
    """The clock: warn, and close the accounts whose seven days are over 到期注销, one transaction each."""
    async with node.db.transaction() as tx:
        await warn(tx, node)
        rows = await tx.fetch(
            "SELECT c.subject, c.id, c.guardian_subject, NOT EXISTS (SELECT FROM account a WHERE a.subject = c.subject) AS without_account FROM closing c"
            " WHERE c.state = 'waiting' AND c.due_at <= $1 ORDER BY c.due_at LIMIT 50", node.clock.now()
        )  # fmt: skip
    for row in rows:
        try:
            proof = ""
            if row["without_account"] and row["guardian_subject"]:
                still = await identity.guards_alone(node, row["guardian_subject"], row["subject"])
                if still is None:
                    continue  # the register is away: asked again at the next turn
                if not still:
                    async with node.db.transaction() as tx:
                        await stop(tx, node, row["subject"])
                    continue
                proof = await identity.home_proof(node, row["guardian_subject"])
            async with node.db.transaction() as tx:
                await _close(tx, node, str(row["id"]), proof)
        except Exception as error:  # noqa: BLE001  one that cannot be closed now must not hold up the others; it comes again
            log_failure("privacy.closing_failed", error)


async def _close(tx: Tx, node: Node, closing: str, proof: str = "") -> None:
    row = await tx.fetchrow("SELECT * FROM closing WHERE id = $1 AND state = 'waiting' AND due_at <= $2 FOR UPDATE", closing, node.clock.now())
    if row is None:
        return
    subject, now = str(row["subject"]), node.clock.now()
    guardian = str(row["guardian_subject"])
    closed = await identity.close_account(tx, node, subject)
    if closed is None and guardian and await identity.account(tx, subject) is None:
        # a child without an account: nothing to close here, and every node asks the register who guards it
        closed = identity.ClosedAccount(subject=subject, number="", phone="", proof=proof)
    else:
        guardian = ""
    if closed is None:  # moved away or closed by another way meanwhile: what is there now was not asked about
        await stop(tx, node, subject)
        return
    for other in await _others(tx, node):
        hub = other == node.settings.hub
        if not hub and not subject.startswith("n"):
            continue  # a subject of this node alone leaves it by no letter (identity.md 1)
        body: dict[str, Any] = {
            "v": 1, "id": closing, "subject": subject if subject.startswith("n") else "", "at": node.clock.ms(), "proof": closed.proof,
            "number": closed.number if hub else "", "phone": closed.phone if hub else "", "guardian": guardian,
        }  # fmt: skip
        try:
            await federation.send(tx, node, to=other, kind=CLOSED, about=f"closing:{closing}", body=body)
        except (federation.UnknownNode, federation.NotMember):
            log("privacy.closing_not_sent", peer=other)
            continue
        await tx.execute("INSERT INTO closing_receipt (closing, node) VALUES ($1, $2)", closing, other)
    await tx.execute("INSERT INTO closing_receipt (closing, node) VALUES ($1, $2)", closing, node.id)
    at_hub = node.id == node.settings.hub
    await keep(tx, node, node.id, Told(
        id=closing, subject=subject, at=node.clock.ms(), number=closed.number if at_hub else "", phone=closed.phone if at_hub else ""
    ), state="ended")  # fmt: skip
    await tx.execute("UPDATE closing_page SET closed_at = $2, until = $3 WHERE id = $1", closing, now, now + timedelta(days=times().closing.page_days))
    await tx.execute("DELETE FROM closing WHERE subject = $1 AND id = $2", subject, closing)
    await transparency.append(tx, "privacy.account_closed", jcs({"id": closing, "v": 1}))
    await ring(tx, BELL)
    log("privacy.account_closed")


async def closed_again(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """This node was put back to before it closed an account 恢复以后再注销: its own letter came home, so it is closed again (T-48).

    Done with or under way: no effect.
    """
    told = msgspec.convert(letter.body, Told)
    if not told.subject or await tx.fetchval("SELECT true FROM left_behind WHERE id = $1", told.id):
        return
    await identity.close_account(tx, node, told.subject)
    await keep(tx, node, node.id, Told(id=told.id, subject=told.subject, at=told.at), state="ended")
    await tx.execute("UPDATE closing_page SET closed_at = coalesce(closed_at, $2) WHERE id = $1", told.id, node.clock.now())
    for one in (node.id, letter.to):
        await tx.execute("INSERT INTO closing_receipt (closing, node) VALUES ($1, $2) ON CONFLICT DO NOTHING", told.id, one)
    await tx.execute("DELETE FROM closing WHERE id = $1", told.id)


async def _others(tx: Tx, node: Node) -> list[str]:
    return [one.id for one in (await federation.directory(tx)).nodes if one.id != node.id and one.status != "gone"]


async def _tell(tx: Tx, node: Node, subject: str, closing: str, dedupe: str, title: str, text: str) -> None:
    await notifications.notify(
        tx, node, subject=subject, kind="privacy.closing", about=f"closing:{closing}", title=title, text=text, link="/me/closing",
        link_words="去看看，能停", group="我的信息", dedupe=dedupe,
    )  # fmt: skip


def _day(at: datetime) -> str:
    local = at.astimezone(CHINA)
    return f"{local.month}月{local.day}日{local.hour}点"
