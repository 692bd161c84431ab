"""Who asks: the actor of a request's cookie, from the cache in the process, and from the table when it is cold.

One node's own code on a real database, no HTTP: what every page pays before it does anything.
"""

import statistics
import time

import uvloop
from _bare import bare_node
from _line import line
from _login import fill
from _nation import busy

from tongban import identity
from tongban.identity.actions import resolve, sessions
from tongban.kernel.node import Node

CACHED, COLD = 15.0, 400.0  # microseconds
TIMES, SESSIONS = 20_000, 2_000


async def measure(node: Node) -> tuple[float, float]:
    """(microseconds cached, microseconds cold): medians of five and of one turn over all sessions."""
    cookies = []
    for index in range(SESSIONS):
        async with node.db.transaction() as tx:
            opened = await sessions.open_session(tx, node, sessions.Opening(
                subject=f"n1{index:032x}", kind="citizen", proof=2, acr=2, amr=("otp",), agent="Mobile Chrome",
            ))  # fmt: skip
        cookies.append({resolve.SESSION_COOKIE: opened.cookie})
    cold = []
    for one in cookies:
        started = time.perf_counter()
        actor = await identity.resolve(node, one, path="/me")
        cold.append((time.perf_counter() - started) * 1e6)
        if actor.kind != "citizen":
            raise RuntimeError("not signed in")
    turns = []
    for _ in range(5):
        held = cookies[-50:]
        for one in held:
            await identity.resolve(node, one, path="/me")
        started = time.process_time()  # nothing is waited for, so the processor's time is all of it, whoever else runs
        for number in range(TIMES):
            await identity.resolve(node, held[number % 50], path="/me")
        turns.append((time.process_time() - started) / TIMES * 1e6)
    return statistics.median(turns), statistics.median(cold)


async def main() -> None:
    async with bare_node() as node:
        await fill(node, SESSIONS)
        cached, cold = await measure(node)
    print(busy())
    print(line("session-check-cold", cold, "us", cold / COLD, "400-us", 1.0, at_most=True))
    print(line("session-check", cached, "us", cached / CACHED, "15-us", 1.0, at_most=True))


uvloop.run(main())  # as a node runs
