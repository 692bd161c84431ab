"""First load of home, guide, wallet and form in a real Chromium with an empty cache: bytes on the wire and requests.

Every response of the page is counted as DevTools does, head and compressed body, until the network is still; the favicon
too. One line a page for the whole, with the parts (HTML, CSS, JS) judged in it: the ratio is the worst of them.
"""

import asyncio
import shutil
import sys

from _line import line
from _nation import CHROMIUM_FLAGS, cookies, form_pages, licensed, nation, story
from playwright.async_api import Browser, async_playwright

LIMITS = {"all": 50_000, "Document": 14_000, "Stylesheet": 15_000, "Script": 15_000, "requests": 8}  # bytes, count


async def first_load(browser: Browser, url: str, jar: dict[str, str]) -> dict[str, int]:
    """Bytes by kind of resource, and the number of requests."""
    context = await browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, locale="zh-CN")
    try:
        if jar:
            # `__Host-` cookies are set as for https; Chromium sends them to http on .localhost too
            root = "https://" + url.split("/", 3)[2] + "/"
            await context.add_cookies([{"name": name, "value": value, "url": root} for name, value in jar.items()])
        page = await context.new_page()
        kinds: dict[str, str] = {}
        sizes: dict[str, int] = {}
        devtools = await context.new_cdp_session(page)
        devtools.on("Network.responseReceived", lambda told: kinds.__setitem__(told["requestId"], told["type"]))
        devtools.on("Network.loadingFinished", lambda told: sizes.__setitem__(told["requestId"], int(told["encodedDataLength"])))
        await devtools.send("Network.enable")
        await page.goto(url, wait_until="networkidle")
        if page.url != url:
            raise RuntimeError(f"{url} led to {page.url}")
    finally:
        await context.close()
    found = {"all": sum(sizes.values()), "requests": len(sizes)}
    for kind in ("Document", "Stylesheet", "Script"):
        found[kind] = sum(size for one, size in sizes.items() if kinds.get(one) == kind)
    return found


async def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("bench first-load needs chromium, which is not installed here: not measured")
        sys.exit(1)
    async with nation(19900) as made, story(made) as one, async_playwright() as playwright:
        await licensed(one)
        forms = await form_pages(one)
        jar = cookies(one)
        pages = {
            "home": (one.home + "/", {}), "guide": (f"{one.home}/s/{one.kept['item']}", {}), "wallet": (one.home + "/wallet", jar),
            "home-signed-in": (one.home + "/", jar),
        } | {f"form-{url.rsplit('/', 1)[1]}": (url, jar) for url in forms}  # fmt: skip
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        worst: dict[str, tuple[str, dict[str, int]]] = {}
        for name, (url, these) in pages.items():
            found = await first_load(browser, url, these)
            print(f"  {name:<20} {found['all']:>6} bytes, {found['requests']} requests; HTML {found['Document']}, CSS {found['Stylesheet']}, JS {found['Script']}")
            kind = name.split("-")[0]
            if kind not in worst or _ratio(found) > _ratio(worst[kind][1]):
                worst[kind] = (name, found)
        await browser.close()
        for kind, (_, found) in worst.items():
            print(line(f"first-load-{kind}", found["all"] / 1000, "kB", _ratio(found), "50kB-8req-HTML14kB-CSS15kB-JS15kB", 1.0, at_most=True))


def _ratio(found: dict[str, int]) -> float:
    return max(found[name] / limit for name, limit in LIMITS.items())


asyncio.run(main())
