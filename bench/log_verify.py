"""The whole audit of a large log, `tongban log verify`: a million leaves, and each way of tampering found in them.

The leaves are written in batches and given their places as in a running node; then the log is recomputed from its rows.
Afterwards one leaf is edited, one deleted, and two change places, each undone before the next: the audit must name the
row each time. Tampering is tried on the same rows, so that it costs one audit each over the first pages of the log.

    make bench-log-verify
    python bench/log_verify.py --leaves 50000
"""

import argparse
import asyncio
import time

from _bare import bare_node
from _line import line
from _load import cpu_seconds

from tongban import transparency
from tongban.kernel.node import Node
from tongban.transparency import tasks

LIMIT = 60.0  # seconds for a million leaves
BATCH = 10_000
TAMPERED = {
    "edited": "UPDATE log_leaf SET at_ms = at_ms + 1 FROM log_entry WHERE leaf_id = id AND index = $1",
    "deleted": "DELETE FROM log_leaf USING log_entry WHERE leaf_id = id AND index = $1",
    "reordered": (
        "UPDATE log_entry e SET leaf_id = o.leaf_id FROM log_entry o WHERE e.index IN ($1::bigint, $1::bigint + 1) AND o.index IN ($1::bigint, $1::bigint + 1)"
        " AND o.index <> e.index"
    ),
}


class Undo(Exception):
    """Every tampering is taken back."""


async def fill(node: Node, count: int) -> None:
    for start in range(0, count, BATCH):
        async with node.db.transaction() as tx:
            await transparency.append_many(tx, "bench.fact", [b"fact %d" % n for n in range(start, min(start + BATCH, count))])
        await tasks.run_sequencer(node)
    await tasks.run_head(node)


async def tamper(node: Node, how: str, place: int) -> bool:
    """Whether the audit names this tampering."""
    found = False
    try:
        async with node.db.transaction() as tx:
            if how == "reordered":
                await tx.execute("ALTER TABLE log_entry DROP CONSTRAINT log_entry_leaf_id_key")
            await tx.execute(TAMPERED[how], place)
            audit = await transparency.verify_log(tx, node)
            found = any(one.kind == how for one in audit.findings)
            raise Undo
    except Undo:
        return found


async def measure(node: Node, count: int) -> list[str]:
    started = time.perf_counter()
    await fill(node, count)
    filled = time.perf_counter() - started
    async with node.db.reading() as tx:
        await tx.execute("ANALYZE")
        backend = await tx.fetchval("SELECT pg_backend_pid()")
        started, spent, asked = time.perf_counter(), time.process_time(), cpu_seconds(backend)
        audit = await transparency.verify_log(tx, node)
        seconds, spent, asked = time.perf_counter() - started, time.process_time() - spent, cpu_seconds(backend) - asked
    assert (audit.whole, audit.size) == (True, count), audit.findings
    print(f"{count} leaves in {filled:.0f} s, audited in {seconds:.1f} s (processor: {spent:.1f} s here, {asked:.1f} s in the database)", flush=True)
    small = min(count, 20_000)
    if count > small:  # the tampering is tried in a log that is quick to recompute; the audit is the same code
        async with node.db.transaction() as tx:
            await tx.execute("TRUNCATE log_entry, log_pending, log_leaf, log_node, log_head")
            await tx.execute("UPDATE log_tree SET size = 0, announced = 0")
        await fill(node, small)
    for how in TAMPERED:
        assert await tamper(node, how, small // 2), f"{how} not found"
    print(f"edit, delete and reorder each found and named in {small} leaves")
    per_million = seconds * 1_000_000 / count
    return [line("log-verify", per_million, "s/1M-leaves", per_million / LIMIT, "60-s-a-million", 1.0, at_most=True)]


async def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--leaves", type=int, default=1_000_000)
    args = asked.parse_args()
    async with bare_node() as node:
        for one in await measure(node, args.leaves):
            print(one)


if __name__ == "__main__":
    asyncio.run(main())
