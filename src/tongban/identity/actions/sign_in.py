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

from tongban.identity.actions import plans, sessions, throttle
from tongban.identity.errors import failure, refusal
from tongban.identity.model import LoginStep, OpenedSession
from tongban.identity.providers import sms
from tongban.identity.providers.phone_status import Status
from tongban.identity.providers.sms import NEWEST, shown
from tongban.identity.queries.persons import number_marks, phone_index, phone_marks
from tongban.identity.queries.sessions import hashed, seen_before
from tongban.identity.rules import levels, typed
from tongban.identity.rules import throttle as limits
from tongban.identity.rules.factors import FACTORS
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts


class Browser(msgspec.Struct, frozen=True):
    """What a browser brings along: its words, its address, its device cookie, elder mode, and whether it is a kiosk."""

    agent: str
    address: str
    device_cookie: str | None = None
    elder: bool = False
    kiosk: bool = False


class Begun(msgspec.Struct, frozen=True):
    """A login transaction just begun, with the cookie value that ties it to this browser."""

    id: str
    cookie: str


class LookAgain(Exception):
    """Another try was counted, or another code sent, since `look`."""


async def begin(tx: Tx, node: Node, who: str, *, next_path: str, level: int, browser: Browser) -> Begun | Refusals:
    """Begin a login transaction for a typed phone or document number 开始登录, and send the code.

    The answer is the same whether the account exists or not (T-18): a code goes to the account's phone, or to the typed
    phone when nobody has it yet, or nowhere. Two statements: who that is, then purses, transaction and message, each only
    if the one before allows it.
    """
    kind = typed.kind_of(who)
    if kind is None:
        return (refusal("identity.phone_form", "who"),)
    if kind == "number" and (wrong := typed.check_number(who, "who")):
        return (wrong,)
    value = typed.normal(who)
    known = await _account(tx, node, kind, value, browser)
    phone = value if kind == "phone" else None
    if known is not None and known["phone"] is not None:
        phone = node.cipher.open("contact", "account.phone", known["subject"], known["phone"]).reveal()
    subject, device = (None, None) if known is None else (known["subject"], known["device"])
    row, cookie, now = uuid7(), secrets.token_urlsafe(32), node.clock.now()
    code, digits = await _new_code(tx, node)
    parts = Parts()
    throttle.taking(parts, "asked", node, *_address_purse(node, browser, known_device=device is not None))
    throttle.taking(
        parts, "sent", node, *_code_purse(node, row, subject=subject, device=device, phone=phone),
        source="(SELECT FROM asked_wait WHERE wait IS NULL) AS allowed",
    )  # fmt: skip
    parts.add(
        "begun",
        "INSERT INTO login_tx (id, cookie_hash, step, next, level, phone, phone_typed, typed_number, subject, device, device_known,"
        " created_at, expires_at, code_hash, code_until, sent, digits, bi_phone, pause_key)"
        " SELECT $1, $2, 'code', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $15, $16, $17 FROM asked_wait, sent_wait"
        " WHERE asked_wait.wait IS NULL AND sent_wait.wait IS NULL RETURNING id",
        row, hashed(cookie), next_path, level,
        None if phone is None else node.cipher.seal("contact", "login_tx.phone", row, phone), kind == "phone",
        node.cipher.seal("sensitive", "login_tx.typed_number", row, value) if kind == "number" else None,
        subject, device, device is not None, now, now + timedelta(seconds=limits.TRANSACTION_SECONDS),
        _code_hash(node, row, code), now + timedelta(seconds=limits.CODE_SECONDS), digits,
        None if phone is None else phone_index(node, phone),
        None if subject is None else throttle.pause_key(node, subject),
    )  # fmt: skip
    if phone is not None:
        sms(node).sending(parts, node, phone, code_text(node, code), source="begun")
    done = await parts.run(tx, "SELECT (SELECT wait FROM asked_wait) AS too_many, (SELECT wait FROM sent_wait) AS too_soon")
    if done["too_many"]:
        return (refusal("identity.too_many", "who", wait=done["too_many"]),)
    if done["too_soon"]:
        return (refusal("identity.code_limit", "who", wait=done["too_soon"]),)
    return Begun(row, cookie)


async def address_wait(tx: Tx, node: Node, browser: Browser) -> int:
    """Take one from the purse of this address block; 0, or the seconds to wait. Known devices have a larger one of their own.

    A cookie this node never gave makes no known device, so nobody empties the purse of those who live behind the same address.
    """
    known = browser.device_cookie is not None and await seen_before(tx, browser.device_cookie)
    return await throttle.take(tx, node, *_address_purse(node, browser, known_device=known))


