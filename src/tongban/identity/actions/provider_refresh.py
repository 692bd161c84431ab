"""Refresh tokens 续期凭据 (identity.md 5): turned at every use for native apps, kept for clients that prove a key of their own.

A token is family, turn and a keyed digest, 256 bit, so an old one of any turn is recognised without being stored; the row
holds the SM3 of the one good now. An old one that comes back ends the family and the session (T-11).
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from tongban import consent, notifications
from tongban.identity import tokens
from tongban.identity.actions import client_people, keys
from tongban.identity.actions.provider_client import TAKEN, Caller, all_new, taking
from tongban.identity.errors import ProtocolError
from tongban.identity.model import Session
from tongban.identity.queries.sessions import JOINED, by_id, hashed
from tongban.identity.rules import levels
from tongban.identity.rules.clients import Client
from tongban.kernel.db import Tx
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

if TYPE_CHECKING:
    from tongban.identity.actions.provider_client import ClientProof
    from tongban.identity.actions.provider_tokens import Basis

LOST_ANSWER = timedelta(seconds=60)
KEPT_REASONS = ("replaced",)
"""Ends of a session that do not end what was given offline: the person signed in anew in the same browser."""


class Turned(msgspec.Struct, frozen=True):
    """A refresh that stands 续期: the row, the session when it is there, and the token to answer with."""

    row: dict[str, Any]
    session: Session | None
    token: str
    scope: str


class Reused(msgspec.Struct, frozen=True):
    """An old token came back 旧凭据又出现: whose family it was, for the ending that follows in the same transaction."""

    subject: str
    session: str
    family: str


async def begin(
    tx: Tx, node: Node, client: Client, session: Session, basis: Basis, jkt: str, family: str = ""
) -> tuple[str, str]:
    """A new family; (family id, its first token)."""
    family, now = family or uuid7(), node.clock.now()
    token = _token(node, family, 0)
    await tx.execute(
        "INSERT INTO oidc_refresh (subject, family, client, session, token_hash, dpop_jkt, scope, claims, consent, acr, amr, auth_time,"
        " started_at, used_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14)",
        session.subject, family, client.id, session.id, hashed(token), jkt, basis.scope, list(basis.claims), basis.consent, basis.acr,
        list(basis.amr), session.auth_time, now, now + timedelta(days=client.rules.refresh_days),
    )  # fmt: skip
    return family, token


_TURNING = (
    "UPDATE oidc_refresh r SET {set} WHERE family = $1 AND client = $2 AND token_hash = $3 AND revoked_at IS NULL AND expires_at > $4"
    " AND $5::text[] <@ string_to_array(scope, ' ') AND NOT EXISTS (SELECT FROM session e WHERE e.id = r.session"
    " AND e.revoked_at IS NOT NULL AND NOT e.reason = ANY ($6::text[])) AND {rests} AND {new} RETURNING *"
)


async def turn_at_once(tx: Tx, node: Node, caller: Caller, form: dict[str, str]) -> tuple[Any, str]:
    """The refresh in which everything is in order, judged and done by one statement; (its answer, the token to answer with).

    A row without `family` decided nothing: `turn` then judges at leisure, the caller's ids are taken.
    """
    given, now, client = form.get("refresh_token", ""), node.clock.now(), caller.known.client
    named, scope = _read(node, given), (form.get("scope") or "").split()
    family, number = named or (None, 0)
    if scope and "openid" not in scope:
        family = None
    rests = f"r.consent = {consent.standing('r.subject', '$7', '$2', '$4')}" if client.rules.consent != "none" else "$7::text <> ''"
    values: list[Any] = [family, client.id, hashed(given), now, scope, list(KEPT_REASONS), client_people.purpose_of(client)]
    parts = Parts()
    taking(parts, node, caller)
    answer = given
    if client.rules.rotates and family is not None:
        answer = _token(node, family, number + 1)
        change = "turn = turn + 1, turned_at = $4, used_at = $4, token_hash = $8"
        rests += " AND r.turn = $9 AND r.dpop_jkt = $10"
        values += [hashed(answer), number, caller.proof.jkt]
    else:
        change = "used_at = $4"
    parts.add("turned", _TURNING.format(set=change, rests=rests, new=all_new(caller)), *values)
    row = await parts.run(
        tx, f"{TAKEN}, {keys.MARK} AS mark, t.*, p.sub AS pairwise, {JOINED} FROM (SELECT true) AS one LEFT JOIN turned t ON true"
        " LEFT JOIN session s ON s.id = t.session LEFT JOIN pairwise p ON p.subject = t.subject AND p.sector = $1 AND p.version = $2",
        client.sector, client.pairwise_version,
    )  # fmt: skip
    return row, answer


async def turn(tx: Tx, node: Node, client: Client, proof: ClientProof, form: dict[str, str]) -> Turned | Reused | ProtocolError:
    """Judge a refresh token and, for a native app, turn it 换新. Refusals are values: what they end is committed."""
    given, now = form.get("refresh_token", ""), node.clock.now()
    named = _read(node, given)
    row = None if named is None else await tx.fetchrow("SELECT * FROM oidc_refresh WHERE family = $1 FOR UPDATE", named[0])
    if named is None or row is None or row["client"] != client.id:
        return ProtocolError("invalid_grant", "refresh token unknown")
    session = await by_id(tx, row["session"])
    wrong = await _dead(tx, node, client, row, session)
    if wrong:
        return ProtocolError("invalid_grant", wrong)
    scope = _narrowed(form.get("scope"), row["scope"])
    if scope is None:
        return ProtocolError("invalid_scope", "scope is more than was granted")
    if not client.rules.rotates:
        if not hmac.compare_digest(row["token_hash"], hashed(given)):
            return ProtocolError("invalid_grant", "refresh token unknown")
        await tx.execute("UPDATE oidc_refresh SET used_at = $2 WHERE family = $1", row["family"], now)
        return Turned(dict(row), session, given, scope)
    return await _rotated(tx, node, row, session, named[1], proof.jkt, given, scope)


async def _rotated(
    tx: Tx, node: Node, row: Any, session: Session | None, number: int, jkt: str, given: str, scope: str
) -> Turned | Reused | ProtocolError:
    now, same_key = node.clock.now(), hmac.compare_digest(row["dpop_jkt"], jkt)
    if number == row["turn"] and hmac.compare_digest(row["token_hash"], hashed(given)):
        if not same_key:
            return ProtocolError("invalid_grant", "proof key is another one")
        token = _token(node, row["family"], number + 1)
        await tx.execute(
            "UPDATE oidc_refresh SET turn = turn + 1, turned_at = $2, used_at = $2, token_hash = $3 WHERE family = $1", row["family"], now, hashed(token)
        )
        return Turned(dict(row), session, token, scope)
    if number == row["turn"] - 1 and same_key and row["turned_at"] is not None and now - row["turned_at"] <= LOST_ANSWER:
        return Turned(dict(row), session, _token(node, row["family"], row["turn"]), scope)
    await end_family(tx, node, row["family"], "reused")
    await notifications.notify(
        tx, node, subject=row["subject"], kind="identity.refresh_reused", about=f"refresh:{row['family']}", title="已全部退出登录",
        text="有人用了旧的登录凭据，已全部退出。是你自己换手机或恢复备份的话，再登录一次就行；不是的话，请看看登录过的设备。",
        link="/me/devices",
    )  # fmt: skip
    log("identity.refresh_reused", kind="native")
    return Reused(row["subject"], str(row["session"]), str(row["family"]))


async def _dead(tx: Tx, node: Node, client: Client, row: Any, session: Session | None) -> str:
    """Why this family gives nothing more, empty when it lives."""
    if row["revoked_at"] is not None or row["expires_at"] <= node.clock.now():
        return "refresh token has ended"
    if ends_families(session):
        return "session has ended"
    if not await client_people.holds(tx, node, client, row["subject"], row["consent"]):
        await end_family(tx, node, row["family"], "consent_withdrawn")
        return "consent was withdrawn"
    return ""


def _narrowed(asked: str | None, granted: str) -> str | None:
    """The scope of a refresh: what was granted, or the part of it that is asked."""
    if not asked:
        return granted
    wanted = asked.split()
    return " ".join(wanted) if set(wanted) <= set(granted.split()) and "openid" in wanted else None


def worth(row: dict[str, Any], now: datetime) -> int:
    """The level of a sign-in long ago: it has decayed as any other, nobody proved anything since."""
    return levels.decayed(row["acr"], raised_at=row["auth_time"], seen_at=row["auth_time"], now=now)


def ends_families(session: Session | None) -> bool:
    """Whether a session ended in a way that ends what it gave offline."""
    return session is not None and session.revoked_at is not None and session.reason not in KEPT_REASONS


async def end_family(tx: Tx, node: Node, family: Any, reason: str) -> None:
    """End one family: its refresh token and the access tokens that came from it."""
    await tx.execute(
        "UPDATE oidc_refresh SET revoked_at = $2, reason = $3 WHERE family = $1 AND revoked_at IS NULL", family, node.clock.now(), reason
    )


async def end_before(tx: Tx, subject: str, before: datetime, reason: str) -> None:
    """End every family of a person that began before a moment (退出所有设备, theft)."""
    await tx.execute(
        "UPDATE oidc_refresh SET revoked_at = $2, reason = $3 WHERE subject = $1 AND started_at < $2 AND revoked_at IS NULL",
        subject, before, reason,
    )  # fmt: skip


async def end_with_sessions(tx: Tx, node: Node) -> None:
    """End the families of sessions that were ended, whoever ended them; the clock calls it at every ring."""
    await tx.execute(
        "UPDATE oidc_refresh r SET revoked_at = $1, reason = 'session_ended' FROM session s WHERE s.id = r.session"
        " AND r.revoked_at IS NULL AND s.revoked_at IS NOT NULL AND NOT s.reason = ANY($2::text[])",
        node.clock.now(), list(KEPT_REASONS),
    )  # fmt: skip


async def revoke(tx: Tx, node: Node, client: Client, token: str) -> bool:
    """End the family of an own refresh token; False when it is none of this client's."""
    named = _read(node, token)
    if named is None or not await tx.fetchval("SELECT true FROM oidc_refresh WHERE family = $1 AND client = $2", named[0], client.id):
        return False
    await end_family(tx, node, named[0], "revoked_by_client")
    return True


