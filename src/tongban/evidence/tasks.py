"""Time's door (定时): content that came by letter is fetched at once, what waits is looked into, packages are finished, old things go."""

from __future__ import annotations

from tongban.evidence.actions import DROP, WANTED, clear, drop, fetch_wanted, finish, give_back, tidy
from tongban.kernel import jobs
from tongban.kernel.node import Node


async def run_drop(node: Node, payload: jobs.Payload) -> None:
    """`evidence.drop {address}`: the ciphertext of a row that is gone."""
    await drop(node, str(payload["address"]))


async def finish_archives(node: Node) -> None:
    """Packages whose receipts are there now; hand-overs that came to nothing."""
    await finish(node)
    async with node.db.transaction() as tx:
        await give_back(tx, node)


async def daily(node: Node) -> None:
    """What is past its term goes: unused uploads, orphans, the content of handed-over packages."""
    await tidy(node)
    await clear(node)


JOBS: dict[str, jobs.Handler] = {DROP: run_drop}
CLOCKS = [
    jobs.Clockwork("evidence.fetch", 20, fetch_wanted, bell=WANTED),
    jobs.Clockwork("evidence.archives", 30, finish_archives),
    jobs.Clockwork("evidence.daily", 86_400, daily),
]