def _address_purse(node: Node, browser: Browser, *, known_device: bool) -> tuple[str, limits.Purse]:
    purse = limits.addresses(node.settings.login_per_hour, browser.address, known_device=known_device)
    return f"login:{'known' if known_device else 'new'}:{limits.address_block(browser.address)}", purse


def _code_purse(node: Node, row: str, *, subject: str | None, device: str | None, phone: str | None) -> tuple[str, limits.Purse]:
    """A purse for each known device, and one for all others together, so that nobody can empty the owner's (T-20)."""
    whom = subject or (row if phone is None else phone)
    kind = f"known:{device}" if device is not None else "unknown"
    return f"code:{kind}:{whom}", limits.codes(known_device=device is not None, demo=node.settings.demo)


async def _new_code(tx: Tx, node: Node) -> tuple[str, int]:
    digits = FACTORS.codes.digits_guarded if await plans.is_on(tx, node, plans.SPREAD) else FACTORS.codes.digits
    return f"{secrets.randbelow(10**digits):0{digits}d}", digits


async def send_code(tx: Tx, node: Node, cookie: str) -> Refusals:
    """Send another code, the one before is void 重新发验证码."""
    row = await locked(tx, node, cookie)
    if row["step"] != "code":
        return ()
    phone, now = None if row["phone"] is None else phone_in(node, row), node.clock.now()
    device = row["device"] if row["device_known"] else None
    if wait := await throttle.take(tx, node, *_code_purse(node, row["id"], subject=row["subject"], device=device, phone=phone)):
        return (refusal("identity.code_limit", "who", wait=wait),)
    code, digits = await _new_code(tx, node)
    await tx.execute(
        "UPDATE login_tx SET code_hash = $2, code_until = $3, sent = sent + 1, tries = 0, digits = $4, bi_phone = $5 WHERE id = $1",
        row["id"], _code_hash(node, row["id"], code), now + timedelta(seconds=limits.CODE_SECONDS), digits,
        None if phone is None else phone_index(node, phone),
    )  # fmt: skip
    if phone is not None:
        await sms(node).send(tx, node, phone, code_text(node, code))
    return ()


def code_text(node: Node, code: str) -> str:
    """The text message: no name, no matter; the last line lets browsers fill it only at this host."""
    return f"【{node.settings.name}】验证码 {code}，5 分钟内用。不要告诉别人。\n@{node.settings.host} #{code}"


async def where(tx: Tx, node: Node, cookie: str) -> LoginStep | None:
    """Where the transaction of this browser stands 登录到哪一步了; None when there is none or it ran out."""
    row = await tx.fetchrow("SELECT * FROM login_tx WHERE cookie_hash = $1 AND expires_at > $2", hashed(cookie), node.clock.now())
    return None if row is None else step_of(node, row)


async def where_shown(tx: Tx, node: Node, cookie: str) -> tuple[LoginStep, str] | None:
    """As `where`, with the newest message to that phone as a demo node shows it; empty elsewhere."""
    join, columns = (NEWEST, ", sms_id, sms_text") if node.settings.demo else ("", "")
    row = await tx.fetchrow(
        f"SELECT t.*{columns} FROM login_tx t {join} WHERE t.cookie_hash = $1 AND t.expires_at > $2", hashed(cookie), node.clock.now()
    )
    return None if row is None else (step_of(node, row), shown(node, row) if node.settings.demo else "")


def step_of(node: Node, row: Any) -> LoginStep:
    """A row of login_tx as the step it stands at."""
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


async def number_of(tx: Tx, node: Node, cookie: str) -> str:
    """The document number this browser typed in this transaction, to spare typing it twice; empty when none."""
    row = await tx.fetchrow("SELECT id, typed_number FROM login_tx WHERE cookie_hash = $1", hashed(cookie))
    return "" if row is None else _typed_number(node, row)


