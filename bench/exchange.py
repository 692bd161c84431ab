"""Exchange calls: signed, counted, logged and in the person's ledger, offered at 500 a second over 1,000 open connections.

One owner's node with its own database, written to disk, and a register of 2,000 invented people; the questions are signed
beforehand by another node's key, each about the next of them; the answers' statuses are counted, and afterwards every answer
must have its row in the message log and its line in a ledger. A refusal (429, 503) is an answer that was not given. Then as fast
as it goes over few connections, and twice the rate over all of them: of what the node bears a crowd must leave it four fifths.
Beside it, with the same connections and the same bytes, a bare aiohttp proxy in front of a bare aiohttp server: what passing a
request on costs; and a bare signature and a bare check of one: what no gateway can do without. The load is made in this process
on the same two processors; its share is told.
`-v` prints more; `--small` offers 50 a second over 100 connections for 4 s, to see that it works.
"""

import asyncio
import secrets
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import date
from typing import cast

import msgspec
import uvloop
from _line import line
from _load import cpu_seconds, tree_seconds
from _login import at, database_cpu, number_of, opened
from _nation import busy, nation

from tongban.federation.rules import signatures
from tongban.identity.providers.register import NewEntry, enter
from tongban.kernel.gm import b64, jcs
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

OWNER, CALLER = "mps", "500000"
SMALL = "--small" in sys.argv
RATE, CONNECTIONS, SECONDS = (50, 100, 4) if SMALL else (500, 1000, 12)
WITHOUT_A_LINE = 20 if SMALL else 150
"""Connections at once that all find a place: what the node bears when nobody has to be turned away."""
PATH = "/federation/call/exchange.get"
PROXY = """
import asyncio, sys
from aiohttp import ClientSession, TCPConnector, web
upstream, port = int(sys.argv[1]), int(sys.argv[2])
async def answer(request):
    await request.read()
    return web.Response(body=b'{"v":1,"values":{"name":"x"}}' + b" " * 900, content_type="application/json")
async def main():
    back = web.Application(); back.router.add_post("/{rest:.*}", answer)
    session = ClientSession(connector=TCPConnector(limit=200))
    async def proxy(request):
        body = await request.read()
        async with session.post(f"http://127.0.0.1:{upstream}{request.path}", data=body, headers={"content-type": "application/json"}) as got:
            return web.Response(body=await got.read(), status=got.status, content_type="application/json")
    front = web.Application(); front.router.add_post("/{rest:.*}", proxy)
    for app, at in ((back, upstream), (front, port)):
        runner = web.AppRunner(app, access_log=None); await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", at, backlog=2048).start()
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


class Seen(msgspec.Struct):
    """What came back: statuses, seconds from when a question was due until its answer was whole, and the same of those answered with 200."""

    statuses: dict[int, int] = {}
    seconds: list[float] = []
    good: list[float] = []

    def note(self, status: int, seconds: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.append(seconds)
        if status == 200:
            self.good.append(seconds)


class Door(asyncio.Protocol):
    """One open connection: one question at a time, the others wait here. Written small, because the load shares the processors."""

    def __init__(self, seen: Seen, done: Callable[[], None]) -> None:
        self.seen, self.done = seen, done
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.due: float | None = None
        self.got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, due: float, request: bytes) -> None:
        if self.due is not None:
            self.waiting.append((due, request))
        else:
            self.due = due
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.got += data
        end = self.got.find(b"\r\n\r\n")
        if end < 0 or self.due is None:
            return
        head = self.got[:end].lower()
        start = head.index(b"content-length:") + 15
        stop = head.find(b"\r\n", start)
        if len(self.got) < end + 4 + int(head[start : stop if stop >= 0 else end]):
            return
        self.seen.note(int(head.split(b" ", 2)[1]), time.perf_counter() - self.due)
        self.got, self.due = b"", None
        if self.waiting:
            self.ask(*self.waiting.popleft())
        self.done()


async def people(owner: Node, count: int) -> list[str]:
    """So many invented people in the owner's register."""
    subjects = []
    async with owner.db.transaction() as tx:
        for index in range(count):
            entry = NewEntry(
                name="演示测速", number=number_of(index), sex="1", born=date(1990, 1, 1), nation="01", address="演示路 1 号", division="500103",
            )
            subjects.append(await enter(tx, owner, entry))
    return subjects


def bare_sm2(signer, times: int = 300) -> tuple[float, float]:
    """CPU milliseconds of one signature and of one check over bytes as long as a signature base."""
    base = secrets.token_bytes(620)
    value, started = signer.sign(base), time.process_time()
    for _ in range(times):
        signer.sign(base)
    middle = time.process_time()
    for _ in range(times):
        assert signer.public.verify(base, value)
    return (middle - started) / times * 1000, (time.process_time() - middle) / times * 1000


