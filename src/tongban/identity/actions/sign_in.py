"""Signing in at home 登录: phone or number, code, and for the first time name and number (identity.md 6.1, 8).

Verbs give refusals as values, so that a wrong try is counted and committed. The register is asked between two
transactions (`asks` → `register.ask` → `complete`).
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from typing import Any

import msgspec

from tongban import federation
from tongban.identity.actions import sessions, subjects, throttle
from tongban.identity.errors import failure, refusal, waiting
from tongban.identity.model import LoginStep, Match, MatchAsked, OpenedSession
from tongban.identity.providers import sms
from tongban.identity.queries import persons
from tongban.identity.queries.persons import account, number_index, phone_index
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules import levels, typed
from tongban.identity.rules import throttle as limits
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

RETRY_MATCH = timedelta(minutes=2)


class Browser(msgspec.Struct, frozen=True):
    """What a browser brings along: its words, its address and its device cookie."""

    agent: str
    address: str
    device_cookie: str | None = None


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
    purse = limits.addresses(node.settings.login_per_hour)
    if wait := await throttle.take(tx, node, "login:" + limits.address_block(browser.address), purse):
        return (refusal("identity.too_many", "who", t=waiting(wait)),)
    value = typed.normal(who)
    known = await _account(tx, node, kind, value)
    phone = value if kind == "phone" else None
    if known is not None and known["phone"] is not None:
        phone = node.cipher.open("contact", "account.phone", known["subject"], known["phone"]).reveal()
    device: str | None = None
    if known is not None and browser.device_cookie:
        device = await tx.fetchval(
            "SELECT id FROM device WHERE subject = $1 AND secret_hash = $2", known["subject"], hashed(browser.device_cookie)
        )
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


async def send_code(tx: Tx, node: Node, cookie: str) -> Refusals:
    """Send a code, the one before is void 发验证码; a purse for known devices and one for all others (T-20)."""
    row = await _locked(tx, node, cookie)
    if row["step"] != "code":
        return ()
    whom = row["subject"] or row["id"] if row["phone"] is None else row["subject"] or phone_index(node, _phone(node, row)).hex()
    purse = limits.codes(known_device=row["device_known"], demo=node.settings.demo)
    kind = f"known:{row['device']}" if row["device_known"] else "unknown"
    if wait := await throttle.take(tx, node, f"code:{kind}:{whom}", purse):
        return (refusal("identity.code_limit", "who", t=waiting(wait)),)
    code = f"{secrets.randbelow(10**6):06d}"
    now = node.clock.now()
    await tx.execute(
        "UPDATE login_tx SET code_hash = $2, code_until = $3, sent = sent + 1, tries = 0 WHERE id = $1",
        row["id"], _code_hash(node, row["id"], code), now + timedelta(seconds=limits.CODE_SECONDS),
    )  # fmt: skip
    if row["phone"] is not None:
        await sms(node).send(tx, node, _phone(node, row), code_text(node, code))
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
        phone_masked=typed.masked_phone(_phone(node, row)) if row["phone_typed"] and row["phone"] else "",
        ask_number=not row["device_known"] and row["phone_typed"],
        number_typed=row["typed_number"] is not None,
        level=row["level"],
        expires_at=row["expires_at"],
        tries_left=limits.TRIES - row["tries"],
    )


async def phone_of(tx: Tx, node: Node, cookie: str) -> str:
    """The phone a transaction's code went to, for the demo's notice; empty when none."""
    row = await tx.fetchrow("SELECT id, phone FROM login_tx WHERE cookie_hash = $1", hashed(cookie))
    return "" if row is None or row["phone"] is None else _phone(node, row)


async def number_of(tx: Tx, node: Node, cookie: str) -> str:
    """The document number this browser typed in this transaction, to spare typing it twice; empty when none."""
    row = await tx.fetchrow("SELECT id, typed_number FROM login_tx WHERE cookie_hash = $1", hashed(cookie))
    return "" if row is None else _typed_number(node, row)


async def enter_code(tx: Tx, node: Node, cookie: str, code: str, number: str, browser: Browser) -> OpenedSession | LoginStep | Refusals:
    """The code typed back 填验证码, with the number on a new device: a session, the step `name` for a first time, or refusals."""
    row = await _locked(tx, node, cookie)
    if row["step"] != "code":
        raise failure("identity.code_spent" if row["step"] == "dead" else "identity.tx_gone")
    needs_number = not row["device_known"] and row["phone_typed"]
    if refused := _form_wrong(code, number, needs_number=needs_number) or await _too_late(tx, node, row):
        return refused
    if not hmac.compare_digest(row["code_hash"], _code_hash(node, row["id"], code)):
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
    if needs_number and not await _is_number_of(tx, node, row["subject"], value):
        return await _wrong(tx, node, row, "identity.number_other", "number")
    await tx.execute("UPDATE login_tx SET step = 'done', code_hash = NULL WHERE id = $1", row["id"])
    return await signed_in(tx, node, row["subject"], "otp", ("otp", "sms"), browser)


def _form_wrong(code: str, number: str, *, needs_number: bool) -> Refusals:
    """What is wrong with the form of the answer: costs no try."""
    if not code.isascii() or not code.isdigit() or len(code) != 6:
        return (refusal("identity.code_form", "code"),)
    if needs_number and not number:
        return (refusal("identity.number_needed", "number"),)
    wrong = typed.check_number(number) if needs_number else None
    return (wrong,) if wrong else ()


async def _too_late(tx: Tx, node: Node, row: Any) -> Refusals:
    if row["code_until"] is None or node.clock.now() >= row["code_until"]:
        return (refusal("identity.code_expired", "code"),)
    if pause := await _paused(tx, node, row):
        return (refusal("identity.code_limit", "code", t=waiting(pause)),)
    return ()


async def signed_in(
    tx: Tx, node: Node, subject: str, way: str, amr: tuple[str, ...], browser: Browser, *, bound_acr: int = 3
) -> OpenedSession:
    """A new session of an own account, at the level this way of signing in reaches."""
    row = await tx.fetchrow("SELECT id, proof FROM account WHERE subject = $1 AND status IN ('open', 'restricted')", subject)
    if row is None:
        raise failure("identity.tx_gone")
    return await sessions.open_session(tx, node, sessions.Opening(
        subject=subject, kind="citizen", proof=row["proof"], acr=levels.reached(row["proof"], way, bound_acr=bound_acr),
        amr=amr, agent=browser.agent, account=row["id"], device_cookie=browser.device_cookie,
    ))  # fmt: skip


async def asks(tx: Tx, node: Node, cookie: str, name: str, number: str) -> MatchAsked | Refusals:
    """What to ask the register for a first sign-in 第一次登录要核对的, or what is wrong with what was typed."""
    row = await _locked(tx, node, cookie)
    if row["step"] != "name" or not row["phone_proven"]:
        raise failure("identity.tx_gone")
    wrong: list[Any] = []
    if not typed.normal_name(name) or len(name) > 50:
        wrong.append(refusal("identity.name_needed", "name"))
    if bad := typed.check_number(number):
        wrong.append(bad)
    if wrong:
        return tuple(wrong)
    return MatchAsked(number=typed.normal(number), name=typed.normal_name(name), purpose="open_account")


async def complete(
    tx: Tx, node: Node, cookie: str, asked: MatchAsked, answer: Match | None, browser: Browser
) -> OpenedSession | Refusals:
    """Open the account with the register's answer 开账号; `None` = the register is away: proof 1, asked again by a clock.

    Raises Failure `identity.account_exists` when the person's account is elsewhere.
    """
    row = await _locked(tx, node, cookie)
    if row["step"] != "name":
        raise failure("identity.tx_gone")
    if answer is not None and not answer.matched:
        codes = {"name_differs": ("identity.name_mismatch", "name"), "not_found": ("identity.not_in_register", "number")}
        code, field = codes.get(answer.why, ("identity.match_quota", "number"))
        return (refusal(code, field),)
    if answer is not None and answer.home not in (None, node.id):
        listed = (await federation.directory(tx)).node(str(answer.home))
        raise failure("identity.account_exists", place=listed.name if listed else str(answer.home))
    if answer is not None and await tx.fetchval("SELECT true FROM account WHERE subject = $1", answer.subject):
        raise failure("identity.account_exists", place=node.settings.name)
    phone = _phone(node, row)
    subject = answer.subject if answer is not None and answer.subject else subjects.local_subject()
    await _open_account(tx, node, subject, phone, asked, answer)
    await tx.execute("UPDATE login_tx SET step = 'done', subject = $2 WHERE id = $1", row["id"], subject)
    return await signed_in(tx, node, subject, "otp", ("otp", "sms"), browser)


async def _open_account(tx: Tx, node: Node, subject: str, phone: str, asked: MatchAsked, answer: Match | None) -> None:
    now, proof = node.clock.now(), 1 if answer is None else 2
    await tx.execute(
        "INSERT INTO account (subject, id, phone, bi_phone, proof, proof_method, proof_at, opened_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        subject, uuid7(), node.cipher.seal("contact", "account.phone", subject, phone), phone_index(node, phone), proof,
        "self_declared" if answer is None else "register", now,
    )  # fmt: skip
    await subjects.put_statement(tx, node, subject, answer.statement if answer else None)
    await subjects.put_person(
        tx, node, subject, home=node.id, proof=proof, name=asked.name, number=asked.number,
        photo_held=answer is not None and answer.photo_held, matched=answer is not None,
    )  # fmt: skip
    if answer is None:
        await tx.execute(
            "INSERT INTO match_pending (subject, name, number, asked_at, next_at) VALUES ($1, $2, $3, $4, $5)",
            subject, node.cipher.seal("identity", "match_pending.name", subject, asked.name),
            node.cipher.seal("sensitive", "match_pending.number", subject, asked.number), now, now + RETRY_MATCH,
        )  # fmt: skip
        return
    await tell_hub(tx, node, subject)


async def tell_hub(tx: Tx, node: Node, subject: str) -> None:
    """Let the hub introduce this person 告诉枢纽账号在这里: encrypted to the hub, indexed there and dropped."""
    row = await account(tx, subject)
    person = await persons.person(tx, node, subject)
    if row is None or person is None or person.number is None or person.phone is None:
        return
    await federation.send(
        tx, node, to=node.settings.hub, kind="account.opened", about=f"account:{row.id}",
        body={"number": person.number.reveal(), "phone": person.phone.reveal()},
    )  # fmt: skip


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


async def _locked(tx: Tx, node: Node, cookie: str) -> Any:
    row = await tx.fetchrow(
        "SELECT * FROM login_tx WHERE cookie_hash = $1 AND expires_at > $2 FOR UPDATE", hashed(cookie), node.clock.now()
    )
    if row is None:
        raise failure("identity.tx_gone")
    return row


async def _is_number_of(tx: Tx, node: Node, subject: str, number: str) -> bool:
    blob: bytes | None = await tx.fetchval("SELECT number FROM person WHERE subject = $1", subject)
    kept = "" if blob is None else node.cipher.open("sensitive", "person.number", subject, blob).reveal()
    return hmac.compare_digest(kept.encode(), number.encode())


async def _wrong(tx: Tx, node: Node, row: Any, code: str, field: str) -> Refusals:
    """Count a wrong try; after the fifth the transaction is dead (T-16)."""
    tries = row["tries"] + 1
    await throttle.take(tx, node, f"wrong:{row['subject'] or row['id']}", ((limits.HOUR, 10**6),))
    await tx.execute("UPDATE login_tx SET tries = $2, step = $3 WHERE id = $1", row["id"], tries, "dead" if tries >= limits.TRIES else "code")
    if tries >= limits.TRIES:
        return (refusal("identity.code_spent", field),)
    return (refusal(code, field, n=limits.TRIES - tries),)


async def _paused(tx: Tx, node: Node, row: Any) -> int:
    """Seconds unknown devices still wait after many wrong codes for one account; known devices never do."""
    if row["device_known"] or row["subject"] is None:
        return 0
    wrong = await throttle.counted(tx, node, f"wrong:{row['subject']}", limits.HOUR)
    pause = limits.pause_minutes(wrong) * 60
    since = (node.clock.now() - row["created_at"]).total_seconds()
    return max(0, int(pause - since)) if pause else 0


def _code_hash(node: Node, row: str, code: str) -> bytes:
    return hmac_sm3(node.keys.secret("otp"), f"{row}\x00{code}".encode())


def _phone(node: Node, row: Any) -> str:
    return node.cipher.open("contact", "login_tx.phone", row["id"], row["phone"]).reveal()


def _typed_number(node: Node, row: Any) -> str:
    if row["typed_number"] is None:
        return ""
    return node.cipher.open("sensitive", "login_tx.typed_number", row["id"], row["typed_number"]).reveal()
