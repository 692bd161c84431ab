"""A new phone number 换手机号 (identity.md 8): two of {passkey, old number, face} at once, else 72 hours with notices and 停止.

Also begun by somebody who cannot sign in at all: then name, number and the new phone are typed, and the answer is the same
whether such an account exists or not (T-18). The 72 hours are in `phone_waiting`.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tongban import notifications
from tongban.identity.actions import ending, first_time, sessions, throttle
from tongban.identity.actions.subjects import stand_in
from tongban.identity.errors import failure, refusal
from tongban.identity.model import Session
from tongban.identity.providers import sms
from tongban.identity.queries.persons import person_by_number, phone_index, phone_of
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules import throttle as limits
from tongban.identity.rules import typed
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.recovery import complete, missing
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Where a change stands 换号到哪一步."""

    subject: str
    id: str
    phone: str
    shown: tuple[str, ...]
    state: str
    due_at: datetime | None
    signed_in: bool

    @property
    def missing(self) -> int:
        """How many more proofs an immediate change needs."""
        return missing(self.shown)


async def begin_signed_in(tx: Tx, node: Node, session: Session, phone: str, *, hall: bool) -> str | Refusals:
    """Begin in a session 登录着换号: a code goes to the new number; the cookie value of the transaction."""
    if typed.kind_of(phone) != "phone":
        return (refusal("identity.recover_form", "phone"),)
    value = typed.normal(phone)
    if await phone_of(tx, node, session.subject) == value:
        return (refusal("identity.recover_same", "phone"),)
    if wait := await throttle.take(tx, node, f"change:{session.subject}", ((limits.DAY, FACTORS.recovery.begins_account_day),)):
        return (refusal("identity.too_many", "phone", wait=wait),)
    return await _begin(tx, node, session.subject, value, session=session.id, shown=["hall"] if hall else [])


async def begin_waiting(tx: Tx, node: Node, *, name: str, number: str, phone: str, address: str) -> str | Refusals:
    """Begin without being signed in 登录不了的时候. Whether the account exists shows in nothing of the answer."""
    wrong = [refusal("identity.name_needed", "name")] if not typed.normal_name(name) else []
    if bad := typed.check_number(number):
        wrong.append(bad)
    if typed.kind_of(phone) != "phone":
        wrong.append(refusal("identity.recover_form", "phone"))
    if wrong:
        return tuple(wrong)
    demo, value = node.settings.demo, typed.normal(phone)
    if wait := await throttle.take(tx, node, f"recover:{limits.address_block(address)}", limits.a_day(FACTORS.recovery.begins_address_day, address, demo=demo)):
        return (refusal("identity.too_many", "phone", wait=wait),)
    if wait := await throttle.take(tx, node, f"change-to:{value}", limits.codes(known_device=False, demo=demo)):
        return (refusal("identity.code_limit", "phone", wait=wait),)
    found = await person_by_number(tx, node, typed.normal(number))
    known = found is not None and found.name is not None and found.name.reveal() == typed.normal_name(name) and found.home == node.id
    subject = found.subject if known and found is not None else stand_in(node, typed.normal(number), typed.normal_name(name))
    return await _begin(tx, node, subject, value, session=None, shown=[])


async def _begin(tx: Tx, node: Node, subject: str, phone: str, *, session: str | None, shown: list[str]) -> str:
    row, cookie, now, code = uuid7(), secrets.token_urlsafe(32), node.clock.now(), _code()
    await tx.execute(
        "INSERT INTO phone_change (subject, id, cookie_hash, session, phone, code_hash, code_until, shown, state, made_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', $9)",
        subject, row, hashed(cookie), session, node.cipher.seal("contact", "phone_change.phone", row, phone),
        _hash(node, row, "new", code), now + timedelta(seconds=limits.CODE_SECONDS), shown, now,
    )  # fmt: skip
    await sms(node).send(tx, node, phone, _text(node, code))
    return cookie


def _code() -> str:
    return f"{secrets.randbelow(10**6):06d}"


