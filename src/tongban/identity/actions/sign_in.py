"""Signing in at home 登录: phone or number, code, and for the first time name and number (identity.md 6.1, 8).

Verbs give refusals as values, so that a wrong try is counted and committed. The first time goes on in `first_time`.
Limits fall on the guesser: known devices of an account have purses of their own and never wait (T-16, T-17, T-20).
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tongban import notifications
from tongban.identity.actions import plans, sessions, throttle
from tongban.identity.errors import failure, refusal, waiting
from tongban.identity.model import LoginStep, OpenedSession
from tongban.identity.providers import sms
from tongban.identity.providers.phone_status import Status
from tongban.identity.queries.persons import number_index, phone_index
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules import levels, typed
from tongban.identity.rules import throttle as limits
from tongban.identity.rules.factors import FACTORS
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node


class Browser(msgspec.Struct, frozen=True):
    """What a browser brings along: its words, its address, its device cookie, elder mode, and whether it is a kiosk."""

    agent: str
    address: str
    device_cookie: str | None = None
    elder: bool = False
    kiosk: bool = False


class Begun(msgspec.Struct, frozen=True):
    """A login transaction just begun, with the cookie value that ties it to this browser."""

    step: LoginStep
    cookie: str


async def begin(tx: Tx, node: Node, who: str, *, next_path: str, level: int, browser: Browser) -> Begun | Refusals:
    """Begin a login transaction for a typed phone or document number 开始登录, and send the code.

    The answer is the same whether the account exists or not (T-18): a code goes to the account's phone, or to the typed
    phone when nobody has it yet, or nowhere. Raises Failure `identity.too_many`, `identity.code_limit`.
    """
    kind = typed.kind_of(who)
    if kind is None:
        return (refusal("identity.phone_form", "who"),)
    if kind == "number" and (wrong := typed.check_number(who, "who")):
        return (wrong,)
    value = typed.normal(who)
    known = await _account(tx, node, kind, value)
    phone = value if kind == "phone" else None
    if known is not None and known["phone"] is not None:
        phone = node.cipher.open("contact", "account.phone", known["subject"], known["phone"]).reveal()
    device = None if known is None else await _device_of(tx, known["subject"], browser)
    if wait := await address_wait(tx, node, browser, known_device=device is not None):
        return (refusal("identity.too_many", "who", t=waiting(wait)),)
    row, cookie, now = uuid7(), secrets.token_urlsafe(32), node.clock.now()
    await tx.execute(
        "INSERT INTO login_tx (id, cookie_hash, step, next, level, phone, phone_typed, typed_number, subject, device, device_known,"
        " created_at, expires_at) VALUES ($1, $2, 'code', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        row, hashed(cookie), next_path, level,
        None if phone is None else node.cipher.seal("contact", "login_tx.phone", row, phone), kind == "phone",
        node.cipher.seal("sensitive", "login_tx.typed_number", row, value) if kind == "number" else None,
        known["subject"] if known else None, device, device is not None, now,
        now + timedelta(seconds=limits.TRANSACTION_SECONDS),
    )  # fmt: skip
    if refused := await send_code(tx, node, cookie):
        return refused
    step = await where(tx, node, cookie)
    if step is None:
        raise failure("identity.tx_gone")
    return Begun(step, cookie)


async def address_wait(tx: Tx, node: Node, browser: Browser, *, known_device: bool) -> int:
    """Take one from the purse of this address block; 0, or the seconds to wait. Known devices have a larger one of their own."""
    purse = limits.addresses(node.settings.login_per_hour, browser.address, known_device=known_device)
    kind = "known" if known_device else "new"
    return await throttle.take(tx, node, f"login:{kind}:{limits.address_block(browser.address)}", purse)


async def _device_of(tx: Tx, subject: str, browser: Browser) -> str | None:
    """The device row of this browser when it was seen before with this account and not removed."""
    if not browser.device_cookie:
        return None
    found: str | None = await tx.fetchval(
        "SELECT id FROM device WHERE subject = $1 AND secret_hash = $2 AND ended_at IS NULL", subject, hashed(browser.device_cookie)
    )
    return found


async def send_code(tx: Tx, node: Node, cookie: str) -> Refusals:
    """Send a code, the one before is void 发验证码; a purse for known devices and one for all others (T-20)."""
    row = await locked(tx, node, cookie)
    if row["step"] != "code":
        return ()
    whom = row["subject"] or row["id"] if row["phone"] is None else row["subject"] or phone_index(node, phone_in(node, row)).hex()
    purse = limits.codes(known_device=row["device_known"], demo=node.settings.demo)
    kind = f"known:{row['device']}" if row["device_known"] else "unknown"
    if wait := await throttle.take(tx, node, f"code:{kind}:{whom}", purse):
        return (refusal("identity.code_limit", "who", t=waiting(wait)),)
    guarded = await plans.is_on(tx, node, plans.SPREAD)
    digits = FACTORS.codes.digits_guarded if guarded else FACTORS.codes.digits
    code = f"{secrets.randbelow(10**digits):0{digits}d}"
    now = node.clock.now()
    await tx.execute(
        "UPDATE login_tx SET code_hash = $2, code_until = $3, sent = sent + 1, tries = 0, digits = $4 WHERE id = $1",
        row["id"], _code_hash(node, row["id"], code), now + timedelta(seconds=limits.CODE_SECONDS), digits,
    )  # fmt: skip
    if row["phone"] is not None:
        await sms(node).send(tx, node, phone_in(node, row), code_text(node, code))
    return ()


def code_text(node: Node, code: str) -> str:
    """The text message: no name, no matter; the last line lets browsers fill it only at this host."""
    return f"【{node.settings.name}】验证码 {code}，5 分钟内用。不要告诉别人。\n@{node.settings.host} #{code}"


async def where(tx: Tx, node: Node, cookie: str) -> LoginStep | None:
    """Where the transaction of this browser stands 登录到哪一步了; None when there is none or it ran out."""
    row = await tx.fetchrow("SELECT * FROM login_tx WHERE cookie_hash = $1 AND expires_at > $2", hashed(cookie), node.clock.now())
    if row is None:
        return None
    return LoginStep(
        id=row["id"],
        step=row["step"],
        next=row["next"],
        phone_masked=typed.masked_phone(phone_in(node, row)) if row["phone_typed"] and row["phone"] else "",
        ask_number=not row["device_known"] and row["phone_typed"],
        number_typed=row["typed_number"] is not None,
        level=row["level"],
        expires_at=row["expires_at"],
        tries_left=limits.TRIES - row["tries"],
        digits=row["digits"],
    )


async def phone_of(tx: Tx, node: Node, cookie: str) -> str:
    """The phone a transaction's code went to, for the demo's notice; empty when none."""
    row = await tx.fetchrow("SELECT id, phone FROM login_tx WHERE cookie_hash = $1", hashed(cookie))
    return "" if row is None or row["phone"] is None else phone_in(node, row)


async def number_of(tx: Tx, node: Node, cookie: str) -> str:
    """The document number this browser typed in this transaction, to spare typing it twice; empty when none."""
    row = await tx.fetchrow("SELECT id, typed_number FROM login_tx WHERE cookie_hash = $1", hashed(cookie))
    return "" if row is None else _typed_number(node, row)


async def phone_to_ask(tx: Tx, node: Node, cookie: str) -> tuple[str, datetime] | None:
    """(phone, when it last signed in) of an account whose code was asked for on a new device: is it still this person's?"""
    row = await tx.fetchrow(
        "SELECT t.id, t.phone, coalesce(a.phone_used_at, a.opened_at) AS used_at FROM login_tx t JOIN account a ON a.subject = t.subject"
        " WHERE t.cookie_hash = $1 AND NOT t.device_known AND t.phone IS NOT NULL",
        hashed(cookie),
    )  # fmt: skip
    return None if row is None else (phone_in(node, row), row["used_at"])


