"""Between nodes 个人信息权益的信件与应答: calls of copies, letters of a closed account."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from tongban import federation
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node
from tongban.privacy.actions import closing, leaving, sharing
from tongban.privacy.model.closing import Receipt

_MOST, _LONGEST = 200, 60


async def account_erased(tx: Tx, node: Node, letter: federation.Letter) -> None:  # noqa: ARG001  the shape of a letter's handler
    """`account.erased` 某节点的回执: counts and leaf of a node that was asked, for the person's page."""
    body = letter.body
    state = str(body.get("state", ""))
    if state not in {"held", "erased", "refused"} or not isinstance(body.get("id"), str):
        log("privacy.letter_malformed", origin=letter.origin, kind=letter.kind)
        return
    await leaving.put(tx, body["id"], Receipt(
        node=letter.origin, state=state, counts=_counts(body.get("counts")), stays=_words(body.get("stays")), held_until=_day(body.get("held_until")),
        leaf=str(body.get("leaf", ""))[:_LONGEST], at=datetime.fromtimestamp(letter.at / 1000, UTC),
    ))  # fmt: skip


def _counts(told: Any) -> dict[str, int]:
    """What another node counted, as far as it has the shape: its words are only shown, never acted on."""
    if not isinstance(told, dict):
        return {}
    return {str(name)[:_LONGEST]: value for name, value in list(told.items())[:_MOST] if type(value) is int and 0 < value < 2**53}


def _words(told: Any) -> tuple[str, ...]:
    return tuple(str(one)[:200] for one in told[:_MOST]) if isinstance(told, list) else ()


def _day(told: Any) -> date | None:
    try:
        return date.fromisoformat(str(told)) if told else None
    except ValueError:
        return None


LETTERS: dict[tuple[str, int], federation.LetterHandler] = {
    (closing.CLOSED, 1): leaving.heard,
    (leaving.ERASED, 1): account_erased,
}
REINSTATE: dict[tuple[str, int], Any] = {
    (closing.CLOSED, 1): closing.closed_again,
    # sent again as it is: who asked keeps the first answer
    (leaving.ERASED, 1): None,
}
CALLS: dict[str, federation.CallHandler] = {
    sharing.SERVICE: sharing.answer,
}
