"""Refreshing a native app's token: rotated and written at every use, on a durable database.

Each worker is a phone with a family of its own. Answers for each CPU second of the node and its database together (a
core's worth), and of the node alone.
"""

import asyncio
import time

from _line import line
from _load import cpu_seconds
from _login import App, Person, client_of, database_cpu, fill, opened, sign_in
from _nation import busy, nation

HOME = "500000"
WANTED, WORKERS, SECONDS = 240, 16, 12  # a second a core


async def main() -> None:
    async with nation(20200, nodes=("cn", "mps", HOME), durable=True, login_per_hour=10_000_000) as made, opened(made, HOME) as node:
        settings = made.settings(HOME)
        await fill(node, 1000)
        phones = []
        for index in range(WORKERS):  # an app each: one client may ask 50 times a second, whoever asks
            client = await client_of(node, "native", scopes=("openid", "profile", "offline_access"))
            app = App(settings.base_url, client, node.http.session)
            told = await sign_in(app, Person(app.base, app.http, []), index)
            phones.append((app, told["refresh_token"]))
        pid, done = made.members[HOME].process.pid, [0]
        before, db_before, started = cpu_seconds(pid), database_cpu(made), time.perf_counter()

        async def one(app: App, token: str) -> None:
            while time.perf_counter() - started < SECONDS:
                told = await app.post("/oidc/token", {"grant_type": "refresh_token", "refresh_token": token})
                token = told["refresh_token"]
                done[0] += 1

        await asyncio.gather(*(one(app, token) for app, token in phones))
        seconds = time.perf_counter() - started
        used, db_used = cpu_seconds(pid) - before, database_cpu(made) - db_before
        print(f"{done[0]} refreshes in {seconds:.1f} s: node {used / done[0] * 1000:.2f} ms CPU, database {db_used / done[0] * 1000:.2f} ms CPU each; {busy()}")
        print(f"{done[0] / used:.0f} a CPU second of the node alone")
        figure = done[0] / (used + db_used)
        print(line("refresh", figure, "refreshes/cpu-s", figure / WANTED, "240-a-second-a-core", 1.0))


asyncio.run(main())
