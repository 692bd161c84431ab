"""The wallet at the home node (卡包): cards come in by letter, are asked for, and are shown for sixty seconds."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from tongban import federation, notifications
from tongban.credentials.actions.looks import LATE_SECONDS, TOLD_LATER
from tongban.credentials.errors import CardGone, TypeRefused
from tongban.credentials.model import Card, Presentation
from tongban.credentials.queries.credentials import GROUP
from tongban.credentials.queries.credentials import card as find_card
from tongban.credentials.queries.keys import signer_of
from tongban.credentials.queries.types import purposes, type_of
from tongban.credentials.rules import chooser, marks, presentation, showing
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.gm import digest, hmac_sm3, unb64
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

KEPT = timedelta(hours=25)


async def receive(tx: Tx, node: Node, origin: str, body: dict[str, Any]) -> None:
    """Put a credential into its holder's wallet (入卡包). Twice is once.

    Raises ValueError for a record that its issuer did not sign, or whose OFD is another one: the letter is parked.
    """
    raw = str(body["record"]).encode()
    about: dict[str, Any] = msgspec.json.decode(raw)
    if about["issuer"] != origin or not str(body["kid"]).startswith(origin + "/"):
        raise ValueError("a credential of another node")
    own = await signer_of(node)
    key = own.public if body["kid"] == own.kid else await federation.signing_key(tx, body["kid"])
    signature, ofd = unb64(body["signature"], length=64), unb64(body["ofd"])
    if key is None or not key.verify(raw, signature):
        raise ValueError("a credential without its issuer's signature")
    if digest(ofd) != about["ofd"]:
        raise ValueError("the document is not the one in the record")
    kind = type_of(node, about["type"])
    if kind is None:
        raise TypeRefused(f"没有类型 {about['type']}")
    if kind.on_request and origin not in {kind.on_request, node.id}:
        raise ValueError("a credential that another node issues from its register")
    card_id, subject = str(body["id"]), str(body["subject"])
    holder = about["holder"]
    done = await tx.execute(
        "INSERT INTO credential_card (subject, id, identifier, type_code, type_version, issuer, org_code, org_name, holder_kind, "
        "holder_name, number, data, data_kid, data_signature, digest, ofd, ofd_digest, issued_at, valid_from, valid_until, list_no, "
        "list_index, case_id, leaf, received_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,"
        "$22,$23,$24,$25) ON CONFLICT DO NOTHING",
        subject, card_id, about["identifier"], about["type"], about["type_version"], origin, about["organisation"]["code"],
        about["organisation"]["name"], holder["kind"],
        node.cipher.seal("identity", "credential_card.holder_name", card_id, holder["name"]), about["number"],
        node.cipher.seal_bytes(GROUP, "credential_card.data", card_id, msgspec.json.encode(about["data"])), body["kid"], signature,
        digest(raw), node.cipher.seal_bytes(GROUP, "credential_card.ofd", card_id, ofd), about["ofd"],
        datetime.fromtimestamp(about["issued_at"] / 1000, UTC), date.fromisoformat(about["valid_from"]),
        date.fromisoformat(about["valid_until"]) if about["valid_until"] else None, about["status"]["list"], about["status"]["index"],
        str(body["case"]), str(body["leaf"]), node.clock.now(),
    )  # fmt: skip
    if done == "INSERT 0 0":
        return
    if body["previous"]:
        await tx.execute(
            # a company's one before may lie with its founder: the same number says that it is the company's
            "UPDATE credential_card SET replaced_by = $3 WHERE id = $2 AND issuer = $4 AND"
            " CASE WHEN $5 = 'legal' THEN holder_kind = 'legal' AND number = $6 ELSE subject = $1 END",
            subject, body["previous"], card_id, origin, holder["kind"], about["number"],
        )  # fmt: skip
    await notifications.notify(
        tx, node, subject=subject, kind="credential.issued", title=f"{kind.name}发下来了", text="在“亮证”里能看，也能出示给别人",
        link=f"/wallet/{card_id}", about=f"credential:{card_id}", link_words="看证照",
    )  # fmt: skip


async def present(tx: Tx, node: Node, actor: Actor, card_id: str, disclosure: str = "") -> Presentation:
    """Show a card for sixty seconds (出示): the QR text signed by this node, and eight digits for a caller without camera.

    `disclosure` is a set of the type, or `for:<purpose>`; empty or unknown is the first, which shows least. The state travels as it is by
    the newest list held, also when it is not valid: the verifier sees it. Raises CardGone.
    """
    actor.require_self("出示证照")
    card = await find_card(tx, node, actor.person, card_id)
    kind = type_of(node, card.type_code) if card else None
    if card is None or kind is None:
        raise CardGone
    picked = chooser.choice(kind, purposes(node), disclosure)
    chosen, now, today = picked.disclosure, node.clock.now(), node.clock.today()
    values = {key: value.reveal() for key, value in card.data.items()}
    opaque, jti = secrets.token_bytes(16), secrets.token_bytes(8)
    token = presentation.encode(
        await signer_of(node), home=node.id, issuer=card.issuer, org_code=card.org_code, org_name=card.org_name,
        type_code=card.type_code, opaque=opaque, attributes=showing.attributes(kind, chosen, values, today),
        state=showing.state_now(card.state, card.valid_until, today), state_at=card.list_at, valid_until=card.valid_until,
        at=now, jti=jti, purpose=picked.purpose, mark=marks.mark(await issuers_signature(tx, card), opaque, int(now.timestamp())),
    )  # fmt: skip
    begin = now.replace(microsecond=0)
    made = Presentation(
        uuid7(), card_id, chosen.id, chosen.fields, token, await _digits(tx, node), begin,
        begin + timedelta(seconds=presentation.LIFETIME_SECONDS),
    )  # fmt: skip
    await tx.execute(
        "INSERT INTO credential_presentation (subject, id, card, disclosure, opaque, code_hash, token, issued_at, expires_at) "
        "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)",
        actor.person, made.id, card_id, chosen.id, opaque, code_hash(node, made.digits),
        node.cipher.seal("sensitive", "credential_presentation.token", made.id, token), made.issued_at, made.expires_at,
    )  # fmt: skip
    await tx.execute(
        "UPDATE credential_card SET used_at = $3 WHERE subject = $1 AND id = $2", actor.person, card_id, now
    )
    return made


async def issuers_signature(tx: Tx, card: Card) -> bytes:
    """The issuer's signature over a card's record, which only issuer and home have (发证签名)."""
    found: bytes = await tx.fetchval("SELECT data_signature FROM credential_card WHERE subject = $1 AND id = $2", card.subject, card.id)
    return bytes(found)


def code_hash(node: Node, digits: str) -> bytes:
    """How the eight digits are kept: under this node's own key, so a stolen table cannot be tried out."""
    return hmac_sm3(node.keys.secret("present-code"), digits.encode())


