"""The transparency log: appending with the fact, giving places in the tree, receipts, and the whole audit.

Two lines: `log-append` one fact at a time, as most of the house does; `log-append-batch` many facts in one call, as imports
and share runs do, wanted at 50,000 leaves a second. The first ratio compares appending and sequencing together with inserting the bare leaf rows (no hash, no tree) into the same
table in the same transactions: what the log costs over writing the row at all. Both take turns, so that whatever else
the machine does slows both alike.
"""

import asyncio
import secrets
import time

from _bare import bare_node
from _line import line

from tongban import transparency
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node
from tongban.transparency import tasks

COUNT, TOGETHER, ROUNDS = 20_000, 20, 20
BATCH, WANTED = 2_000, 50_000
BARE = "INSERT INTO log_leaf (id, kind, at_ms, salt, fact, commitment) VALUES ($1, 'bench.bare', 0, $2, $3, $3)"


async def timed(node: Node, one) -> float:
    """Seconds for COUNT / ROUNDS leaves, TOGETHER in a transaction."""
    started = time.perf_counter()
    for _ in range(COUNT // ROUNDS // TOGETHER):
        async with node.db.transaction() as tx:
            for _ in range(TOGETHER):
                await one(tx)
    return time.perf_counter() - started


async def batched(node: Node, count: int) -> float:
    """Seconds to append so many facts in batches, one transaction each; their places come afterwards, as always."""
    facts = [[b"fact %d" % n for n in range(start, start + BATCH)] for start in range(0, count, BATCH)]
    started = time.perf_counter()
    for one in facts:
        async with node.db.transaction() as tx:
            await transparency.append_many(tx, "bench.fact", one)
    return time.perf_counter() - started


async def sequenced(node: Node) -> float:
    """Seconds to give all waiting leaves their places."""
    started = time.perf_counter()
    await tasks.run_sequencer(node)
    return time.perf_counter() - started


async def bare(tx) -> None:
    await tx.execute(BARE, uuid7(), secrets.token_bytes(16), secrets.token_bytes(32))


async def appended(tx) -> None:
    await transparency.append(tx, "bench.fact", b"a fact")


async def measure(node: Node) -> str:
    rounds = [(await timed(node, bare), await timed(node, appended), await sequenced(node)) for _ in range(ROUNDS)]
    base, appends, places = (COUNT / sum(one) for one in zip(*rounds, strict=True))
    await tasks.run_head(node)
    async with node.db.transaction() as tx:
        await tx.execute("DELETE FROM log_leaf WHERE kind = 'bench.bare'")
        ids = [row["leaf_id"] for row in await tx.fetch("SELECT leaf_id FROM log_entry ORDER BY random() LIMIT 500")]
        started = time.perf_counter()
        for leaf_id in ids:
            await transparency.receipt(tx, leaf_id)
        receipts = len(ids) / (time.perf_counter() - started)
        started = time.perf_counter()
        audit = await transparency.verify_log(tx, node)
        audits = audit.size / (time.perf_counter() - started)
    assert audit.whole, audit.findings
    whole = 1 / (1 / appends + 1 / places)
    print(
        f"bare rows {base:.0f}/s, append {appends:.0f}/s, sequence {places:.0f}/s, receipts {receipts:.0f}/s, audit {audits:.0f} leaves/s"
    )
    batches = COUNT * 2 / await batched(node, COUNT * 2)
    print(f"append in batches of {BATCH}: {batches:.0f}/s")
    print(line("log-append-batch", batches, "leaves/s", batches / WANTED, "50,000-a-second", 1.0))
    return line("log-append", whole, "leaves/s", whole / base, "bare-row-inserts", 0.35)


async def main() -> None:
    async with bare_node() as node:
        print(await measure(node))


asyncio.run(main())
