"""Resident memory of each node of a fresh nation after a minute's worth of pages."""

import asyncio
import tempfile
from pathlib import Path

from _line import line
from _load import load, resident_mb

from tongban.main.demo.nation import Nation

WANTED = 250  # MB


async def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="tongban-bench-"))
    folder.chmod(0o755)
    nation = Nation(folder, port_base=19600, durable=False, say=lambda _line: None)
    try:
        await nation.start()
        sizes = {}
        for node, member in nation.members.items():
            for path in ("/", "/search?q=%E5%B1%85%E4%BD%8F%E8%AF%81", "/services"):
                await load(member.settings.host, member.settings.bind_port, path, seconds=2, connections=8)
            sizes[node] = resident_mb(member.process.pid)
        print({node: round(size) for node, size in sizes.items()})
        print(line("memory", max(sizes.values()), "MB", max(sizes.values()) / WANTED, "250-MB-resident-a-node", 1.0, at_most=True))
    finally:
        await nation.close()
        nation.wipe()


asyncio.run(main())
