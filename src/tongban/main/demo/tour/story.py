"""What the story remembers 故事: addresses, the people's browsers, what was made on the way, and each step's time."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from tongban.kernel.http import HttpClient
from tongban.main.demo.visitor import NotAsExpected, Page, Visitor


class TourStop(Exception):
    """The tour cannot begin; the message says how to start the demo."""


class Invented(msgspec.Struct):
    """An invented person of this run (演示人物)."""

    name: str
    number: str
    phone: str
    sex: str
    born: str
    address: str
    division: str


Step = tuple[str, Callable[["Story"], Awaitable[None]]]


class Story:
    """One run. `home` is 重庆, `owner` 四川; browsers are opened by role and keep their cookies."""

    def __init__(self, addresses: dict[str, str], *, as_json: bool, number: int, folder: Path) -> None:
        self.addresses = addresses
        self.as_json = as_json
        self.number = number
        self.folder = folder
        self.http = HttpClient()
        self.browsers: dict[str, Visitor] = {}
        self.kept: dict[str, str] = {}
        self.times: dict[str, float] = {}
        self.who: Invented | None = None

    @classmethod
    def of(cls, folder: Path, *, as_json: bool = False, number: int = 1) -> Story:
        """The story for the demo running in `folder`. Raises TourStop when there is none."""
        addresses = {}
        for path in folder.glob("*/node.json"):
            told = json.loads(path.read_bytes())
            addresses[told["node"]] = told["base_url"]
        if not {"cn", "mps", "500000", "510000"} <= addresses.keys():
            raise TourStop(f"No demo has run in {folder}. Start one with `make demo`.")
        return cls(addresses, as_json=as_json, number=number, folder=folder)

    @property
    def home(self) -> str:
        return self.addresses["500000"]

    @property
    def owner(self) -> str:
        return self.addresses["510000"]

    @property
    def person(self) -> Invented:
        if self.who is None:
            raise NotAsExpected("nobody has been invented yet")
        return self.who

    async def invent(self) -> Invented:
        """A new invented person in the register of `mps`, who is the person of this story from now on."""
        _, _, body = await self.http.request(
            "POST", self.addresses["mps"] + "/demo/people", headers={"Content-Type": "application/json"}, body=b"{}"
        )
        self.who = msgspec.json.decode(body, type=Invented)
        return self.who

    def browser(self, role: str) -> Visitor:
        """The browser of that role; opened at first use."""
        return self.browsers.setdefault(role, Visitor())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for one in self.browsers.values():
            await one.__aexit__(None, None, None)
        await self.http.close()

    async def tell(self, chapters: tuple[Step, ...]) -> bool:
        """Take each step in turn; False at the first that does not hold."""
        for title, step in chapters:
            started = time.perf_counter()
            try:
                await step(self)
            except (NotAsExpected, aiohttp.ClientError, TimeoutError, OSError, KeyError, ValueError) as error:
                self._say(title, time.perf_counter() - started, error)
                return False
            self.times[title] = time.perf_counter() - started
            self._say(title, self.times[title], None)
        return True

    def _say(self, title: str, seconds: float, error: BaseException | None) -> None:
        if self.as_json:
            line = json.dumps(
                {"run": self.number, "step": title, "ok": error is None, "seconds": round(seconds, 3),
                 **({"why": f"{type(error).__name__}: {error}"} if error else {}), **({"kept": self.kept} if title.startswith("9b") else {})},
                ensure_ascii=False,
            )  # fmt: skip
        else:
            line = f"{'ok   ' if error is None else 'STOP '} {seconds:6.2f} s  {title}"
            if error is not None:
                line += f"\n       {type(error).__name__}: {error}"
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    async def until(self, look: Callable[[], Awaitable[Page]], word: str, *, seconds: float = 10) -> float:
        """Look again until the page says `word`; the seconds it took. A person reloading, not a wait inside the product."""
        started = time.perf_counter()
        while True:
            page = await look()
            if word in page.text:
                return time.perf_counter() - started
            if time.perf_counter() - started > seconds:
                page.must(word)
            await asyncio.sleep(0.1)

    async def json(self, url: str) -> tuple[int, dict[str, object]]:
        """A machine's look at an address: status and object."""
        status, _, body = await self.http.request("GET", url, headers={"Accept": "application/json"})
        try:
            found = json.loads(body)
        except ValueError:
            found = {}
        return status, found if isinstance(found, dict) else {}

    async def staff(self, role: str, node: str, key: str) -> Visitor:
        """The browser of a staff member, signed in with a demo certificate."""
        browser = self.browser(role)
        if node not in self.kept.get(f"staff:{role}", ""):
            page = await browser.get(self.addresses[node] + "/staff/login?next=/staff/login")
            form = page.form(has="key")
            if key not in form.choices["key"]:
                raise NotAsExpected(f"{node} has no demo certificate {key}; there are {form.choices['key']}")
            await browser.submit(form, {"key": key})
            self.kept[f"staff:{role}"] = node
        return browser


def one_time_code(page: Page) -> str:
    """The code in the demo text message shown on the page (演示短信)."""
    found = re.search(r"验证码 ?(\d{6,8})", page.text)
    if found is None:
        raise NotAsExpected(f"{page.url} shows no demo text message: {page.text[:300]}")
    return found[1]
