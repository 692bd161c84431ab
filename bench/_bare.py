"""A bare node with a database of its own for one bench: no processes, no doors, gone afterwards."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tongban.kernel.node import Node
from tongban.kernel.settings import Settings
from tongban.main import migrate
from tongban.main.postgres import Postgres


@asynccontextmanager
async def bare_node() -> AsyncIterator[Node]:
    """重庆 with every migration done, on a server that need not survive a crash."""
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Postgres(folder / "pg", durable=False)
        server.start()
        try:
            await server.ready()
            await asyncio.to_thread(migrate.upgrade, server.url())
            settings = Settings(
                node="500000", name="重庆市（演示）", role="province", divisions=("50",), base_url="http://500000.localhost:8100",
                database_url=server.url(), data_dir=folder / "data", organisation="11100000000013338W", demo=True,
            )  # fmt: skip
            async with Node.open(settings) as node:
                yield node
        finally:
            server.stop()
