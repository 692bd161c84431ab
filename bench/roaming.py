"""Silent roaming: 重庆 signed in, a link to 四川's personal page. Server time over all nodes: every request the browser
waits for, the calls between the nodes inside; then the CPU of both nodes and the database.
"""

import asyncio
import statistics
import time

from _line import line
from _load import cpu_seconds
from _login import Person, at, database_cpu, opened
from _nation import busy, nation, story

from tongban.main.demo.tour import person

HOME, AWAY = "500000", "510000"
WANTED, TIMES = 60.0, 60  # milliseconds


async def main() -> None:
    async with nation(20300, login_per_hour=10_000_000) as made, story(made) as one:
        await one.invent()
        her = one.browser("her")
        await person.sign_in_with(her, await her.get(one.home + "/login?next=/cases"), one.person)
        home, away = made.settings(HOME).base_url, made.settings(AWAY).base_url
        async with opened(made, HOME) as node:
            spent, wall, redirects = [], [], []
            pids = [made.members[one].process.pid for one in (HOME, AWAY)]
            for number in range(TIMES + 5):
                await asyncio.sleep(0.03)  # its home lets a visited node ask 50 times a second; what one roaming takes is asked here
                if number == 5:
                    before, db_before = sum(map(cpu_seconds, pids)), database_cpu(made)
                steps: list[float] = []
                visitor, at_home = Person(away, node.http.session, steps), Person(home, node.http.session, steps)
                at_home.jar = dict(her.cookies["500000.localhost"])
                started, url, hops = time.perf_counter(), f"{away}/login?next=%2Fme%2Faccess%3Ffrom%3D{HOME}", 0
                while True:
                    status, where, _ = await (at_home if url.startswith(home) else visitor).ask("GET", url)
                    if status != 303:
                        break
                    url = where if where.startswith("http") else away + where
                    if url.startswith(away + "/me/"):
                        break
                    hops += 1
                if not url.startswith(away + "/me/access"):
                    raise RuntimeError(f"roaming led to {url} ({status})")
                if number >= 5:
                    spent.append(sum(steps) * 1000)
                    wall.append((time.perf_counter() - started) * 1000)
                    redirects.append(hops)
            cpu, db_cpu = sum(map(cpu_seconds, pids)) - before, database_cpu(made) - db_before
    figure = statistics.median(spent)
    print(f"{TIMES} roamings: {max(redirects)} redirects, p95 {at(spent, 0.95):.0f} ms; both nodes {cpu / TIMES * 1000:.1f} ms CPU, "
          f"database {db_cpu / TIMES * 1000:.1f} ms CPU each; {busy()}")  # fmt: skip
    print(line("roaming", figure, "ms", figure / WANTED, "60-ms", 1.0, at_most=True))


asyncio.run(main())
