"""Time's door of 好差评: cases of earlier days are marked as reviewed, many at once."""

from __future__ import annotations

from tongban.feedback.actions import settle
from tongban.kernel.indexes import Index
from tongban.kernel.jobs import Clockwork
from tongban.kernel.node import Node


async def settle_reviews(node: Node) -> None:
    """Call `settle`; its count is logged there."""
    await settle(node)


INDEXES = (Index(table="review", column="service_key", labels=("review.service_key",), linked=lambda _: "review.service_key"),)
CLOCKS = [Clockwork("feedback.settle", 3600, settle_reviews)]
