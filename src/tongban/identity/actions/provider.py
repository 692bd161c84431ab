"""This node as a provider 登录服务提供方: authorization requests, answered from a person's own session (identity.md 5, 6.2).

Nodes are clients by being in the directory; every other client stands in the register (`actions/clients`).
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from tongban.identity import tokens
from tongban.identity.actions import client_people, keys, sessions
from tongban.identity.actions.provider_client import ASSERTION_TYPE, ClientProof, once
from tongban.identity.errors import ProtocolError, TokenRefused, failure
from tongban.identity.model import Session
from tongban.identity.queries import clients as queries
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules import levels, requests
from tongban.identity.rules.clients import Client
from tongban.identity.rules.requests import Pushed
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

__all__ = ["ASSERTION_TYPE", "REQUEST_LIFE", "REQUEST_PREFIX", "Answer", "ClientProof", "authorize", "hashed", "once", "push", "refuse"]

REQUEST_PREFIX = "urn:ietf:params:oauth:request_uri:"
REQUEST_LIFE = timedelta(seconds=90)
PERSON_LIFE = timedelta(minutes=30)
CODE_LIFE = timedelta(seconds=60)
MOST_TURNS = 8


class Answer(msgspec.Struct, frozen=True):
    """Where the browser goes next: back to the client (`url`), or first to an act of the person here (`todo`).

    `level` is what a step-up has to reach; `again` that a session is there but a fresh sign-in is asked.
    """

    url: str = ""
    todo: Literal["", "sign_in", "step_up", "consent"] = ""
    level: int = 0
    again: bool = False
    login_hint: str = ""


class Waiting(msgspec.Struct, frozen=True):
    """A request under way 办理中的授权请求: who asks and what, for the page that asks the person."""

    client: Client
    asked: Pushed


async def push(tx: Tx, node: Node, client: Client, form: dict[str, str], jkt: str) -> str:
    """Keep a judged authorization request 收下授权请求; its `request_uri`, good for 90 s. Raises ProtocolError.

    `jkt` is the thumbprint of a key proven with the request, empty without one.
    """
    asked = requests.pushed(form, client, today=node.clock.today())
    if form.get("id_token_hint"):
        asked = msgspec.structs.replace(asked, hint_sub=(await read_hint(tx, node, form["id_token_hint"], client.id))["sub"])
    uri, now = REQUEST_PREFIX + secrets.token_urlsafe(32), node.clock.now()
    await tx.execute(
        "INSERT INTO oidc_request (id_hash, client, params, dpop_jkt, expires_at, pushed_at) VALUES ($1, $2, $3, $4, $5, $6)",
        hashed(uri), client.id, msgspec.to_builtins(asked), requests.wanted_jkt(form, jkt), now + REQUEST_LIFE, now,
    )  # fmt: skip
    return uri


async def read_hint(tx: Tx, node: Node, hint: str, client_id: str = "") -> tokens.Claims:
    """The claims of an ID token of ours, run out or not (id_token_hint). Raises ProtocolError for any other token."""
    try:
        claims = tokens.read(hint, (await keys.jwks(tx, node))["keys"], typ="JWT")
    except TokenRefused as error:
        raise ProtocolError("invalid_request", error.why) from None
    if claims.get("iss") != node.settings.base_url or (client_id and claims.get("aud") != client_id) or not isinstance(claims.get("sub"), str):
        raise ProtocolError("invalid_request", "id_token_hint is not of this client")
    return claims


async def authorize(tx: Tx, node: Node, client_id: str, request_uri: str, session: Session | None) -> Answer:
    """Answer a pushed request from this person's own session 答复授权请求; `session` is staff's for a staff tool.

    Raises Failure without any redirect for what was not pushed by that client, and for a suspended client.
    """
    row, client, asked = await _row(tx, node, client_id, request_uri)
    if asked.level == requests.UNKNOWN_LEVEL:
        return await _back(tx, node, row, asked, {"error": "unmet_authentication_requirements"})
    judged = await _judge(tx, node, client, row, asked, session)
    if isinstance(judged, Session):
        return await _code(tx, node, client, row, asked, judged)
    if asked.silent:
        error = {"sign_in": "login_required", "consent": "consent_required"}.get(judged.todo, "interaction_required")
        return await _back(tx, node, row, asked, {"error": error})
    if row["turns"] >= MOST_TURNS:
        raise failure("identity.loop")
    await tx.execute(
        "UPDATE oidc_request SET expires_at = greatest(expires_at, $2), turns = turns + 1 WHERE id_hash = $1",
        row["id_hash"], node.clock.now() + PERSON_LIFE,
    )  # fmt: skip
    return judged


async def waiting(tx: Tx, node: Node, client_id: str, request_uri: str) -> Waiting:
    """The request a consent page is about. Raises as `authorize` does."""
    _, client, asked = await _row(tx, node, client_id, request_uri)
    return Waiting(client, asked)


async def refuse(tx: Tx, node: Node, client_id: str, request_uri: str, error: str) -> str:
    """End a pushed request with an error 回绝, for example when the person does not want to go on; the address to go to."""
    row, _, asked = await _row(tx, node, client_id, request_uri)
    return (await _back(tx, node, row, asked, {"error": error})).url


async def decline(tx: Tx, node: Node, client_id: str, request_uri: str) -> Answer:
    """The person does not want to prove more 先不核验: the end of the request, or on without when the level was a wish only."""
    row, client, asked = await _row(tx, node, client_id, request_uri)
    if client.kind != "node" and asked.level and not asked.essential and row["turns"]:
        return Answer(todo="sign_in")
    return await _back(tx, node, row, asked, {"error": "access_denied"})


async def _row(tx: Tx, node: Node, client_id: str, request_uri: str) -> tuple[Any, Client, Pushed]:
    client = await queries.client(tx, node, client_id) if client_id else None
    row = await tx.fetchrow("SELECT * FROM oidc_request WHERE id_hash = $1 FOR UPDATE", hashed(request_uri))
    if client is None or row is None or row["client"] != client.id:
        raise failure("identity.client_unknown")
    if client.status != "active":
        raise failure("identity.client_suspended", link="在首页搜同一件事，或者打 12345")
    if row["finished_at"] is not None or row["expires_at"] <= node.clock.now():
        raise failure("identity.request_over")
    return row, client, msgspec.convert(row["params"], Pushed)


async def _judge(tx: Tx, node: Node, client: Client, row: Any, asked: Pushed, session: Session | None) -> Session | Answer:
    """The session if it answers the request, else what the person has to do first."""
    wanted = min(asked.level, client.max_acr)
    sign_in = Answer(todo="sign_in", level=max(1, wanted), login_hint=asked.login_hint)
    staff = client.kind == "staff_tool"
    if session is None or session.kind != ("staff" if staff else "citizen") or session.locked_at is not None:
        return sign_in
    if client.kind == "node" and session.home is not None:
        return msgspec.structs.replace(sign_in, again=True)
    if _stale(node, client, row, asked, session):
        return msgspec.structs.replace(sign_in, again=True)
    if staff:
        return session
    if asked.hint_sub and asked.hint_sub != await client_people.sub_for(tx, node, client, session.subject):
        return msgspec.structs.replace(sign_in, again=True)
    level = level_of(node, session)
    if not session.subject.startswith("n"):
        return Answer(todo="step_up", level=max(2, wanted))
    if wanted > level and (asked.essential or asked.silent or (client.kind != "node" and row["turns"] == 0)):
        return Answer(todo="step_up", level=wanted)
    since = row["pushed_at"] if asked.ask_again else None
    if await client_people.given(tx, node, client, session.subject, claims=asked.claims, id_claims=asked.id_claims, since=since) is None:
        return Answer(todo="consent")
    return session


def _stale(node: Node, client: Client, row: Any, asked: Pushed, session: Session) -> bool:
    """Whether a fresh sign-in is asked and this one is older than the request (prompt=login, max_age, a tool's working day)."""
    age = node.clock.now() - session.auth_time
    if client.rules.session_hours and age > timedelta(hours=client.rules.session_hours):
        return True
    if session.auth_time >= row["pushed_at"]:
        return False
    return asked.fresh or (asked.max_age is not None and age > timedelta(seconds=asked.max_age))


async def _code(tx: Tx, node: Node, client: Client, row: Any, asked: Pushed, session: Session) -> Answer:
    given = await client_people.given(tx, node, client, session.subject, claims=asked.claims, id_claims=asked.id_claims)
    if given is None:
        message = "judged as given, and not given"
        raise LookupError(message)
    code, now, acr = secrets.token_urlsafe(32), node.clock.now(), min(level_of(node, session), client.max_acr)
    await tx.execute(
        "INSERT INTO oidc_code (code_hash, subject, session, client, redirect_uri, challenge, dpop_jkt, nonce, scope, acr, expires_at,"
        " claims, id_claims, consent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        hashed(code), session.subject, session.id, client.id, asked.redirect_uri, asked.challenge, row["dpop_jkt"], asked.nonce,
        asked.scope, acr, now + CODE_LIFE, list(given.claims), list(given.id_claims), given.consent,
    )  # fmt: skip
    if client.kind == "node":
        await tx.execute(
            "UPDATE session SET visited = array_append(array_remove(visited, $3), $3) WHERE subject = $1 AND id = $2",
            session.subject, session.id, client.id,
        )  # fmt: skip
        await sessions.record(tx, node, session.subject, "visited", acr, "", place=client.id)
    else:
        sub = await client_people.sub_for(tx, node, client, session.subject)
        await client_people.remember(tx, node, client, session, sub)
        if session.kind == "citizen":
            await sessions.record(tx, node, session.subject, "app_signed_in", acr, "", place=client.name)
    return await _back(tx, node, row, asked, {"code": code})


def level_of(node: Node, session: Session) -> int:
    """What the level of a session is worth now."""
    return levels.decayed(session.acr, raised_at=session.raised_at, seen_at=session.seen_at, now=node.clock.now())


async def _back(tx: Tx, node: Node, row: Any, asked: Pushed, answer: dict[str, str]) -> Answer:
    await tx.execute("UPDATE oidc_request SET finished_at = $2 WHERE id_hash = $1", row["id_hash"], node.clock.now())
    return Answer(url=back_to(asked.redirect_uri, answer, asked.state, node.settings.base_url))


def back_to(uri: str, answer: dict[str, str], state: str, issuer: str) -> str:
    """A verified redirect URI with an answer, the state and the issuer (RFC 9207)."""
    query = {**answer, "iss": issuer, **({"state": state} if state else {})}
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(query)}"
