"""A visitor's wallet at home 在归属地的证照: asked when the page is drawn, answered by the home, kept nowhere (R-303, R-701)."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from tongban import identity
from tongban.credentials.model import Card, HomeCard, HomeCards
from tongban.credentials.queries import credentials as queries
from tongban.credentials.rules import layout, showing
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node

SERVICE = "credentials.mine"
LEVEL = 2


async def at_home(node: Node, actor: Actor) -> identity.HomeSays[HomeCards] | None:
    """The cards of this visitor as their home lists them now; None for somebody whose home is here (归属地的证照)."""
    return await identity.ask_home(node, actor, SERVICE, HomeCards)


async def tell(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """The list of `/wallet` for the page of a visited node, with its ledger line. Raises CallRefused (到访节点的证照清单)."""
    async with node.db.transaction() as tx:
        told = await identity.tell_visited(
            tx, node, caller, body, level=LEVEL, fields=("证照清单",), purpose="在你到访的页面列出你的证照"
        )
        found = await queries.of_holder(tx, node, told.subject)
    today = node.clock.today()
    answer: dict[str, Any] = msgspec.to_builtins(HomeCards(cards=tuple(listed(card, today) for card in found)))
    return {"v": 1, "line": msgspec.to_builtins(told.line), **answer}


def listed(card: Card, today: date) -> HomeCard:
    """How a card stands in a list, here or at a visited node: its holder masked, its state in a word (列表里的一张证)."""
    until = "长期有效" if card.valid_until is None else f"有效期至 {layout.day_words(card.valid_until)}"
    name = card.holder_name.reveal()
    holder = name if card.holder_kind == "legal" else showing.mask(name)
    word = showing.state_word(card.state, card.valid_until, today)
    return HomeCard(card.id, card.type_code, card.type_name, f"{holder}，{until}", word, card.org_name)
