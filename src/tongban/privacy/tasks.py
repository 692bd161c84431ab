"""What runs by the clock 个人信息权益的定时: copies gathered, made and removed; closings that are due; rows past their term."""

from __future__ import annotations

from tongban.kernel import jobs
from tongban.kernel.node import Node
from tongban.privacy.actions import closing, leaving, retention
from tongban.privacy.actions.gathering import gather_due
from tongban.privacy.actions.sharing import BELL, make_shares
from tongban.privacy.actions.tidying import tidy

_COPY_SECONDS = 10
_TIDY_SECONDS = 300


async def copies(node: Node) -> None:
    """One turn: what others have asked for first, since they wait at their pages (副本走一轮)."""
    await make_shares(node)
    await gather_due(node)


CLOCKS = [
    jobs.Clockwork("privacy.copies", _COPY_SECONDS, copies, bell=BELL),
    jobs.Clockwork("privacy.copies_over", _TIDY_SECONDS, tidy),
    jobs.Clockwork("privacy.close_due", 60, closing.close_due),
    jobs.Clockwork("privacy.leave", 10, leaving.advance, bell=leaving.BELL),
    # looked at every hour so that a run cut off goes on; it runs once a day
    jobs.Clockwork("privacy.retain", 3600, retention.run),
]
