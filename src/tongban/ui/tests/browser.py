"""The browser of the tests 测试用的浏览器: Chromium by its headless shell, which is the same engine without windows.

Each context of a whole Chromium is a window with a frame drawn by pages of its own: 1.6 s of a processor, the shell's 0.1 s.
What needs more than the engine (a camera, how a person set cookies) takes `WHOLE`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

WHOLE = shutil.which("chromium") or shutil.which("google-chrome")
SHELL = shutil.which("chromium-headless-shell") or WHOLE
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


async def promised(page: Any, script: str, given: Any = None, *, seconds: float = 30) -> Any:
    """What a promise in the page comes to: `page.evaluate` waits for ever for one that nobody keeps, whatever the page's time limit."""
    try:
        async with asyncio.timeout(seconds):
            return await page.evaluate(script, given)
    except TimeoutError:
        raise AssertionError(f"not kept within {seconds} s: {script[:300]}") from None


@asynccontextmanager
async def chromium(*more: str, whole: bool = False) -> AsyncIterator[Any]:
    """A running browser with these flags besides. Skipped plainly where there is none; an error where skipping is not allowed."""
    path = WHOLE if whole else SHELL
    if path is None:
        if os.environ.get("TONGBAN_NO_SKIP"):
            pytest.fail("chromium is needed here and is not installed")
        pytest.skip("no chromium on this machine: browser test skipped")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*FLAGS, *more])
        yield browser
        async with asyncio.timeout(60):  # the driver's own wait for an end has none
            await browser.close()
