"""A real nation for the tests that cross nodes, and a real browser for the journeys."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tongban.main.demo.nation import Nation
from tongban.main.demo.visitor import Visitor
from tongban.main.postgres import passing_folder


def free_block(size: int = 8) -> int:
    """The first of `size` consecutive free ports."""
    # two runs at once must not pick the same block between looking and using it
    for first in range(18100 + os.getpid() % 1000 * size, 32000, size):
        sockets = []
        try:
            for port in range(first, first + size):
                one = socket.socket()
                sockets.append(one)
                one.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise RuntimeError("no free ports")


@pytest.fixture(scope="session")
async def nation() -> AsyncIterator[Nation]:
    """The five demo nodes as real processes, for the whole run. Tests that stop a node start it again."""
    folder = passing_folder("tongban-nation")
    lines: list[str] = []
    made = Nation(folder, port_base=free_block(), durable=False, say=lines.append, overrides={"hub_away_seconds": 5, "login_per_hour": 100_000})
    try:
        await made.start()
        yield made
    except Exception:
        for log_file in folder.glob("*/node.log"):
            print(f"--- {log_file}\n" + "\n".join(log_file.read_text("utf-8", "replace").splitlines()[-40:]))
        print("\n".join(lines))
        raise
    finally:
        await made.close()
        made.wipe()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the nodes said last stands beside a failure: their logs are gone when the run is over."""
    report = yield
    made = getattr(item, "funcargs", {}).get("nation")
    if report.failed and isinstance(made, Nation):
        for log_file in sorted(made.folder.glob("*/node.log")):
            said = log_file.read_text("utf-8", "replace").splitlines()[-30:]
            report.sections.append((f"last words of {log_file.parent.name}", "\n".join(said)))
    return report


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    """A browser without JavaScript."""
    async with Visitor() as one:
        yield one


@pytest.fixture
async def phone(chromium: Any) -> AsyncIterator[Any]:
    """`await phone(javascript=False)`: a new phone-sized browser page with cookies of its own."""
    async with AsyncExitStack() as stack:

        async def make(*, javascript: bool = True, width: int = 390, height: int = 844) -> Any:
            context = await chromium.new_context(viewport={"width": width, "height": height}, java_script_enabled=javascript, locale="zh-CN")
            stack.push_async_callback(context.close)
            return await context.new_page()

        yield make
