"""A visitor's cases at home 在归属地的办件: asked when the page is drawn, answered by the home, kept nowhere (R-303, R-701)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec

from tongban import identity
from tongban.cases.model import HomeCase, HomeCases
from tongban.cases.queries import mirrors
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node

SERVICE = "cases.mine"


async def at_home(node: Node, actor: Actor) -> identity.HomeSays[HomeCases] | None:
    """The cases of this visitor as their home lists them now; None for somebody whose home is here (归属地的办件)."""
    return await identity.ask_home(node, actor, SERVICE, HomeCases)


async def tell(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """The list of `/cases` for the page of a visited node, with its ledger line. Raises CallRefused (到访节点的办件清单)."""
    async with node.db.transaction() as tx:
        told = await identity.tell_visited(
            tx, node, caller, body, level=1, fields=("办件清单",), purpose="在你到访的页面列出你的办件"
        )
        found = await mirrors.mine(tx, node, told.subject)
    cases = tuple(
        HomeCase(
            id=one.id, number=one.number, item_name=one.item_name, owner_name=one.owner_name, state_words=one.state_words,
            waiting=one.waiting, due_on=one.due_on, changed_at=one.changed_at, open=one.open,
        )
        for one in found
    )  # fmt: skip
    answer: dict[str, Any] = msgspec.to_builtins(HomeCases(cases=cases))
    return {"v": 1, "line": msgspec.to_builtins(told.line), **answer}


def href(says: identity.HomeSays[HomeCases], visited: str, case_id: str = "") -> str:
    """Where the home shows its list, or one case; going back there is silent (回归属地)."""
    return f"{says.url}/cases{'/' + case_id if case_id else ''}?{urlencode({'from': visited})}"
