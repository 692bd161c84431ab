"""This node as the home 账号所在地: answering other nodes' authorization and token requests (identity.md 5, 6.2).

Nodes are clients by being in the directory; nothing is registered by hand and no other client exists yet.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec

from tongban import federation
from tongban.identity import tokens
from tongban.identity.actions import keys, sessions, subjects
from tongban.identity.errors import ProtocolError, TokenRefused, failure
from tongban.identity.model import ACR_PREFIX, Session
from tongban.identity.queries import persons
from tongban.identity.queries.sessions import by_id, hashed
from tongban.identity.rules import levels, requests
from tongban.identity.rules.requests import Pushed
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

REQUEST_PREFIX = "urn:ietf:params:oauth:request_uri:"
REQUEST_LIFE = timedelta(seconds=90)
PERSON_LIFE = timedelta(minutes=30)
CODE_LIFE = timedelta(seconds=60)
TOKEN_LIFE = timedelta(minutes=5)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ClientProof(msgspec.Struct, frozen=True):
    """A client that proved who it is, and the thumbprint of the key it proved to hold."""

    client: str
    jkt: str


async def authenticate(node: Node, form: dict[str, str], headers: Iterable[tuple[str, str]], path: str) -> ClientProof:
    """Who calls PAR or token 验客户端: private_key_jwt with the node's own keys, and a DPoP proof. Raises ProtocolError.

    Each assertion and each proof is taken once. Opens its own transactions; the keys may need a call.
    """
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise ProtocolError("invalid_client", "private_key_jwt is required", status=401)
    client = form.get("client_id", "")
    async with node.db.reading() as tx:
        listed = (await federation.directory(tx)).node(client)
    if listed is None or listed.status not in ("active", "leaving") or client == node.id:
        raise ProtocolError("invalid_client", "client is not an active node", status=401)
    proofs = [value for name, value in headers if name.lower() == "dpop"]
    if len(proofs) != 1:
        raise ProtocolError("invalid_dpop_proof", "exactly one DPoP proof is required")
    assertion, now = form.get("client_assertion", ""), node.clock.now()
    try:
        found = tokens.check_assertion(
            assertion, await keys.keys_of(node, client, assertion), client=client, issuer=node.settings.base_url, now=now
        )
    except TokenRefused as error:
        raise ProtocolError("invalid_client", error.why, status=401) from None
    try:
        proof = tokens.check_proof(proofs[0], "POST", node.settings.base_url + path, now=now)
    except TokenRefused as error:
        raise ProtocolError("invalid_dpop_proof", error.why) from None
    async with node.db.transaction() as tx:
        if not await once(tx, node, "assertion", f"{client} {found.jti}", seconds=360):
            raise ProtocolError("invalid_client", "assertion used before", status=401)
        if not await once(tx, node, "dpop", f"{proof.jkt} {proof.jti}", seconds=120):
            raise ProtocolError("invalid_dpop_proof", "proof used before")
    return ClientProof(client, proof.jkt)


async def once(tx: Tx, node: Node, kind: str, value: str, *, seconds: int) -> bool:
    """Whether an id is seen for the first time 只用一次; it is kept `seconds`."""
    found: bool | None = await tx.fetchval(
        "INSERT INTO replay (kind, seen, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true",
        kind, hashed(value), node.clock.now() + timedelta(seconds=seconds),
    )  # fmt: skip
    return bool(found)


async def push(tx: Tx, node: Node, proof: ClientProof, form: dict[str, str]) -> str:
    """Keep a judged authorization request 收下授权请求; its `request_uri`, good for 90 s. Raises ProtocolError."""
    listed = (await federation.directory(tx)).node(proof.client)
    if listed is None:
        raise ProtocolError("invalid_client", "client is not a node", status=401)
    asked = requests.pushed(form, client=proof.client, redirect_uri=f"{listed.base_url}/oidc/callback/{node.id}")
    if form.get("dpop_jkt", proof.jkt) != proof.jkt:
        raise ProtocolError("invalid_dpop_proof", "dpop_jkt is of another key")
    uri = REQUEST_PREFIX + secrets.token_urlsafe(32)
    await tx.execute(
        "INSERT INTO oidc_request (id_hash, client, params, dpop_jkt, expires_at) VALUES ($1, $2, $3, $4, $5)",
        hashed(uri), proof.client, msgspec.to_builtins(asked), proof.jkt, node.clock.now() + REQUEST_LIFE,
    )  # fmt: skip
    return uri


class Answer(msgspec.Struct, frozen=True):
    """Where the browser goes next: back to the client (`url`), or first to sign in or step up here (`interact` level)."""

    url: str = ""
    interact: int = 0
    client: str = ""
    login_hint: str = ""


async def authorize(tx: Tx, node: Node, client: str, request_uri: str, session: Session | None) -> Answer:
    """Answer a pushed request from this person's own session 答复授权请求.

    Raises Failure `identity.client_unknown` (no redirect) for anything that was not pushed by that client.
    """
    row = await tx.fetchrow("SELECT * FROM oidc_request WHERE id_hash = $1 FOR UPDATE", hashed(request_uri))
    now = node.clock.now()
    if row is None or row["client"] != client or row["finished_at"] is not None or row["expires_at"] <= now:
        raise failure("identity.client_unknown")
    asked = msgspec.convert(row["params"], Pushed)
    judged = _judge(node, asked, session)
    if isinstance(judged, int):
        if asked.silent:
            return await _back(tx, node, row, asked, {"error": "login_required" if judged < 3 else "interaction_required"})
        await tx.execute(
            "UPDATE oidc_request SET expires_at = greatest(expires_at, $2) WHERE id_hash = $1", row["id_hash"], now + PERSON_LIFE
        )
        return Answer(interact=judged, client=client, login_hint=asked.login_hint)
    code = secrets.token_urlsafe(32)
    await tx.execute(
        "INSERT INTO oidc_code (code_hash, subject, session, client, redirect_uri, challenge, dpop_jkt, nonce, scope, acr, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        hashed(code), judged.subject, judged.id, client, asked.redirect_uri, asked.challenge, row["dpop_jkt"], asked.nonce, asked.scope,
        _level(node, judged), now + CODE_LIFE,
    )  # fmt: skip
    await tx.execute("UPDATE session SET visited = array_append(array_remove(visited, $3), $3) WHERE subject = $1 AND id = $2", judged.subject, judged.id, client)
    await sessions.record(tx, node, judged.subject, "visited", _level(node, judged), "", place=client)
    return await _back(tx, node, row, asked, {"code": code})


def _judge(node: Node, asked: Pushed, session: Session | None) -> Session | int:
    """The session if it answers the request, else the level to reach by interaction (1 = sign in)."""
    if session is None or session.kind != "citizen" or session.home is not None:
        return max(1, asked.level)
    level = _level(node, session)
    if not session.subject.startswith("n"):
        return max(2, asked.level)
    if asked.level > level and (asked.essential or asked.silent):
        return asked.level
    if asked.max_age is not None and (node.clock.now() - session.auth_time).total_seconds() > asked.max_age:
        return max(1, asked.level)
    return session


def _level(node: Node, session: Session) -> int:
    return levels.decayed(session.acr, raised_at=session.raised_at, seen_at=session.seen_at, now=node.clock.now())


async def refuse(tx: Tx, node: Node, client: str, request_uri: str, error: str) -> str:
    """End a pushed request with an error 回绝, for example when the person does not want to go on; the address to go to."""
    row = await tx.fetchrow("SELECT * FROM oidc_request WHERE id_hash = $1 FOR UPDATE", hashed(request_uri))
    if row is None or row["client"] != client or row["finished_at"] is not None:
        raise failure("identity.client_unknown")
    return (await _back(tx, node, row, msgspec.convert(row["params"], Pushed), {"error": error})).url


async def _back(tx: Tx, node: Node, row: Any, asked: Pushed, answer: dict[str, str]) -> Answer:
    await tx.execute("UPDATE oidc_request SET finished_at = $2 WHERE id_hash = $1", row["id_hash"], node.clock.now())
    query = {**answer, "iss": node.settings.base_url}
    if asked.state:
        query["state"] = asked.state
    return Answer(url=f"{asked.redirect_uri}?{urlencode(query)}", client=asked.client)


async def redeem(tx: Tx, node: Node, proof: ClientProof, form: dict[str, str]) -> dict[str, Any] | ProtocolError:
    """A code for an ID token and an access token 兑换授权码 (T-05): bound to client, redirect, challenge and key, used once.

    A refusal is a value, so that the used mark is committed; a second use ends what the first one gave.
    """
    if form.get("grant_type") != "authorization_code":
        return ProtocolError("unsupported_grant_type", "only authorization_code is offered")
    row = await tx.fetchrow("SELECT * FROM oidc_code WHERE code_hash = $1 FOR UPDATE", hashed(form.get("code", "")))
    now = node.clock.now()
    if row is None or row["client"] != proof.client:
        return ProtocolError("invalid_grant", "code unknown")
    if row["used_at"] is not None:
        await tx.execute("UPDATE session SET visited = array_remove(visited, $2) WHERE id = $1", row["session"], row["client"])
        await federation.send(
            tx, node, to=row["client"], kind="session.ended", about=f"session:{row['session']}",
            body={"sid": row["session"], "subject": None, "before": None, "reason": "code_reused"},
        )  # fmt: skip
        return ProtocolError("invalid_grant", "code used before")
    if row["expires_at"] <= now:
        return ProtocolError("invalid_grant", "code has run out")
    if row["redirect_uri"] != form.get("redirect_uri"):
        return ProtocolError("invalid_grant", "redirect_uri is another one")
    if row["dpop_jkt"] != proof.jkt:
        return ProtocolError("invalid_dpop_proof", "proof key is another one")
    verifier = form.get("code_verifier", "")
    if not requests.verifier_form(verifier) or not hmac.compare_digest(tokens.challenge(verifier), row["challenge"]):
        return ProtocolError("invalid_grant", "code_verifier does not fit")
    await tx.execute("UPDATE oidc_code SET used_at = $2 WHERE code_hash = $1", row["code_hash"], now)
    session = await by_id(tx, row["session"])
    if session is None or session.revoked_at is not None:
        return ProtocolError("invalid_grant", "session has ended")
    return await _tokens(tx, node, row, session, proof)


async def _tokens(tx: Tx, node: Node, row: Any, session: Session, proof: ClientProof) -> dict[str, Any]:
    """The ID token with the register's home statement, and an access token bound to the proof key."""
    at = int(node.clock.now().timestamp())
    person = await persons.person(tx, node, session.subject)
    masked = person.name_masked.reveal() if person is not None and person.name_masked is not None else ""
    key = await keys.signing_key(tx, node, "Ed25519")
    issuer, life = node.settings.base_url, int(TOKEN_LIFE.total_seconds())
    shared: tokens.Claims = {"iss": issuer, "sub": session.subject, "iat": at, "exp": at + life, "sid": session.id, "acr": f"{ACR_PREFIX}{row['acr']}"}
    id_claims = {
        **shared, "aud": proof.client, "nonce": row["nonce"], "amr": list(session.amr), "auth_time": int(session.auth_time.timestamp()),
        "proof": session.proof, "name_masked": masked, "home_stmt": await subjects.statement_of(tx, node, session.subject),
    }  # fmt: skip
    access = {**shared, "aud": issuer, "client_id": proof.client, "scope": row["scope"], "cnf": {"jkt": proof.jkt}, "jti": secrets.token_urlsafe(16)}
    return {
        "access_token": key.sign(access, typ="at+jwt"), "token_type": "DPoP", "expires_in": life, "scope": row["scope"],
        "id_token": key.sign(id_claims, typ="JWT"),
    }  # fmt: skip


