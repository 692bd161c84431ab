"""Tokens for a client 发令牌: a code redeemed, a refresh token turned (identity.md 5; T-05, T-11, T-25).

Each is one statement when everything is in order, and a judgement step by step under a lock when something is not.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any

import msgspec

from tongban import consent, federation
from tongban.identity import tokens
from tongban.identity.actions import client_claims, ending, keys, provider_refresh, subjects
from tongban.identity.actions.client_people import holding, holds, purpose_of, sid_for, sub_for, sub_known
from tongban.identity.actions.provider_access import TOKEN_LIFE, for_node, masked, revoke_access, standing
from tongban.identity.actions.provider_client import TAKEN, Caller, ClientProof, all_new, expect_taken, taking
from tongban.identity.errors import ProtocolError
from tongban.identity.model import ACR_PREFIX, Session
from tongban.identity.queries import clients as queries
from tongban.identity.queries import persons
from tongban.identity.queries.sessions import JOINED, by_id, hashed, joined
from tongban.identity.rules import clients as rules
from tongban.identity.rules import requests
from tongban.identity.rules.clients import Client
from tongban.kernel.db import Tx
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts


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


_USED = """
    UPDATE oidc_code SET used_at = $2, gave_jti = $3,
    gave_family = CASE WHEN 'offline_access' = ANY (string_to_array(scope, ' ')) THEN $4::uuid END
    WHERE code_hash = $1 AND client = $5 AND used_at IS NULL AND expires_at > $2 AND redirect_uri = $6 AND challenge = $7
    AND dpop_jkt IN ('', $8)
"""
_REDEEMED = f"""
    {TAKEN}, {keys.MARK} AS mark, w.*, p.sub AS pairwise, {consent.standing("w.subject", "$3", "w.client", "$4")} AS standing,
    {JOINED}, {persons.JOINED}
    FROM (SELECT true) AS one LEFT JOIN used w ON true LEFT JOIN session s ON s.id = w.session
    LEFT JOIN pairwise p ON p.subject = w.subject AND p.sector = $1 AND p.version = $2 {persons.JOIN}
"""


async def redeem_by(node: Node, caller: Caller, form: dict[str, str]) -> dict[str, Any] | ProtocolError:
    """A code for tokens 兑换授权码: one statement takes the caller's ids and uses the code if all about it is in order.

    When it is not, `redeem` judges at leisure what is wrong. Raises ProtocolError, Turned.
    """
    client, now, verifier = caller.known.client, node.clock.now(), form.get("code_verifier", "")
    jti, family = secrets.token_urlsafe(16), uuid7() if client.rules.refresh_days else None
    parts = Parts()
    taking(parts, node, caller)
    parts.add(
        "used", f"{_USED} AND {all_new(caller)} RETURNING *", hashed(form.get("code", "")), now, jti, family, client.id,
        form.get("redirect_uri", ""), tokens.challenge(verifier) if requests.verifier_form(verifier) else "", caller.proof.jkt,
    )  # fmt: skip
    async with node.db.transaction() as tx:
        row = await parts.run(tx, _REDEEMED, client.sector, client.pairwise_version, purpose_of(client), now)
        expect_taken(node, caller, row, "token")
        if row["code_hash"] is None:
            return await redeem(tx, node, caller.proof, form)
        session, person = joined(row), persons.joined(node, row)
        if session is None or session.revoked_at is not None:
            return ProtocolError("invalid_grant", "session has ended")
        if not holding(client, row["consent"], row["standing"]):
            return ProtocolError("invalid_grant", "consent was withdrawn")
        basis = _basis(row, session)
        refresh = ""
        if row["gave_family"] is not None:
            _, refresh = await provider_refresh.begin(tx, node, client, session, basis, caller.proof.jkt, row["gave_family"])
            basis = msgspec.structs.replace(basis, family=row["gave_family"])
        more: tokens.Claims = {}
        if client.kind == "node":
            more = for_node(node, session, person, row["q_statement"])
        elif basis.id_claims:
            more = await client_claims.values(tx, node, client, session, basis.id_claims, acr=basis.acr, person=person)
        sub, ring = sub_known(node, client, row["subject"], row["pairwise"]), await keys.ring_at(tx, node, row["mark"])
        answer = _signed(node, client, basis, caller.proof.jkt, sub=sub, jti=jti, ring=ring, more=more)
        await _recorded(tx, node, client, session, basis)
    return {**answer, **({"refresh_token": refresh} if refresh else {})}


def _basis(row: Any, session: Session) -> Basis:
    return Basis(
        subject=row["subject"], session=session.id, scope=row["scope"], acr=row["acr"], amr=session.amr,
        auth_time=int(session.auth_time.timestamp()), claims=tuple(row["claims"]), id_claims=tuple(row["id_claims"]),
        nonce=row["nonce"], consent=row["consent"],
    )  # fmt: skip


async def _recorded(tx: Tx, node: Node, client: Client, session: Session, basis: Basis) -> None:
    """The ledger line of what the ID token tells: if it cannot be written, the code stays unused."""
    if session.kind == "citizen":
        told = basis.claims if client.kind == "node" else basis.id_claims
        await client_claims.record(tx, node, client, session.subject, told, consent_id=basis.consent)


async def redeem(tx: Tx, node: Node, proof: ClientProof, form: dict[str, str]) -> dict[str, Any] | ProtocolError:
    """The same, judged step by step under a lock (T-05): bound to client, redirect, challenge and key, used once.

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
    if not await holds(tx, node, client, row["subject"], row["consent"]):
        return ProtocolError("invalid_grant", "consent was withdrawn")
    basis, refresh = _basis(row, session), ""
    if client.rules.refresh_days and "offline_access" in row["scope"].split():
        family, refresh = await provider_refresh.begin(tx, node, client, session, basis, proof.jkt)
        basis = msgspec.structs.replace(basis, family=family)
    answer, jti = await issue(tx, node, client, session, basis, proof.jkt)
    await tx.execute("UPDATE oidc_code SET gave_jti = $2, gave_family = $3 WHERE code_hash = $1", row["code_hash"], jti, basis.family)
    await _recorded(tx, node, client, session, basis)
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
    jti, more = secrets.token_urlsafe(16), {}
    if client.kind == "node" and session is not None:
        person = await persons.person(tx, node, session.subject)
        stated = await subjects.statement_of(tx, node, session.subject)
        more = {**masked(session, person), **standing(node, session, person), "home_stmt": stated}
    elif session is not None and basis.id_claims:
        more = await client_claims.values(tx, node, client, session, basis.id_claims, acr=basis.acr)
    sub, ring = await sub_for(tx, node, client, basis.subject), await keys.read_ring(tx, node)
    return _signed(node, client, basis, jkt, sub=sub, jti=jti, ring=ring, more=more), jti


