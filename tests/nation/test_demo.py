"""`tongban demo` begins and ends as a person expects: one at a time, nothing left behind, nothing lost (two nodes for speed)."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from tongban.kernel.http import HttpClient
from tongban.main.demo.nation import Nation

DEMO = """
import sys, uvloop
from pathlib import Path
from tongban.main.demo.run import run
uvloop.run(run(Path(sys.argv[1]), first_port=int(sys.argv[2]), nodes=("cn", "500000")))
"""
PORT = 12000 + os.getpid() % 700 * 8


@pytest.fixture
def folder():
    made = Path(tempfile.mkdtemp(prefix="tongban-demo-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def launch(folder):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", DEMO, str(folder), str(PORT), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def ready(process):
    """Every line the launcher wrote until the one that begins with `ready`."""
    lines = []
    async with asyncio.timeout(120):
        while not lines or not lines[-1].startswith("ready"):
            line = (await process.stdout.readline()).decode()
            assert line, f"the demo ended: {lines[-5:]}"
            lines.append(line)
    return lines


def left(folder):
    """Command lines of all living processes that name the folder."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = one.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found


async def heads(folder):
    """How many letters the hub has written: data that must survive."""
    import asyncpg

    settings = Nation(folder, nodes=("cn", "500000"), port_base=PORT).settings("cn")
    connection = await asyncpg.connect(settings.database_url)
    try:
        return await connection.fetchval("SELECT count(*) FROM directory_version")
    finally:
        await connection.close()


async def test_one_at_a_time_killed_started_again_and_ended_by_sigterm(folder):
    first = await launch(folder)
    lines = await ready(first)
    assert any("500000.localhost" in line for line in lines)

    second = await launch(folder)
    said = (await second.stdout.read()).decode()
    assert await second.wait() == 1
    assert "already running" in said
    assert "--folder" in said, "says what to do"

    before = await heads(folder)
    assert before > 0
    first.send_signal(signal.SIGKILL)
    await first.wait()
    again = await launch(folder)  # at once: what the killed one left is still ending
    await ready(again)
    assert await heads(folder) >= before
    http = HttpClient()
    status, _, _ = await http.request("GET", f"http://500000.localhost:{PORT + 3}/health")
    await http.close()
    assert status == 200

    again.send_signal(signal.SIGTERM)
    said = (await again.stdout.read()).decode()
    assert await again.wait() == 0
    assert "stopping" in said
    assert not left(folder), "no process is left"


async def test_ctrl_c_while_starting_leaves_nothing(folder):
    process = await launch(folder)
    async with asyncio.timeout(60):
        while b"starting cn" not in (line := await process.stdout.readline()):
            assert line
    process.send_signal(signal.SIGINT)
    await process.stdout.read()
    await process.wait()
    assert not left(folder)
    assert not os.path.exists(folder / "control")  # noqa: PTH110
