"""Registering clients 登记应用: proposed by one member of staff, approved by another on the digest they saw (identity.md 9).

Suspending takes one person and works at once; letting a client run again takes two. A published service app brings its
client with it and takes it along when it is suspended (T-25).
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

import msgspec

from tongban import transparency
from tongban.identity.queries import clients as queries
from tongban.identity.queries.clients import Change
from tongban.identity.rules import clients as rules
from tongban.identity.rules.clients import Client
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import digest, jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

BY_APP = "app"
PROPOSE, APPROVE, SUSPEND, SEE = "identity.client_propose", "identity.client_approve", "identity.client_suspend", "identity.client_see"
_FIXED = {"id", "kind", "app", "status", "reason", "pairwise_version"}


async def propose(tx: Tx, node: Node, actor: Actor, wanted: Client) -> Change | Refusals:
    """Propose a new client, or another content of one that is there 申请登记或变更. An empty `id` asks for a new one."""
    actor.require_may(PROPOSE, division=wanted.division)
    refused = rules.check_client(wanted, demo=node.settings.demo)
    if refused:
        return refused
    if not wanted.id:
        return await _propose(tx, node, actor, new_id(wanted.kind), "register", msgspec.to_builtins(wanted))
    known = await queries.registered(tx, wanted.id)
    if known is None or (known.kind, known.app) != (wanted.kind, wanted.app) or known.status == "ended":
        return (Refusal("identity.client_gone", "没有这个应用，或者种类不一样", "name"),)
    return await _propose(tx, node, actor, wanted.id, "change", msgspec.to_builtins(wanted))


async def propose_key(tx: Tx, node: Node, actor: Actor, client_id: str, kid: str, jwk: dict[str, Any]) -> Change | Refusals:
    """Propose a public key for a client 申请登记公钥; keys in force stay until one is ended, so a client can turn in peace."""
    known = await _known(tx, client_id)
    if isinstance(known, tuple):
        return known
    actor.require_may(PROPOSE, division=known.division)
    found = rules.check_key(known.kind, kid, jwk)
    if isinstance(found, Refusal):
        return (found,)
    if any(one.kid == kid for one in await queries.keys_of(tx, client_id)):
        return (Refusal("identity.client_kid", "这个公钥编号用过了，换一个", "kid"),)
    return await _propose(tx, node, actor, client_id, "add_key", {"kid": kid, "alg": found[0], "jwk": found[1]})


async def end_key(tx: Tx, node: Node, actor: Actor, client_id: str, kid: str) -> bool:
    """Take a key away at once 停用公钥: one person is enough, it only takes trust away."""
    known = await _known(tx, client_id)
    if isinstance(known, tuple):
        return False
    actor.require_may(SUSPEND, division=known.division)
    done = await tx.fetchval(
        "UPDATE client_key SET ended_at = $3 WHERE client = $1 AND kid = $2 AND ended_at IS NULL RETURNING true",
        client_id, kid, node.clock.now(),
    )  # fmt: skip
    if done:
        await _touch(tx, node, client_id)
        await _leaf(tx, node, "client.key_ended", client_id, {"kid": kid})
    return bool(done)


async def propose_resume(tx: Tx, node: Node, actor: Actor, client_id: str) -> Change | Refusals:
    """Propose that a suspended client runs again 申请恢复."""
    known = await _known(tx, client_id)
    if isinstance(known, tuple):
        return known
    actor.require_may(PROPOSE, division=known.division)
    if known.status != "suspended" or known.reason == BY_APP:
        return (Refusal("identity.client_runs", "它没有停用，或者要先恢复它的应用", "name"),)
    return await _propose(tx, node, actor, client_id, "resume", {})


async def decide(tx: Tx, node: Node, actor: Actor, change_id: str, *, agree: bool, seen: str, reason: str = "") -> Refusals:
    """Another member of staff decides 审批: the content is pinned by the digest they saw; nobody approves an own proposal.

    A refusal has its `reason` (2 to 200 characters), which whoever proposed reads.
    """
    row = await tx.fetchrow("SELECT * FROM client_change WHERE id = $1 AND decided_at IS NULL FOR UPDATE", change_id)
    if row is None:
        return (Refusal("identity.change_gone", "这个申请已经处理过了", "change"),)
    known = await queries.registered(tx, row["client"])
    division = known.division if known is not None else str(row["body"].get("division", ""))
    actor.require_may(APPROVE, division=division)
    if agree and row["proposed_by"] == actor.staff_id:
        return (Refusal("identity.four_eyes", "自己申请的要另一位同事来批", "change"),)
    if seen != row["digest"]:
        return (Refusal("identity.change_other", "你看的和现在的不一样，重新打开看一遍再定", "change"),)
    reason = "" if agree else reason.strip()
    if not agree and not 2 <= len(reason) <= 200:
        return (Refusal("identity.change_reason", "写上不同意的理由，申请的同事能看到", "reason"),)
    if agree:
        refused = await _apply(tx, node, row, actor)
        if refused:
            return refused
    leaf = await _leaf(tx, node, "client.decided", row["client"], {"digest": row["digest"], "agreed": agree, "what": row["what"]})
    await tx.execute(
        "UPDATE client_change SET decided_by = $2, decided_at = $3, decision = $4, leaf = $5, reason = $6 WHERE id = $1",
        change_id, actor.staff_id, node.clock.now(), "approved" if agree else "refused", leaf, reason,
    )  # fmt: skip
    return ()


async def suspend(tx: Tx, node: Node, actor: Actor, client_id: str, reason: str) -> Refusals:
    """Stop a client at once 停用应用: its tokens and refresh tokens are worth nothing from this transaction on."""
    known = await _known(tx, client_id)
    if isinstance(known, tuple):
        return known
    actor.require_may(SUSPEND, division=known.division)
    if not 2 <= len(reason.strip()) <= 100:
        return (Refusal("identity.client_reason", "写上停用的理由", "reason"),)
    await _set_status(tx, node, client_id, "suspended", reason.strip())
    return ()


async def app_published(
    tx: Tx, node: Node, *, app: str, name: str, org: str, division: str, purpose: str, submitted_by: str, published_by: str
) -> Client:
    """A service app was published 应用发布了: its client is made, or runs again when the app had stopped it.

    Keys and addresses are proposed afterwards; without them the client can do nothing.
    """
    known, now = await queries.of_app(tx, app), node.clock.now()
    if known is None:
        await tx.execute(
            "INSERT INTO client (id, kind, profile, name, org, division, sector, scopes, purpose, keeps, consent_days, id_alg, app,"
            " status, proposed_by, approved_by, made_at, changed_at)"
            " VALUES ($1, 'service_app', 'fapi2', $2, $3, $4, '', '{openid,profile}', $5, '办完就不留', 365, 'ES256', $6, 'active', $7, $8, $9, $9)",
            new_id("service_app"), name, org, division, purpose[:100], app, f"{BY_APP}:{submitted_by}", published_by, now,
        )  # fmt: skip
    else:
        await tx.execute(
            "UPDATE client SET name = $2, changed_at = $3, status = CASE WHEN status = 'suspended' AND reason = $4 THEN 'active' ELSE status END,"
            " reason = CASE WHEN status = 'suspended' AND reason = $4 THEN '' ELSE reason END WHERE id = $1",
            known.id, name, now, BY_APP,
        )  # fmt: skip
    found = await queries.of_app(tx, app)
    if found is None:
        message = "the client just written is not there"
        raise LookupError(message)
    await _leaf(tx, node, "client.published", found.id, {"app": app})
    return found


async def app_stopped(tx: Tx, node: Node, *, app: str) -> None:
    """A service app was suspended or withdrawn 应用停了: so is its client, in the same transaction (T-25)."""
    known = await queries.of_app(tx, app)
    if known is not None and known.status == "active":
        await _set_status(tx, node, known.id, "suspended", BY_APP)


def new_id(kind: str) -> str:
    """A new client_id: the kind and 80 random bits."""
    return rules.PREFIXES[kind] + base64.b32encode(secrets.token_bytes(10)).decode().lower()


async def _known(tx: Tx, client_id: str) -> Client | Refusals:
    known = await queries.registered(tx, client_id)
    if known is None or known.status == "ended":
        return (Refusal("identity.client_gone", "没有这个应用", "name"),)
    return known


async def _propose(tx: Tx, node: Node, actor: Actor, client_id: str, what: str, body: dict[str, Any]) -> Change:
    row: Any = await tx.fetchrow(
        "INSERT INTO client_change (id, client, what, body, digest, proposed_by, proposed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " RETURNING id, client, what, body, digest, proposed_by, proposed_at",
        uuid7(), client_id, what, body, digest(jcs({"client": client_id, "what": what, "body": body})), actor.staff_id, node.clock.now(),
    )  # fmt: skip
    return msgspec.convert(dict(row), Change)


async def _apply(tx: Tx, node: Node, row: Any, actor: Actor) -> Refusals:
    """What an approved change does. The content is judged again: the rules may have become narrower meanwhile."""
    client_id, body, now = row["client"], row["body"], node.clock.now()
    match row["what"]:
        case "register" | "change":
            wanted = msgspec.convert({**body, "id": client_id}, Client)
            refused = rules.check_client(wanted, demo=node.settings.demo)
            if refused:
                return refused
            await (_insert if row["what"] == "register" else _update)(tx, node, wanted, row["proposed_by"], actor.staff_id)
        case "add_key":
            await tx.execute(
                "INSERT INTO client_key (client, kid, alg, jwk, added_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                client_id, body["kid"], body["alg"], body["jwk"], now,
            )  # fmt: skip
            await _touch(tx, node, client_id)
        case _:
            await _set_status(tx, node, client_id, "active", "")
    return ()


def _columns(wanted: Client) -> dict[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(wanted).items() if name not in _FIXED}


async def _insert(tx: Tx, node: Node, wanted: Client, proposed_by: str, approved_by: str) -> None:
    columns = {
        "id": wanted.id, "kind": wanted.kind, **_columns(wanted), "status": "active", "proposed_by": proposed_by,
        "approved_by": approved_by, "made_at": node.clock.now(), "changed_at": node.clock.now(),
    }  # fmt: skip
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    await tx.execute(f"INSERT INTO client ({', '.join(columns)}) VALUES ({places})", *columns.values())


async def _update(tx: Tx, node: Node, wanted: Client, proposed_by: str, approved_by: str) -> None:
    columns = {**_columns(wanted), "proposed_by": proposed_by, "approved_by": approved_by, "changed_at": node.clock.now()}
    settings = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, start=2))
    await tx.execute(f"UPDATE client SET {settings} WHERE id = $1", wanted.id, *columns.values())


async def _touch(tx: Tx, node: Node, client_id: str) -> None:
    """Its keys changed: the row becomes another one, so that nobody goes by what was remembered (`client_book`)."""
    await tx.execute("UPDATE client SET changed_at = $2 WHERE id = $1", client_id, node.clock.now())


async def _set_status(tx: Tx, node: Node, client_id: str, status: str, reason: str) -> None:
    await tx.execute(
        "UPDATE client SET status = $2, reason = $3, changed_at = $4 WHERE id = $1", client_id, status, reason, node.clock.now()
    )
    if status != "active":
        await tx.execute(
            "UPDATE oidc_refresh SET revoked_at = $2, reason = 'client_suspended' WHERE client = $1 AND revoked_at IS NULL",
            client_id, node.clock.now(),
        )  # fmt: skip
    await _leaf(tx, node, "client.status", client_id, {"status": status})
    log("identity.client_status", peer=client_id, status=status)


async def _leaf(tx: Tx, node: Node, kind: str, client_id: str, more: dict[str, Any]) -> str:
    leaf = await transparency.append(tx, kind, jcs({"client": client_id, "at": node.clock.ms(), "v": 1, **more}))
    return str(leaf.id)