async def look(tx: Tx, node: Node, cookie: str) -> Any:
    """All that judging a typed code needs to know 填验证码前要看的, in one look and without a lock. Raises `identity.tx_gone`.

    `provider_way` says how the demo's twin of the operators' service behaves.
    """
    way = "(SELECT way FROM demo_provider WHERE name = 'phone_status')" if node.settings.demo else "NULL"
    row = await tx.fetchrow(
        f"SELECT t.*, a.id AS account, a.proof, a.restricted_until, coalesce(a.phone_used_at, a.opened_at) AS used_at, p.number,"
        f" (SELECT until FROM login_pause WHERE key = t.pause_key) AS paused_until, {way} AS provider_way"
        " FROM login_tx t LEFT JOIN account a ON a.subject = t.subject AND a.status IN ('open', 'restricted')"
        " LEFT JOIN person p ON p.subject = t.subject WHERE t.cookie_hash = $1 AND t.expires_at > $2",
        hashed(cookie), node.clock.now(),
    )  # fmt: skip
    if row is None:
        raise failure("identity.tx_gone")
    return row


def phone_to_ask(node: Node, row: Any) -> tuple[str, datetime] | None:
    """(phone, when it last signed in) of an account whose code was asked for on a new device: is it still this person's?"""
    if row["device_known"] or row["phone"] is None or row["used_at"] is None:
        return None
    return phone_in(node, row), row["used_at"]


def no_longer_theirs(status: Status, used_at: datetime, now: datetime) -> bool:
    """Whether a phone must be taken for given to somebody else 二次放号: unknown counts as yes after 180 silent days (T-19)."""
    return status == "reassigned" or (status == "unknown" and now - used_at > timedelta(days=FACTORS.phone.silent_days))


async def enter_code(
    node: Node, row: Any, code: str, number: str, browser: Browser, *, reassigned: bool = False
) -> OpenedSession | LoginStep | Refusals:
    """The code typed back 填验证码, with the number on a new device: a session, the step `name` for a first time, or refusals.

    `row` is what `look` saw. Whatever comes of it happens only if no other try was counted since, in one statement; else
    None of it does and the browser looks again: the fifth wrong code ends the transaction however many come at once (T-16).
    With `reassigned` the phone may be somebody else's by now: the right code signs nobody in.
    """
    if row["step"] != "code":
        raise failure("identity.code_spent" if row["step"] == "dead" else "identity.tx_gone")
    needs_number = not row["device_known"] and row["phone_typed"]
    if refused := _form_wrong(code, number, row["digits"], needs_number=needs_number) or _too_late(node, row):
        return refused
    right = hmac.compare_digest(row["code_hash"], _code_hash(node, row["id"], code))
    plans.note_code(node, wrong=not right)
    if not right or (row["subject"] is None and not row["phone_typed"]):
        return await _wrong(node, row, "identity.code_wrong", "code")
    value = typed.normal(number) if needs_number else _typed_number(node, row)
    if row["subject"] is None:
        return await _first_time(node, row, value)
    if needs_number and not _number_fits(node, row, value):
        return await _wrong(node, row, "identity.number_other", "number")
    if reassigned:
        return (refusal("identity.phone_reassigned", "code"),)
    return await _in_by_code(node, row, browser)


_STILL = "step = 'code' AND code_hash = $2 AND tries = $3"


async def _first_time(node: Node, row: Any, number: str) -> LoginStep:
    sealed = node.cipher.seal("sensitive", "login_tx.typed_number", row["id"], number)
    async with node.db.alone() as tx:
        found = await tx.fetchrow(
            f"UPDATE login_tx SET step = 'name', phone_proven = true, typed_number = $4 WHERE id = $1 AND {_STILL} RETURNING *",
            row["id"], row["code_hash"], row["tries"], sealed,
        )  # fmt: skip
    if found is None:
        raise LookAgain
    return step_of(node, found)


async def _in_by_code(node: Node, row: Any, browser: Browser) -> OpenedSession:
    """The session of somebody whose code was right: code, account, device, session, record and message in one statement."""
    if row["account"] is None:
        raise failure("identity.tx_gone")
    parts = Parts()
    parts.add("done", f"UPDATE login_tx SET step = 'done', code_hash = NULL WHERE id = $1 AND {_STILL} RETURNING id", row["id"], row["code_hash"], row["tries"])
    parts.add(
        "used",
        "UPDATE account SET phone_used_at = $2 FROM done WHERE subject = $1 AND status IN ('open', 'restricted') AND proof = $3"
        " AND restricted_until IS NOT DISTINCT FROM $4 RETURNING subject",
        row["subject"], node.clock.now(), row["proof"], row["restricted_until"],
    )  # fmt: skip
    acr = _reached(node, row, "otp", bound_acr=3, most=4)
    # a device that is known is touched by a statement of its own, which must go with the rest or not at all
    one_alone = browser.device_cookie is None
    try:
        async with node.db.alone() if one_alone else node.db.transaction() as tx:
            return await sessions.open_session(
                tx, node, _opening(row["subject"], row["account"], row["proof"], acr, ("otp", "sms"), browser), parts, source="used", tell=True
            )
    except LookupError:
        raise LookAgain from None


