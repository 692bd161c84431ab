"""Which client calls 验客户端: private_key_jwt with keys pinned to the client, and proof of possession (identity.md 5).

A node's keys come by a signed call; a registered client's stand in the register, by value. Nothing a client names is fetched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from tongban.identity import tokens
from tongban.identity.actions import keys
from tongban.identity.actions.client_book import Known, Turned, expect_same, find, same, turned
from tongban.identity.errors import NonceWanted, ProtocolError, TokenRefused
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules import clients as rules
from tongban.identity.rules.clients import Client
from tongban.kernel.db import Tx
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 420
PROOF_SECONDS = 420
_turns: WeakKeyDictionary[Node, dict[tuple[str, str], deque[float]]] = WeakKeyDictionary()
_MOST_LOOKS = 3
_T = TypeVar("_T")
ProofRule = Literal["required", "optional", "none"]


class ClientProof(msgspec.Struct, frozen=True):
    """A client that proved who it is, and the thumbprint of the key it proved to hold, empty without a proof."""

    client: str
    jkt: str


class Caller(msgspec.Struct, frozen=True):
    """A client whose words hold 说得通的来者; `once_only` are the ids it may use once, still to be taken: (kind, id, seconds).

    A verb takes them in the statement that acts: `taking` adds the parts, `expect_taken` judges what came of it.
    """

    known: Known
    proof: ClientProof
    once_only: tuple[tuple[str, str, int], ...] = ()


async def judge(
    node: Node, form: dict[str, str], headers: Iterable[tuple[str, str]], path: str, *, at: Literal["par", "token", "other"]
) -> Caller:
    """Who calls, by signatures alone 验来者: keys pinned to the client. Raises ProtocolError. No transaction may be open."""
    known = await _known(node, form)
    client = known.client
    rule = _proof_rule(client, at)
    proofs = [value for name, value in headers if name.lower() == "dpop"]
    if len(proofs) > 1 or (rule == "required" and not proofs):
        raise ProtocolError("invalid_dpop_proof", "exactly one DPoP proof is required")
    assertion = await _assertion(node, known, form) if client.rules.auth == "private_key_jwt" else None
    if assertion is None and ("client_assertion" in form or "client_secret" in form):
        raise ProtocolError("invalid_client", "this client authenticates with nothing but its key proof", status=401)
    proof = _proof(node, proofs[0], path) if proofs and rule != "none" else None
    once_only = []
    if assertion is not None:
        once_only.append(("assertion", f"{client.id} {assertion.jti}", ASSERTION_SECONDS))
    if proof is not None:
        once_only.append(("dpop", f"{proof.jkt} {proof.jti}", PROOF_SECONDS))
    _not_too_fast(node, client, at)
    return Caller(known, ClientProof(client.id, proof.jkt if proof is not None else ""), tuple(once_only))


async def judged(
    node: Node, form: dict[str, str], headers: Iterable[tuple[str, str]], path: str, *, at: Literal["par", "token", "other"],
    act: Callable[[Caller], Awaitable[_T]],
) -> _T:  # fmt: skip
    """Judge the caller and act for it; once more when the client's row was changed in between. Raises ProtocolError."""
    shown = list(headers)
    for _ in range(_MOST_LOOKS):
        with suppress(Turned):
            try:
                return await act(await judge(node, form, shown, path, at=at))
            except ProtocolError:
                with suppress(TokenRefused):
                    if await turned(node, _named(form)):
                        continue
                raise
    raise ProtocolError("temporarily_unavailable", "the client is being changed", status=503)


async def authenticate(
    node: Node, form: dict[str, str], headers: Iterable[tuple[str, str]], path: str, *, at: Literal["par", "token", "other"]
) -> tuple[Client, ClientProof]:
    """Who calls revoke or introspect 验客户端. Raises ProtocolError; each assertion and each proof is taken once."""

    async def take(caller: Caller) -> tuple[Client, ClientProof]:
        parts = Parts()
        taking(parts, node, caller)
        async with node.db.alone() as tx:
            expect_taken(node, caller, await parts.run(tx, TAKEN), at)
        return caller.known.client, caller.proof

    return await judged(node, form, headers, path, at=at, act=take)