def no_longer_theirs(status: Status, used_at: datetime, now: datetime) -> bool:
    """Whether a phone must be taken for given to somebody else 二次放号: unknown counts as yes after 180 silent days (T-19)."""
    return status == "reassigned" or (status == "unknown" and now - used_at > timedelta(days=FACTORS.phone.silent_days))


async def enter_code(
    tx: Tx, node: Node, cookie: str, code: str, number: str, browser: Browser, *, reassigned: bool = False
) -> OpenedSession | LoginStep | Refusals:
    """The code typed back 填验证码, with the number on a new device: a session, the step `name` for a first time, or refusals.

    With `reassigned` the phone may be somebody else's by now: the right code signs nobody in.
    """
    row = await locked(tx, node, cookie)
    if row["step"] != "code":
        raise failure("identity.code_spent" if row["step"] == "dead" else "identity.tx_gone")
    needs_number = not row["device_known"] and row["phone_typed"]
    if refused := _form_wrong(code, number, row["digits"], needs_number=needs_number) or await _too_late(tx, node, row):
        return refused
    right = hmac.compare_digest(row["code_hash"], _code_hash(node, row["id"], code))
    plans.note_code(node, wrong=not right)
    if not right:
        return await _wrong(tx, node, row, "identity.code_wrong", "code")
    value = typed.normal(number) if needs_number else _typed_number(node, row)
    if row["subject"] is None:
        if not row["phone_typed"]:
            return await _wrong(tx, node, row, "identity.code_wrong", "code")
        await tx.execute(
            "UPDATE login_tx SET step = 'name', phone_proven = true, typed_number = $2 WHERE id = $1",
            row["id"], node.cipher.seal("sensitive", "login_tx.typed_number", row["id"], value),
        )  # fmt: skip
        step = await where(tx, node, cookie)
        if step is None:
            raise failure("identity.tx_gone")
        return step
    if needs_number and not await is_number_of(tx, node, row["subject"], value):
        return await _wrong(tx, node, row, "identity.number_other", "number")
    if reassigned:
        return (refusal("identity.phone_reassigned", "code"),)
    await tx.execute("UPDATE login_tx SET step = 'done', code_hash = NULL WHERE id = $1", row["id"])
    return await signed_in(tx, node, row["subject"], "otp", ("otp", "sms"), browser)


