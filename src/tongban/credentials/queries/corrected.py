"""Credentials that show a value from before its correction (带着更正前信息的证照), for the holder to have renewed (R-304)."""

from __future__ import annotations

from tongban import identity
from tongban.credentials.queries.credentials import of_holder
from tongban.credentials.queries.types import type_of
from tongban.kernel.db import Tx
from tongban.kernel.node import Node

SHOWN_AS = {
    "name": ("姓名",), "number": ("身份证号", "身份号码", "证件号"), "sex": ("性别",), "born": ("出生",), "nation": ("民族",), "address": ("住址", "地址"),
}  # fmt: skip
"""Words in the field names of credential types under which an attribute stands."""


async def used_before(tx: Tx, node: Node, subject: str, attribute: str) -> list[identity.UsedBefore]:
    """The valid cards of this wallet on which that attribute stands."""
    words, found = SHOWN_AS.get(attribute, ()), []
    for card in await of_holder(tx, node, subject):
        kind = type_of(node, card.type_code)
        named = [entry.name for entry in kind.fields if entry.key in card.data] if kind is not None else []
        shows = any(word in name for word in words for name in named) or (attribute == "name" and bool(card.holder_name))
        if card.state == "valid" and shows:
            found.append(identity.UsedBefore(kind="credential", ref=card.id, title=card.type_name, link=f"/wallet/{card.id}"))
    return found
