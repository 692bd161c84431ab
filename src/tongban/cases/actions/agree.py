"""Sources that give only what their person agrees to 要本人同意的来源 (R-409, privacy.md 5): asked at the moment of need, for this item alone."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from tongban import catalogue, consent, exchange
from tongban.cases.errors import DraftGone
from tongban.cases.model import Draft
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

PURPOSE = "case.prefill"
LASTS = timedelta(days=30)


class Offer(msgspec.Struct, frozen=True):
    """What a source would give once its person agrees (同意就能取的)."""

    resource: exchange.Resource
    fields: tuple[str, ...]


def purpose_of(item: str) -> str:
    """The purpose a consent is for (授权用途): this item and no other, as the page of the consent says."""
    return f"{PURPOSE}.{item}"


async def offers(tx: Tx, draft: Draft, item: catalogue.Item) -> tuple[Offer, ...]:
    """What was not given for want of a consent, and is still missing (没有同意，没有取的)."""
    made = []
    for name in draft.file.to_agree:
        found = await exchange.definition(tx, name)
        fields = {one.field for planned in catalogue.prefill_plan(item.form) for one in planned.sources if (one.source, one.resource) == ("register", name)}
        if found is not None and found.consent:
            made.append(Offer(found, tuple(one.words for one in found.fields if one.name in fields)))
    return tuple(made)


async def agreed(tx: Tx, node: Node, draft: Draft, item: catalogue.Item) -> bool:
    """Whether the person has agreed to one of them since they were asked (后来同意了)."""
    for one in await offers(tx, draft, item):
        if await consent.allows(tx, draft.subject, purpose_of(draft.task_code), node.id, at=node.clock.now(), fields=one.fields) is not None:
            return True
    return False


async def ask(tx: Tx, node: Node, draft: Draft, item: catalogue.Item, resource: str) -> str:
    """The address of the page that asks for it (去问); afterwards the person is back at what was found. Raises DraftGone for another source."""
    offer = next((one for one in await offers(tx, draft, item) if one.resource.id == resource), None)
    if offer is None:
        raise DraftGone
    found = offer.resource
    return await consent.ask(tx, node, draft.subject, consent.Ask(
        purpose=purpose_of(draft.task_code), why=f"办理{item.name}", giver=found.owner, giver_name=found.owner_name, receiver=node.id,
        receiver_name=node.settings.name, fields=offer.fields, not_fields=tuple(one.words for one in found.fields if one.words not in offer.fields),
        until=node.clock.now() + LASTS,
    ), back=f"/apply/{draft.id}/found")  # fmt: skip
