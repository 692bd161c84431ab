"""The npm judges through a pipe of JSON lines: `openid-client` and `oauth4webapi` as they are installed, one state a name."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[4]
HERE = ROOT / "tests" / "conformance" / "oidc" / "judges"
INSTALLED = ROOT / ".build" / "judges"


def absent(what: str) -> None:
    """Skip plainly where a judge cannot be had; an error where skipping is not allowed."""
    if os.environ.get("TONGBAN_NO_SKIP"):
        pytest.fail(f"{what} is needed here and is not installed: sh deploy/install-judges.sh")
    pytest.skip(f"{what} is not installed on this machine: skipped (sh deploy/install-judges.sh)")


class Refused(Exception):
    """A judge did not believe what it was answered, or was refused: `error` is the OAuth error when there was one."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(f"{answer.get('error')}: {answer.get('message')} {answer.get('cause')}")
        self.error: str = answer.get("error") or ""
        self.status: int = answer.get("status") or 0
        self.message: str = f"{answer.get('message')} {answer.get('cause')}"


class Pipe:
    """The node process with the judges: one line asked, one line answered."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process, self._count, self._lock = process, itertools.count(1), asyncio.Lock()

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        async with self._lock:
            number = next(self._count)
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(msgspec.json.encode({"id": number, **question}) + b"\n")
            await self._process.stdin.drain()
            line = await asyncio.wait_for(self._process.stdout.readline(), 20)
        assert line, "the judges' process ended"
        answer = msgspec.json.decode(line)
        assert answer["id"] == number
        if not answer["ok"]:
            raise Refused(answer)
        return dict(answer["value"] or {})


class Judge:
    """One of the npm clients, holding one client's state under a name of its own."""

    def __init__(self, pipe: Pipe, library: str) -> None:
        self._pipe, self.library, self.name = pipe, library, uuid.uuid4().hex

    async def __call__(self, step: str, **more: Any) -> dict[str, Any]:
        """Take one step; raises Refused."""
        return await self._pipe.ask({"judge": self.library, "step": step, "name": self.name, **more})


async def node_process(script: str, *arguments: str) -> asyncio.subprocess.Process:
    """A Node.js script of the judges' folder, run where the npm packages are."""
    if shutil.which("node") is None or not (INSTALLED / ".installed").is_file():
        absent("Node.js with the npm judges")
    (INSTALLED / script).write_bytes((HERE / script).read_bytes())
    return await asyncio.create_subprocess_exec(
        "node", "--no-warnings", script, *arguments, cwd=INSTALLED, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, limit=1 << 20, env={**os.environ, "NODE_ENV": "test"},
    )  # fmt: skip


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a process this test started and wait for it."""
    if process.returncode is None:
        process.terminate()
    await process.wait()
    for pipe in (process.stdin,):
        if pipe is not None:
            pipe.close()
