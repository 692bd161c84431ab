"""Clients 接入的应用, read: one by id, all of a node, their keys, what waits for a second pair of eyes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tongban import federation
from tongban.identity.rules import clients as rules
from tongban.identity.rules.clients import Client, client_of
from tongban.kernel.db import Tx
from tongban.kernel.node import Node


class Change(msgspec.Struct, frozen=True):
    """A proposed change 变更申请; `body` as proposed, `digest` what a second member of staff agrees to."""

    id: str
    client: str
    what: str
    body: dict[str, Any]
    digest: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision: str | None = None
    reason: str = ""


class ClientKey(msgspec.Struct, frozen=True):
    """A registered public key 登记的公钥."""

    kid: str
    alg: str
    jwk: dict[str, Any]
    added_at: datetime
    ended_at: datetime | None = None


async def client(tx: Tx, node: Node, client_id: str) -> Client | None:
    """A client by its id: a node of the directory, else a registered one; None for a stranger."""
    if rules.registered_form(client_id):
        return await registered(tx, client_id)
    listed = (await federation.directory(tx)).node(client_id)
    return None if listed is None else node_client(node, listed)


def node_client(node: Node, listed: federation.ListedNode) -> Client:
    """Another node as a client of this one: nothing is registered, the directory names it."""
    return Client(
        id=listed.id, kind="node", name=listed.name, redirect_uris=(f"{listed.base_url}/oidc/callback/{node.id}",),
        backchannel_uri=f"{listed.base_url}/oidc/backchannel", scopes=("openid", "node"), id_alg="Ed25519",
        status="active" if listed.status in ("active", "leaving") and listed.id != node.id else "ended",
    )  # fmt: skip


async def registered(tx: Tx, client_id: str) -> Client | None:
    """A registered client by its id, suspended ones too."""
    row = await tx.fetchrow("SELECT * FROM client WHERE id = $1", client_id)
    return None if row is None else client_of(row)


async def of_app(tx: Tx, app: str) -> Client | None:
    """The client of a service app."""
    row = await tx.fetchrow("SELECT * FROM client WHERE app = $1", app)
    return None if row is None else client_of(row)


async def clients(tx: Tx) -> list[Client]:
    """All registered clients of this node, newest first."""
    return [client_of(row) for row in await tx.fetch("SELECT * FROM client ORDER BY made_at DESC, id LIMIT 500")]


async def keys_of(tx: Tx, client_id: str) -> list[ClientKey]:
    """The keys of a client, ended ones too, newest first."""
    rows = await tx.fetch("SELECT kid, alg, jwk, added_at, ended_at FROM client_key WHERE client = $1 ORDER BY added_at DESC, kid", client_id)
    return [msgspec.convert(dict(row), ClientKey) for row in rows]


async def change(tx: Tx, change_id: str) -> Change | None:
    """One proposed change, decided or not."""
    row = await tx.fetchrow(
        "SELECT id, client, what, body, digest, proposed_by, proposed_at, decided_by, decided_at, decision, reason FROM client_change WHERE id = $1", change_id
    )
    return None if row is None else msgspec.convert(dict(row), Change)


async def changes(tx: Tx, client_id: str | None = None, *, open_only: bool = False) -> list[Change]:
    """Proposed changes, newest first; of one client, or of all."""
    rows = await tx.fetch(
        "SELECT id, client, what, body, digest, proposed_by, proposed_at, decided_by, decided_at, decision, reason FROM client_change"
        " WHERE ($1::text IS NULL OR client = $1) AND (decided_at IS NULL OR NOT $2) ORDER BY proposed_at DESC LIMIT 200",
        client_id, open_only,
    )  # fmt: skip
    return [msgspec.convert(dict(row), Change) for row in rows]


async def refused(tx: Tx) -> list[Change]:
    """The last changes that were not agreed to, newest first 没同意的: also of a client that is not registered and has no page."""
    rows = await tx.fetch(
        "SELECT id, client, what, body, digest, proposed_by, proposed_at, decided_by, decided_at, decision, reason FROM client_change"
        " WHERE decision = 'refused' ORDER BY decided_at DESC LIMIT 20"
    )
    return [msgspec.convert(dict(row), Change) for row in rows]
