"""Which client calls 验客户端: private_key_jwt with keys pinned to the client, and proof of possession (identity.md 5).

A node's keys come by a signed call; a registered client's stand in the register, by value. Nothing a client names is fetched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from time import monotonic
from typing import Literal
from weakref import WeakKeyDictionary

import msgspec

from tongban.identity import tokens
from tongban.identity.actions import keys
from tongban.identity.errors import NonceWanted, ProtocolError, TokenRefused
from tongban.identity.queries import clients as queries
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules import clients as rules
from tongban.identity.rules.clients import Client
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 420
PROOF_SECONDS = 420
_turns: WeakKeyDictionary[Node, dict[tuple[str, str], deque[float]]] = WeakKeyDictionary()
ProofRule = Literal["required", "optional", "none"]


class ClientProof(msgspec.Struct, frozen=True):
    """A client that proved who it is, and the thumbprint of the key it proved to hold, empty without a proof."""

    client: str
    jkt: str


async def authenticate(
    node: Node, form: dict[str, str], headers: Iterable[tuple[str, str]], path: str, *, at: Literal["par", "token", "other"]
) -> tuple[Client, ClientProof]:
    """Who calls PAR, token, revoke or introspect. Raises ProtocolError; each assertion and each proof is taken once.

    Opens its own transactions; the keys of a node may need a call.
    """
    client = await _client(node, form)
    rule = _proof_rule(client, at)
    proofs = [value for name, value in headers if name.lower() == "dpop"]
    if len(proofs) > 1 or (rule == "required" and not proofs):
        raise ProtocolError("invalid_dpop_proof", "exactly one DPoP proof is required")
    assertion = await _assertion(node, client, form) if client.rules.auth == "private_key_jwt" else None
    if assertion is None and ("client_assertion" in form or "client_secret" in form):
        raise ProtocolError("invalid_client", "this client authenticates with nothing but its key proof", status=401)
    proof = _proof(node, proofs[0], path) if proofs and rule != "none" else None
    async with node.db.transaction() as tx:
        if assertion is not None and not await once(tx, node, "assertion", f"{client.id} {assertion.jti}", seconds=ASSERTION_SECONDS):
            raise ProtocolError("invalid_client", "assertion used before", status=401)
        if proof is not None and not await once(tx, node, "dpop", f"{proof.jkt} {proof.jti}", seconds=PROOF_SECONDS):
            raise ProtocolError("invalid_dpop_proof", "proof used before")
    _not_too_fast(node, client, at)
    return client, ClientProof(client.id, proof.jkt if proof is not None else "")


def _not_too_fast(node: Node, client: Client, at: str) -> None:
    """At most so many requests a second of one client: counted after it proved who it is, so nobody empties another's purse."""
    now, most = monotonic(), rules.per_second()
    recent = _turns.setdefault(node, {}).setdefault((client.id, at), deque(maxlen=most))
    if len(recent) == most and now - recent[0] < 1:
        raise ProtocolError("temporarily_unavailable", "too many requests in this second", status=429)
    recent.append(now)


def nonce(node: Node) -> str:
    """A DPoP nonce of this node, good for five minutes."""
    return tokens.make_nonce(node.keys.secret("dpop-nonce"), node.clock.now())


def nonce_holds(node: Node, given: str) -> bool:
    """Whether a DPoP nonce is one of this node and not too old."""
    return tokens.nonce_holds(node.keys.secret("dpop-nonce"), given, node.clock.now())


async def once(tx: Tx, node: Node, kind: str, value: str, *, seconds: int) -> bool:
    """Whether an id is seen for the first time 只用一次; it is kept `seconds`."""
    found: bool | None = await tx.fetchval(
        "INSERT INTO replay (kind, seen, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true",
        kind, hashed(value), node.clock.now() + timedelta(seconds=seconds),
    )  # fmt: skip
    return bool(found)


async def _client(node: Node, form: dict[str, str]) -> Client:
    named = form.get("client_id", "")
    if not named and "client_assertion" in form:
        try:
            named = tokens.issuer_named(form["client_assertion"])
        except TokenRefused as error:
            raise ProtocolError("invalid_client", error.why, status=401) from None
    async with node.db.reading() as tx:
        client = await queries.client(tx, node, named) if named else None
    if client is None:
        raise ProtocolError("invalid_client", "client is unknown", status=401)
    if client.status != "active":
        raise ProtocolError("invalid_client", "client is suspended", status=401)
    return client


def _proof_rule(client: Client, at: str) -> ProofRule:
    """FAPI 2 clients prove their key at token; nodes and public clients at PAR too, where nothing else binds the code."""
    if at == "other" or client.plain:
        return "optional"
    if at == "token" or client.kind in ("node", "native"):
        return "required"
    return "optional"


async def _assertion(node: Node, client: Client, form: dict[str, str]) -> tokens.Assertion:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise ProtocolError("invalid_client", "private_key_jwt is required", status=401)
    given, issuer = form.get("client_assertion", ""), node.settings.base_url
    try:
        if client.kind == "node":
            pinned = await keys.keys_of(node, client.id, given)
        else:
            async with node.db.reading() as tx:
                pinned = await queries.pinned_keys(tx, client.id)
        return tokens.check_assertion(
            given, pinned, client=client.id, issuer=issuer, now=node.clock.now(),
            or_aud=f"{issuer}/oidc/token" if client.token_aud and client.plain else "",
        )  # fmt: skip
    except TokenRefused as error:
        raise ProtocolError("invalid_client", error.why, status=401) from None


def _proof(node: Node, given: str, path: str) -> tokens.Proof:
    try:
        return tokens.check_proof(
            given, "POST", node.settings.base_url + path, now=node.clock.now(), nonce_holds=lambda one: nonce_holds(node, one)
        )
    except NonceWanted as error:
        raise ProtocolError("use_dpop_nonce", error.why, nonce=nonce(node)) from None
    except TokenRefused as error:
        raise ProtocolError("invalid_dpop_proof", error.why) from None
