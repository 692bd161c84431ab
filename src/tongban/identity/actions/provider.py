"""This node as a provider 登录服务提供方: authorization requests, answered from a person's own session (identity.md 5, 6.2).

Nodes are clients by being in the directory; every other client stands in the register (`actions/clients`).
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from tongban import consent
from tongban.identity import tokens
from tongban.identity.actions import keys, sessions
from tongban.identity.actions.client_book import Known, expect_same, same
from tongban.identity.actions.client_people import Given, given_in, purpose_of, remember, sub_known
from tongban.identity.actions.provider_client import (
    ASSERTION_TYPE,
    TAKEN,
    Caller,
    ClientProof,
    all_new,
    expect_taken,
    once,
    taking,
)
from tongban.identity.errors import ProtocolError, TokenRefused, failure
from tongban.identity.model import Session
from tongban.identity.queries import clients as queries
from tongban.identity.queries.sessions import JOINED, hashed, joined, living
from tongban.identity.rules import levels, requests
from tongban.identity.rules.clients import Client
from tongban.identity.rules.requests import Pushed
from tongban.kernel.db import Tx
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

__all__ = ["ASSERTION_TYPE", "REQUEST_LIFE", "REQUEST_PREFIX", "Answer", "ClientProof", "authorize", "hashed", "once", "push", "push_by", "refuse"]

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
    parts, asked = Parts(), await _asked(node, client, form)
    uri = _keeping(parts, node, asked, requests.wanted_jkt(form, jkt), "true")
    await parts.run(tx)
    return uri


async def push_by(node: Node, caller: Caller, form: dict[str, str]) -> str:
    """As `push`, for a caller whose ids are taken in the same statement. Raises ProtocolError, Turned."""
    parts, client = Parts(), caller.known.client
    asked = await _asked(node, client, form)
    taking(parts, node, caller)
    uri = _keeping(parts, node, asked, requests.wanted_jkt(form, caller.proof.jkt), all_new(caller))
    async with node.db.alone() as tx:
        expect_taken(node, caller, await parts.run(tx, TAKEN), "par")
    return uri


async def _asked(node: Node, client: Client, form: dict[str, str]) -> Pushed:
    asked = requests.pushed(form, client, today=node.clock.today())
    if form.get("id_token_hint"):
        async with node.db.transaction() as tx:
            asked = msgspec.structs.replace(asked, hint_sub=(await read_hint(tx, node, form["id_token_hint"], client.id))["sub"])
    return asked


def _keeping(parts: Parts, node: Node, asked: Pushed, jkt: str, when: str) -> str:
    uri, now = REQUEST_PREFIX + secrets.token_urlsafe(32), node.clock.now()
    parts.add(
        "kept",
        f"INSERT INTO oidc_request (id_hash, client, params, dpop_jkt, expires_at, pushed_at) SELECT $1, $2, $3, $4, $5, $6 WHERE {when}",
        hashed(uri), asked.client, msgspec.to_builtins(asked), jkt, now + REQUEST_LIFE, now,
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


_SENT = f"""
    UPDATE oidc_request SET expires_at = greatest(expires_at, $4), turns = turns + 1 FROM same
    WHERE id_hash = $1 AND client = $2 AND finished_at IS NULL AND expires_at > $3 AND turns < {MOST_TURNS}
    AND params->>'silent' = 'false' AND (params->>'level')::integer <> {requests.UNKNOWN_LEVEL} RETURNING params
"""
_MET = f"""
    SELECT r.id_hash, r.client, r.params, r.dpop_jkt, r.expires_at, r.finished_at, r.pushed_at, r.turns, {JOINED},
    s.cookie_hash = $2 AS s_current, s.previous_acr AS s_previous_acr, g.offered, g.granted, g.text_digest, g.consent, g.at,
    {consent.standing("s.subject", "$5", "r.client", "$3")} AS standing, p.sub AS pairwise, EXISTS (SELECT FROM same) AS same
    FROM oidc_request r LEFT JOIN session s ON {living("$2", "$3", "$4")}
    LEFT JOIN client_consent g ON g.subject = s.subject AND g.client = r.client
    LEFT JOIN pairwise p ON p.subject = s.subject AND p.sector = $6 AND p.version = $7
    WHERE r.id_hash = $1
