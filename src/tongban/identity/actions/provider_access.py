"""Access tokens at our own doors 访问令牌: judged, shown what they may see, taken back (identity.md 5; T-06, T-25).

Every door asks again whether client, session and consent still stand: an access token lives five minutes, trust less.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from tongban import consent
from tongban.identity import tokens
from tongban.identity.actions import client_book, client_claims, keys, provider_refresh
from tongban.identity.actions.client_people import holding, purpose_of
from tongban.identity.actions.provider import level_of
from tongban.identity.actions.provider_client import PROOF_SECONDS, TAKEN, nonce, nonce_holds, once, take_ids
from tongban.identity.errors import NonceWanted, ProtocolError, TokenRefused
from tongban.identity.model import ACR_PREFIX, Person, Session
from tongban.identity.queries import persons
from tongban.identity.queries.sessions import JOINED, hashed, joined
from tongban.identity.rules import ages, requests
from tongban.identity.rules import clients as rules
from tongban.identity.rules.clients import Client
from tongban.kernel.db import Tx
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

TOKEN_LIFE = timedelta(minutes=5)
REVOKED = "revoked"
_MOST_LOOKS = 3
OnceOnly = tuple[tuple[str, str, int], ...]


class Held(msgspec.Struct, frozen=True):
    """An access token that stands 验过的访问令牌: its claims, its client, and session and person when they are still there."""

    claims: dict[str, Any]
    client: Client
    subject: str
    session: Session | None
    person: Person | None
    masked: tokens.Claims


async def revoke_access(tx: Tx, node: Node, jti: str) -> None:
    """An access token is worth nothing from now on; the mark lives as long as the token could."""
    await once(tx, node, REVOKED, jti, seconds=int(TOKEN_LIFE.total_seconds()) + 60)


_WHOSE = {
    "node": "SELECT n.subject, n.id AS session FROM session n WHERE n.id = $6::uuid",
    "registered": "SELECT x.subject, x.session FROM session_client x WHERE x.sid = $6::text AND x.client = $4",
}


def _standing(kind: str) -> str:
    """All that an access token rests on, in one look. `$1` jti, `$2` family, `$3` purpose, `$4` client, `$5` now, `$6` sid."""
    return (
        f"{TAKEN}, {keys.MARK} AS mark, EXISTS (SELECT FROM replay WHERE kind = '{REVOKED}' AND seen = $1) AS revoked, w.subject AS who,"
        " ($2::uuid IS NULL OR EXISTS (SELECT FROM oidc_refresh WHERE family = $2 AND revoked_at IS NULL)) AS family_lives,"
        f" {consent.standing('w.subject', '$3', '$4', '$5')} AS standing, {JOINED}, {persons.JOINED}"
        f" FROM (SELECT true) AS one LEFT JOIN ({_WHOSE[kind]}) AS w ON true LEFT JOIN session s ON s.id = w.session {persons.JOIN}"
    )


_STANDING = {kind: _standing(kind) for kind in _WHOSE}


async def judge_access(node: Node, token: str, possession: Callable[[tokens.Claims, Client], OnceOnly] | None = None) -> Held:
    """Whether an access token of ours still stands: signature, time, revocation, client, session or family, consent.

    `possession` judges that the caller holds the token's key and says which ids are used up by that. Raises TokenRefused.
    """
    for _ in range(_MOST_LOOKS):
        ring, claims = await _read(node, token)
        known = await client_book.find(node, str(claims.get("client_id")))
        client = None if known is None else known.client
        if known is None or client is None or client.status != "active":
            raise TokenRefused("client is suspended")
        try:
            ids = () if possession is None else possession(claims, client)
        except TokenRefused:
            if not await client_book.turned(node, client.id):
                raise
            continue
        parts = Parts()
        client_book.same(parts, known)
        take_ids(parts, node, ids, "same")
        async with node.db.alone() as tx:
            row = await parts.run(
                tx, _STANDING["node" if client.kind == "node" else "registered"], hashed(str(claims.get("jti"))), claims.get("fid"),
                purpose_of(client), client.id, node.clock.now(), str(claims.get("sid")),
            )  # fmt: skip
            if row["mark"] != ring.mark:  # the keys were turned meanwhile: the signature counts by today's
                tokens.read(token, (await keys.ring_at(tx, node, row["mark"])).public(node), typ="at+jwt")
        if row["same"]:
            return _held(node, client, claims, row, ids)
        client_book.forget(node, client.id)
    raise TokenRefused("client is being changed")


async def _read(node: Node, token: str) -> tuple[keys.Ring, tokens.Claims]:
    ring, audience, now = await keys.ring_of(node), node.settings.base_url, node.clock.now()
    try:
        return ring, tokens.read_access(token, ring.public(node), audience=audience, now=now, bound_only=False)
    except TokenRefused:
        async with node.db.transaction() as tx:
            newer = await keys.read_ring(tx, node)
        if newer.mark == ring.mark:
            raise
    return newer, tokens.read_access(token, newer.public(node), audience=audience, now=now, bound_only=False)


def _held(node: Node, client: Client, claims: tokens.Claims, row: Any, ids: OnceOnly) -> Held:
    if len(row["seen"]) < len(ids):
        raise TokenRefused("proof used before")
    if row["revoked"]:
        raise TokenRefused("token was revoked")
    session, subject = joined(row), row["who"] or ""
    alive = session is not None and session.revoked_at is None
    if "fid" in claims:
        alive = row["family_lives"] and not provider_refresh.ends_families(session)
    if not alive or not subject:
        raise TokenRefused("session has ended")
    if not holding(client, claims.get("cns"), row["standing"]):
        raise TokenRefused("consent was withdrawn")
    person = persons.joined(node, row)
    return Held(claims, client, subject, session, person, {} if session is None else masked(session, person))


def masked(session: Session, person: Person | None) -> tokens.Claims:
    """What another node learns of its visitor: the level of the account and the masked name."""
    name = person.name_masked.reveal() if person is not None and person.name_masked is not None else ""
    return {"proof": session.proof, "name_masked": name}


def for_node(node: Node, session: Session, person: Person | None, statement: bytes | None) -> tokens.Claims:
    """The same with the register's word that this is the home."""
    stated = None if statement is None else node.cipher.open("identity", "account.home_statement", session.subject, statement).reveal()
    return {**masked(session, person), **standing(node, session, person), "home_stmt": stated}