def _text(node: Node, code: str) -> str:
    return f"【{node.settings.name}】换手机号的验证码 {code}，5 分钟内用。不是你在换，就不要理它。\n@{node.settings.host} #{code}"


def _hash(node: Node, row: str, which: str, code: str) -> bytes:
    return hmac_sm3(node.keys.secret("otp"), f"change\x00{row}\x00{which}\x00{code}".encode())


async def where(tx: Tx, node: Node, cookie: str) -> Change | None:
    """Where the change of this browser stands; None when there is none."""
    row = await tx.fetchrow("SELECT * FROM phone_change WHERE cookie_hash = $1", hashed(cookie))
    return None if row is None else change_of(node, row)


def change_of(node: Node, row: Any) -> Change:
    """A row of phone_change as the change it is."""
    return Change(
        subject=row["subject"], id=row["id"], phone=node.cipher.open("contact", "phone_change.phone", row["id"], row["phone"]).reveal(),
        shown=tuple(row["shown"]), state=row["state"], due_at=row["due_at"], signed_in=row["session"] is not None,
    )  # fmt: skip


async def send_again(tx: Tx, node: Node, cookie: str, which: str) -> Refusals:
    """Send a code to the `new` number again, or to the `old` one, which is registered now 重新发验证码; the one before is void.

    The old number is one of the proofs: its code goes out once the new number has answered, in the person's own session.
    """
    row = await opened(tx, node, cookie)
    if which == "new":
        phone: str | None = None if "new" in row["shown"] else node.cipher.open("contact", "phone_change.phone", row["id"], row["phone"]).reveal()
        purse, known = f"change-code:{row['subject']}", True
        if row["session"] is None and phone is not None:
            purse, known = f"change-to:{phone}", False
    else:
        phone = await phone_of(tx, node, row["subject"]) if row["session"] is not None and "new" in row["shown"] else None
        purse, known = f"old:{row['subject']}", True
    if phone is None:
        return ()
    if wait := await throttle.take(tx, node, purse, limits.codes(known_device=known, demo=node.settings.demo)):
        return (refusal("identity.code_limit", "way", wait=wait),)
    code, column = _code(), "code_hash" if which == "new" else "old_code_hash"
    await tx.execute(
        f"UPDATE phone_change SET {column} = $3, code_until = $4 WHERE subject = $1 AND id = $2",
        row["subject"], row["id"], _hash(node, row["id"], which, code), node.clock.now() + timedelta(seconds=limits.CODE_SECONDS),
    )  # fmt: skip
    await sms(node).send(tx, node, phone, _text(node, code))
    return ()


async def enter(tx: Tx, node: Node, cookie: str, *, which: str, code: str) -> Refusals:
    """A code typed back, of the `new` or the `old` number; five wrong ones end the change."""
    row = await opened(tx, node, cookie)
    kept = row["code_hash"] if which == "new" else row["old_code_hash"]
    right = kept is not None and hmac.compare_digest(kept, _hash(node, row["id"], which, code))
    if row["code_until"] <= node.clock.now():
        return (refusal("identity.code_expired", which),)
    if not right:
        tries = row["tries"] + 1
        state = "dead" if tries >= limits.TRIES else "open"
        await tx.execute("UPDATE phone_change SET tries = $3, state = $4 WHERE subject = $1 AND id = $2", row["subject"], row["id"], tries, state)
        if state == "dead":
            return (refusal("identity.code_spent", which),)
        return (refusal("identity.recover_code", which, n=limits.TRIES - tries),)
    await _show(tx, row, which)
    return ()


async def show(tx: Tx, node: Node, cookie: str, subject: str, way: str) -> None:
    """One more proof of `subject`, the person signed in, was given: `passkey` or `face`, judged by the caller."""
    await _show(tx, await _own(tx, node, cookie, subject), way)


async def _show(tx: Tx, row: Any, way: str) -> None:
    await tx.execute(
        "UPDATE phone_change SET shown = array_append(array_remove(shown, $3), $3) WHERE subject = $1 AND id = $2", row["subject"], row["id"], way
    )


