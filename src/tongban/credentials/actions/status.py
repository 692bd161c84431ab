"""States of credentials (证照状态): suspend, resume, revoke, withdraw, cancel, expire; each told to all nodes and to the holder.

A change of state is one transaction: row, history with reason and legal basis, log leaf, status list with its letter, and the
letter to the holder's home. Who may, and whether two persons are asked, is the desk's matter (actions/office.py).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from tongban import federation, notifications, transparency
from tongban.credentials.actions import lists, prints
from tongban.credentials.errors import CardGone
from tongban.credentials.model import STATE_WORD, Credential, State
from tongban.credentials.model.acts import Act, Ground
from tongban.credentials.queries.credentials import credential as find
from tongban.credentials.queries.types import type_of
from tongban.credentials.rules import record, templates
from tongban.kernel.actor import SYSTEM, Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure
from tongban.kernel.gm import jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

AT_ONCE = 500
"""Credentials that run out in one round of the clock; the rest follow in the next."""
REMIND_DAYS = 30


class StateRefused(Failure):
    """The state does not allow this change (现在的状态不能这样改)."""

    code = "credentials.state_refused"
    status = 409

    def __init__(self) -> None:
        super().__init__(sentence="这张证照现在的状态不能这样改", todo="刷新看看现在的状态", ask="本单位证照管理员")


async def suspend(tx: Tx, node: Node, actor: Actor, subject: str, credential_id: str, reason: str) -> Credential:
    """Put a valid credential out of use for a time (暂扣). Raises CardGone, StateRefused."""
    return await change(tx, node, actor, subject, credential_id, "suspend", Ground(reason))


async def resume(tx: Tx, node: Node, actor: Actor, subject: str, credential_id: str, reason: str) -> Credential:
    """Put a suspended credential into use again (恢复). Raises CardGone, StateRefused."""
    return await change(tx, node, actor, subject, credential_id, "resume", Ground(reason))


async def revoke(tx: Tx, node: Node, actor: Actor, subject: str, credential_id: str, reason: str) -> Credential:
    """End a credential against its holder (撤销); a paper on order is stopped. Raises CardGone, StateRefused."""
    return await change(tx, node, actor, subject, credential_id, "revoke", Ground(reason))


async def cancel(tx: Tx, node: Node, actor: Actor, subject: str, credential_id: str, reason: str) -> Credential:
    """End a credential at its holder's wish (注销). Raises CardGone, StateRefused."""
    return await change(tx, node, actor, subject, credential_id, "cancel", Ground(reason))


async def change(
    tx: Tx, node: Node, actor: Actor, subject: str, credential_id: str, operation: str, ground: Ground
) -> Credential:
    """One act that changes the state, as acts.toml and the type's template have it (改状态).

    Doing it twice changes nothing. Raises CardGone, StateRefused (the state does not allow it, or the type does not).
    """
    row = await tx.fetchrow(
        "SELECT state, list_no, list_index, type_code FROM credential WHERE subject = $1 AND id = $2 FOR UPDATE", subject, credential_id
    )
    if row is None:
        raise CardGone
    act = _act(node, row["type_code"], operation)
    if row["state"] != act.to:
        if row["state"] not in act.begin:
            raise StateRefused
        await write(tx, node, actor, subject, credential_id, operation, act, ground)
        await lists.publish(tx, node, row["list_no"], {row["list_index"]: act.to})
        if act.to != "valid":
            await prints.ask_cancel(tx, node, credential_id)
    found = await find(tx, node, subject, credential_id)
    if found is None:
        raise CardGone
    return found


def _act(node: Node, type_code: str, operation: str) -> Act:
    kind = type_of(node, type_code)
    # a type that was taken out of the library still has its credentials: the plain acts go on for them
    known = templates.act_of(kind, operation) if kind else (templates.acts()[operation], None)
    if known is None:
        raise StateRefused
    return known[0]


async def write(
    tx: Tx, node: Node, actor: Actor, subject: str, credential_id: str, operation: str, act: Act, ground: Ground
) -> None:
    """The row's new state, its history and leaf, and the letter to the holder's home; the list is the caller's."""
    now, event = node.clock.now(), uuid7()
    leaf = await transparency.append(
        tx, "credential.state", jcs({"credential": credential_id, "operation": operation, "at": record.milliseconds(now)})
    )
    row = await tx.fetchrow(
        "UPDATE credential SET state = $3, state_at = $4 WHERE subject = $1 AND id = $2 RETURNING home, org_name", subject, credential_id,
        act.to, now,
    )  # fmt: skip
    await tx.execute(
        "INSERT INTO credential_event (subject, credential, id, operation, state, officer, reason, at, leaf, basis, confirmed_by) "
        "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)",
        subject, credential_id, event, operation, act.to, actor.staff_id or actor.kind, ground.reason, now, leaf.id, ground.basis,
        ground.confirmed_by,
    )  # fmt: skip
    if row is None:
        raise CardGone
    if not act.told:
        return
    body = {
        "v": 1, "id": event, "credential": credential_id, "subject": subject, "operation": operation, "state": act.to,
        "reason": ground.reason, "basis": ground.basis, "office": row["org_name"], "at": record.milliseconds(now), "told": act.told,
    }  # fmt: skip
    if row["home"] == node.id:
        await take_change(tx, node, node.id, body)
    else:
        await federation.send(
            tx, node, to=row["home"], kind="credential.changed", about=f"credential:{credential_id}", body=body
        )