def _form_wrong(code: str, number: str, digits: int, *, needs_number: bool) -> Refusals:
    """What is wrong with the form of the answer: costs no try."""
    if not code.isascii() or not code.isdigit() or len(code) != digits:
        return (refusal("identity.code_form_guarded", "code", digits=digits),)
    if needs_number and not number:
        return (refusal("identity.number_needed", "number"),)
    wrong = typed.check_number(number) if needs_number else None
    return (wrong,) if wrong else ()


async def _too_late(tx: Tx, node: Node, row: Any) -> Refusals:
    if row["code_until"] is None or node.clock.now() >= row["code_until"]:
        return (refusal("identity.code_expired", "code"),)
    if row["device_known"] or row["subject"] is None:
        return ()
    if pause := await throttle.paused(tx, node, f"account:{row['subject']}"):
        return (refusal("identity.code_limit", "code", t=waiting(pause)),)
    return ()


async def signed_in(
    tx: Tx, node: Node, subject: str, way: str, amr: tuple[str, ...], browser: Browser, *, bound_acr: int = 3, first: bool = False,
    most: int = 4,
) -> OpenedSession:  # fmt: skip
    """A new session of an own account, at the level this way of signing in reaches, `most` at most.

    A restricted account (手机丢了) reaches level 1 until a passkey lifts it. On a device not seen before the person is told.
    """
    row = await tx.fetchrow(
        "UPDATE account SET phone_used_at = CASE WHEN $2 THEN $3 ELSE phone_used_at END"
        " WHERE subject = $1 AND status IN ('open', 'restricted') RETURNING id, proof, restricted_until",
        subject, way == "otp", node.clock.now(),
    )  # fmt: skip
    if row is None:
        raise failure("identity.tx_gone")
    acr = min(levels.reached(row["proof"], way, bound_acr=bound_acr), most)
    if row["restricted_until"] is not None and row["restricted_until"] > node.clock.now():
        acr = 1
    opened = await sessions.open_session(tx, node, sessions.Opening(
        subject=subject, kind="kiosk" if browser.kiosk else "citizen", proof=row["proof"], acr=acr, amr=amr, agent=browser.agent,
        account=row["id"], device_cookie=browser.device_cookie, elder=browser.elder,
    ))  # fmt: skip
    if opened.session.new_device and not first:
        await notifications.notify(
            tx, node, subject=subject, kind="identity.new_device", about=f"session:{opened.session.id}", title="在新设备上登录了",
            text=f"{typed.browser_words(browser.agent)}刚登录了你的账号。不是你，就点进去退出所有设备。", link="/me/devices",
        )  # fmt: skip
    return opened