async def opened(tx: Tx, node: Node, cookie: str) -> Any:
    """The row of this browser's change that is still under way, locked 正在办的换号. Raises Failure `identity.recover_gone`."""
    row = await tx.fetchrow(
        "SELECT * FROM phone_change WHERE cookie_hash = $1 AND state = 'open' AND made_at > $2 FOR UPDATE",
        hashed(cookie), node.clock.now() - timedelta(seconds=limits.TRANSACTION_SECONDS),
    )  # fmt: skip
    if row is None:
        raise failure("identity.recover_gone")
    return row


async def _own(tx: Tx, node: Node, cookie: str, subject: str) -> Any:
    """As `opened`, of this very person: whoever signs in after another at the same browser proves nothing for the account before."""
    row = await opened(tx, node, cookie)
    if row["subject"] != subject:
        raise failure("identity.recover_gone")
    return row


async def finish_now(tx: Tx, node: Node, cookie: str, subject: str, agent: str) -> Refusals:
    """Change the number at once 马上换, when the new number answered and the person signed in gave two proofs."""
    row = await _own(tx, node, cookie, subject)
    if row["session"] is None or not complete(row["shown"]):
        return (refusal("identity.recover_ways", "way"),)
    await tx.execute("UPDATE phone_change SET state = 'done', ended_at = $3 WHERE subject = $1 AND id = $2", row["subject"], row["id"], node.clock.now())
    await change_number(tx, node, row, agent, recovered="hall" in row["shown"])
    return ()


STOP = "UPDATE phone_change SET state = 'stopped', ended_at = $1 WHERE state = 'waiting'"
"""Ends changes that wait; a condition and RETURNING * stand behind it, and `over` tells the numbers."""


async def over(tx: Tx, node: Node, rows: Sequence[Any]) -> None:
    """Tell each number that waited that it will not be taken 没有换成, and what to do: who lost every old channel reads it there alone."""
    for row in rows:
        phone = node.cipher.open("contact", "phone_change.phone", row["id"], row["phone"]).reveal()
        await sms(node).send(tx, node, phone, f"【{node.settings.name}】换手机号没有换成这个号码。是你本人要换，带身份证到大厅，当场办好。")


async def change_number(tx: Tx, node: Node, row: Any, agent: str, *, recovered: bool) -> None:
    """The new number 换上新号码, notices to the old one; a recovered account ends every session and keeps its limits for a day.

    Whatever else waits for this account is over: it was begun against the number before.
    """
    subject, now = row["subject"], node.clock.now()
    phone = node.cipher.open("contact", "phone_change.phone", row["id"], row["phone"]).reveal()
    old = await phone_of(tx, node, subject)
    await tx.execute(
        "UPDATE account SET phone = $2, bi_phone = $3, phone_used_at = $4,"
        " recovered_until = CASE WHEN $5 THEN $6 ELSE recovered_until END WHERE subject = $1",
        subject, node.cipher.seal("contact", "account.phone", subject, phone), phone_index(node, phone), now, recovered,
        now + timedelta(hours=FACTORS.recovery.limits_hours),
    )  # fmt: skip
    await over(tx, node, await tx.fetch(STOP + " AND subject = $2 RETURNING *", now, subject))
    await sessions.record(tx, node, subject, "phone_changed", 2, agent)
    text = "账号的手机号换好了。不是你换的，马上带身份证到大厅。"
    await notifications.notify(
        tx, node, subject=subject, kind="identity.phone_changed", about=f"change:{row['id']}", title="手机号换好了", text=text, link="/me/devices"
    )
    for one in filter(None, (old, phone)):
        await sms(node).send(tx, node, one, f"【{node.settings.name}】{text}")
    if recovered and row["session"] is None:
        await ending.leave_everywhere(tx, node, subject, "recovered")
    await first_time.tell_hub(tx, node, subject, old_phone=old or "")
    log("identity.phone_changed", kind="recovered" if recovered else "at_once", node=node.id)
