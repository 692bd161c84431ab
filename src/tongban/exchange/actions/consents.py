"""A consent that was withdrawn is told to whoever gave the data (撤回告知), so that no call rests on it, whatever the caller says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from tongban import consent, federation
from tongban.exchange.actions.post import hears
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

KIND = "consent.withdrawn"


class Withdrawn(msgspec.Struct, frozen=True):
    """The body of `consent.withdrawn` (撤回来函): the number of the consent and when; nobody is named."""

    v: int
    id: str
    at: int


async def tell_withdrawals(tx: Tx, node: Node) -> int:
    """Write to every giver about withdrawals it has not been told of (逐份告知); the number written."""
    try:
        found = await federation.directory(tx)
    except federation.NotMember:
        return 0
    told = 0
    for subject, consent_id, giver, at in await consent.withdrawn_untold(tx, node.id):
        listed = found.node(giver)
        if listed is not None and listed.status != "gone":
            body = Withdrawn(1, consent_id, consent.milliseconds(at))
            await federation.send(tx, node, to=giver, kind=KIND, about=f"consent:{consent_id}", body=body)
            told += 1
        await consent.withdrawal_told(tx, node, subject, consent_id)
    return told


@hears(KIND)
async def withdrawal_came(tx: Tx, _node: Node, origin: str, body: dict[str, Any]) -> None:
    """Never answer that node on this consent again (记下撤回). It counts for the node that tells, so nobody can stop another's."""
    said = msgspec.convert(body, Withdrawn)
    await tx.execute(
        "INSERT INTO data_consent_ended (consent_id, receiver, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        said.id, origin, datetime.fromtimestamp(said.at / 1000, UTC),
    )  # fmt: skip
