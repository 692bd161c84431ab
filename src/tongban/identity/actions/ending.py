"""Signing out, everywhere 退出 (identity.md 6.5): the cookie here is dead first, the home is told, the home tells all.

Seconds by call and push (logout tokens), certainty by the letters `session.left` (to the home) and `session.ended` (to all).
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp

from tongban import federation
from tongban.identity import tokens
from tongban.identity.actions import client_logout, issuers, keys, provider, provider_refresh, sessions
from tongban.identity.errors import ProtocolError, TokenRefused
from tongban.identity.model import Session
from tongban.identity.queries.sessions import by_id
from tongban.identity.rules import outside
from tongban.kernel import jobs
from tongban.kernel.db import Tx, ring
from tongban.kernel.errors import Failure
from tongban.kernel.log import log
from tongban.kernel.node import Node

_TRIES = 3
_SECONDS = 2.0


async def leave(tx: Tx, node: Node, sid: str, reason: str = "logout") -> None:
    """End this session and all that hang together with it 退出; the home or the visited nodes hear by job and letter."""
    session = await sessions.end(tx, sid, reason, node.clock.now())
    if session is None or session.kind != "citizen":
        return
    await sessions.record(tx, node, session.subject, "signed_out", session.acr, "")
    await client_logout.tell_soon(tx)
    if issuers.is_outside(session.home):
        return
    if session.home is not None:
        await jobs.enqueue(tx, "identity.end_at_home", {"home": session.home, "sid": session.home_sid})
        # a home that is away hears by letter as soon as it is back; the job's next try may be far off by then
        body = {"sid": session.home_sid}
        await federation.send(tx, node, to=session.home, kind="session.left", about=f"session:{session.home_sid}", body=body)
    else:
        await _tell_all(tx, node, session, reason)


async def leave_everywhere(tx: Tx, node: Node, subject: str, reason: str = "all_devices") -> int:
    """End every session of a person of this home 退出所有设备; how many ended."""
    ended = await sessions.end_before(tx, subject, node.clock.now(), reason, node.clock.now())
    await provider_refresh.end_before(tx, subject, node.clock.now(), reason)
    await client_logout.tell_soon(tx)
    for session in ended:
        if session.home is None and session.kind == "citizen":
            await _tell_all(tx, node, session, reason)
    return len(ended)


async def end_for(tx: Tx, node: Node, caller: str, sid: str) -> bool:
    """The home's part: a visited node says its person left 对方节点说已退出. Only a node the session visited may."""
    session = await by_id(tx, sid)
    if session is None or session.home is not None or caller not in session.visited:
        return False
    if session.revoked_at is None:
        await sessions.end(tx, sid, "logout_elsewhere", node.clock.now())
        await client_logout.tell_soon(tx)
        await sessions.record(tx, node, session.subject, "signed_out", session.acr, "", place=caller)
        await _tell_all(tx, node, session, "logout_elsewhere")
    return True


async def _tell_all(tx: Tx, node: Node, session: Session, reason: str) -> None:
    await federation.send(
        tx, node, to="*", kind="session.ended", about=f"session:{session.id}", open=True, body={"sid": session.id, "reason": reason}
    )
    if session.visited:
        await jobs.enqueue(tx, "identity.push_logout", {"sid": session.id, "nodes": list(session.visited)})


async def end_at_home(node: Node, payload: dict[str, Any]) -> None:
    """Job: tell the home that the person left here. Tried again until the home answers."""
    try:
        await federation.call(node, payload["home"], "identity.end", {"v": 1, "sid": payload["sid"]})
    except federation.CallRefused:
        return  # the home does not know the session any more: nothing left to end


async def push_logout(node: Node, payload: dict[str, Any]) -> None:
    """Job: a logout token to every visited node, in parallel, 2 s, 3 tries. The letter makes it certain."""
    await asyncio.gather(*(_push(node, one, payload["sid"]) for one in payload["nodes"]))


async def _push(node: Node, to: str, sid: str) -> None:
    async with node.db.transaction() as tx:
        listed = (await federation.directory(tx)).node(to)
        key = await keys.signing_key(tx, node, "Ed25519")
    if listed is None:
        return
    for _ in range(_TRIES):
        body = urlencode({"logout_token": key.sign(_claims(node, to, sid), typ="logout+jwt")}).encode()
        try:
            status, _, _ = await node.http.request(
                "POST", f"{listed.base_url}/oidc/backchannel", body=body, seconds=_SECONDS,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )  # fmt: skip
        except (aiohttp.ClientError, OSError, TimeoutError):
            continue
        if status < 500:
            return
    log("identity.push_logout_unheard", peer=to)


def _claims(node: Node, to: str, sid: str) -> tokens.Claims:
    at = int(node.clock.now().timestamp())
    return {
        "iss": node.settings.base_url, "aud": to, "iat": at, "exp": at + 120, "jti": secrets.token_urlsafe(16), "sid": sid,
        "events": {outside.LOGOUT_EVENT: {}},
    }  # fmt: skip


async def heard_push(node: Node, token: str) -> None:
    """A logout token from a home 后端退出通知: judged and applied. Raises ProtocolError 400."""
    try:
        home, claims = await _judged_push(node, token)
    except TokenRefused as error:
        raise ProtocolError("invalid_request", error.why) from None
    sid = str(claims.get("sid") or "")
    async with node.db.transaction() as tx:
        if not await provider.once(tx, node, "logout", f"{home} {claims['jti']}", seconds=300):
            raise ProtocolError("invalid_request", "logout token used before")
        if sid:
            await ended_at(tx, node, home, sid, "logout_elsewhere")
        else:
            who = issuers.local_subject(node, home, str(claims["sub"]))
            await sessions.end_before(tx, who, node.clock.now(), "logout_elsewhere", node.clock.now())
    node.bell.ring(sessions.BELL)


async def _judged_push(node: Node, token: str) -> tuple[str, tokens.Claims]:
    name = await issuers.named(node, tokens.issuer_named(token))
    if issuers.is_outside(name):
        try:
            provider = await issuers.issuer(node, name)
        except Failure:
            raise TokenRefused("issuer cannot be heard") from None
        claims = tokens.read_outside(token, await issuers.public_keys(node, provider, token), typs=(None, "JWT", "logout+jwt"))
        outside.judge_logout(claims, issuer=provider.url, client=provider.client, now=node.clock.now())
        return name, claims
    async with node.db.reading() as tx:
        listed = (await federation.directory(tx)).node(name)
    if listed is None:
        raise TokenRefused("issuer unknown")
    claims = tokens.read(token, await keys.keys_of(node, name, token), typ="logout+jwt")
    outside.judge_logout(claims, issuer=listed.base_url, client=node.id, now=node.clock.now())
    if not isinstance(claims.get("sid"), str) or "exp" not in claims:
        raise TokenRefused("sid or exp is missing")
    return name, claims


async def ended_at(tx: Tx, node: Node, home: str, sid: str, reason: str, *, before: datetime | None = None) -> int:
    """The home says a session ended 听到退出: children here die, and a late arrival of the same session is refused."""
    now = node.clock.now()
    await tx.execute(
        "INSERT INTO session_end (subject, home, home_sid, before, reason, heard_at) VALUES ('', $1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        home, sid, before or datetime.fromtimestamp(0, now.tzinfo), reason, now,
    )  # fmt: skip
    count = await sessions.end_children(tx, home, sid, reason, now)
    if count:
        await client_logout.tell_soon(tx)
    await ring(tx, sessions.BELL)
    return count