async def take_change(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """An issuer did something to a card kept here (收证照变更): the holder's history and a message. Twice is once.

    Raises ValueError for a card of another issuer; one that is not here (given up, moved away) is passed over.
    """
    subject, card, event = str(body["subject"]), str(body["credential"]), str(body["id"])
    row = await tx.fetchrow("SELECT issuer, type_code FROM credential_card WHERE subject = $1 AND id = $2", subject, card)
    if row is None:
        return
    if row["issuer"] != origin:
        raise ValueError("a change of a card of another issuer")
    reason, basis, office = str(body["reason"])[:500], str(body["basis"])[:200], str(body["office"])[:80]
    done = await tx.execute(
        "INSERT INTO credential_card_event (subject, card, id, operation, state, reason, basis, office, at) "
        "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,to_timestamp($9::bigint / 1000.0)) ON CONFLICT DO NOTHING",
        subject, card, event, str(body["operation"])[:20], str(body["state"])[:20],
        node.cipher.seal("case", "credential_card_event.reason", event, reason), basis, office, int(body["at"]),
    )  # fmt: skip
    if done == "INSERT 0 0":
        return
    kind = type_of(node, row["type_code"])
    title = str(body["told"])[:40].replace("{name}", kind.name if kind else "证照")
    text = f"{office}办的。" + (f"理由：{reason}。" if reason else "") + (f"依据：{basis}。" if basis else "") + "不服可以申请复议，或者打 12345。"
    await notifications.notify(
        tx, node, subject=subject, kind="credential.changed", title=title, text=text, link=f"/wallet/{card}", about=f"credential-event:{event}",
        link_words="看证照",
    )  # fmt: skip


async def expire(tx: Tx, node: Node) -> int:
    """Credentials past their last day become expired (到期), by the clock; gives how many.

    Nobody waits for it: pages and verifiers look at the calendar themselves. It makes the register, the list and the history say so.
    """
    act = templates.acts()["expire"]
    rows = await tx.fetch(
        "SELECT subject, id, list_no, list_index FROM credential WHERE valid_until < $1 AND state = ANY($2) "
        "ORDER BY valid_until LIMIT $3 FOR UPDATE SKIP LOCKED",
        node.clock.today(), list(act.begin), AT_ONCE,
    )  # fmt: skip
    changed: dict[int, dict[int, State]] = {}
    for row in rows:
        await write(tx, node, SYSTEM, row["subject"], row["id"], "expire", act, Ground("有效期满"))
        changed.setdefault(row["list_no"], {})[row["list_index"]] = act.to
    for list_no, places in sorted(changed.items()):
        await lists.publish(tx, node, list_no, places)
    return len(rows)


async def remind(tx: Tx, node: Node) -> int:
    """Tell holders whose card runs out within thirty days, once a card and last day (快到期提醒); gives how many."""
    today = node.clock.today()
    rows = await tx.fetch(
        "SELECT subject, id, type_code, valid_until FROM credential_card WHERE valid_until BETWEEN $1 AND $2 AND replaced_by IS NULL "
        "AND reminded_for IS DISTINCT FROM valid_until ORDER BY valid_until LIMIT $3 FOR UPDATE SKIP LOCKED",
        today, today + timedelta(days=REMIND_DAYS), AT_ONCE,
    )  # fmt: skip
    for row in rows:
        kind = type_of(node, row["type_code"])
        name, last = kind.name if kind else "证照", row["valid_until"]
        await notifications.notify(
            tx, node, subject=row["subject"], kind="credential.expiring", title=f"{name}快到期了",
            text=f"{last.month} 月 {last.day} 日到期，早点换新，免得要用时用不了", link=f"/wallet/{row['id']}",
            about=f"credential-expiring:{row['id']}:{last.isoformat()}", link_words="看证照",
        )  # fmt: skip
        await tx.execute(
            "UPDATE credential_card SET reminded_for = valid_until WHERE subject = $1 AND id = $2", row["subject"], row["id"]
        )
    return len(rows)


class Outside(msgspec.Struct, frozen=True):
    """A state in the words of a public licence interface (对外状态): two digits and a name."""

    code: str
    words: str


def outside(state: State) -> Outside:
    """Our state as that interface has it; what it does not know is 99 其他, a replaced one 05 失效 (standards.md 3)."""
    numbers = {
        "valid": "01", "suspended": "02", "revoked": "03", "cancelled": "04", "expired": "05", "superseded": "05", "moved": "06", "withdrawn": "07",
    }  # fmt: skip
    return Outside(numbers.get(state, "99"), STATE_WORD[state])
