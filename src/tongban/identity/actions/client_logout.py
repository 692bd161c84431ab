"""Signing out at a client and telling clients of it 应用退出: RP-initiated and back-channel logout (identity.md 6.5).

A person signs out by a button of our own page, never by a link (T-10); where they go afterwards is registered, exactly.
Clients hear by logout token within seconds; a sweep finds every ended session, whoever ended it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

import aiohttp
import msgspec

from tongban.identity import tokens
from tongban.identity.actions import keys, provider, provider_refresh
from tongban.identity.errors import ProtocolError
from tongban.identity.queries import clients as queries
from tongban.identity.rules import outside
from tongban.identity.rules.clients import Client, origin_of
from tongban.kernel import jobs
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node

TELL = "identity.tell_clients"
_TRIES = 3
_SECONDS = 2.0
_AT_ONCE = 200
_LEAVING_SECONDS = 2400.0
_LEAVING_MOST = 200
_telling: WeakKeyDictionary[Node, set[str]] = WeakKeyDictionary()
"""The sessions, as their clients know them, somebody in this process is telling about just now."""
_leaving: WeakKeyDictionary[Node, dict[str, float]] = WeakKeyDictionary()


class SignOut(msgspec.Struct, frozen=True):
    """A judged sign-out request 退出请求: which client asks, where the person goes afterwards, and what is wrong with it."""

    client: Client | None
    target: str
    wrong: bool


async def judge(tx: Tx, node: Node, form: dict[str, str]) -> SignOut:
    """Judge the parameters of RP-Initiated Logout 1.0: a hint of ours, a client that fits it, a registered address."""
    hint, named, wrong = form.get("id_token_hint", ""), form.get("client_id", ""), False
    if hint:
        try:
            claims = await provider.read_hint(tx, node, hint, named)
        except ProtocolError:
            wrong = True
        else:
            named = str(claims.get("aud"))
    client = await queries.client(tx, node, named) if named and not wrong else None
    uri = form.get("post_logout_redirect_uri", "")
    if not uri or wrong:
        return SignOut(client, "", wrong)
    if client is None or uri not in client.post_logout_uris:
        return SignOut(client, "", wrong=True)
    state = form.get("state", "")
    if not state or len(state) > 1024 or not state.isascii():
        return SignOut(client, uri, wrong=False)
    return SignOut(client, f"{uri}{'&' if '?' in uri else '?'}{urlencode({'state': state})}", wrong=False)


async def tell_soon(tx: Tx) -> None:
    """A session ended in this transaction: its clients hear as soon as it is committed."""
    await jobs.enqueue(tx, TELL, {})


async def tell_clients(node: Node, _payload: dict[str, Any] | None = None) -> None:
    """A logout token to every client of every ended session that was not told yet, in parallel, 2 s, 3 tries 后端退出通知.

    Written down as told afterwards, so a node killed on the way tells again. Also ends the refresh families of those
    sessions. A session replaced by a newer one in the same browser is no sign-out.
    """
    telling = _telling.setdefault(node, set())
    async with node.db.transaction() as tx:
        await provider_refresh.end_with_sessions(tx, node)
        found = await tx.fetch(
            "SELECT sc.session, sc.client, sc.sid, sc.sub FROM session_client sc JOIN session s ON s.id = sc.session AND s.subject = sc.subject"
            " WHERE sc.told_at IS NULL AND s.revoked_at IS NOT NULL AND s.reason <> 'replaced' AND sc.sid <> ALL($1::text[]) LIMIT $2",
            list(telling), _AT_ONCE,
        )  # fmt: skip
        rows = [row for row in found if row["sid"] not in telling]
        sids = {row["sid"] for row in rows}
        telling |= sids
    try:
        await _tell(node, rows)
    finally:
        telling -= sids


async def _tell(node: Node, rows: list[Any]) -> None:
    """Tell each client of these rows, and write down that they were told."""
    if not rows:
        return
    async with node.db.transaction() as tx:
        known = {one: await queries.registered(tx, one) for one in {row["client"] for row in rows}}
        signers = {alg: await keys.signing_key(tx, node, alg) for alg in tokens.ALGORITHMS}
    await asyncio.gather(*(
        _push(node, client, signers[client.id_alg], row["sid"], row["sub"])
        for row in rows
        if (client := known[row["client"]]) is not None and client.backchannel_uri and client.status == "active"
    ))  # fmt: skip
    async with node.db.transaction() as tx:
        await tx.execute(
            "UPDATE session_client x SET told_at = $1 FROM unnest($2::uuid[], $3::text[]) AS o (session, client)"
            " WHERE x.session = o.session AND x.client = o.client AND x.told_at IS NULL",
            node.clock.now(), [row["session"] for row in rows], [row["client"] for row in rows],
        )  # fmt: skip


async def _push(node: Node, client: Client, key: tokens.TokenKey, sid: str, sub: str) -> None:
    for _ in range(_TRIES):
        at = int(node.clock.now().timestamp())
        claims: tokens.Claims = {
            "iss": node.settings.base_url, "aud": client.id, "iat": at, "exp": at + 120, "jti": secrets.token_urlsafe(16),
            "sid": sid, "sub": sub, "events": {outside.LOGOUT_EVENT: {}},
        }  # fmt: skip
        body = urlencode({"logout_token": key.sign(claims, typ="logout+jwt")}).encode()
        try:
            status, _, _ = await node.http.request(
                "POST", client.backchannel_uri, body=body, seconds=_SECONDS, headers={"Content-Type": "application/x-www-form-urlencoded"}
            )
        except (aiohttp.ClientError, OSError, TimeoutError):
            continue
        if status < 500:
            return
    log("identity.push_logout_unheard", peer=client.id)


def leaves_for(node: Node, client: Client) -> None:
    """Note that a browser may soon be sent to this client, so that the pages on the way allow it (form-action, ui headers)."""
    known = _leaving.setdefault(node, {})
    for uri in (*client.redirect_uris, *client.post_logout_uris):
        known.pop(origin_of(uri), None)
        known[origin_of(uri)] = time.monotonic()
    while len(known) > _LEAVING_MOST:
        del known[next(iter(known))]


def leaving_to(node: Node) -> tuple[str, ...]:
    """The origins of clients somebody is signing in to or out from just now (正要去的应用网址)."""
    oldest = time.monotonic() - _LEAVING_SECONDS
    return tuple(origin for origin, at in _leaving.get(node, {}).items() if at >= oldest)


async def remember_leaving(node: Node) -> None:
    """Learn from the rows which clients people are on the way to, after a restart or in another process."""
    async with node.db.reading() as tx:
        rows = await tx.fetch(
            "SELECT DISTINCT c.id FROM oidc_request r JOIN client c ON c.id = r.client WHERE r.expires_at > $1 AND r.turns > 0 LIMIT $2",
            node.clock.now(), _LEAVING_MOST,
        )  # fmt: skip
        found = [await queries.registered(tx, row["id"]) for row in rows]
    for client in found:
        if client is not None:
            leaves_for(node, client)
