"""A new phone number 换手机号 (identity.md 8): two of {passkey, old number, face} at once, else 72 hours with notices and 停止.

Also begun by somebody who cannot sign in at all: then name, number and the new phone are typed, and the answer is the same
whether such an account exists or not (T-18). Nothing changes before the waiting is over; every old channel can stop it.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tongban import notifications
from tongban.identity.actions import ending, first_time, sessions, throttle
from tongban.identity.actions.subjects import local_subject
from tongban.identity.errors import failure, refusal
from tongban.identity.model import Session
from tongban.identity.providers import sms
from tongban.identity.queries.persons import person_by_number, phone_index, phone_of
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules import throttle as limits
from tongban.identity.rules import typed
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.recovery import complete, missing
from tongban.kernel.clock import CHINA
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
    if wait := await throttle.take(tx, node, f"change:{session.subject}", ((limits.DAY, 10),)):
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
    purse = ((limits.DAY, FACTORS.recovery.begins_address_day * (FACTORS.codes.demo_factor if node.settings.demo else 1)),)
    if wait := await throttle.take(tx, node, f"recover:{limits.address_block(address)}", purse):
        return (refusal("identity.too_many", "phone", wait=wait),)
    found = await person_by_number(tx, node, typed.normal(number))
    known = found is not None and found.name is not None and found.name.reveal() == typed.normal_name(name) and found.home == node.id
    subject = found.subject if known and found is not None else local_subject()
    return await _begin(tx, node, subject, typed.normal(phone), session=None, shown=[])


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
    return None if row is None else _change(node, row)


def _change(node: Node, row: Any) -> Change:
    return Change(
        subject=row["subject"], id=row["id"], phone=node.cipher.open("contact", "phone_change.phone", row["id"], row["phone"]).reveal(),
        shown=tuple(row["shown"]), state=row["state"], due_at=row["due_at"], signed_in=row["session"] is not None,
    )  # fmt: skip


async def running(tx: Tx, node: Node, subject: str) -> Change | None:
    """The change of this person that is waiting out its 72 hours, to be shown with 停止."""
    row = await tx.fetchrow("SELECT * FROM phone_change WHERE subject = $1 AND state = 'waiting' ORDER BY due_at LIMIT 1", subject)
    return None if row is None else _change(node, row)


async def send_again(tx: Tx, node: Node, cookie: str, which: str) -> Refusals:
    """Send a code to the `new` number again, or to the `old` one, which is registered now 重新发验证码; the one before is void.

    The old number is one of the proofs: its code goes out once the new number has answered, in the person's own session.
    """
    row = await _open(tx, node, cookie)
    if which == "new":
        phone: str | None = None if "new" in row["shown"] else node.cipher.open("contact", "phone_change.phone", row["id"], row["phone"]).reveal()
        purse = f"change-code:{row['id']}"
    else:
        phone = await phone_of(tx, node, row["subject"]) if row["session"] is not None and "new" in row["shown"] else None
        purse = f"old:{row['subject']}"
    if phone is None:
        return ()
    if wait := await throttle.take(tx, node, purse, limits.codes(known_device=True, demo=node.settings.demo)):
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
    row = await _open(tx, node, cookie)
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


async def _open(tx: Tx, node: Node, cookie: str) -> Any:
    row = await tx.fetchrow(
        "SELECT * FROM phone_change WHERE cookie_hash = $1 AND state = 'open' AND made_at > $2 FOR UPDATE",
        hashed(cookie), node.clock.now() - timedelta(seconds=limits.TRANSACTION_SECONDS),
    )  # fmt: skip
    if row is None:
        raise failure("identity.recover_gone")
    return row


async def _own(tx: Tx, node: Node, cookie: str, subject: str) -> Any:
    """As `_open`, of this very person: whoever signs in after another at the same browser proves nothing for the account before."""
    row = await _open(tx, node, cookie)
    if row["subject"] != subject:
        raise failure("identity.recover_gone")
    return row


async def finish_now(tx: Tx, node: Node, cookie: str, subject: str, agent: str) -> Refusals:
    """Change the number at once 马上换, when the new number answered and the person signed in gave two proofs."""
    row = await _own(tx, node, cookie, subject)
    if row["session"] is None or not complete(row["shown"]):
        return (refusal("identity.recover_ways", "way"),)
    await tx.execute("UPDATE phone_change SET state = 'done', ended_at = $3 WHERE subject = $1 AND id = $2", row["subject"], row["id"], node.clock.now())
    await _change_number(tx, node, row, agent, recovered="hall" in row["shown"])
    return ()


async def wait(tx: Tx, node: Node, cookie: str) -> datetime | Refusals:
    """Begin the 72 hours 开始等: the new number must have answered; a notice with 停止 goes to every old channel."""
    row = await _open(tx, node, cookie)
    if "new" not in row["shown"]:
        return (refusal("identity.recover_code", "new", n=limits.TRIES - row["tries"]),)
    now, word = node.clock.now(), secrets.token_urlsafe(16)
    due = now + timedelta(hours=FACTORS.recovery.wait_hours)
    await tx.execute(
        "UPDATE phone_change SET state = 'waiting', due_at = $3, stop_hash = $4 WHERE subject = $1 AND id = $2",
        row["subject"], row["id"], due, hashed(word),
    )  # fmt: skip
    if not row["subject"].startswith("l"):
        await tx.execute(
            "UPDATE phone_change SET state = 'stopped', ended_at = $3 WHERE subject = $1 AND state = 'waiting' AND id <> $2",
            row["subject"], row["id"], now,
        )  # fmt: skip
        await _notice(tx, node, row["subject"], row["id"], due, word)
    return due


async def _notice(tx: Tx, node: Node, subject: str, row: str, due: datetime, word: str) -> None:
    at = due.astimezone(CHINA)
    when = f"{at.month}月{at.day}日 {at:%H:%M}"
    link = f"/recover/stop/{word}"
    await notifications.notify(
        tx, node, subject=subject, kind="identity.phone_waiting", about=f"change:{row}", title="有人要换你账号的手机号",
        text=f"{when}换成新号码。不是你，点进去就停。", link=link, link_words="停止",
    )  # fmt: skip
    if phone := await phone_of(tx, node, subject):
        await sms(node).send(
            tx, node, phone, f"【{node.settings.name}】有人要在{when}换掉你账号的手机号。不是你，打开这里就停：{node.settings.base_url}{link}"
        )


async def stop(tx: Tx, node: Node, *, word: str = "", subject: str = "") -> bool:
    """停止: by the word in a notice, or by the person signed in. Whether something was waiting."""
    stopped: str | None = await tx.fetchval(
        "UPDATE phone_change SET state = 'stopped', ended_at = $3 WHERE state = 'waiting'"
        " AND (stop_hash = $1 OR subject = $2) RETURNING subject",
        hashed(word) if word else b"-", subject, node.clock.now(),
    )  # fmt: skip
    if stopped is not None:
        await sessions.record(tx, node, stopped, "phone_stopped", 1, "")
    return stopped is not None


async def finish_due(node: Node) -> int:
    """Change the numbers whose 72 hours passed without 停止 到期换号; how many."""
    async with node.db.reading() as tx:
        due = await tx.fetch("SELECT subject, id FROM phone_change WHERE state = 'waiting' AND due_at <= $1 LIMIT 50", node.clock.now())
    for one in due:
        async with node.db.transaction() as tx:
            row = await tx.fetchrow(
                "UPDATE phone_change SET state = 'done', ended_at = $3 WHERE subject = $1 AND id = $2 AND state = 'waiting' RETURNING *",
                one["subject"], one["id"], node.clock.now(),
            )  # fmt: skip
            if row is not None and not row["subject"].startswith("l"):
                await _change_number(tx, node, row, "", recovered=True)
    return len(due)


async def _change_number(tx: Tx, node: Node, row: Any, agent: str, *, recovered: bool) -> None:
    """The new number, notices to the old one; a recovered account ends every session and keeps its limits for a day."""
    subject, now = row["subject"], node.clock.now()
    phone = node.cipher.open("contact", "phone_change.phone", row["id"], row["phone"]).reveal()
    old = await phone_of(tx, node, subject)
    await tx.execute(
        "UPDATE account SET phone = $2, bi_phone = $3, phone_used_at = $4,"
        " recovered_until = CASE WHEN $5 THEN $6 ELSE recovered_until END WHERE subject = $1",
        subject, node.cipher.seal("contact", "account.phone", subject, phone), phone_index(node, phone), now, recovered,
        now + timedelta(hours=FACTORS.recovery.limits_hours),
    )  # fmt: skip
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
