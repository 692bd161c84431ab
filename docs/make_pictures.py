"""Pictures of the README: `python docs/make_pictures.py` starts a nation of its own and photographs it, with
a folder (`.demo`) the demo that runs there. Needs chromium.

Phone pictures are 390×844 at one pixel a pixel, the desk is 1280×800; each is at most 120 kB.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import async_playwright

from tongban.main.demo.nation import Nation
from tongban.main.demo.tour import desk, licence, person
from tongban.main.demo.tour.story import Story
from tongban.main.demo.visitor import Visitor

FOLDER = Path(__file__).with_name("pictures")
PORTS = 18900
LARGEST = 120_000
PHONE, DESK = (390, 844), (1280, 800)


async def lend(page: Any, visitor: Visitor) -> None:
    """Give a browser page the cookies of a visitor."""
    devtools = await page.context.new_cdp_session(page)
    for host, jar in visitor.cookies.items():
        for name, value in jar.items():
            cookie = {"name": name, "value": value, "url": f"https://{host}/", "secure": name.startswith("__Host-"), "path": "/"}
            await devtools.send("Network.setCookie", cookie)


async def take(page: Any, name: str, url: str = "") -> None:
    """One picture."""
    if url:
        await page.goto(url)
    await page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(await page.screenshot(animations="disabled"))).convert("RGB")
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.png"
    picture.save(path, optimize=True)
    if path.stat().st_size > LARGEST:  # a desk is words on white: few colours lose nothing
        picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        sys.exit(f"{path} has {path.stat().st_size} bytes; at most {LARGEST} are wanted")
    print(f"{path.relative_to(FOLDER.parent.parent)}  {picture.width}×{picture.height}  {path.stat().st_size // 1024} kB")


async def photograph(story: Story, browser: Any) -> None:
    """The story as far as a verdict, a picture at each place."""

    async def at(size: tuple[int, int], visitor: Visitor | None = None) -> Any:
        page = await (await browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="zh-CN")).new_page()
        if visitor is not None:
            await lend(page, visitor)
        return page

    home, her = story.home, story.browser("her")
    found = await her.get(home + "/search?q=开公司")
    story.kept["item"] = next(href for _, href in found.links if href.startswith("/s/")).split("/")[2]
    guide = f"{home}/s/{story.kept['item']}"
    await her.get(guide)
    page = await at(PHONE)
    await take(page, "guide", guide)
    await person.sign_in_with(her, await her.follow("/login"), story.person)

    await her.get(guide)
    filling = await at(PHONE, her)
    await filling.goto(guide)
    await filling.locator('form[action="/apply"] button').last.click()
    await filling.wait_for_load_state()
    await take(filling, "form")
    await person.fill(story)
    await person.submit(story)
    await person.delivered(story)
    clerk = await story.staff("acceptor", "510000", desk.ACCEPTOR)
    await take(await at(DESK, clerk), "desk", f"{story.owner}/desk/{story.kept['case']}")
    for _, step in desk.STEPS[1:]:
        await step(story)
    await licence.in_wallet(story)
    signed_in = await at(PHONE, her)
    await take(signed_in, "home", home + "/")
    await take(signed_in, "case", f"{home}/cases/{story.kept['case']}")
    await take(signed_in, "show", story.kept["card"] + "/show?d=least")
    await licence.bank_registers(story)
    bank = await at(PHONE, story.browser("bank"))
    await bank.goto(home + "/verify")
    await bank.locator('input[name="photo"]').set_input_files(
        [{"name": "code.png", "mimeType": "image/png", "buffer": await signed_in.screenshot()}]
    )
    await bank.get_by_role("button", name="核对", exact=True).click()
    await bank.wait_for_load_state()
    await take(bank, "verdict")
    elder = await at(PHONE, her)
    await elder.goto(home + "/")
    await elder.locator('button[name="mode"][value="elder"]:visible').first.click()
    await elder.wait_for_load_state()
    await take(elder, "elder")


async def all_of(story: Story, chromium: str) -> None:
    await story.invent()
    async with story, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        await photograph(story, browser)
        await browser.close()


async def main() -> None:
    """Photograph the demo that runs in the folder named, or start a nation, photograph it and end it."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("chromium is needed: sh deploy/install-browser.sh")
    if len(sys.argv) > 1:
        await all_of(Story.of(Path(sys.argv[1])), chromium)
        return
    folder = Path(tempfile.mkdtemp(prefix="tongban-pictures-"))
    folder.chmod(0o755)
    nation = Nation(folder, port_base=PORTS, durable=False)
    try:
        await nation.start()
        await all_of(Story.of(folder), chromium)
    finally:
        await nation.close()
        nation.wipe()


if __name__ == "__main__":
    asyncio.run(main())