def standing(node: Node, session: Session, person: Person | None) -> tokens.Claims:
    """For whom the session acts (`acting`, a mandate), and until when a guardian confirms for a minor; empty for almost everybody (R-301)."""
    told: tokens.Claims = {"acting": session.mandate} if session.acting_for and session.mandate else {}
    born = person.number.reveal() if person is not None and person.number is not None else ""
    until = ages.confirm_until(born, node.clock.today())
    return {**told, "confirm_until": int(until.timestamp())} if until else told


async def userinfo(node: Node, token: str, scheme: str, proof_header: str, method: str) -> dict[str, Any]:
    """The claims granted to this client 用户信息 (T-06), with a ledger line when they are personal. Raises ProtocolError 401."""

    def possession(claims: tokens.Claims, client: Client) -> OnceOnly:
        return _possession(node, claims, client, token, scheme, proof_header, method)

    try:
        held = await judge_access(node, token, possession)
    except NonceWanted as error:
        raise ProtocolError("use_dpop_nonce", error.why, status=401, nonce=nonce(node)) from None
    except TokenRefused as error:
        raise ProtocolError("invalid_token", error.why, status=401) from None
    if held.client.kind == "node" and held.session is not None:
        return {"sub": held.session.subject, "acr": f"{ACR_PREFIX}{level_of(node, held.session)}", **held.masked}
    names = tuple(one for one in held.claims.get("clm", []) if one in rules.claims())
    told: dict[str, Any] = {"sub": held.claims["sub"]}
    if held.session is None or not names:
        return told
    known = await client_claims.fetch(node, held.client, held.session, names)
    acr = requests.acr_level(str(held.claims.get("acr")))
    async with node.db.alone() as tx:
        found = await client_claims.values(tx, node, held.client, held.session, names, acr=acr, known=known, person=held.person)
        if found and held.session.kind == "citizen":
            given = tuple(one for one in names if one in found or one.partition("_")[0] in found)
            await client_claims.record(tx, node, held.client, held.subject, given, consent_id=held.claims.get("cns"))
    return {**told, **found}


def _possession(
    node: Node, claims: tokens.Claims, client: Client, token: str, scheme: str, proof_header: str, method: str
) -> OnceOnly:
    """A bound token is shown as DPoP with a proof of its key, once; a bearer only by the plain profile."""
    bound = claims.get("cnf")
    if bound is None:
        if scheme != "bearer" or not client.plain:
            raise TokenRefused("a DPoP access token is required")
        return ()
    if scheme != "dpop":
        raise TokenRefused("a bound token is shown with a DPoP proof")
    proof = tokens.check_proof(
        proof_header, method, node.settings.base_url + "/oidc/userinfo", now=node.clock.now(), access_token=token,
        jkt=str(bound["jkt"]), nonce_holds=lambda one: nonce_holds(node, one),
    )  # fmt: skip
    return (("dpop", f"{proof.jkt} {proof.jti}", PROOF_SECONDS),)


async def introspect(node: Node, client: Client, token: str) -> dict[str, Any]:
    """What a client may know of its own token (RFC 7662); of any other, that it is not active."""
    try:
        held = await judge_access(node, token)
    except TokenRefused:
        async with node.db.transaction() as tx:
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
