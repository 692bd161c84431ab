"""A person towards a client 人和应用之间: the identifier it gets, the session as it knows it, what was consented (identity.md 5, 10).

Two outside parties cannot compare notes: subject and session id are made for each of them alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from tongban import consent
from tongban.identity.actions.following import follow_subject, rows_followed, rows_stay
from tongban.identity.model import Session
from tongban.identity.rules import clients as rules
from tongban.identity.rules.clients import Client
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.node import Node
from tongban.kernel.parts import Parts

NOTICE = "告知："


class Given(msgspec.Struct, frozen=True):
    """What a person lets a client have 给了哪些: claims, and the row of the consent room it rests on."""

    claims: tuple[str, ...]
    id_claims: tuple[str, ...]
    consent: str | None = None


async def sub_for(tx: Tx, node: Node, client: Client, subject: str) -> str:
    """What this client knows a person by: pairwise, unless its kind or a grant says the nation's subject."""
    if client.rules.sub != "pairwise" or client.granted("sub", node.clock.today()):
        return subject
    known: str | None = await tx.fetchval(
        "SELECT sub FROM pairwise WHERE subject = $1 AND sector = $2 AND version = $3", subject, client.sector, client.pairwise_version
    )
    if known is not None:
        return known
    made = pairwise_for(node, client, subject)
    await tx.execute(
        "INSERT INTO pairwise (subject, sector, version, sub, since) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        subject, client.sector, client.pairwise_version, made, node.clock.now(),
    )  # fmt: skip
    return made


def pairwise_for(node: Node, client: Client, subject: str) -> str:
    """The identifier a person would get at this client today, when none was given out yet."""
    return rules.pairwise_sub(node.keys.secret(f"pairwise-{client.pairwise_version}"), client.sector, subject)


def sub_known(node: Node, client: Client, subject: str, pairwise: str | None) -> str:
    """As `sub_for`, when the statement before has looked up what was given out already (`pairwise`)."""
    if client.rules.sub != "pairwise" or client.granted("sub", node.clock.today()):
        return subject
    return pairwise or pairwise_for(node, client, subject)


def sid_for(node: Node, client: Client, session_id: str) -> str:
    """The session as this client knows it: a node sees the id itself, every other client one of its own."""
    if client.kind == "node":
        return session_id
    return rules.pairwise_sub(node.keys.secret("pairwise-sid"), client.id, session_id)


def remember(parts: Parts, node: Node, client: Client, session: Session, pairwise: str | None, *, source: str) -> None:
    """Parts that note that this session signed in to a client, so that its end can be told, and its identifier (identity.md 6.5)."""
    sub, now = sub_known(node, client, session.subject, pairwise), node.clock.now()
    parts.add(
        "remembered",
        "INSERT INTO session_client (subject, session, client, sid, sub, last_at) SELECT $1, $2, $3, $4, $5, $6"
        f" FROM {source} ON CONFLICT (subject, session, client) DO UPDATE SET last_at = excluded.last_at, told_at = NULL",
        session.subject, session.id, client.id, sid_for(node, client, session.id), sub, now,
    )  # fmt: skip
    if pairwise is None and sub != session.subject:
        parts.add(
            "named",
            "INSERT INTO pairwise (subject, sector, version, sub, since) SELECT $1, $2, $3, $4, $5"
            f" FROM {source} ON CONFLICT DO NOTHING",
            session.subject, client.sector, client.pairwise_version, sub, now,
        )  # fmt: skip


def purpose_of(client: Client) -> str:
    """The purpose code of a client's consents; it turns with the words, so that a changed purpose asks again."""
    return f"client.{client.id}.{client.text_digest[4:16]}"