TAKEN = "SELECT EXISTS (SELECT FROM same) AS same, array(SELECT kind FROM seen) AS seen"
"""What a statement with the parts of `taking` has to answer besides its own."""


def taking(parts: Parts, node: Node, caller: Caller) -> None:
    """The parts `same` and `seen`: the client is still as judged, and its ids are taken. What acts goes by `all_new`."""
    same(parts, caller.known)
    take_ids(parts, node, caller.once_only, "same")


def take_ids(parts: Parts, node: Node, once_only: Sequence[tuple[str, str, int]], source: str = "(SELECT true) AS one") -> None:
    """The part `seen`: one row for each id that comes for the first time; `source` says FROM what it depends."""
    now = node.clock.now()
    parts.add(
        "seen",
        f"INSERT INTO replay (kind, seen, until) SELECT o.* FROM {source},"
        " unnest($1::text[], $2::bytea[], $3::timestamptz[]) AS o ON CONFLICT DO NOTHING RETURNING kind",
        [kind for kind, _, _ in once_only], [hashed(value) for _, value, _ in once_only],
        [now + timedelta(seconds=seconds) for _, _, seconds in once_only],
    )  # fmt: skip


def all_new(caller: Caller) -> str:
    """The SQL condition under which a part may act: the client as judged, and every id of the caller new."""
    return f"EXISTS (SELECT FROM same) AND (SELECT count(*) FROM seen) = {len(caller.once_only)}"


def expect_taken(node: Node, caller: Caller, row: Any, at: str) -> None:
    """Judge the answer of such a statement. Raises Turned for a client changed meanwhile, ProtocolError for an id used before."""
    expect_same(node, caller.known, row)
    taken = row["seen"]
    if any(kind == "assertion" and kind not in taken for kind, _, _ in caller.once_only):
        raise ProtocolError("invalid_client", "assertion used before", status=401)
    if any(kind == "dpop" and kind not in taken for kind, _, _ in caller.once_only):
        raise ProtocolError("invalid_dpop_proof", "proof used before")
    _turns[node][caller.known.client.id, at].append(monotonic())


def _not_too_fast(node: Node, client: Client, at: str) -> None:
    """At most so many requests a second of one client; counted when its ids were new (`expect_taken`), so nobody empties another's purse."""
    now, most = monotonic(), rules.per_second()
    recent = _turns.setdefault(node, {}).setdefault((client.id, at), deque(maxlen=most))
    if len(recent) == most and now - recent[0] < 1:
        raise ProtocolError("temporarily_unavailable", "too many requests in this second", status=429)


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


def _named(form: dict[str, str]) -> str:
    """The client a form names, by itself or in its assertion; empty for none. Raises TokenRefused."""
    named = form.get("client_id", "")
    return tokens.issuer_named(form["client_assertion"]) if not named and "client_assertion" in form else named


async def _known(node: Node, form: dict[str, str]) -> Known:
    try:
        named = _named(form)
    except TokenRefused as error:
        raise ProtocolError("invalid_client", error.why, status=401) from None
    known = await find(node, named) if named else None
    if known is None:
        raise ProtocolError("invalid_client", "client is unknown", status=401)
    if known.client.status != "active":
        raise ProtocolError("invalid_client", "client is suspended", status=401)
    return known


def _proof_rule(client: Client, at: str) -> ProofRule:
    """FAPI 2 clients prove their key at token; nodes and public clients at PAR too, where nothing else binds the code."""
    if at == "other" or client.plain:
        return "optional"
    if at == "token" or client.kind in ("node", "native"):
        return "required"
    return "optional"


async def _assertion(node: Node, known: Known, form: dict[str, str]) -> tokens.Assertion:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise ProtocolError("invalid_client", "private_key_jwt is required", status=401)
    given, issuer, client = form.get("client_assertion", ""), node.settings.base_url, known.client
    try:
        pinned = await keys.keys_of(node, client.id, given) if client.kind == "node" else known.keys
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
