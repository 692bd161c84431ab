"""Resident memory of each node of a fresh nation after a minute's worth of pages."""

import asyncio

from _line import line
from _load import load, resident_mb
from _nation import nation

WANTED = 250  # MB


async def main() -> None:
    async with nation(19600) as made:
        sizes = {}
        for node, member in made.members.items():
            for path in ("/", "/search?q=%E5%B1%85%E4%BD%8F%E8%AF%81", "/services"):
                await load(member.settings.host, member.settings.bind_port, path, seconds=2, connections=8)
            sizes[node] = resident_mb(member.process.pid)
        print({node: round(size) for node, size in sizes.items()})
        print(line("memory", max(sizes.values()), "MB", max(sizes.values()) / WANTED, "250-MB-resident-a-node", 1.0, at_most=True))


asyncio.run(main())
