"""The npm judges through a pipe of JSON lines: `openid-client` and `oauth4webapi` as they are installed, one state a name."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from litestar import Request, get, post

from tongban.identity.actions.set_up import DemoCitizen
from tongban.identity.tests.make import Browser, Page, go_on, step_up
from tongban.kernel.node import Node

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


class Door:
    """Where the clients of the tests are answered: one address that takes everything and says so."""

    def __init__(self, port: int) -> None:
        self.base = f"http://judge.localhost:{port}"
        self.callback = self.base + "/callback"
        self.heard: list[str] = []
        self._rung = asyncio.Event()

    async def wait(self, count: int, *, seconds: float) -> str:
        """The first back-channel request after `count` of them."""
        while len(self.heard) <= count:
            self._rung.clear()
            await asyncio.wait_for(self._rung.wait(), seconds)
        return self.heard[count]

    def routes(self) -> list[Any]:
        @get(["/callback", "/second", "/bye"], media_type="text/plain")
        async def arrived() -> str:
            return "arrived"

        @post("/backchannel", status_code=200)
        async def backchannel(request: Request[Any, Any, Any]) -> None:
            self.heard.append((await request.body()).decode())
            self._rung.set()

        return [arrived, backchannel]


async def travel(
    browser: Browser, node: Node, url: str, *, who: DemoCitizen | None = None, choice: str = "yes", ticks: tuple[str, ...] = (), raise_level: bool = True,
) -> Page:  # fmt: skip
    """Go where a client sends the browser and do what the pages ask, until it leaves for the client or can go no further."""
    page = await browser.get(node, url)
    for _ in range(8):
        if not page.url.startswith(node.settings.base_url) or page.status != 200:
            return page
        if page.path in ("/login", "/login/code") and who is not None:
            page = await go_on(browser, node, page, who)
        elif page.path == "/consent":
            fields = [(name, value) for name, value in page.fields("/consent").items() if name != "claim"]
            asked = [*fields, ("choice", choice), *(("claim", one) for one in ticks)]
            page = await browser.post(node, "/consent", asked)  # type: ignore[arg-type]
        elif page.path == "/step-up" and raise_level:
            page = await step_up(browser, node, page)
        elif page.path == "/oidc/logout":
            page = await browser.submit(node, page, "/oidc/logout/confirm", choice="yes")
        else:
            return page
    return page


def back_of(page: Page) -> dict[str, str]:
    """The parameters the browser arrived with."""
    return dict(parse_qsl(urlsplit(page.url).query))
