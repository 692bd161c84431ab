"""The scanner's camera in a real browser: a phishing code is held before it, and the browser stays where it is (T-59)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import segno
import uvicorn
from PIL import Image

from tongban.space.tests.make import app
from tongban.ui.tests.browser import chromium

PHISHING = "http://500000.localhost.evil.example/scan/abc"
pytestmark = pytest.mark.browser


def film(text: str, path: Path) -> None:
    """A still film of a code on a table, as a camera of 640 by 480 sees it: YUV4MPEG2, two frames."""
    code = Image.new("L", (640, 480), 150)
    drawn = path.with_suffix(".png")
    segno.make(text, error="m", boost_error=False, micro=False).save(str(drawn), scale=7, border=4)
    with Image.open(drawn) as picture:
        turned = picture.convert("L").rotate(6, expand=True, fillcolor=150)
    code.paste(turned, ((640 - turned.width) // 2, (480 - turned.height) // 2))
    frame = b"FRAME\n" + code.tobytes() + bytes([128]) * (320 * 240 * 2)
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + frame * 2)


@pytest.fixture
async def served(node) -> AsyncIterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app(node), host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.02)
    yield f"http://localhost:{port}"
    server.should_exit = server.force_exit = True
    await task


async def test_a_phishing_code_before_the_camera_is_shown_as_words(served, tmp_path):
    film(PHISHING, tmp_path / "film.y4m")
    asked: list[str] = []
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", f"--use-file-for-fake-video-capture={tmp_path / 'film.y4m'}")
    async with chromium(*camera, whole=True) as browser:
        context: Any = await browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
        page = await context.new_page()
        page.set_default_timeout(15_000)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("request", lambda one: asked.append(one.url))
        await page.goto(served + "/scanner")
        await page.get_by_role("button", name="用摄像头扫").click()
        await page.get_by_role("heading", name="不是平台的码").wait_for()
        assert await page.locator("[data-foreign]").inner_text() == PHISHING
        assert page.url == served + "/scanner"
        assert await page.locator("a[href*='evil']").count() == 0, "opened foreign host"
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not [one for one in asked if not one.startswith(served)], "opened foreign host"
    assert not [one for one in said if "Content Security Policy" in one], said
