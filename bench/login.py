"""A complete login of an app's user: PAR, authorize, page, code request, code page, code, redirect, token, userinfo.

100,000 accounts, a new browser each time, node, database and load on the same two processors. Prints logins a second,
the p95 of a step, the CPU of node and database for one login, its statements, and its transactions that wrote.

    make bench-login
    python bench/login.py --seconds 30 --accounts 1000
"""

import argparse
import asyncio
import random
import time

import asyncpg
from _line import line
from _load import cpu_seconds
from _login import App, Crowd, Person, at, client_of, database_cpu, fill, opened, sign_in
from _nation import busy, nation

HOME = "500000"
WANTED, STEP = 32, 0.1  # logins a second on two processors; seconds
WORKERS = 4
"""As many apps, each with its own people: one app alone may ask so many times a second and no more."""
POOL = 400
"""People who sign in while it is measured; each consented before, as somebody who comes back has."""


async def logins(apps: list[App], people: list[int], seconds: float) -> tuple[int, float, list[float]]:
    """(logins, seconds, seconds of each step) by one person of each app at a time."""
    steps: list[float] = []
    done, end, started = [0], time.perf_counter() + seconds, time.perf_counter()

    async def one(app: App, crowd: Crowd) -> None:
        while time.perf_counter() < end:
            await crowd.sign_in(app, steps)
            done[0] += 1

    await asyncio.gather(*(one(app, Crowd(people[at :: len(apps)])) for at, app in enumerate(apps)))
    return done[0], time.perf_counter() - started, steps


async def statements(made, app: App, people: list[int], times: int = 20) -> float:
    """Statements of one login, counted in the database's own log, without BEGIN and COMMIT and without what the clocks ask."""
    server = await asyncpg.connect(made.postgres.url())
    log = made.folder / "postgres.log"
    paths = [log] if log.exists() else list(made.folder.rglob("*.log"))
    await server.execute("ALTER SYSTEM SET log_statement = 'all'")
    await server.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(1)  # the server reads its settings when it comes round
    before = {path: path.stat().st_size for path in paths}
    started = time.perf_counter()
    for _ in range(times):
        await sign_in(app, Person(app.base, app.http, []), random.choice(people))
    seconds = time.perf_counter() - started
    at_end = {path: path.stat().st_size for path in paths}
    await asyncio.sleep(seconds)  # as long again with nobody there: what the clocks of the nodes ask by themselves
    await server.execute("ALTER SYSTEM RESET log_statement")
    await server.execute("SELECT pg_reload_conf()")
    await server.close()
    count = 0
    for path in paths:
        text = path.read_bytes()
        count += _asked(text[before[path] : at_end[path]]) - _asked(text[at_end[path] :])
    return count / times


def _asked(log: bytes) -> int:
    """Statements in a piece of the database's log."""
    return sum(
        1 for one in log.decode("utf-8", "replace").splitlines()
        if ("execute " in one or "statement: " in one) and not any(word in one for word in ("BEGIN", "COMMIT", "ROLLBACK"))
    )  # fmt: skip


async def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--accounts", type=int, default=100_000)
    asked.add_argument("--seconds", type=float, default=20)
    args = asked.parse_args()
    async with nation(20100, nodes=("cn", "mps", HOME), durable=True, login_per_hour=10_000_000) as made:
        settings = made.settings(HOME)
        async with opened(made, HOME) as node:
            http = node.http.session
            started = time.perf_counter()
            await fill(node, args.accounts)
            print(f"{args.accounts} accounts in {time.perf_counter() - started:.0f} s", flush=True)
            apps = [App(settings.base_url, await client_of(node), http) for _ in range(WORKERS)]
            people = random.sample(range(args.accounts), min(POOL, max(10, args.accounts // 50)))
            for index, person in enumerate(people):
                app = apps[index % len(apps)]
                await sign_in(app, Person(app.base, http, []), person)
            pid = made.members[HOME].process.pid
            async with node.db.reading() as tx:
                wrote = int(await tx.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))
            node_cpu, db_cpu = cpu_seconds(pid), database_cpu(made)
            count, seconds, steps = await logins(apps, people, args.seconds)
            node_cpu, db_cpu = cpu_seconds(pid) - node_cpu, database_cpu(made) - db_cpu
            async with node.db.reading() as tx:
                wrote = int(await tx.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")) - wrote
            asked_statements = await statements(made, apps[0], people[:: len(apps)])
            print(f"{count} logins in {seconds:.1f} s, {len(steps) / count:.1f} requests each; {busy()}")
            print(f"a login: node {node_cpu / count * 1000:.1f} ms CPU, database {db_cpu / count * 1000:.1f} ms CPU, "
                  f"{asked_statements:.1f} statements, {wrote / count:.1f} transactions that wrote (the clocks' included)")  # fmt: skip
            figure, p95 = count / seconds, at(steps, 0.95)
            print(line("login-step-p95", p95 * 1000, "ms", p95 / STEP, "100-ms", 1.0, at_most=True))
            print(line("login", figure, "logins/s", figure / WANTED, "32-logins-a-second", 1.0))


if __name__ == "__main__":
    asyncio.run(main())
