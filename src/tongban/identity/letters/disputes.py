"""Corrections between nodes 纠错的信件 (identity.md 6.7, R-304): dispute.opened, .withdrawn, .decided; register.corrected.

Who may say what: a dispute comes from any node, its end from the register it went to, a correction from the owner of the
attribute only, a visitor's masked name from the home only (T-32).
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from tongban import federation
from tongban.identity.actions import corrections, dispute_desk, disputes_heard
from tongban.identity.letters.words import Calls, Letters
from tongban.identity.model import Decided, DisputeOpened
from tongban.identity.rules import disputes as rules
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node

T = TypeVar("T")


async def opened(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`dispute.opened` 有人纠错: on the desk of this register."""
    told = _read(letter, DisputeOpened)
    if told is not None:
        await dispute_desk.receive(tx, node, letter.origin, told)


async def withdrawn(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`dispute.withdrawn` 撤回纠错, by the node that opened it."""
    if isinstance(letter.body.get("id"), str):
        await dispute_desk.withdrawn(tx, node, letter.origin, letter.body["id"])


async def decided(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`dispute.decided` 纠错结果, of the register the dispute went to."""
    told = _read(letter, Decided)
    if told is not None:
        await disputes_heard.decided(tx, node, letter.origin, told)


async def corrected(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`register.corrected` 登记更正, of the register that keeps this attribute and of no other."""
    told = _read(letter, corrections.Told)
    known = rules.attribute(told.attribute) if told is not None else None
    if told is None or known is None or known.register != letter.origin:
        log("identity.correction_of_a_stranger", origin=letter.origin)
        return
    await corrections.heard(tx, node, told)


async def person_corrected(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`person.corrected` 称呼更正, of the home of a person who was here."""
    await corrections.at_visited(tx, node, letter.origin, letter.body)


def _read(letter: federation.Letter, shape: type[T]) -> T | None:
    """The body as its noun; a letter of another shape is logged and passed over, so that it blocks nobody behind it."""
    body: dict[str, Any] = letter.body
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError:
        log("identity.letter_malformed", origin=letter.origin, kind=letter.kind)
        return None


LETTERS: Letters = {
    ("dispute.opened", 1): opened,
    ("dispute.withdrawn", 1): withdrawn,
    ("dispute.decided", 1): decided,
    ("register.corrected", 1): corrected,
    ("person.corrected", 1): person_corrected,
}
CALLS: Calls = {}
