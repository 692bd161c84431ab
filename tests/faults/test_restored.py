"""A node put back from yesterday's backup while the others go on agrees with everyone again, with counts (federation.md 6.2; R-803, R-805).

A real dump by `pg_dump`, a real `pg_restore`, the operator's command. Afterwards no letter is missing and none had two effects, at any
of the five nodes; the time from the start of the node to its open doors is measured. What becomes of a case is shown by
src/tongban/cases/tests/test_reinstate.py.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg

from tongban import federation
from tongban.kernel.node import Node
from tongban.main.demo.nation import Nation
from tongban.main.postgres import binaries

KIND = "demo.uncounted"
LOST, OTHER = "510000", "500000"


def postgres(program: str, *words: str) -> None:
    done = subprocess.run([str(binaries() / program), *words], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr[-600:]


async def letters(nation: Nation, sender: str, to: str, count: int, start: int) -> None:
    async with Node.open(nation.settings(sender)) as node:
        for n in range(start, start + count):
            async with node.db.transaction() as tx:
                await federation.send(tx, node, to=to, kind=KIND, about=f"demo:restore{n % 5}", body={"n": n})


async def ids(nation: Nation, reader: str, origin: str) -> tuple[set[str], set[str]]:
    """What `origin` has written for `reader` and for everybody, and what `reader` has taken of it."""
    async with AsyncExitStack() as stack:
        here, there = [await stack.enter_async_context(Node.open(nation.settings(one))) for one in (reader, origin)]
        async with there.db.reading() as tx:
            written = await tx.fetch("SELECT id FROM outbox WHERE \"to\" IN ($1, '*') AND seq IS NOT NULL", reader)
        async with here.db.reading() as tx:
            taken = await tx.fetch("SELECT id FROM letter_applied WHERE origin = $1", origin)
    return {row["id"] for row in written}, {row["id"] for row in taken}


async def agreed(nation: Nation, seconds: float) -> dict[str, int]:
    """Wait until every reader has taken exactly what the node put back has written, and the other way round; the counts."""
    until = time.monotonic() + seconds
    while True:
        counts, differ = {}, []
        for one in nation.members:
            if one == LOST:
                continue
            for reader, origin in ((one, LOST), (LOST, one)):
                written, taken = await ids(nation, reader, origin)
                counts[f"{origin}>{reader}"] = len(written)
                if written != taken:
                    differ.append(f"{origin}>{reader}: {len(written - taken)} not taken, {len(taken - written)} not known")
        if not differ:
            return counts
        assert time.monotonic() < until, differ
        await asyncio.sleep(0.5)


async def put_back(nation: Nation, dump: Path) -> None:
    """What an operator does: stop, drop, restore, say so, start (docs/operate/backup.md)."""
    await nation.stop(LOST)
    server = await asyncpg.connect(nation.postgres.url())
    try:
        await server.execute(f'DROP DATABASE "tongban_{LOST}" WITH (FORCE)')
        await server.execute(f'CREATE DATABASE "tongban_{LOST}"')
    finally:
        await server.close()
    settings = nation.settings(LOST)
    await asyncio.to_thread(postgres, "pg_restore", "--exit-on-error", "--no-owner", f"--dbname={settings.database_url}", str(dump))
    told = {"DATABASE_URL": settings.database_url, "DATA_DIR": str(settings.data_dir), "BASE_URL": settings.base_url,
            "BIND_PORT": str(settings.bind_port), "CONNECT": settings.connect}  # fmt: skip
    command = [sys.executable, "-m", "tongban.main.cli", "node", "restored", "--settings", f"deploy/nodes/{LOST}.toml"]
    said = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False, env={**os.environ, **{f"TONGBAN_{k}": v for k, v in told.items()}}
    )  # fmt: skip
    assert said.returncode == 0, said.stderr[-600:]
    assert "noted" in said.stdout


async def open_again(nation: Nation, seconds: float) -> None:
    async with Node.open(nation.settings(LOST)) as node:
        until = time.monotonic() + seconds
        while True:
            async with node.db.reading() as tx:
                if await tx.fetchval("SELECT stopped IS NULL FROM outbox_head"):
                    return
            assert time.monotonic() < until, "still recovering"
            await asyncio.sleep(0.1)


async def test_a_node_put_back_from_a_backup_agrees_with_everyone_again(nation, tmp_path):
    await letters(nation, LOST, OTHER, 10, 0)
    dump = tmp_path / "yesterday.dump"
    await asyncio.to_thread(postgres, "pg_dump", "--format=custom", f"--file={dump}", nation.settings(LOST).database_url)

    await letters(nation, LOST, OTHER, 30, 100)
    await letters(nation, OTHER, LOST, 30, 200)
    await agreed(nation, 30)

    await put_back(nation, dump)
    await letters(nation, OTHER, LOST, 10, 300)  # the others go on meanwhile
    started = time.monotonic()
    await nation.start_again(LOST)
    await open_again(nation, 60)
    measured = time.monotonic() - started
    await letters(nation, LOST, OTHER, 5, 400)
    counts = await agreed(nation, 60)

    assert counts[f"{LOST}>{OTHER}"] >= 45
    assert counts[f"{OTHER}>{LOST}"] >= 40
    async with Node.open(nation.settings(LOST)) as node, node.db.reading() as tx:
        states = {row["state"]: row["n"] for row in await tx.fetch("SELECT state, count(*) AS n FROM letter_returned GROUP BY 1")}
    assert not states.get("conflict") and not states.get("kept"), states  # noqa: PT018
    async with Node.open(nation.settings(OTHER)) as node, node.db.reading() as tx:
        twice = await tx.fetchval("SELECT count(*) FROM (SELECT id FROM letter_parked WHERE kind = $1 GROUP BY id HAVING count(*) > 1) d", KIND)
        lost = await tx.fetchval("SELECT count(*) FROM letter_parked WHERE kind = $1 AND origin = $2", KIND, LOST)
    assert (twice, lost) == (0, 45)
    print(f"restored and open after {measured:.1f} s; letters that agree: {counts}; came home: {states}")