async def _account(tx: Tx, node: Node, kind: str, value: str) -> Any:
    if kind == "phone":
        return await tx.fetchrow(
            "SELECT subject, phone FROM account WHERE bi_phone = $1 AND status IN ('open', 'restricted') ORDER BY opened_at LIMIT 1",
            phone_index(node, value),
        )
    return await tx.fetchrow(
        "SELECT a.subject, a.phone FROM account a JOIN person p ON p.subject = a.subject"
        " WHERE p.bi_number = $1 AND a.status IN ('open', 'restricted')",
        number_index(node, value),
    )


async def locked(tx: Tx, node: Node, cookie: str) -> Any:
    """The row of this browser's transaction, locked. Raises `identity.tx_gone`."""
    row = await tx.fetchrow(
        "SELECT * FROM login_tx WHERE cookie_hash = $1 AND expires_at > $2 FOR UPDATE", hashed(cookie), node.clock.now()
    )
    if row is None:
        raise failure("identity.tx_gone")
    return row


async def is_number_of(tx: Tx, node: Node, subject: str, number: str) -> bool:
    """Whether this is the document number of that person, compared in constant time."""
    blob: bytes | None = await tx.fetchval("SELECT number FROM person WHERE subject = $1", subject)
    kept = "" if blob is None else node.cipher.open("sensitive", "person.number", subject, blob).reveal()
    return hmac.compare_digest(kept.encode(), number.encode())


async def _wrong(tx: Tx, node: Node, row: Any, code: str, field: str) -> Refusals:
    """Count a wrong try; after the fifth the transaction is dead (T-16). Many wrong ones pause unknown devices only (T-20)."""
    tries = row["tries"] + 1
    if not row["device_known"] and row["subject"] is not None:
        await throttle.wrong(tx, node, f"account:{row['subject']}")
    await tx.execute("UPDATE login_tx SET tries = $2, step = $3 WHERE id = $1", row["id"], tries, "dead" if tries >= limits.TRIES else "code")
    if tries >= limits.TRIES:
        return (refusal("identity.code_spent", field),)
    return (refusal(code, field, n=limits.TRIES - tries),)


def _code_hash(node: Node, row: str, code: str) -> bytes:
    return hmac_sm3(node.keys.secret("otp"), f"{row}\x00{code}".encode())


def phone_in(node: Node, row: Any) -> str:
    """The phone of a transaction's row."""
    return node.cipher.open("contact", "login_tx.phone", row["id"], row["phone"]).reveal()


def _typed_number(node: Node, row: Any) -> str:
    if row["typed_number"] is None:
        return ""
    return node.cipher.open("sensitive", "login_tx.typed_number", row["id"], row["typed_number"]).reveal()
