"""Licences that stand for materials of a case (免交材料的证照): which one stands for which, as it was at submission. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from tongban import catalogue
from tongban.cases.model import FoundCard, Submission, usable


def needed(item: catalogue.Item | None, sent: Submission, today: date) -> tuple[catalogue.MaterialNeeded, ...]:
    """The materials this application meets, with the licences that were found when it was handed in (要哪些材料)."""
    held = None if sent.licences is None else usable(sent.licences)
    return catalogue.materials_needed(item, sent.answers, today, held=held) if item else ()


def standing_for(one: catalogue.MaterialNeeded, sent: Submission) -> FoundCard | None:
    """The licence that stands for a material (查到的证照); None where nobody looked or something else stands for it."""
    cards = {card.type_name: card for card in sent.licences or () if usable((card,))}
    ways = [way.name for way in one.material.replaceable_by if way.kind == "licence" and way.name in cards]
    return cards[ways[0]] if one.state == "licence" and ways else None


def linked(
    item: catalogue.Item | None, sent: Submission, today: date, code: str, *, handed_in: Collection[str]
) -> tuple[str, FoundCard] | None:
    """The title of a material and the licence linked to the case for it (本件用的证照); None for every other code, and where a file was handed in."""
    for one in needed(item, sent, today):
        card = standing_for(one, sent)
        if one.material.name == code and code not in handed_in and card is not None:
            return one.material.title, card
    return None
