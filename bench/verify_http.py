"""bench verify-http: verification over HTTP, one code a request and in batches of 64 as a station sends them, against bare SM2 verification.

One node serving its real app on a real port with a real database, as `tongban serve` does; each code is new and taken once. One code a request, over
many open connections: Base45, COSE, SM2, times, replay row, the card's state at its home, the line in the holder's record, the line of the
ledger with its leaf, all before the answer. In batches: state by marks, the job that tells the homes. Limit of both: the same signatures by
the same library call in one thread of the same run. The questions come from a process of their own.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import statistics
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import cbor2
import uvicorn
import uvloop
from _line import line
from _load import cpu_seconds
from _login import database_cpu
from _nation import busy

from tongban import credentials, seals
from tongban.credentials.actions import verifiers
from tongban.credentials.queries.keys import signer_of
from tongban.credentials.queries.types import type_named
from tongban.credentials.rules import base45, presentation
from tongban.credentials.tests import make
from tongban.kernel.clock import SystemClock
from tongban.kernel.node import Node
from tongban.kernel.settings import Settings
from tongban.main import migrate
from tongban.main.app import build_app
from tongban.main.postgres import Postgres
from tongban.main.serve import settle

BATCH, ROUNDS, AT_ONCE, SINGLE, CONNECTIONS = 64, 6, 4, 1000, 256
TARGET = 0.5


async def codes(node: Node, count: int) -> list[str]:
    """New codes of one card type, made now."""
    kind, signer, at = type_named(node, "营业执照"), await signer_of(node), node.clock.now()
    return [
        presentation.encode(
            signer, home=node.id, issuer=node.id, org_code="11510100MB0000001Y", org_name="成都市市场监督管理局（演示）", type_code=kind.code,
            opaque=secrets.token_bytes(16), attributes={1: "91510100MADEMA1T0P", 2: "成都市演示科技有限公司"}, state="valid",
            state_at=at - timedelta(minutes=3), valid_until=date(2036, 5, 11), at=at, jti=secrets.token_bytes(8), mark=secrets.token_bytes(8),
        )
        for _ in range(count)
    ]  # fmt: skip


async def bare(node: Node, texts: list[str]) -> tuple[float, float]:
    """Signatures a second, nothing else, in a thread as the server does it, and their processor ms each."""
    public = (await signer_of(node)).public
    parts = [cbor2.loads(base45.decode(text[4:])) for text in texts]
    pairs = [(presentation.signed_bytes(one[0], one[2]), one[3]) for one in parts]

    def turn() -> tuple[float, float]:
        begin, spent = time.perf_counter(), time.thread_time()
        assert all(public.verify(data, signature) for data, signature in pairs)
        return len(pairs) / (time.perf_counter() - begin), (time.thread_time() - spent) * 1000 / len(pairs)

    return await asyncio.to_thread(turn)


async def batches(session: aiohttp.ClientSession, base: str, texts: list[str]) -> float:
    """Codes a second over HTTP in batches, several connections at once."""
    waiting = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]

    async def one() -> None:
        while waiting:
            async with session.post(base + "/api/verify/many", json={"codes": waiting.pop()}) as answer:
                said = (await answer.json())["results"]
                assert all(each["verdict"] == "valid" for each in said), said[0]

    begin = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return len(texts) / (time.perf_counter() - begin)


async def singles(node: Node, folder: Path, port: int, key: str, count: int) -> tuple[float, tuple[float, ...]]:
    """Codes a second one a request over many connections, and the processor ms a code of the node, its checker next door and the database."""
    async with node.db.transaction() as tx:
        card = await make.licence(tx, node)
        texts = [(await credentials.present(tx, node, make.citizen(), card.id)).token for _ in range(count)]
    asking = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("_asking.py")), str(port), key, str(CONNECTIONS), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    begin = (time.process_time(), checker_seconds(), database_cpu(SimpleNamespace(folder=folder)))
    out, _ = await asking.communicate("\n".join(texts).encode())
    spent = (time.process_time(), checker_seconds(), database_cpu(SimpleNamespace(folder=folder)))
    seconds, good = out.split()
    assert (asking.returncode, int(good)) == (0, count), out
    return count / float(seconds), tuple((after - before) * 1000 / count for before, after in zip(begin, spent, strict=True))


def checker_seconds() -> float:
    """CPU seconds so far of the process that checks signatures next door; 0 while there is none."""
    born = " ".join(one.read_text() for one in Path("/proc/self/task").glob("*/children")).split()
    return sum(cpu_seconds(int(one)) for one in born if "tongban.kernel.checker" in Path(f"/proc/{one}/cmdline").read_text())


async def measure(node: Node, folder: Path) -> None:
    async with node.db.transaction() as tx:
        made = await verifiers.make_verifier(tx, node, make.staff(), name="演示车站", org_code="11100000000013338W", purposes=("bank_company",))
        bound = await verifiers.bind(tx, node, code=str(made[1]), label="1")

    app = build_app(node, clocks=False)
    settle()  # as a node serves
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False, server_header=False, lifespan="off", loop="none", timeout_keep_alive=300))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.02)
    base, rates = f"http://127.0.0.1:{port}", []
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {bound.key}"}) as session:
        await batches(session, base, await codes(node, BATCH * 2))
        for number in range(ROUNDS):
            limit, alone = await bare(node, await codes(node, BATCH * 8))
            figure = await batches(session, base, await codes(node, BATCH * 8))
            one, spent = await singles(node, folder, port, bound.key, SINGLE)
            if number:
                rates.append((limit, figure, one, alone, *spent))
    server.should_exit = True
    await task
    limit, figure, one, alone, own, beside, database = (statistics.median(each) for each in zip(*rates, strict=True))
    print(
        f"  bare SM2 verify {limit:.0f}/s, {alone:.2f} ms of a processor each; over {CONNECTIONS} connections one a request with home and record {one:.0f}/s: "
        f"{own:.2f} ms of the node's processor each, {beside:.2f} ms of its checker's, {database:.2f} ms of the database's; in batches of {BATCH} {figure:.0f}/s; {busy()}"
    )
    print(line("verify-http-batches", figure, "per_s", statistics.median(two / one for one, two, *_ in rates), "bare-SM2-verify", TARGET))
    print(line("verify-http", one, "per_s", statistics.median(three / one for one, _, three, *_ in rates), "bare-SM2-verify", TARGET))


async def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="tongban-bench-"))
    folder.chmod(0o755)
    postgres = Postgres(folder / "postgres", durable=True)
    postgres.start()
    try:
        await postgres.ready()
        await asyncio.to_thread(migrate.upgrade, postgres.url())
        settings = Settings(
            node="500000", name="重庆市", role="province", divisions=("50",), base_url="http://500000.localhost:8103",
            database_url=postgres.url(), data_dir=folder / "500000", organisation="11100000000013338W", demo=True,
        )  # fmt: skip
        async with Node.open(settings, clock=SystemClock()) as node:
            await seals.set_up(node)
            await credentials.set_up(node)
            await measure(node, folder)
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    uvloop.run(main())  # as a node runs
