"""Scan to log in 扫码登录 with the number match (identity.md 3): a signed-in phone agrees, the computer finishes.

The code is no secret that logs in: it names a transaction that only the computer's own cookie can finish, once, within a
minute, after the phone picked the number the computer shows. Level 2 at most, always; what the phone itself has, at most.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from tongban import notifications
from tongban.identity.actions import sessions, sign_in
from tongban.identity.errors import failure, refusal
from tongban.identity.model import OpenedSession, Session
from tongban.identity.providers import sms
from tongban.identity.queries.persons import person
from tongban.identity.queries.sessions import by_id, hashed
from tongban.identity.rules import levels, typed
from tongban.identity.rules.factors import FACTORS
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.node import Node

State = Literal["waiting", "agreed", "refused", "wrong", "used", "over"]
_RANDOM = secrets.SystemRandom()


class OnPc(msgspec.Struct, frozen=True, kw_only=True):
    """What the computer shows 电脑上看到的: the number to pick, where it stands, seconds left."""

    state: State
    pick: int
    next: str
    left: int


class OnPhone(msgspec.Struct, frozen=True, kw_only=True):
    """What the phone shows before it agrees 手机上看到的."""

    state: State
    offered: tuple[int, ...]
    city: str
    browser: str
    made_at: datetime


class Finished(msgspec.Struct, frozen=True):
    """The computer is signed in and goes on to `next`."""

    opened: OpenedSession
    next: str


async def begin(tx: Tx, node: Node, *, next_path: str, browser: sign_in.Browser, city: str) -> str | Refusals:
    """Draw a new code 出二维码: the cookie value of this computer; its second half stands in the code's address."""
    if wait := await sign_in.address_wait(tx, node, browser):
        return (refusal("identity.too_many", wait=wait),)
    ident = secrets.token_urlsafe(16)
    cookie = f"{secrets.token_urlsafe(32)}.{ident}"
    offered = _RANDOM.sample(range(10, 100), FACTORS.scan.numbers)
    now = node.clock.now()
    row = hashed(ident).hex()
    await tx.execute(
        "INSERT INTO scan_login (id_hash, cookie_hash, state, pick, offered, next, city, browser, device_known, made_at, expires_at)"
        " VALUES ($1, $2, 'waiting', $3, $4, $5, $6, $7, $8, $9, $10)",
        hashed(ident), hashed(cookie), _RANDOM.choice(offered), offered, next_path,
        node.cipher.seal("identity", "scan_login.city", row, city),
        node.cipher.seal("identity", "scan_login.browser", row, typed.browser_words(browser.agent)),
        browser.device_cookie is not None, now, now + timedelta(seconds=FACTORS.scan.seconds),
    )  # fmt: skip
    return cookie


def address(node: Node, cookie: str) -> str:
    """The address inside the code, empty when the cookie is not one of a scan."""
    _, dot, ident = cookie.partition(".")
    return f"{node.settings.base_url}/scan/{ident}" if dot and len(ident) == 22 else ""


async def at_pc(tx: Tx, node: Node, cookie: str) -> OnPc | None:
    """Where the transaction of this computer stands; None when it has none."""
    row = await tx.fetchrow("SELECT state, pick, next, expires_at FROM scan_login WHERE cookie_hash = $1", hashed(cookie))
    if row is None:
        return None
    left = int((row["expires_at"] - node.clock.now()).total_seconds())
    state: State = "over" if row["state"] in ("waiting", "agreed") and left <= 0 else row["state"]
    return OnPc(state=state, pick=row["pick"], next=row["next"], left=max(0, left))


async def at_phone(tx: Tx, node: Node, ident: str) -> OnPhone | None:
    """What a phone that opened the code's address is shown; looking changes nothing, so a link preview agrees to nothing."""
    row = await tx.fetchrow("SELECT * FROM scan_login WHERE id_hash = $1", hashed(ident))
    if row is None:
        return None
    key = row["id_hash"].hex()
    state: State = "over" if row["state"] == "waiting" and row["expires_at"] <= node.clock.now() else row["state"]
    return OnPhone(
        state=state, offered=tuple(row["offered"]), made_at=row["made_at"],
        city=node.cipher.open("identity", "scan_login.city", key, row["city"]).reveal(),
        browser=node.cipher.open("identity", "scan_login.browser", key, row["browser"]).reveal(),
    )  # fmt: skip