def _signed(
    node: Node, client: Client, basis: Basis, jkt: str, *, sub: str, jti: str, ring: keys.Ring, more: tokens.Claims
) -> dict[str, Any]:
    """Both tokens from what is known by now; `more` is what the ID token says of the person."""
    at, life, issuer = int(node.clock.now().timestamp()), int(TOKEN_LIFE.total_seconds()), node.settings.base_url
    sid = sid_for(node, client, basis.session)
    shared: tokens.Claims = {"iss": issuer, "sub": sub, "iat": at, "exp": at + life, "sid": sid, "acr": f"{ACR_PREFIX}{basis.acr}"}
    access: tokens.Claims = {
        **shared, "aud": issuer, "client_id": client.id, "scope": basis.scope, "jti": jti,
        **({"cnf": {"jkt": jkt}} if jkt else {}), **({"fid": basis.family} if basis.family else {}),
        **({"cns": basis.consent} if basis.consent else {}), **({"clm": list(rules.personal(basis.claims))} if client.kind != "node" else {}),
    }  # fmt: skip
    identity: tokens.Claims = {
        **shared, "aud": client.id, "amr": list(basis.amr), "auth_time": basis.auth_time,
        **({"nonce": basis.nonce} if basis.nonce or client.kind == "node" else {}), **more,
    }  # fmt: skip
    key, id_key = ring.signing(node, "Ed25519"), ring.signing(node, client.id_alg)
    if key is None or id_key is None:
        message = "no key signs now"
        raise LookupError(message)
    return {
        "access_token": key.sign(access, typ="at+jwt"), "token_type": "DPoP" if jkt else "Bearer", "expires_in": life,
        "scope": basis.scope, "id_token": id_key.sign(identity, typ="JWT"),
    }  # fmt: skip


async def refresh_by(node: Node, caller: Caller, form: dict[str, str]) -> dict[str, Any] | ProtocolError:
    """New tokens for a refresh token 续期, in one statement when everything is in order. Raises ProtocolError, Turned."""
    client = caller.known.client
    if not client.rules.refresh_days:
        return ProtocolError("unauthorized_client", "this kind of client gets no refresh token")
    async with node.db.alone() as tx:
        row, token = await provider_refresh.turn_at_once(tx, node, caller, form)
        expect_taken(node, caller, row, "token")
        if row["family"] is not None:
            ring, scope = await keys.ring_at(tx, node, row["mark"]), form.get("scope") or row["scope"]
            sub = sub_known(node, client, row["subject"], row["pairwise"])
            answer = _signed(
                node, client, _of_family(node, row, " ".join(scope.split())), caller.proof.jkt, sub=sub, jti=secrets.token_urlsafe(16), ring=ring, more={}
            )
            return {**answer, "refresh_token": token}
    async with node.db.transaction() as tx:
        return await refresh(tx, node, caller.proof, form)


def _of_family(node: Node, row: Any, scope: str) -> Basis:
    kept = set(rules.claims_of(scope.split())) | {"address_formatted"}
    return Basis(
        subject=row["subject"], session=str(row["session"]), scope=scope, acr=provider_refresh.worth(row, node.clock.now()),
        amr=tuple(row["amr"]), auth_time=int(row["auth_time"].timestamp()), claims=tuple(one for one in row["claims"] if one in kept),
        consent=None if row["consent"] is None else str(row["consent"]), family=str(row["family"]),
    )  # fmt: skip


async def refresh(tx: Tx, node: Node, proof: ClientProof, form: dict[str, str]) -> dict[str, Any] | ProtocolError:
    """The same, judged step by step under a lock. A token that came back after it was turned ends family and session."""
    client = await queries.client(tx, node, proof.client)
    if client is None or not client.rules.refresh_days:
        return ProtocolError("unauthorized_client", "this kind of client gets no refresh token")
    turned = await provider_refresh.turn(tx, node, client, proof, form)
    if isinstance(turned, ProtocolError):
        return turned
    if isinstance(turned, provider_refresh.Reused):
        await ending.leave(tx, node, turned.session, "refresh_reused")
        return ProtocolError("invalid_grant", "refresh token used before")
    answer, _ = await issue(tx, node, client, turned.session, _of_family(node, turned.row, turned.scope), proof.jkt)
    return {**answer, "refresh_token": turned.token}
