"""Passkeys 通行密钥: bound to this very host, user verified, challenge used once (identity.md 3, T-21, T-95).

The challenge carries its own end and a MAC over whom it was made for, so nothing is stored until it is used.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import importlib
import secrets
from datetime import timedelta
from typing import Any

import msgspec

from tongban import notifications
from tongban.identity.actions import sessions, sign_in
from tongban.identity.actions.provider import once
from tongban.identity.errors import failure, refusal
from tongban.identity.model import OpenedSession, Session
from tongban.identity.providers import sms
from tongban.identity.queries.persons import home_of, phone_of
from tongban.identity.rules import levels
from tongban.identity.rules.factors import FACTORS
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusals
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

MOST = FACTORS.passkey.most
LIFE_SECONDS = FACTORS.passkey.challenge_seconds
FRESH = timedelta(minutes=FACTORS.passkey.fresh_minutes)


class Found(msgspec.Struct, frozen=True):
    """A passkey that answered its challenge with the user verified."""

    subject: str
    id: str
    bound_acr: int


async def read_in() -> None:
    """Read in the library of passkeys beside the loop 读入通行密钥库: the first passkey after a start holds up nobody's request."""
    await asyncio.to_thread(importlib.import_module, "webauthn")


async def binding_options(tx: Tx, node: Node, session: Session, shown_name: str) -> str:
    """The JSON for `navigator.credentials.create()`, in a session freshly at level 2 or more. Raises `identity.fresh_needed`."""
    if session.acr < 2 or node.clock.now() - session.auth_time > FRESH:
        raise failure("identity.fresh_needed")
    rows = await tx.fetch("SELECT credential_id FROM authenticator WHERE subject = $1 AND kind = 'passkey' AND ended_at IS NULL", session.subject)
    if len(rows) >= MOST:
        raise failure("identity.passkey_limit", n=MOST)
    await read_in()
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    return options_to_json(generate_registration_options(
        rp_id=node.settings.host, rp_name=node.settings.name, user_name=shown_name, user_id=session.id.encode(),
        challenge=challenge(node, f"bind:{session.id}"),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=row["credential_id"]) for row in rows],
    ))  # fmt: skip