def _form_wrong(code: str, number: str, digits: int, *, needs_number: bool) -> Refusals:
    """What is wrong with the form of the answer: costs no try."""
    if not code.isascii() or not code.isdigit() or len(code) != digits:
        return (refusal("identity.code_form_guarded", "code", digits=digits),)
    if needs_number and not number:
        return (refusal("identity.number_needed", "number"),)
    wrong = typed.check_number(number) if needs_number else None
    return (wrong,) if wrong else ()


def _too_late(node: Node, row: Any) -> Refusals:
    if row["code_until"] is None or node.clock.now() >= row["code_until"]:
        return (refusal("identity.code_expired", "code"),)
    if row["device_known"] or row["subject"] is None:
        return ()
    if row["paused_until"] is not None and (pause := int((row["paused_until"] - node.clock.now()).total_seconds())) > 0:
        return (refusal("identity.code_limit", "code", wait=pause),)
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
    acr = _reached(node, row, way, bound_acr=bound_acr, most=most)
    return await sessions.open_session(tx, node, _opening(subject, row["id"], row["proof"], acr, amr, browser), tell=not first)


def _reached(node: Node, account: Any, way: str, *, bound_acr: int, most: int) -> int:
    if account["restricted_until"] is not None and account["restricted_until"] > node.clock.now():
        return 1
    return min(levels.reached(account["proof"], way, bound_acr=bound_acr), most)


def _opening(subject: str, account: str, proof: int, acr: int, amr: tuple[str, ...], browser: Browser) -> sessions.Opening:
    return sessions.Opening(
        subject=subject, kind="kiosk" if browser.kiosk else "citizen", proof=proof, acr=acr, amr=amr, agent=browser.agent,
        account=account, device_cookie=browser.device_cookie, elder=browser.elder,
    )  # fmt: skip


async def _account(tx: Tx, node: Node, kind: str, value: str, browser: Browser) -> Any:
    """The account of a typed phone or number, and the row of this browser if it was seen before with it and not removed."""
    by_number = "JOIN person p ON p.subject = a.subject AND p.bi_number = ANY($1::bytea[])" if kind == "number" else ""
    return await tx.fetchrow(
        f"SELECT a.subject, a.phone, d.id AS device FROM account a {by_number}"
        " LEFT JOIN device d ON d.subject = a.subject AND d.secret_hash = $2 AND d.ended_at IS NULL"
        f" WHERE {'a.bi_phone = ANY($1::bytea[]) AND' if kind == 'phone' else ''} a.status IN ('open', 'restricted') ORDER BY a.opened_at LIMIT 1",
        (number_marks if kind == "number" else phone_marks)(node, value), hashed(browser.device_cookie) if browser.device_cookie else None,
    )  # fmt: skip


async def locked(tx: Tx, node: Node, cookie: str) -> Any:
    """The row of this browser's transaction, locked. Raises `identity.tx_gone`."""
    row = await tx.fetchrow(
        "SELECT * FROM login_tx WHERE cookie_hash = $1 AND expires_at > $2 FOR UPDATE", hashed(cookie), node.clock.now()
    )
    if row is None:
        raise failure("identity.tx_gone")
    return row


def _number_fits(node: Node, row: Any, number: str) -> bool:
    """Whether this is the document number of that person, compared in constant time."""
    kept = "" if row["number"] is None else node.cipher.open("sensitive", "person.number", row["subject"], row["number"]).reveal()
    return hmac.compare_digest(kept.encode(), number.encode())


async def _wrong(node: Node, row: Any, code: str, field: str) -> Refusals:
    """Count a wrong try; after the fifth the transaction is dead (T-16). Many wrong ones pause unknown devices only (T-20)."""
    async with node.db.transaction() as tx:
        tries: int | None = await tx.fetchval(
            "UPDATE login_tx SET tries = tries + 1, step = CASE WHEN tries + 1 >= $3 THEN 'dead' ELSE 'code' END"
            " WHERE id = $1 AND step = 'code' AND code_hash = $2 RETURNING tries",
            row["id"], row["code_hash"], limits.TRIES,
        )  # fmt: skip
        if tries is None:
            raise LookAgain
        if not row["device_known"] and row["subject"] is not None:
            await throttle.wrong(tx, node, f"account:{row['subject']}")
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
