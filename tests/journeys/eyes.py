"""Browser pages that look at a page as somebody does, and write down what is wrong with it: axe, sizes, titles, width."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

import axe_playwright_python

from tongban.ui.tests.browser import promised

from .pages import SHOWS_IDS
from .world import World

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")
LOOK = Path(__file__).with_name("look.js").read_text("utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NODE_ID = r"(?<![\d.:/])(?:500000|510000|\bmps\b|\bsamr\b)(?![\d.:])"
AT_ONCE = 4
"""How many look at the same time, each at one page after the other."""


class Visit(NamedTuple):
    """One look: the route, who looks, at which address, in which mode ("" or "elder")."""

    template: str
    who: str
    address: str
    mode: str


class Eyes:
    """Somebody's browser page for each mode; what is wrong is written down and not raised, so that one walk names all of it."""

    def __init__(self, chromium: Any, world: World, lending: Any) -> None:
        self.chromium, self.world, self.lending = chromium, world, lending
        self.pages: dict[tuple[str, str], Any] = {}
        self.wrong: list[str] = []
        self.titles: dict[tuple[str, str], set[str]] = {}
        self.done: set[tuple[str, str, str]] = set()
        self.looked = 0

    async def walk(self, visits: Iterable[Visit]) -> None:
        """Every visit: one after the other with the same browser page, several browser pages at once."""
        self.done.clear()
        ways: dict[tuple[str, str], list[Visit]] = {}
        for one in visits:
            ways.setdefault((one.who, one.mode), []).append(one)
        free = asyncio.Semaphore(AT_ONCE)

        async def go(way: list[Visit]) -> None:
            async with free:
                for one in way:
                    await self.look(one)

        async with asyncio.TaskGroup() as walking:
            for way in sorted(ways.values(), key=len, reverse=True):  # who has most to see begins
                walking.create_task(go(way))

    async def page(self, who: str, mode: str) -> Any:
        if (who, mode) not in self.pages:
            context = await self.chromium.new_context(viewport={"width": 390, "height": 844}, bypass_csp=True, locale="zh-CN")
            await context.add_init_script(AXE)  # once for each browser, and not half a megabyte sent for each page
            page = await context.new_page()
            page.set_default_timeout(20_000)
            await self.lending(page, self.world.visitor(who))
            if mode:
                base = self.world.one.addresses[who.split("@")[1]]
                await context.add_cookies([{"name": "tb_mode", "value": mode, "url": base}])
            self.pages[who, mode] = page
        return self.pages[who, mode]

    async def close(self) -> None:
        for page in self.pages.values():
            await page.context.close()

    async def look(self, visit: Visit) -> None:
        """Open one page and note every defect."""
        template, who, address, mode = visit
        status, _, rest = address.partition(":") if address[:3].isdigit() else ("200", "", address)
        url = urljoin(self.world.one.addresses[who.split("@")[1]], rest.format_map(self.world.found))
        name = f"{template} {who} {mode or 'normal'} {rest}"
        page = await self.page(who, mode)
        staff = "-" in who.split("@", maxsplit=1)[0] or template.startswith("/staff")
        await page.set_viewport_size({"width": 1280, "height": 800} if staff else {"width": 390, "height": 844})
        try:
            answer = await page.goto(url) or await page.reload()  # now and then the driver misses the answer of a page that is there
        except Exception as error:  # a page that is a download or nothing at all
            self.wrong.append(f"{name}: {url} {str(error).splitlines()[0]}")
            return
        if answer is None or str(answer.status) != status:
            self.wrong.append(f"{name}: status {answer and answer.status} at {page.url}: {(await page.title())}")
            return
        if (who, mode, page.url) in self.done:
            return
        self.done.add((who, mode, page.url))
        self.looked += 1
        elder = mode == "elder"
        seen = await page.evaluate(f"({LOOK.strip()})({{least: {60 if elder else 44}, font: {18 if elder else 14}}})")
        if elder and seen["mode"] != "elder":
            if not staff:
                self.wrong.append(f"{name}: not in elder mode")
            return
        if template not in SHOWS_IDS and (raw := re.findall(NODE_ID, await page.locator("body").inner_text())):
            self.wrong.append(f"{name}: a node is called {sorted(set(raw))}, not by its name")
        if not staff:
            self.wrong += [f"{name}: small {one}" for one in seen["small"]]
        self.wrong += [f"{name}: tiny {one}" for one in seen["tiny"]]
        if seen["h1"] != 1 or seen["lang"] != "zh-CN" or seen["dead"]:
            self.wrong.append(f"{name}: {seen['h1']} h1, lang {seen['lang']}, {seen['dead']} dead links")
        if status == "200":
            self.titles.setdefault((mode, seen["title"]), set()).add(template)
        found = await promised(page, "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']}).then(found => found.violations)", TAGS, seconds=60)
        for one in found:
            nodes = [f"{node['html'][:140]} {(node['any'] or node['all'] or node['none'] or [{'message': ''}])[0]['message'][:120]}" for node in one["nodes"][:3]]
            self.wrong.append(f"{name}: axe {one['id']} ×{len(one['nodes'])}: {nodes}")
        if not staff:
            await page.set_viewport_size({"width": 320, "height": 640})
            wide = await page.evaluate("document.documentElement.scrollWidth")
            if wide > 320:
                self.wrong.append(f"{name}: {wide} px wide at 320")