async def bind(tx: Tx, node: Node, session: Session, answer: str, label: str, agent: str) -> Refusals:
    """Keep a new passkey 绑定通行密钥; its ceiling is the level of this session, at most 3."""
    await read_in()
    from webauthn import verify_registration_response
    from webauthn.helpers.exceptions import WebAuthnException

    challenge = await taken(tx, node, answer, f"bind:{session.id}")
    if challenge is None:
        return (refusal("identity.passkey_failed"),)
    try:
        made = verify_registration_response(
            credential=answer, expected_challenge=challenge, expected_rp_id=node.settings.host, expected_origin=node.settings.base_url,
            require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return (refusal("identity.passkey_failed"),)
    row = uuid7()
    kept = await tx.execute(
        "INSERT INTO authenticator (subject, id, kind, credential_id, public_key, sign_count, bound_acr, label, created_at)"
        " VALUES ($1, $2, 'passkey', $3, $4, $5, $6, $7, $8) ON CONFLICT (credential_id) DO NOTHING",
        session.subject, row, made.credential_id, made.credential_public_key, made.sign_count, min(session.acr, 3),
        node.cipher.seal("identity", "authenticator.label", row, label[:30] or "通行密钥"), node.clock.now(),
    )  # fmt: skip
    if kept == "INSERT 0 0":  # somebody's already, here or on another account: two accounts never share a key
        return (refusal("identity.passkey_failed"),)
    await tx.execute("UPDATE authenticator SET device = $3 WHERE subject = $1 AND id = $2", session.subject, row, session.device)
    await sessions.record(tx, node, session.subject, "passkey_bound", session.acr, agent)
    await tell_everywhere(tx, node, session.subject, "passkey_bound", row, "给你的账号加了一个通行密钥", "不是你加的，就到“设备和登录方式”删掉它，再退出所有设备。")
    return ()


async def tell_everywhere(tx: Tx, node: Node, subject: str, kind: str, about: str, title: str, text: str) -> None:
    """Tell the person on every channel that how the account signs in has changed 每个渠道都告知 (T-95)."""
    await notifications.notify(
        tx, node, subject=subject, kind=f"identity.{kind}", about=f"factor:{about}", title=title, text=text, link="/me/devices"
    )
    if phone := await phone_of(tx, node, subject):
        await sms(node).send(tx, node, phone, f"【{node.settings.name}】{title}。{text}")


def asking_options(node: Node) -> str:
    """The JSON for `navigator.credentials.get()`: any discoverable passkey of this host, user verified. After `read_in`."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers.structs import UserVerificationRequirement

    return options_to_json(generate_authentication_options(
        rp_id=node.settings.host, challenge=challenge(node, "get"), user_verification=UserVerificationRequirement.REQUIRED
    ))  # fmt: skip


async def answered(tx: Tx, node: Node, answer: str) -> Found | None:
    """Whose passkey answered 认出通行密钥; None when it does not hold. A copied counter warns and does not block."""
    await read_in()
    from webauthn import verify_authentication_response
    from webauthn.helpers.exceptions import WebAuthnException

    challenge = await taken(tx, node, answer, "get")
    if challenge is None:
        return None
    raw = msgspec.json.decode(answer)
    row = await tx.fetchrow(
        "SELECT subject, id, public_key, sign_count, bound_acr FROM authenticator"
        " WHERE credential_id = $1 AND kind = 'passkey' AND ended_at IS NULL FOR UPDATE",
        _unb64u(str(raw.get("rawId", ""))),
    )  # fmt: skip
    if row is None:
        return None
    try:
        held = verify_authentication_response(
            credential=answer, expected_challenge=challenge, expected_rp_id=node.settings.host, expected_origin=node.settings.base_url,
            credential_public_key=row["public_key"], credential_current_sign_count=0, require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return None
    if row["sign_count"] and held.new_sign_count <= row["sign_count"]:
        log("identity.passkey_counter_back", node=node.id)
    await tx.execute(
        "UPDATE authenticator SET sign_count = $3, last_used = $4 WHERE subject = $1 AND id = $2",
        row["subject"], row["id"], held.new_sign_count, node.clock.now(),
    )  # fmt: skip
    return Found(row["subject"], row["id"], row["bound_acr"])


class Visitor(msgspec.Struct, frozen=True):
    """Whose passkey answered at a node where the account is not: the home to ask first."""

    found: Found
    home: str


async def sign_in_by(tx: Tx, node: Node, answer: str, browser: sign_in.Browser) -> OpenedSession | Visitor | Refusals:
    """A citizen's session by passkey 用通行密钥登录; it lifts a report of theft. A visitor's home is asked first (`away`)."""
    found = await answered(tx, node, answer)
    if found is None or found.subject.startswith("s"):
        return (refusal("identity.passkey_failed"),)
    home = await home_of(tx, found.subject)
    if home not in (None, node.id):
        return Visitor(found, str(home))
    await lift_theft(tx, node, found.subject, "passkey")
    opened = await sign_in.signed_in(tx, node, found.subject, "passkey", ("hwk", "user"), browser, bound_acr=found.bound_acr)
    await _used(tx, opened.session, found)
    return opened


async def away(tx: Tx, node: Node, visitor: Visitor, browser: sign_in.Browser) -> OpenedSession:
    """Level 1 by a passkey of this node while the home cannot be reached 账号所在地连不上时 (identity.md 6.4)."""
    return await sessions.open_session(tx, node, sessions.Opening(
        subject=visitor.found.subject, kind="citizen", proof=1, acr=levels.reached(4, "away"), amr=("hwk", "user"), agent=browser.agent,
        device_cookie=browser.device_cookie, home=visitor.home, elder=browser.elder, away=True,
    ))  # fmt: skip


async def raise_by(tx: Tx, node: Node, session: Session, answer: str, agent: str) -> OpenedSession | Refusals:
    """The running session raised by the person's own passkey 用通行密钥提升; it lifts a report of theft."""
    found = await answered(tx, node, answer)
    if found is None or found.subject != session.subject:
        return (refusal("identity.passkey_failed", "way"),)
    lifted = await lift_theft(tx, node, session.subject, "passkey")
    acr = levels.reached(session.proof, "passkey", bound_acr=found.bound_acr)
    if acr <= session.acr and not lifted:
        return (refusal("identity.level_unavailable", "way", hall="大厅"),)
    opened = await sessions.raise_level(tx, node, session, acr=max(acr, session.acr), way="hwk", agent=agent)
    await _used(tx, opened.session, found)
    return opened


async def _used(tx: Tx, session: Session, found: Found) -> None:
    await tx.execute("UPDATE session SET authenticator = $3 WHERE subject = $1 AND id = $2", session.subject, session.id, found.id)


async def rise(tx: Tx, session: Session) -> None:
    """The passkey used in this session counts as level 3 from now on: the session also passed a face check or a hall (T-95)."""
    await tx.execute(
        "UPDATE authenticator a SET bound_acr = 3 FROM session s WHERE s.subject = $1 AND s.id = $2 AND a.subject = s.subject"
        " AND a.id = s.authenticator AND a.bound_acr < 3 AND a.ended_at IS NULL",
        session.subject, session.id,
    )  # fmt: skip


async def lift_theft(tx: Tx, node: Node, subject: str, by: str) -> bool:
    """End the restriction after a report of theft 解除限制; whether there was one. Abuse of a report costs the owner one tap."""
    lifted: bool | None = await tx.fetchval(
        "UPDATE account SET restricted_until = NULL, status = 'open' WHERE subject = $1 AND restricted_until > $2 RETURNING true",
        subject, node.clock.now(),
    )  # fmt: skip
    if lifted:
        await tx.execute(
            "UPDATE theft_report SET lifted_at = $2, lifted_by = $3 WHERE subject = $1 AND lifted_at IS NULL AND until > $2",
            subject, node.clock.now(), by,
        )  # fmt: skip
    return bool(lifted)


async def remove(tx: Tx, node: Node, session: Session, authenticator: str, agent: str) -> bool:
    """Take a passkey away 删除通行密钥; it signs in nowhere any more. False, and nobody is told anything, when there is none."""
    gone = await tx.fetchval(
        "UPDATE authenticator SET ended_at = $3 WHERE subject = $1 AND id = $2 AND ended_at IS NULL RETURNING true",
        session.subject, authenticator, node.clock.now(),
    )  # fmt: skip
    if not gone:
        return False
    await sessions.record(tx, node, session.subject, "passkey_removed", session.acr, agent)
    await tell_everywhere(tx, node, session.subject, "passkey_removed", authenticator, "你的账号删了一个通行密钥", "不是你删的，就退出所有设备。")
    return True


def challenge(node: Node, whom: str) -> bytes:
    body = secrets.token_bytes(16) + int(node.clock.now().timestamp() + LIFE_SECONDS).to_bytes(8, "big")
    return body + hmac_sm3(node.keys.secret("passkey"), body + whom.encode())


async def taken(tx: Tx, node: Node, answer: str, whom: str) -> bytes | None:
    """The challenge inside an answer, if we made it for `whom`, it has not run out and nobody used it."""
    try:
        raw: dict[str, Any] = msgspec.json.decode(answer, type=dict[str, Any])
        client = msgspec.json.decode(_unb64u(raw["response"]["clientDataJSON"]), type=dict[str, Any])
        challenge = _unb64u(client["challenge"])
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError, ValueError):
        return None
    body, mac = challenge[:24], challenge[24:]
    if len(challenge) != 56 or not hmac.compare_digest(mac, hmac_sm3(node.keys.secret("passkey"), body + whom.encode())):
        return None
    if int.from_bytes(body[16:], "big") <= node.clock.now().timestamp():
        return None
    return challenge if await once(tx, node, "challenge", challenge.hex(), seconds=LIFE_SECONDS) else None


def _unb64u(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
