"""Tokens for a client 发令牌: a code redeemed, userinfo, introspection (identity.md 5; T-05, T-06, T-25).

Every door here asks again whether client, session and consent still stand: an access token lives five minutes, trust less.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from typing import Any

import msgspec

from tongban import federation
from tongban.identity import tokens
from tongban.identity.actions import client_claims, client_people, ending, keys, provider_refresh, subjects
from tongban.identity.actions.provider import level_of
from tongban.identity.actions.provider_client import PROOF_SECONDS, ClientProof, nonce, nonce_holds, once
from tongban.identity.errors import NonceWanted, ProtocolError, TokenRefused
from tongban.identity.model import ACR_PREFIX, Session
from tongban.identity.queries import clients as queries
from tongban.identity.queries import persons
from tongban.identity.queries.sessions import by_id, hashed
from tongban.identity.rules import clients as rules
from tongban.identity.rules import ages, requests
from tongban.identity.rules.clients import Client
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

TOKEN_LIFE = timedelta(minutes=5)
REVOKED = "revoked"


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What tokens are made from 令牌依据: a code just redeemed, or a refresh family."""

    subject: str
    session: str
    scope: str
    acr: int
    amr: tuple[str, ...]
    auth_time: int
    claims: tuple[str, ...] = ()
    id_claims: tuple[str, ...] = ()
    nonce: str = ""
    consent: str | None = None
    family: str | None = None


async def redeem(tx: Tx, node: Node, proof: ClientProof, form: dict[str, str]) -> dict[str, Any] | ProtocolError:
    """A code for tokens 兑换授权码 (T-05): bound to client, redirect, challenge and key, used once.

    A refusal is a value, so that the used mark is committed; a second use ends what the first one gave.
    """
    row = await tx.fetchrow("SELECT * FROM oidc_code WHERE code_hash = $1 FOR UPDATE", hashed(form.get("code", "")))
    client = await queries.client(tx, node, proof.client)
    if row is None or client is None or row["client"] != client.id:
        return ProtocolError("invalid_grant", "code unknown")
    if row["used_at"] is not None:
        await _take_back(tx, node, client, row)
        return ProtocolError("invalid_grant", "code used before")
    refused = _wrong(node, row, proof, form)
    if refused is not None:
        return refused
    await tx.execute("UPDATE oidc_code SET used_at = $2 WHERE code_hash = $1", row["code_hash"], node.clock.now())
    session = await by_id(tx, row["session"])
    if session is None or session.revoked_at is not None:
        return ProtocolError("invalid_grant", "session has ended")
    if not await client_people.holds(tx, node, client, row["subject"], row["consent"]):
        return ProtocolError("invalid_grant", "consent was withdrawn")
    basis = Basis(
        subject=row["subject"], session=session.id, scope=row["scope"], acr=row["acr"], amr=session.amr,
        auth_time=int(session.auth_time.timestamp()), claims=tuple(row["claims"]), id_claims=tuple(row["id_claims"]),
        nonce=row["nonce"], consent=row["consent"],
    )  # fmt: skip
    refresh = ""
    if client.rules.refresh_days and "offline_access" in row["scope"].split():
        family, refresh = await provider_refresh.begin(tx, node, client, session, basis, proof.jkt)
        basis = msgspec.structs.replace(basis, family=family)
    answer, jti = await issue(tx, node, client, session, basis, proof.jkt)
    await tx.execute("UPDATE oidc_code SET gave_jti = $2, gave_family = $3 WHERE code_hash = $1", row["code_hash"], jti, basis.family)
    if session.kind == "citizen":
        told = basis.claims if client.kind == "node" else basis.id_claims
        await client_claims.record(tx, node, client, session.subject, told, consent_id=basis.consent)
    return {**answer, **({"refresh_token": refresh} if refresh else {})}


def _wrong(node: Node, row: Any, proof: ClientProof, form: dict[str, str]) -> ProtocolError | None:
    if row["expires_at"] <= node.clock.now():
        return ProtocolError("invalid_grant", "code has run out")
    if row["redirect_uri"] != form.get("redirect_uri"):
        return ProtocolError("invalid_grant", "redirect_uri is another one")
    if row["dpop_jkt"] and row["dpop_jkt"] != proof.jkt:
        return ProtocolError("invalid_dpop_proof", "proof key is another one")
    verifier = form.get("code_verifier", "")
    if not requests.verifier_form(verifier) or not hmac.compare_digest(tokens.challenge(verifier), row["challenge"]):
        return ProtocolError("invalid_grant", "code_verifier does not fit")
    return None


async def _take_back(tx: Tx, node: Node, client: Client, row: Any) -> None:
    """The code came twice: one of the two is a thief, so what the first one got is worth nothing any more."""
    if client.kind == "node":
        await tx.execute("UPDATE session SET visited = array_remove(visited, $2) WHERE id = $1", row["session"], row["client"])
        await federation.send(
            tx, node, to=row["client"], kind="session.ended", about=f"session:{row['session']}",
            body={"sid": row["session"], "subject": None, "before": None, "reason": "code_reused"},
        )  # fmt: skip
    if row["gave_jti"] is not None:
        await revoke_access(tx, node, row["gave_jti"])
    if row["gave_family"] is not None:
        await provider_refresh.end_family(tx, node, row["gave_family"], "code_reused")


