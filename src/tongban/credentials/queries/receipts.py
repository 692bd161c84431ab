"""Receipts of credentials (存证回执): at the issuer from its log, at another home by call."""

from __future__ import annotations

from typing import Any

from tongban import federation, transparency
from tongban.credentials.errors import CardGone, NotReady
from tongban.credentials.queries.credentials import card as find_card
from tongban.credentials.queries.credentials import within
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.gm import jcs
from tongban.kernel.node import Node


async def receipt_of(tx: Tx, subject: str, credential_id: str) -> dict[str, Any] | None:
    """The receipt of an issue at this node, with inclusion proof and statement, or None (颁发回执).

    Raises transparency.ReceiptNotReady in the seconds before the leaf is under a signed head.
    """
    row = await tx.fetchrow(
        "SELECT digest, ofd_digest, leaf FROM credential WHERE subject = $1 AND id = $2", subject, credential_id
    )
    if row is None:
        return None
    statement = jcs({"credential": credential_id, "digest": row["digest"], "ofd": row["ofd_digest"]})
    found = await transparency.receipt(tx, row["leaf"], statement=statement)
    return dict(found.to_json())


async def card_receipt(node: Node, actor: Actor, card_id: str) -> dict[str, Any]:
    """The receipt for a card in this wallet, wherever it was issued (证照回执). Raises CardGone, NotReady."""
    async with node.db.reading() as tx:
        card = await find_card(tx, node, actor.person, card_id)
        if card is None or not await within(tx, actor, card_id):
            raise CardGone
        if card.issuer == node.id:
            found = await receipt_of(tx, actor.person, card_id)
            if found is None:
                raise CardGone
            return found
    try:
        answer = await federation.call(
            node, card.issuer, "credentials.receipt", {"v": 1, "subject": actor.person, "credential": card_id}
        )
    except (federation.CallFailed, federation.CallRefused, federation.NotMember) as why:
        raise NotReady("存证回执") from why
    receipt: dict[str, Any] = answer["receipt"]
    return receipt
