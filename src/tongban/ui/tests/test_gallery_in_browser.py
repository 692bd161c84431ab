"""The gallery in a real browser: axe, hit areas, letters, reflow, scripts, in both modes and three sizes (ux.md 8.1)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn

from tongban.ui.tests.browser import promised
from tongban.ui.tests.make import app

pytestmark = pytest.mark.browser
LOOK = (Path(__file__).parent / "look.js").read_text("utf-8")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
async def base() -> AsyncIterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app(), port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


def axe_source() -> Path:
    import axe_playwright_python

    return next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js"))


@pytest.mark.parametrize("mode", ["", "elder"])
@pytest.mark.parametrize("size", [(390, 844), (320, 640), (1280, 800)])
async def test_gallery(base, chromium, mode, size):
    context = await chromium.new_context(viewport={"width": size[0], "height": size[1]}, bypass_csp=True)
    if mode:
        await context.add_cookies([{"name": "tb_mode", "value": mode, "url": base}])
    page = await context.new_page()
    await page.goto(base + "/dev/components")
    await page.evaluate("window.scrollTo(0, 0)")  # the gallery's summary stands in the middle of the page and took the focus
    await page.add_script_tag(path=axe_source())
    found = await promised(page, f"axe.run(document, {{runOnly: {AXE_TAGS}}})", seconds=60)
    seen = await page.evaluate(LOOK, {"elder": bool(mode)})
    await context.close()
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    assert {name: what for name, what in seen.items() if what} == {}


async def test_scripts_and_styles_run_under_the_policy(base, chromium):
    """Nothing is blocked by the CSP; the error summary takes the focus; the count-down moves."""
    page = await (await chromium.new_context()).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    await page.goto(base + "/dev/components")
    assert await page.evaluate("document.activeElement.className") == "err-sum"
    await page.wait_for_selector("[data-left]:text-matches('^5[0-9]$')")
    assert said == []
    await page.context.close()


async def test_the_code_is_covered_while_nobody_looks(base, chromium):
    page = await (await chromium.new_context()).new_page()
    await page.goto(base + "/dev/components")
    await page.evaluate("window.dispatchEvent(new Event('blur'))")
    assert await page.evaluate("document.querySelector('.qr-box').classList.contains('covered')")
    await page.evaluate("window.dispatchEvent(new Event('focus'))")
    assert not await page.evaluate("document.querySelector('.qr-box').classList.contains('covered')")
    await page.context.close()


async def test_a_second_click_sends_nothing(base, chromium):
    page = await (await chromium.new_context()).new_page()
    await page.goto(base + "/dev/components")
    sent = await page.evaluate(
        """() => { const form = document.querySelector('form[method=post]:not(#display)'); let passed = 0;
             addEventListener('submit', (event) => { if (!event.defaultPrevented) passed += 1; event.preventDefault(); });
             form.requestSubmit(); form.requestSubmit(); return passed; }"""
    )
    assert sent == 1
    await page.context.close()


async def test_reading_aloud_follows_the_page(base, chromium):
    """A test double for the voice: the main text in order, digits one by one, never by itself (F4)."""
    page = await (await chromium.new_context()).new_page()
    await page.add_init_script(
        """window.said = []; const voice = {speaking: false, cancel() {}, speak(one) { window.said.push(one.text); setTimeout(() => one.onend()); }};
           Object.defineProperty(window, 'speechSynthesis', {value: voice});
           window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };"""
    )
    await page.goto(base + "/dev/components")
    assert await page.evaluate("window.said.length") == 0
    await page.click("[data-read]")
    await page.wait_for_selector("[data-read][aria-pressed=false]")
    said = await page.evaluate("window.said")
    assert said[0] == "组件陈列"
    assert said.index("每个零件、每种状态，都是演示数据") == 1
    assert "3 9 2 0 5 5 1 8" in said
    assert not [one for one in said if one.strip() == ""]
    await page.context.close()


async def test_everything_works_with_scripts_off(base, chromium):
    context = await chromium.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(base + "/dev/components")
    await page.click(".foot button:has-text('换成长辈版')")
    assert await page.get_attribute("html", "data-mode") == "elder"
    assert page.url.endswith("/dev/components")
    await context.close()