async def _digits(tx: Tx, node: Node) -> str:
    """Eight digits that no living presentation of this node has."""
    while True:
        digits = f"{secrets.randbelow(10**8):08d}"
        if await tx.fetchval(
            "SELECT 1 FROM credential_presentation WHERE code_hash = $1 AND expires_at > $2", code_hash(node, digits), node.clock.now()
        ) is None:  # fmt: skip
            return digits


async def stop(tx: Tx, node: Node, actor: Actor, card_id: str) -> None:
    """End every living code of a card (停止出示)."""
    await tx.execute(
        "UPDATE credential_presentation SET stopped = true WHERE subject = $1 AND card = $2 AND expires_at > $3",
        actor.person, card_id, node.clock.now() - timedelta(seconds=LATE_SECONDS),
    )  # fmt: skip


async def token_of_digits(tx: Tx, node: Node, digits: str) -> str | None:
    """The `GZ1:` text that eight spoken digits stand for, while they live (数字码), or None."""
    row = await tx.fetchrow(
        "SELECT id, token FROM credential_presentation WHERE code_hash = $1 AND expires_at >= $2 AND NOT stopped AND used_at IS NULL "
        "ORDER BY issued_at DESC LIMIT 1",
        code_hash(node, digits), node.clock.now(),
    )  # fmt: skip
    return (
        node.cipher.open("sensitive", "credential_presentation.token", str(row["id"]), row["token"]).reveal()
        if row
        else None
    )


async def sweep(tx: Tx, node: Node) -> None:
    """Forget texts of codes at their end, their numbers a day later, wrong tries and taken numbers when they no longer matter (清理)."""
    now = node.clock.now()
    await tx.execute("UPDATE credential_presentation SET token = '' WHERE expires_at < $1 AND token <> ''", now - timedelta(minutes=5))
    await tx.execute("DELETE FROM credential_presentation WHERE expires_at < $1", now - KEPT)
    await tx.execute("DELETE FROM credential_offline WHERE expires_at < $1", now - TOLD_LATER)
    await tx.execute("DELETE FROM credential_offline_used WHERE at < $1", now - TOLD_LATER - timedelta(days=1))
    await tx.execute("DELETE FROM credential_seen WHERE expires_at < $1", now)
    await tx.execute("DELETE FROM credential_try WHERE at < $1", now - timedelta(hours=1))
