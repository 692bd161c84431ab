"""What /cases says of the cases at home to somebody visiting (归属地的办件): each row leads to the home's page."""

from __future__ import annotations

import msgspec

from tongban import identity
from tongban.cases.actions import at_home
from tongban.cases.model import HomeCases
from tongban.cases.rules import wording
from tongban.kernel.node import Node


class ThereRow(msgspec.Struct, frozen=True):
    """One case at the home of a visitor (归属地的一件), leading to the home's page."""

    name: str
    hint: str
    href: str
    tag: str


class There(msgspec.Struct, frozen=True):
    """The cases that a visitor has at home (归属地的办件), or in `words` why they are not to be seen now."""

    place: str
    url: str
    away: bool
    words: str
    rows: tuple[ThereRow, ...]


def there(node: Node, says: identity.HomeSays[HomeCases]) -> There:
    """What the page says of the cases at home: each leads there, or why there are none (归属地的办件)."""
    if says.answer is not None:
        words = "" if says.answer.cases else f"{says.place}那里还没有办件"
    elif says.reached:
        words = f"{says.place}的办件，要到{says.place}的页面上看"
    else:
        words = f"{says.place}暂时连不上，那里的办件和证照稍后再看"
    rows = tuple(
        ThereRow(
            name=one.item_name, href=at_home.href(says, node.id, one.id), tag=one.waiting,
            hint="，".join((one.state_words, *((f"{wording.day(one.due_on)}前",) if one.due_on else ()), one.owner_name)),
        )
        for one in (says.answer.cases if says.answer else ())
    )  # fmt: skip
    url = at_home.href(says, node.id) if says.reached else ""
    return There(place=says.place, url=url, away=not says.reached, words=words, rows=rows)
