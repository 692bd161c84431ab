"""This node as a client of the home 无感漫游 (identity.md 6.2, 6.3): push a request, come back with a code, judge the token.

The hub takes no part: the home's keys come by a signed call, its right to speak for the person from the register (T-03, T-22).
An outside provider goes the same way, with its own keys, and its word counts for level 1 (`rules/outside.py`).
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec

from tongban.identity import tokens
from tongban.identity.actions import issuers, keys, sessions, subjects, visiting
from tongban.identity.actions.issuers import Issuer
from tongban.identity.actions.provider import ASSERTION_TYPE, REQUEST_PREFIX
from tongban.identity.errors import TokenRefused, failure
from tongban.identity.model import ACR_PREFIX, OpenedSession, PendingNavigation
from tongban.identity.queries.sessions import by_id, hashed
from tongban.identity.rules import home as home_rules
from tongban.identity.rules import outside
from tongban.identity.rules.home import SignedIn
from tongban.identity.rules.typed import masked_name
from tongban.identity.tokens import Claims
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

TX_LIFE = timedelta(minutes=35)
_SECONDS = 4.0
_OK, _REFUSED = 200, 400


class CameBack(msgspec.Struct, frozen=True):
    """What the way to the home and back gave: a session, or the error the home answered; and where to go."""

    next: str
    silent: bool
    opened: OpenedSession | None = None
    error: str = ""


async def start(
    node: Node, home: str, *, next_path: str, silent: bool, level: int = 0, session: str | None = None, login_hint: str = "",
    fresh: bool = False,
) -> PendingNavigation:  # fmt: skip
    """Push a request to the home and say where the browser must go 去账号所在地. Never inside a transaction.

    `fresh` asks the home to sign the person in anew, for a client here that wants it (prompt=login).

    Raises Failure `identity.home_away` when the home cannot be reached, `identity.client_unknown` for a stranger.
    """
    provider = await issuers.issuer(node, home)
    if not provider.node and (silent or level > 1):
        raise failure("identity.level_unavailable", hall="大厅")
    state, nonce, verifier, cookie = (secrets.token_urlsafe(32) for _ in range(4))
    form = {
        "response_type": "code", "client_id": provider.client, "redirect_uri": f"{node.settings.base_url}/oidc/callback/{home}",
        "scope": "openid node" if provider.node else "openid profile", "state": state, "nonce": nonce,
        "code_challenge": tokens.challenge(verifier), "code_challenge_method": "S256",
    }  # fmt: skip
    if silent or fresh:
        form["prompt"] = "none" if silent else "login"
    if level:
        form["claims"] = msgspec.json.encode({"id_token": {"acr": {"essential": True, "values": [f"{ACR_PREFIX}{level}"]}}}).decode()
    if login_hint:
        form["login_hint"] = login_hint
    asked = form
    if provider.at.par:
        answer = await _post(node, provider, provider.at.par, form, seconds=1.5 if silent else _SECONDS)
        uri = answer.get("request_uri")
        if not isinstance(uri, str) or not (uri.startswith(REQUEST_PREFIX) or not provider.node):
            raise failure("identity.home_away", place=provider.name)
        asked = {"client_id": provider.client, "request_uri": uri}
    async with node.db.alone() as tx:
        await tx.execute(
            "INSERT INTO roam_tx (state_hash, cookie_hash, issuer, nonce, verifier, next, silent, level, session, expires_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            hashed(state), hashed(cookie), home, nonce, verifier, next_path, silent, level, session, node.clock.now() + TX_LIFE,
        )  # fmt: skip
    return PendingNavigation(url=f"{provider.at.authorize}?{urlencode(asked)}", cookie=cookie, node=home)


async def come_back(node: Node, home: str, query: dict[str, str], cookie: str, agent: str, device_cookie: str | None) -> CameBack:
    """Judge what came back from the home 从账号所在地回来: this browser, this issuer, once (T-04, T-10).

    Raises Failure `identity.loop` for an answer nobody here asked for, `identity.home_refused` for a token not to be believed.
    """
    async with node.db.alone() as tx:
        row = await tx.fetchrow(
            "UPDATE roam_tx SET used_at = $2 WHERE state_hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING *",
            hashed(query.get("state", "")), node.clock.now(),
        )  # fmt: skip
    if row is None or row["issuer"] != home or not hmac.compare_digest(row["cookie_hash"], hashed(cookie)):
        raise failure("identity.loop")
    provider = await issuers.issuer(node, home)
    if query.get("iss") != provider.url:
        raise failure("identity.loop")
    if "code" not in query:
        return CameBack(next=row["next"], silent=row["silent"], error=query.get("error", "server_error")[:60])
    try:
        told = await _told(node, provider, row, query["code"])
    except TokenRefused as error:
        log("identity.home_token_refused", peer=home, reason=error.why)
        raise failure("identity.home_refused", place=provider.name) from None
    if row["level"] and told.acr < row["level"]:
        raise failure("identity.home_refused", place=provider.name)
    opened = await _enter(node, home, row, told, agent, device_cookie)
    if told.acting and not row["session"]:
        opened = await visiting.carry(node, opened, home, told.acting)
    return CameBack(next=row["next"], silent=row["silent"], opened=opened)


async def _told(node: Node, provider: Issuer, row: Any, code: str) -> SignedIn:
    """The sign-in the provider's token tells, believed only with its own keys and, of a node, the register's statement."""
    form = {
        "grant_type": "authorization_code", "code": code, "client_id": provider.client, "code_verifier": row["verifier"],
        "redirect_uri": f"{node.settings.base_url}/oidc/callback/{provider.id}",
    }  # fmt: skip
    answer = await _post(node, provider, provider.at.token, form, seconds=_SECONDS)
    token, now = answer.get("id_token"), node.clock.now()
    if not isinstance(token, str):
        raise TokenRefused("no id_token")
    signers = await issuers.public_keys(node, provider, token)
    if not provider.node:
        return await _told_outside(node, provider, row, tokens.read_outside(token, signers), answer)
    claims = tokens.read(token, signers, typ="JWT")
    told = home_rules.judge_id_token(claims, issuer=provider.url, client=node.id, nonce=row["nonce"], now=now)
    stated = claims.get("home_stmt")
    if not isinstance(stated, str):
        raise TokenRefused("no home statement")
    register = home_rules.REGISTER_NODE
    words = tokens.read(stated, await keys.keys_of(node, register, stated), typ=home_rules.STATEMENT_TYP)
    home_rules.judge_statement(words, subject=told.subject, home=provider.id, register=register, now=now)
    return told


async def _told_outside(node: Node, provider: Issuer, row: Any, claims: Claims, answer: dict[str, Any]) -> SignedIn:
    """An outside provider's word: level 1, a local subject, a name only if its userinfo is about the same `sub` (T-07)."""
    told = outside.judge_id_token(claims, issuer=provider.url, client=provider.client, nonce=row["nonce"], now=node.clock.now())
    name = str(claims.get("name", ""))
    token = answer.get("access_token")
    if provider.at.userinfo and isinstance(token, str):
        more = await _userinfo(node, provider, token, dpop=str(answer.get("token_type", "")).lower() == "dpop")
        if outside.subject(more) != told.sub:
            raise TokenRefused("userinfo is about somebody else")
        name = str(more.get("name", "")) or name
    return SignedIn(
        subject=issuers.local_subject(node, provider.id, told.sub), acr=1, proof=1, amr=(), auth_time=told.auth_time, sid=told.sid,
        name_masked=masked_name(name[:40]) if name else "",
    )  # fmt: skip


