"""Home and guide page of a running node, signed out: answers for each CPU second of the server (one core's worth)."""

import asyncio
import statistics

from _line import line
from _load import cpu_seconds, load
from _nation import nation

from tongban.main.demo.visitor import Visitor

WANTED = 1500  # requests a second a core


async def main() -> None:
    async with nation(19500) as made:
        settings = made.settings("500000")
        process = made.members["500000"].process
        async with Visitor() as visitor:
            page = await visitor.get(settings.base_url + "/search?q=居住证")
            guide = page.link("/s/").split(str(settings.bind_port), 1)[1].split("?")[0]
        for name, path in (("home", "/"), ("guide", guide)):
            await load(settings.host, settings.bind_port, path, seconds=1)
            figures = []
            for _ in range(5):
                before = cpu_seconds(process.pid)
                count, _ = await load(settings.host, settings.bind_port, path, seconds=2)
                figures.append(count / (cpu_seconds(process.pid) - before))
            figure = statistics.median(figures)
            print(f"{name}: {[round(one) for one in figures]} answers per CPU second")
            print(line(f"pages-{name}", figure, "req/cpu-s", figure / WANTED, "1500-req/s-a-core", 1.0))


asyncio.run(main())
