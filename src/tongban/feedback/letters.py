"""The other nodes' door 来信: a review for us, an answer for our person."""

from __future__ import annotations

import msgspec

from tongban import federation
from tongban.feedback.actions import apply_review, hear_reply
from tongban.feedback.model import Replied, Told
from tongban.kernel.db import Tx
from tongban.kernel.node import Node


async def reviewed(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """A service of ours was rated at the node of its person (评价)."""
    await apply_review(tx, node, letter.origin, msgspec.convert(letter.body, Told))


async def answered(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """A unit answered a review given here (答复)."""
    told = msgspec.convert(letter.body, Replied)
    await hear_reply(tx, node, letter.origin, told.review, told.reply)


LETTERS = {("case.reviewed", 1): reviewed, ("review.answered", 1): answered}