"""


async def authorize(node: Node, known: Known, request_uri: str, cookie: str) -> tuple[Answer, Session | None]:
    """Answer a pushed request from this browser's own session 答复授权请求, which is staff's for a staff tool; and that session.

    Without a session one statement, with one two: what is known, then all that an answer changes, if the request still waits.
    Raises Failure without any redirect for what was not pushed by that client, and for a suspended client; Turned.
    """
    client, now = known.client, node.clock.now()
    parts = Parts()
    same(parts, known)
    async with node.db.alone() as tx:
        if not cookie:
            parts.add("sent", _SENT, hashed(request_uri), client.id, now, now + PERSON_LIFE)
            if (sent := await parts.run(tx, "SELECT params FROM sent")) is not None:
                return _sign_in(client, msgspec.convert(sent["params"], Pushed)), None
            parts = Parts()
            same(parts, known)
        row = await parts.run(
            tx, _MET, hashed(request_uri), hashed(cookie) if cookie else b"", now, client.kind == "staff_tool", purpose_of(client),
            client.sector, client.pairwise_version,
        )  # fmt: skip
        asked = _waits(node, client, row)
        expect_same(node, known, row)
        session = joined(row)
        return await _answered(tx, node, client, row, asked, session), session


async def _answered(tx: Tx, node: Node, client: Client, row: Any, asked: Pushed, session: Session | None) -> Answer:
    if asked.level == requests.UNKNOWN_LEVEL:
        return await _back(tx, node, row, asked, {"error": "unmet_authentication_requirements"})
    judged = _judge(node, client, row, asked, session)
    if not isinstance(judged, Answer):
        return await _code(tx, node, client, row, asked, *judged)
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
    if client is None:
        raise failure("identity.client_unknown")
    return row, client, _waits(node, client, row)


def _waits(node: Node, client: Client, row: Any) -> Pushed:
    """The request of a row that still waits for its answer. Raises Failure, without any redirect."""
    if row is None or row["client"] != client.id:
        raise failure("identity.client_unknown")
    if client.status != "active":
        raise failure("identity.client_suspended", link="在首页搜同一件事，或者打 12345")
    if row["finished_at"] is not None or row["expires_at"] <= node.clock.now():
        raise failure("identity.request_over")
    return msgspec.convert(row["params"], Pushed)


def _sign_in(client: Client, asked: Pushed) -> Answer:
    return Answer(todo="sign_in", level=max(1, min(asked.level, client.max_acr)), login_hint=asked.login_hint)


def _judge(node: Node, client: Client, row: Any, asked: Pushed, session: Session | None) -> tuple[Session, Given] | Answer:
    """The session and what was given if they answer the request, else what the person has to do first."""
    wanted, sign_in = min(asked.level, client.max_acr), _sign_in(client, asked)
    staff = client.kind == "staff_tool"
    if session is None or session.kind != ("staff" if staff else "citizen") or session.locked_at is not None:
        return sign_in
    if client.kind == "node" and session.home is not None:
        return msgspec.structs.replace(sign_in, again=True)
    if _stale(node, client, row, asked, session):
        return msgspec.structs.replace(sign_in, again=True)
    if staff:
        return session, Given(asked.claims, asked.id_claims)
    if asked.hint_sub and asked.hint_sub != sub_known(node, client, session.subject, row["pairwise"]):
        return msgspec.structs.replace(sign_in, again=True)
    level = level_of(node, session)
    if not session.subject.startswith("n"):
        return Answer(todo="step_up", level=max(2, wanted))
    if wanted > level and (asked.essential or asked.silent or (client.kind != "node" and row["turns"] == 0)):
        return Answer(todo="step_up", level=wanted)
    since = row["pushed_at"] if asked.ask_again else None
    given = given_in(client, row, claims=asked.claims, id_claims=asked.id_claims, since=since)
    return Answer(todo="consent") if given is None else (session, given)


def _stale(node: Node, client: Client, row: Any, asked: Pushed, session: Session) -> bool:
    """Whether a fresh sign-in is asked and this one is older than the request (prompt=login, max_age, a tool's working day)."""
    age = node.clock.now() - session.auth_time
    if client.rules.session_hours and age > timedelta(hours=client.rules.session_hours):
        return True
    if session.auth_time >= row["pushed_at"]:
        return False
    return asked.fresh or (asked.max_age is not None and age > timedelta(seconds=asked.max_age))


async def _code(tx: Tx, node: Node, client: Client, row: Any, asked: Pushed, session: Session, given: Given) -> Answer:
    """A code and all that goes with it, in one statement that does nothing when the request was answered meanwhile."""
    code, now, acr = secrets.token_urlsafe(32), node.clock.now(), min(level_of(node, session), client.max_acr)
    parts = Parts()
    parts.add(
        "done", "UPDATE oidc_request SET finished_at = $2 WHERE id_hash = $1 AND finished_at IS NULL AND expires_at > $2 RETURNING true",
        row["id_hash"], now,
    )  # fmt: skip
    parts.add(
        "code",
        "INSERT INTO oidc_code (code_hash, subject, session, client, redirect_uri, challenge, dpop_jkt, nonce, scope, acr, expires_at,"
        " claims, id_claims, consent) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 FROM done",
        hashed(code), session.subject, session.id, client.id, asked.redirect_uri, asked.challenge, row["dpop_jkt"], asked.nonce,
        asked.scope, acr, now + CODE_LIFE, list(given.claims), list(given.id_claims), given.consent,
    )  # fmt: skip
    if client.kind == "node":
        parts.add(
            "visited",
            "UPDATE session SET visited = array_append(array_remove(visited, $3), $3) FROM done WHERE subject = $1 AND id = $2",
            session.subject, session.id, client.id,
        )  # fmt: skip
        sessions.recording(parts, node, session.subject, "visited", acr, "", place=client.id, source="done")
    else:
        remember(parts, node, client, session, row["pairwise"], source="done")
        if session.kind == "citizen":
            sessions.recording(parts, node, session.subject, "app_signed_in", acr, "", place=client.name, source="done")
    if not (await parts.run(tx, "SELECT EXISTS (SELECT FROM done) AS done"))["done"]:
        raise failure("identity.request_over")
    return _to_client(node, asked, {"code": code})


def level_of(node: Node, session: Session) -> int:
    """What the level of a session is worth now."""
    return levels.decayed(session.acr, raised_at=session.raised_at, seen_at=session.seen_at, now=node.clock.now())


async def _back(tx: Tx, node: Node, row: Any, asked: Pushed, answer: dict[str, str]) -> Answer:
    await tx.execute("UPDATE oidc_request SET finished_at = $2 WHERE id_hash = $1", row["id_hash"], node.clock.now())
    return _to_client(node, asked, answer)


def _to_client(node: Node, asked: Pushed, answer: dict[str, str]) -> Answer:
    return Answer(url=back_to(asked.redirect_uri, answer, asked.state, node.settings.base_url))


def back_to(uri: str, answer: dict[str, str], state: str, issuer: str) -> str:
    """A verified redirect URI with an answer, the state and the issuer (RFC 9207)."""
    query = {**answer, "iss": issuer, **({"state": state} if state else {})}
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(query)}"