async def issue(
    tx: Tx, node: Node, client: Client, session: Session | None, basis: Basis, jkt: str
) -> tuple[dict[str, Any], str]:
    """An access token bound to the proven key (or a bearer of the plain profile), and an ID token; the answer and the jti."""
    at, life, issuer = int(node.clock.now().timestamp()), int(TOKEN_LIFE.total_seconds()), node.settings.base_url
    sub, sid = await client_people.sub_for(tx, node, client, basis.subject), client_people.sid_for(node, client, basis.session)
    shared: tokens.Claims = {"iss": issuer, "sub": sub, "iat": at, "exp": at + life, "sid": sid, "acr": f"{ACR_PREFIX}{basis.acr}"}
    jti = secrets.token_urlsafe(16)
    access: tokens.Claims = {
        **shared, "aud": issuer, "client_id": client.id, "scope": basis.scope, "jti": jti,
        **({"cnf": {"jkt": jkt}} if jkt else {}), **({"fid": basis.family} if basis.family else {}),
        **({"cns": basis.consent} if basis.consent else {}), **({"clm": list(rules.personal(basis.claims))} if client.kind != "node" else {}),
    }  # fmt: skip
    identity: tokens.Claims = {
        **shared, "aud": client.id, "amr": list(basis.amr), "auth_time": basis.auth_time, **({"nonce": basis.nonce} if basis.nonce else {}),
    }  # fmt: skip
    if client.kind == "node" and session is not None:
        identity |= {"nonce": basis.nonce, **await _for_node(tx, node, session)}
    elif session is not None and basis.id_claims:
        identity |= await client_claims.values(tx, node, client, session, basis.id_claims, acr=basis.acr)
    key, id_key = await keys.signing_key(tx, node, "Ed25519"), await keys.signing_key(tx, node, client.id_alg)
    return {
        "access_token": key.sign(access, typ="at+jwt"), "token_type": "DPoP" if jkt else "Bearer", "expires_in": life,
        "scope": basis.scope, "id_token": id_key.sign(identity, typ="JWT"),
    }, jti  # fmt: skip


async def _for_node(tx: Tx, node: Node, session: Session) -> tokens.Claims:
    """What another node learns of its visitor: level, masked name, and the register's word that this is the home."""
    person = await persons.person(tx, node, session.subject)
    masked = person.name_masked.reveal() if person is not None and person.name_masked is not None else ""
    told: tokens.Claims = {"proof": session.proof, "name_masked": masked, "home_stmt": await subjects.statement_of(tx, node, session.subject)}
    if session.acting_for and session.mandate:
        told["acting"] = session.mandate
    born = person.number.reveal() if person is not None and person.number is not None else ""
    if until := ages.confirm_until(born, node.clock.today()):
        told["confirm_until"] = int(until.timestamp())
    return told


async def revoke_access(tx: Tx, node: Node, jti: str) -> None:
    """An access token is worth nothing from now on; the mark lives as long as the token could."""
    await once(tx, node, REVOKED, jti, seconds=int(TOKEN_LIFE.total_seconds()) + 60)


class Held(msgspec.Struct, frozen=True):
    """An access token that stands 验过的访问令牌: its claims, its client, and the session when it is still there."""

    claims: dict[str, Any]
    client: Client
    subject: str
    session: Session | None


async def judge_access(tx: Tx, node: Node, token: str) -> Held:
    """Whether an access token of ours still stands: signature, time, revocation, client, session or family, consent.

    Raises TokenRefused. Possession is the caller's judgement.
    """
    claims = tokens.read_access(
        token, (await keys.jwks(tx, node))["keys"], audience=node.settings.base_url, now=node.clock.now(), bound_only=False
    )
    if await tx.fetchval("SELECT true FROM replay WHERE kind = $1 AND seen = $2", REVOKED, hashed(str(claims.get("jti")))):
        raise TokenRefused("token was revoked")
    client = await queries.client(tx, node, str(claims.get("client_id")))
    if client is None or client.status != "active":
        raise TokenRefused("client is suspended")
    if client.kind == "node":
        session = await by_id(tx, str(claims.get("sid")))
        subject = "" if session is None else session.subject
    else:
        subject, session = await _of_sid(tx, client, str(claims.get("sid")))
    alive = session is not None and session.revoked_at is None
    if "fid" in claims:
        alive = await provider_refresh.alive(tx, str(claims["fid"]), session)
    if not alive or not subject:
        raise TokenRefused("session has ended")
    if not await client_people.holds(tx, node, client, subject, claims.get("cns")):
        raise TokenRefused("consent was withdrawn")
    return Held(claims, client, subject, session)


async def _of_sid(tx: Tx, client: Client, sid: str) -> tuple[str, Session | None]:
    row = await tx.fetchrow("SELECT subject, session FROM session_client WHERE sid = $1 AND client = $2", sid, client.id)
    return ("", None) if row is None else (row["subject"], await by_id(tx, row["session"]))