def given_in(
    client: Client, row: Any, *, claims: tuple[str, ...], id_claims: tuple[str, ...], since: datetime | None = None
) -> Given | None:
    """What the client may have of this person now; None when the person has to be asked (first) 是否已授权.

    `row` is the last answer (client_consent) with the consent that stands beside it (`standing`). `since` demands an answer
    younger than that (prompt=consent).
    """
    if client.rules.consent == "none":
        return Given(claims, id_claims)
    asked = set(rules.personal((*claims, *id_claims)))
    if row is None or row["offered"] is None or row["text_digest"] != client.text_digest or not asked <= set(row["offered"]):
        return None
    if (since is not None and row["at"] < since) or not holding(client, row["consent"], row["standing"]):
        return None
    kept = set(row["granted"])
    if any(one in asked and one not in kept for one in client.required):
        return None
    free = {name for name, one in rules.claims().items() if one.free}
    return Given(
        tuple(one for one in claims if one in kept or one in free), tuple(one for one in id_claims if one in kept), row["consent"]
    )


def holding(client: Client, consent_id: str | None, standing: str | None) -> bool:
    """As `holds`, when the statement before has looked up the consent that stands now."""
    if client.rules.consent == "none" or consent_id is None:
        return client.rules.consent == "none"
    return str(standing) == str(consent_id)


async def holds(tx: Tx, node: Node, client: Client, subject: str, consent_id: str | None) -> bool:
    """Whether the consent a token rests on still holds: withdrawing ends tokens at once, as every door asks this."""
    if client.rules.consent == "none" or consent_id is None:
        return client.rules.consent == "none"
    found = await consent.allows(tx, subject, purpose_of(client), client.id, at=node.clock.now())
    return found is not None and found.id == consent_id


async def give(
    tx: Tx, node: Node, actor: Actor, client: Client, *, asked: tuple[str, ...], ticked: tuple[str, ...], channel: str
) -> None:
    """The person says yes 同意: to what the client cannot work without, and to the optional claims that were ticked.

    The row of the consent room is the truth; ours says which claims its words meant. Consent is the person's own act,
    never one for somebody else.
    """
    personal = rules.personal(asked)
    needs = personal if client.rules.consent == "notice" else tuple(one for one in personal if one in client.required)
    granted = tuple(one for one in personal if one in needs or one in ticked)
    left = tuple(one for one in rules.words_of(personal) if one not in rules.words_of(granted))
    own = msgspec.structs.replace(actor, for_subject="", mandate="")
    made = await consent.give(tx, node, own, consent.Ask(
        purpose=purpose_of(client), why=f"{NOTICE}{client.purpose}" if client.rules.consent == "notice" else client.purpose,
        giver=node.id, giver_name=node.settings.name, receiver=client.id, receiver_name=client.name,
        fields=rules.words_of(granted) or ("登录标识",), not_fields=left,
        until=node.clock.now() + timedelta(days=client.consent_days),
    ), channel=channel)  # fmt: skip
    await tx.execute(
        "INSERT INTO client_consent (subject, client, offered, granted, text_digest, consent, at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (subject, client) DO UPDATE SET offered = excluded.offered, granted = excluded.granted,"
        " text_digest = excluded.text_digest, consent = excluded.consent, at = excluded.at",
        own.subject, client.id, list(personal), list(granted), client.text_digest, made.id, node.clock.now(),
    )  # fmt: skip


@follow_subject
async def _follow(tx: Tx, _node: Node, old: str, new: str) -> None:
    """A subject changed: what clients know the person by stays, unless the new one is known to them already."""
    for table, key in (("pairwise", ("sector", "version")), ("client_consent", ("client",)), ("session_client", ("session", "client"))):
        same = " AND ".join(f"y.{one} = x.{one}" for one in key)
        await tx.execute(
            f"UPDATE {table} x SET subject = $2 WHERE subject = $1 AND NOT EXISTS (SELECT FROM {table} y WHERE y.subject = $2 AND {same})", old, new
        )
    await tx.execute("UPDATE oidc_refresh SET subject = $2 WHERE subject = $1", old, new)
    await tx.execute("UPDATE oidc_code SET subject = $2 WHERE subject = $1", old, new)


rows_followed("pairwise", "client_consent", "session_client", "oidc_refresh", "oidc_code")
rows_stay("session_client", "pairwise", columns=("sub",), because="the pairwise name a client knows, not the nation's")
