"""Preparing a phone to show without network 备好离线出示 (decisions D-5): entries signed for its keys, stopped at a tap."""

from __future__ import annotations

import secrets
from datetime import timedelta

from tongban.credentials.actions.wallet import issuers_signature
from tongban.credentials.errors import CardGone
from tongban.credentials.model import Entry
from tongban.credentials.queries.credentials import card as find_card
from tongban.credentials.queries.keys import signer_of
from tongban.credentials.queries.types import purposes, type_of
from tongban.credentials.rules import chooser, marks, offline, presentation, showing
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.gm import b64, hmac_sm3
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node


async def prepare(tx: Tx, node: Node, actor: Actor, card_id: str, disclosure: str, keys: tuple[bytes, ...]) -> tuple[Entry, ...]:
    """One entry for each key of the holder's phone, good for 24 hours (备好离线出示); entries made before stop counting.

    `keys` are P-256 points of 33 bytes, made and kept on the phone. Each entry has an opaque id of its own, so that two
    showings have nothing in common but what they show. Raises CardGone.
    """
    actor.require_self("出示证照")
    card = await find_card(tx, node, actor.person, card_id)
    kind = type_of(node, card.type_code) if card else None
    if card is None or kind is None:
        raise CardGone
    await stop(tx, actor, card_id)
    picked = chooser.choice(kind, purposes(node), disclosure)
    now, today = node.clock.now().replace(microsecond=0), node.clock.today()
    values = {key: value.reveal() for key, value in card.data.items()}
    shown = showing.attributes(kind, picked.disclosure, values, today)
    signer, signature = await signer_of(node), await issuers_signature(tx, card)
    ends = now + timedelta(seconds=offline.ENTRY_SECONDS)
    made = []
    for device in keys:
        opaque = secrets.token_bytes(16)
        entry = Entry(uuid7(), presentation.encode_entry(
            signer, home=node.id, issuer=card.issuer, org_code=card.org_code, org_name=card.org_name, type_code=card.type_code,
            opaque=opaque, attributes=shown, state=showing.state_now(card.state, card.valid_until, today), state_at=card.list_at,
            valid_until=card.valid_until, at=now, jti=secrets.token_bytes(8), device=device, purpose=picked.purpose,
            mark=marks.mark(signature, opaque, int(now.timestamp())),
        ), ends)  # fmt: skip
        await tx.execute(
            "INSERT INTO credential_offline (subject, id, card, disclosure, opaque, issued_at, expires_at) VALUES ($1,$2,$3,$4,$5,$6,$7)",
            actor.person, entry.id, card_id, picked.disclosure.id, opaque, now, ends,
        )  # fmt: skip
        made.append(entry)
    return tuple(made)


async def stop(tx: Tx, actor: Actor, card_id: str) -> int:
    """End the entries of a card (停止离线出示): a verifier that asks the home is told. Gives how many were living."""
    done: str = await tx.execute(
        "UPDATE credential_offline SET stopped = true WHERE subject = $1 AND card = $2 AND NOT stopped", actor.person, card_id
    )
    return int(done.rpartition(" ")[2])


def owner_mark(node: Node, actor: Actor) -> str:
    """A word by which a phone knows whether the same person is signed in (本机归属); it says nothing of the person."""
    return b64(hmac_sm3(node.keys.secret("offline-owner"), actor.person.encode())[:8])