async def userinfo(node: Node, token: str, scheme: str, proof_header: str, method: str) -> dict[str, Any]:
    """The claims granted to this client 用户信息 (T-06), with a ledger line when they are personal. Raises ProtocolError 401."""
    async with node.db.transaction() as tx:
        try:
            held = await judge_access(tx, node, token)
            await _possession(tx, node, held, token, scheme, proof_header, method)
        except NonceWanted as error:
            raise ProtocolError("use_dpop_nonce", error.why, status=401, nonce=nonce(node)) from None
        except TokenRefused as error:
            raise ProtocolError("invalid_token", error.why, status=401) from None
        if held.client.kind == "node" and held.session is not None:
            return {
                "sub": held.session.subject, "acr": f"{ACR_PREFIX}{level_of(node, held.session)}",
                **{name: value for name, value in (await _for_node(tx, node, held.session)).items() if name != "home_stmt"},
            }  # fmt: skip
    names = tuple(one for one in held.claims.get("clm", []) if one in rules.claims())
    told: dict[str, Any] = {"sub": held.claims["sub"]}
    if held.session is None or not names:
        return told
    known = await client_claims.fetch(node, held.client, held.session, names)
    acr = requests.acr_level(str(held.claims.get("acr")))
    async with node.db.transaction() as tx:
        found = await client_claims.values(tx, node, held.client, held.session, names, acr=acr, known=known)
        if found and held.session.kind == "citizen":
            given = tuple(one for one in names if one in found or one.partition("_")[0] in found)
            await client_claims.record(tx, node, held.client, held.subject, given, consent_id=held.claims.get("cns"))
    return {**told, **found}


async def _possession(tx: Tx, node: Node, held: Held, token: str, scheme: str, proof_header: str, method: str) -> None:
    """A bound token is shown as DPoP with a proof of its key, once; a bearer only by the plain profile."""
    bound = held.claims.get("cnf")
    if bound is None:
        if scheme != "bearer" or not held.client.plain:
            raise TokenRefused("a DPoP access token is required")
        return
    if scheme != "dpop":
        raise TokenRefused("a bound token is shown with a DPoP proof")
    proof = tokens.check_proof(
        proof_header, method, node.settings.base_url + "/oidc/userinfo", now=node.clock.now(), access_token=token,
        jkt=str(bound["jkt"]), nonce_holds=lambda one: nonce_holds(node, one),
    )  # fmt: skip
    if not await once(tx, node, "dpop", f"{proof.jkt} {proof.jti}", seconds=PROOF_SECONDS):
        raise TokenRefused("proof used before")


async def introspect(tx: Tx, node: Node, client: Client, token: str) -> dict[str, Any]:
    """What a client may know of its own token (RFC 7662); of any other, that it is not active."""
    try:
        held = await judge_access(tx, node, token)
    except TokenRefused:
        return await provider_refresh.introspect(tx, node, client, token)
    if held.client.id != client.id:
        return {"active": False}
    shown = ("iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti", "sid", "acr", "cnf")
    kept = {name: held.claims[name] for name in shown if name in held.claims}
    return {"active": True, "token_type": "DPoP" if "cnf" in held.claims else "Bearer", **kept}


async def revoke(tx: Tx, node: Node, client: Client, token: str) -> None:
    """Token revocation (RFC 7009): an own refresh token ends its family, an own access token itself; others are left alone."""
    if await provider_refresh.revoke(tx, node, client, token):
        return
    try:
        claims = tokens.read(token, (await keys.jwks(tx, node))["keys"], typ="at+jwt")
    except TokenRefused:
        return
    if claims.get("client_id") == client.id and isinstance(claims.get("jti"), str):
        await revoke_access(tx, node, claims["jti"])


async def refresh(tx: Tx, node: Node, proof: ClientProof, form: dict[str, str]) -> dict[str, Any] | ProtocolError:
    """New tokens for a refresh token 续期. A token that came back after it was turned ends family and session."""
    client = await queries.client(tx, node, proof.client)
    if client is None or not client.rules.refresh_days:
        return ProtocolError("unauthorized_client", "this kind of client gets no refresh token")
    turned = await provider_refresh.turn(tx, node, client, proof, form)
    if isinstance(turned, ProtocolError):
        return turned
    if isinstance(turned, provider_refresh.Reused):
        await ending.leave(tx, node, turned.session, "refresh_reused")
        return ProtocolError("invalid_grant", "refresh token used before")
    row = turned.row
    kept = set(rules.claims_of(turned.scope.split())) | {"address_formatted"}
    basis = Basis(
        subject=row["subject"], session=str(row["session"]), scope=turned.scope, acr=provider_refresh.worth(row, node.clock.now()),
        amr=tuple(row["amr"]), auth_time=int(row["auth_time"].timestamp()), claims=tuple(one for one in row["claims"] if one in kept),
        consent=None if row["consent"] is None else str(row["consent"]), family=str(row["family"]),
    )  # fmt: skip
    answer, _ = await issue(tx, node, client, turned.session, basis, proof.jkt)
    return {**answer, "refresh_token": turned.token}