async def _userinfo(node: Node, provider: Issuer, token: str, *, dpop: bool) -> Claims:
    url, headers = provider.at.userinfo, {"Accept": "application/json", "Authorization": f"{'DPoP' if dpop else 'Bearer'} {token}"}
    if dpop:
        headers["DPoP"] = tokens.make_proof(keys.proof_key(node), "GET", url, jti=uuid7(), now=node.clock.now(), access_token=token)
    try:
        status, _, body = await node.http.request("GET", url, headers=headers, seconds=_SECONDS)
        if status != _OK:
            raise TokenRefused("userinfo cannot be had")
        return msgspec.json.decode(body, type=dict[str, Any])
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError, msgspec.ValidationError):
        raise TokenRefused("userinfo cannot be had") from None


async def _enter(node: Node, home: str, row: Any, told: SignedIn, agent: str, device_cookie: str | None) -> OpenedSession:
    """An own session of the visitor, or the running one raised when it is the same person's (identity.md 6.3)."""
    parts = Parts()
    parts.add(
        "welcome", "SELECT true WHERE NOT EXISTS (SELECT FROM session_end WHERE home = $1 AND (home_sid = $2 OR (subject = $3 AND before > $4)))",
        home, told.sid, told.subject, told.auth_time,
    )  # fmt: skip
    subjects.visiting(
        parts, node, told.subject, home=home, proof=told.proof, name_masked=told.name_masked, confirm_until=told.confirm_until, source="welcome"
    )
    async with node.db.transaction() as tx:
        running = await by_id(tx, row["session"]) if row["session"] else None
        if running is not None and running.revoked_at is None and running.subject == told.subject and running.home == home:
            parts.add(
                "running", "UPDATE session SET home_sid = $3 FROM welcome WHERE session.subject = $1 AND session.id = $2 RETURNING session.id",
                running.subject, running.id, told.sid,
            )  # fmt: skip
            if await parts.run(tx, "SELECT id FROM running") is None:
                raise failure("identity.signed_out_elsewhere")
            return await sessions.raise_level(
                tx, node, running, acr=told.acr, way="roam", agent=agent, proof=told.proof, at=told.auth_time
            )
        try:
            return await sessions.open_session(tx, node, sessions.Opening(
                subject=told.subject, kind="citizen", proof=told.proof, acr=told.acr, amr=told.amr, agent=agent, home=home,
                home_sid=told.sid, auth_time=told.auth_time, device_cookie=device_cookie,
            ), parts, source="welcome")  # fmt: skip
        except LookupError:
            raise failure("identity.signed_out_elsewhere") from None