async def introspect(tx: Tx, node: Node, client: Client, token: str) -> dict[str, Any]:
    """Whether an own refresh token is good now (RFC 7662)."""
    named = _read(node, token)
    row = None if named is None else await tx.fetchrow("SELECT * FROM oidc_refresh WHERE family = $1", named[0])
    if row is None or row["client"] != client.id or row["token_hash"] != hashed(token):
        return {"active": False}
    if await _dead(tx, node, client, row, await by_id(tx, row["session"])):
        return {"active": False}
    sub = await client_people.sub_for(tx, node, client, row["subject"])
    return {"active": True, "client_id": client.id, "scope": row["scope"], "sub": sub, "exp": int(row["expires_at"].timestamp())}


def _token(node: Node, family: Any, number: int) -> str:
    head = UUID(str(family)).bytes + number.to_bytes(4, "big")
    return tokens.b64u(head + hmac_sm3(node.keys.secret("refresh"), head))


def _read(node: Node, token: str) -> tuple[str, int] | None:
    """(family, turn) of a token this node made, else None."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)) if len(token) < 100 else b""
    except ValueError:
        return None
    if len(raw) != 52 or not hmac.compare_digest(raw[20:], hmac_sm3(node.keys.secret("refresh"), raw[:20])):
        return None
    return str(UUID(bytes=raw[:16])), int.from_bytes(raw[16:20], "big")