def signed(signer, subjects: list[str], count: int, host: str) -> list[bytes]:
    """Whole requests, each with its own number and nonce, about one person after the other; signed a little ahead of the
    clock, as far as receivers allow, because a busy machine takes its time to sign them all."""
    made = []
    for number in range(count):
        body = jcs({
            "v": 1, "id": uuid7(), "resource": "mps.population", "fields": ["name", "address", "sex"], "purpose": "case.prefill",
            "purpose_words": "测速（演示）", "who": "重庆市", "subject": subjects[number % len(subjects)], "asked": {}, "case": "case:bench", "consent": None, "after": "",
        })  # fmt: skip
        headers = signatures.sign_request(
            signer, method="POST", path=PATH, to=OWNER, budget_ms=20_000, body=body, idempotency_key=None, now=int(time.time()) + 20,
            nonce=b64(secrets.token_bytes(16)),
        )  # fmt: skip
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        made.append(f"POST {PATH} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + body)
    return made


async def offer(port: int, requests: list[bytes], rate: int | None, connections: int = CONNECTIONS) -> tuple[Seen, float]:
    """Each request at its time whatever the others do (`rate` None: each connection as fast as it is answered)."""
    loop, seen, left = asyncio.get_running_loop(), Seen(), len(requests)
    all_back = loop.create_future()

    def back() -> None:
        nonlocal left
        left -= 1
        if not left:
            all_back.set_result(None)

    doors = [(await loop.create_connection(lambda: Door(seen, back), "127.0.0.1", port))[1] for _ in range(connections)]
    started = time.perf_counter()
    for number, request in enumerate(requests):
        due = started + number / rate if rate else started
        if due > time.perf_counter():
            await asyncio.sleep(due - time.perf_counter())
        doors[number % connections].ask(due, request)
    await all_back
    seconds = time.perf_counter() - started
    for door in doors:
        door.transport.close()
    return seen, seconds


async def proxied(requests: list[bytes]) -> tuple[float, float]:
    """(requests a second as fast as it goes, CPU milliseconds each) of the bare proxy and what stands behind it."""
    upstream, port = 18990, 18991
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROXY, str(upstream), str(port), stdout=asyncio.subprocess.PIPE)
    try:
        await process.stdout.readline()
        before = cpu_seconds(process.pid)
        seen, seconds = await offer(port, requests, None)
        return sum(seen.statuses.values()) / seconds, (cpu_seconds(process.pid) - before) / len(requests) * 1000
    finally:
        process.terminate()
        await process.wait()


async def main() -> None:
    count = RATE * SECONDS
    async with nation(20400, nodes=("cn", OWNER, CALLER), durable=True) as made, opened(made, OWNER) as owner, opened(made, CALLER) as caller:
        settings, pid = made.settings(OWNER), made.members[OWNER].process.pid
        subjects = await people(owner, 100 if SMALL else 2000)
        async with owner.db.transaction() as tx:
            await tx.execute("UPDATE data_grant SET quota_per_day = 100000000 WHERE caller = $1", CALLER)
        host = settings.base_url.split("//")[1]
        signer = caller.keys.signer("s1")
        await offer(settings.bind_port, signed(signer, subjects, CONNECTIONS, host), RATE)  # every connection's way is warm
        begun = time.perf_counter()
        requests = signed(signer, subjects, count, host)
        print(f"{count} questions signed, {count / (time.perf_counter() - begun):.0f} a second; {busy()}", flush=True)
        before, db_before, own_before = tree_seconds(pid), database_cpu(made), time.process_time()
        seen, seconds = await offer(settings.bind_port, requests, RATE)
        used, db_used, own_used = tree_seconds(pid) - before, database_cpu(made) - db_before, time.process_time() - own_before
        given = seen.statuses.get(200, 0)
        async with owner.db.reading() as tx:
            logged = await tx.fetchval("SELECT count(*) FROM exchange_message WHERE side = 'owner' AND outcome = 'given'")
            lines = await tx.fetchval("SELECT count(*) FROM access_record WHERE subject = ANY($1) AND side = 'owner'", subjects)
        assert logged >= given, f"{given} answers and {logged} rows in the log"
        assert lines >= given, f"{given} answers and {lines} lines in the ledger"
        calm, took = await offer(settings.bind_port, signed(signer, subjects, min(count, 3000), host), None, WITHOUT_A_LINE)
        most = calm.statuses.get(200, 0) / took
        crowd_before = tree_seconds(pid)
        crowd, crowd_took = await offer(settings.bind_port, signed(signer, subjects, count, host), 2 * RATE)
        crowd_ms = (tree_seconds(pid) - crowd_before) / count * 1000
        kept = crowd.statuses.get(200, 0) / crowd_took
        rate, proxy_ms = await proxied(requests)
        sign_ms, check_ms = bare_sm2(signer)
    p99 = at(seen.seconds, 0.99)
    print(f"statuses {seen.statuses}; median {statistics.median(seen.seconds) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms; CPU a call: node {used / count * 1000:.2f} ms, database {db_used / count * 1000:.2f} ms, load {own_used / count * 1000:.2f} ms; {busy()}")
    print(f"bare SM2 in this run: a signature {sign_ms:.2f} ms, a check {check_ms:.2f} ms ({1000 / check_ms:.0f}/s); each call needs one of both at the owner, so one core alone ends at {1000 / (sign_ms + check_ms):.0f}/s")
    print(f"as fast as it goes, {WITHOUT_A_LINE} at once: {most:.0f}/s ({calm.statuses}); bare aiohttp proxy {rate:.0f}/s, {proxy_ms:.2f} ms CPU each: the gateway does {most / rate:.2f} of that")
    print(f"{2 * RATE} offered a second: {crowd.statuses}, {kept:.0f}/s answered, median {statistics.median(crowd.good) * 1000:.0f} ms, p99 {at(crowd.good, 0.99) * 1000:.0f} ms of those; node {crowd_ms:.2f} ms CPU a question")
    print(line("exchange-crowd", kept, "calls/s", kept / most, "as-fast-as-it-goes", 0.8))
    print(line("exchange-p99", p99, "s", p99, "1-s", 1.0, at_most=True))
    print(line("exchange", given / seconds, "calls/s", given / seconds / RATE, f"{RATE}-offered", 0.98))


uvloop.run(main())
