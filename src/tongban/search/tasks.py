"""Time's door 定时: the index follows the catalogue, at once by its bell and in any case every few seconds."""

from __future__ import annotations

from tongban.catalogue import BELL
from tongban.kernel import jobs
from tongban.kernel.log import log_failure
from tongban.kernel.node import Node
from tongban.search.actions import refresh
from tongban.search.errors import WordsBroken


async def set_up(node: Node) -> None:
    """Bring the index in step (整理索引), at node start and whenever the catalogue changes. A broken word list is logged."""
    try:
        await refresh(node)
    except WordsBroken as error:
        log_failure("search.words_broken", error)


CLOCKS = [jobs.Clockwork("search.index", 5, set_up, BELL)]