async def userinfo(node: Node, authorization: str, proof_header: str, method: str) -> dict[str, Any]:
    """The claims of `node` scope for a living session 用户信息 (T-06). Raises ProtocolError 401."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "dpop" or not token:
        raise ProtocolError("invalid_token", "a DPoP access token is required", status=401)
    now = node.clock.now()
    async with node.db.transaction() as tx:
        try:
            claims = tokens.read_access(token, (await keys.jwks(tx, node))["keys"], audience=node.settings.base_url, now=now)
            jkt = str(claims["cnf"]["jkt"])
            proof = tokens.check_proof(proof_header, method, node.settings.base_url + "/oidc/userinfo", now=now, access_token=token, jkt=jkt)
        except TokenRefused as error:
            raise ProtocolError("invalid_token", error.why, status=401) from None
        if not await once(tx, node, "dpop", f"{proof.jkt} {proof.jti}", seconds=120):
            raise ProtocolError("invalid_dpop_proof", "proof used before", status=401)
        session = await by_id(tx, str(claims.get("sid")))
        if session is None or session.revoked_at is not None:
            raise ProtocolError("invalid_token", "session has ended", status=401)
        person = await persons.person(tx, node, session.subject)
    masked = person.name_masked.reveal() if person is not None and person.name_masked is not None else ""
    return {"sub": session.subject, "name_masked": masked, "proof": session.proof, "acr": f"{ACR_PREFIX}{_level(node, session)}"}


def metadata(node: Node) -> dict[str, Any]:
    """The provider's description of itself 发现文档 (OpenID Connect Discovery, RFC 8414)."""
    issuer = node.settings.base_url
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oidc/authorize",
        "pushed_authorization_request_endpoint": f"{issuer}/oidc/par",
        "require_pushed_authorization_requests": True,
        "token_endpoint": f"{issuer}/oidc/token",
        "userinfo_endpoint": f"{issuer}/oidc/userinfo",
        "revocation_endpoint": f"{issuer}/oidc/revoke",
        "end_session_endpoint": f"{issuer}/oidc/logout",
        "jwks_uri": f"{issuer}/oidc/jwks",
        "scopes_supported": ["openid", "node"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "acr_values_supported": [f"{ACR_PREFIX}{level}" for level in (1, 2, 3, 4)],
        "claims_supported": ["sub", "acr", "amr", "auth_time", "sid", "proof", "name_masked", "home_stmt"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "id_token_signing_alg_values_supported": ["Ed25519", "ES256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["Ed25519", "ES256"],
        "dpop_signing_alg_values_supported": ["Ed25519", "ES256"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "ui_locales_supported": ["zh-CN"],
    }