async def agree(tx: Tx, node: Node, session: Session, ident: str, pick: int, agent: str) -> Refusals:
    """The phone picked a number 手机上选了数字: right, the computer may finish within a minute; wrong, the code is dead."""
    row = await tx.fetchrow(
        "SELECT id_hash, pick FROM scan_login WHERE id_hash = $1 AND state = 'waiting' AND expires_at > $2 FOR UPDATE",
        hashed(ident), node.clock.now(),
    )  # fmt: skip
    if row is None:
        return (refusal("identity.scan_expired"),)
    if pick != row["pick"]:
        await _end(tx, row["id_hash"], "wrong", session)
        await sessions.record(tx, node, session.subject, "scan_wrong", session.acr, agent)
        return (refusal("identity.scan_wrong_pick"),)
    now = node.clock.now()
    worth = levels.decayed(session.acr, raised_at=session.raised_at, seen_at=session.seen_at, now=now)
    await tx.execute(
        "UPDATE scan_login SET state = 'agreed', subject = $2, session = $3, acr = $4, expires_at = $5 WHERE id_hash = $1",
        row["id_hash"], session.subject, session.id, min(worth, FACTORS.scan.ceiling), now + timedelta(seconds=FACTORS.scan.seconds),
    )  # fmt: skip
    return ()


async def refuse(tx: Tx, node: Node, session: Session, ident: str, agent: str) -> None:
    """不是我: the code is dead, also when the phone had agreed a moment ago, and it stands in the sign-in record."""
    ended = await tx.fetchval(
        "UPDATE scan_login SET state = 'refused', subject = $2, session = $3 WHERE id_hash = $1 AND state IN ('waiting', 'agreed', 'wrong')"
        " RETURNING true",
        hashed(ident), session.subject, session.id,
    )  # fmt: skip
    if ended:
        await sessions.record(tx, node, session.subject, "scan_refused", session.acr, agent)


async def _end(tx: Tx, id_hash: bytes, state: str, session: Session) -> None:
    await tx.execute("UPDATE scan_login SET state = $2, subject = $3, session = $4 WHERE id_hash = $1", id_hash, state, session.subject, session.id)


async def finish(tx: Tx, node: Node, cookie: str, browser: sign_in.Browser) -> Finished | Refusals:
    """The computer goes on 电脑登录: only from the browser that drew the code, once, while the phone is still signed in.

    Gives the session and the path to go on to. The person is told on every channel (a device not seen before: also by text).
    """
    row = await tx.fetchrow("SELECT * FROM scan_login WHERE cookie_hash = $1 FOR UPDATE", hashed(cookie))
    if row is None or row["state"] != "agreed" or row["expires_at"] <= node.clock.now():
        return (refusal("identity.scan_expired"),)
    phone = await by_id(tx, row["session"])
    if phone is None or phone.revoked_at is not None:
        return (refusal("identity.scan_expired"),)
    await tx.execute("UPDATE scan_login SET state = 'used' WHERE id_hash = $1", row["id_hash"])
    opened = await sign_in.signed_in(
        tx, node, row["subject"], "scan", ("scan",), browser, most=min(row["acr"], FACTORS.scan.ceiling), first=True
    )
    await _tell(tx, node, opened.session, typed.browser_words(browser.agent))
    return Finished(opened, row["next"])


async def _tell(tx: Tx, node: Node, session: Session, words: str) -> None:
    known = await person(tx, node, session.subject)
    await notifications.notify(
        tx, node, subject=session.subject, kind="identity.scanned", about=f"session:{session.id}", title="扫码登录了一台电脑",
        text=f"{words}用你的手机扫码登录了。不是你，就点进去让它退出。", link="/me/devices",
    )  # fmt: skip
    if session.new_device and known is not None and known.phone is not None:
        await sms(node).send(
            tx, node, known.phone.reveal(), f"【{node.settings.name}】你的账号刚在一台新电脑上扫码登录。不是你，就到“设备和登录方式”退出所有设备。"
        )


def must_be_home(session: Session) -> None:
    """Scanning is agreed to where the account is. Raises `identity.not_home` for a visitor's session."""
    if session.home is not None:
        raise failure("identity.not_home")