async def _post(node: Node, provider: Issuer, url: str, form: dict[str, str], *, seconds: float) -> dict[str, Any]:
    """A client's POST: private_key_jwt and DPoP, one answer as JSON; a nonce that is asked for is given once (RFC 9449 8)."""
    try:
        status, headers, answer = await _sent(node, provider, url, form, seconds, nonce=None)
        if status >= _REFUSED and answer.get("error") == "use_dpop_nonce" and "dpop-nonce" in headers:
            status, _, answer = await _sent(node, provider, url, form, seconds, nonce=headers["dpop-nonce"])
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError, msgspec.ValidationError):
        raise failure("identity.home_away", place=provider.name) from None
    if status >= _REFUSED:
        log("identity.home_answered", status=status, code=str(answer.get("error", ""))[:40], path=urlsplit(url).path[:60])
        raise failure("identity.home_away", place=provider.name)
    return answer


async def _sent(
    node: Node, provider: Issuer, url: str, form: dict[str, str], seconds: float, *, nonce: str | None
) -> tuple[int, dict[str, str], dict[str, Any]]:
    now = node.clock.now()
    key = await keys.signer_of(node, provider.alg)
    signed = {
        **form, "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": tokens.make_assertion(key, provider.client, provider.url, jti=uuid7(), now=now),
    }  # fmt: skip
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if provider.at.dpop:
        headers["DPoP"] = tokens.make_proof(keys.proof_key(node), "POST", url, jti=uuid7(), now=now, nonce=nonce)
    status, found, body = await node.http.request("POST", url, headers=headers, body=urlencode(signed).encode(), seconds=seconds)
    return status, found, msgspec.json.decode(body, type=dict[str, Any])
