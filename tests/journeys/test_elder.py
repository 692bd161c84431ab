"""An old person finishes 异地就医结算备案 in elder mode with a keyboard alone: Tab, Enter, Space, arrows and typing."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from tongban.kernel.clock import SystemClock

pytestmark = [pytest.mark.browser, pytest.mark.nation]
Make = Callable[..., Awaitable[Any]]

# where the focus is, whether it can be seen, and whether a bar lies over it
WHERE = """selector => {
  const one = document.activeElement;
  if (!one || one === document.body) return {there: false, seen: true, name: "body"};
  const shown = one.closest("label.opt, .tick label, .five label") || one;
  const around = [one, shown, ...shown.querySelectorAll("*"), shown.parentElement];
  const ring = around.some(each => {
    const style = getComputedStyle(each);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  });
  // the calendar button inside a date field is the browser's own part and draws the browser's own ring
  const picker = one.type === "date" && !one.matches(":focus-visible");
  const box = shown.getBoundingClientRect();
  const top = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 30));
  const free = top && (shown.contains(top) || top.contains(shown));
  return {there: one.matches(selector), seen: (ring || picker) && !!free, ring, free: !!free,
    name: `${one.tagName} ${one.id} ${one.name || ""} ${(one.textContent || "").trim().slice(0, 20)}`};
}"""


class Keyboard:
    """Hands that have no mouse."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.presses = 0
        self.unseen: list[str] = []

    async def to(self, selector: str) -> None:
        """Tab until the focus is on `selector`; every stop on the way must be visible."""
        passed = []
        for _ in range(150):
            await self.page.keyboard.press("Tab")
            self.presses += 1
            where = await self.page.evaluate(WHERE, selector)
            passed.append(where["name"])
            if not where["seen"]:
                self.unseen.append(f"{self.page.url} {where}")
            if where["there"]:
                return
        raise AssertionError(f"Tab never reaches {selector} at {self.page.url}; it passes {passed[:40]}")

    async def press(self, selector: str) -> None:
        """Go to a button or link and press Enter."""
        await self.to(selector)
        async with self.page.expect_navigation():
            await self.page.keyboard.press("Enter")

    async def type(self, selector: str, words: str) -> None:
        await self.to(selector)
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.insert_text(words)

    async def choose(self, name: str, value: str) -> None:
        """A radio by arrows, a list by arrows, a tick by Space, anything else by typing."""
        box = self.page.locator(f'main [name="{name}"]').first
        kind = await box.evaluate("one => one.tagName === 'SELECT' ? 'select' : one.type")
        await self.to(f'[name="{name}"]')
        if kind == "radio":
            await self.page.keyboard.press("Space")
            for _ in range(40):
                if await self.page.evaluate("document.activeElement.value") == value:
                    break
                await self.page.keyboard.press("ArrowDown")
            assert await self.page.evaluate("document.activeElement.value") == value
        elif kind == "select":
            await self.page.keyboard.press("Home")
            for _ in range(500):
                if await self.page.evaluate("document.activeElement.value") == value:
                    break
                await self.page.keyboard.press("ArrowDown")
            assert await self.page.evaluate("document.activeElement.value") == value, (name, value)
        elif kind == "checkbox":
            await self.page.keyboard.press("Space")
        elif kind == "date":
            year, month, day = value.split("-")
            for digits in ((month, day, year), (year, month, day), (day, month, year)):  # the order is the browser's language's
                for part in digits:
                    await self.page.keyboard.type(part)
                    if part == year:
                        await self.page.keyboard.press("ArrowRight")
                if await box.input_value() == value:
                    break
                for _ in range(3):
                    await self.page.keyboard.press("ArrowLeft")
            assert await box.input_value() == value, (await box.input_value(), value)
        else:
            await self.page.keyboard.press("Control+A")
            await self.page.keyboard.insert_text(value)


async def test_remote_medical_by_keyboard_in_elder_mode(citizen: Make) -> None:
    he = await citizen()
    page, keys = he.page, Keyboard(he.page)
    await page.goto(he.home + "/")
    await keys.press('button[name="mode"][value="elder"]')
    assert await page.locator("html").get_attribute("data-mode") == "elder"
    assert "您好" in await he.text()
    await keys.type('input[name="q"]', "外地看病")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await keys.press('main a[href^="/s/"]')
    assert "异地就医" in await he.text()
    await keys.press('main a.btn[href^="/login"]')

    await keys.type('input[name="who"]', he.who.phone)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await keys.type('input[name="code"]', await he.code())
    if await page.locator('input[name="number"]').count():
        await keys.type('input[name="number"]', he.who.number)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    if "/login/name" in page.url:
        await keys.type('input[name="name"]', he.who.name)
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
    assert "/s/" in page.url, page.url
    await keys.press('form[action="/apply"] button')

    said = {
        "mobile": he.who.phone, "insured_at": "500000", "insurance": "resident", "kind": "living", "promise": "true", "province": "510000",
        "city": "510100", "starts": (SystemClock().today() + timedelta(days=3)).isoformat(), "living_address": "成都市锦江区演示路 9 号（演示）",
    }  # fmt: skip
    for _ in range(20):
        if page.url.endswith("/check"):
            break
        assert await page.locator("html").get_attribute("data-mode") == "elder"
        names = await page.evaluate(
            "[...new Set([...document.querySelectorAll('main form [name]')].filter(e => !/hidden|submit|file/.test(e.type) && e.tagName !== 'BUTTON').map(e => e.name))]"
        )
        for name in names:
            if name.startswith("_"):
                continue
            answered = await page.evaluate(
                'n => { const all = [...document.querySelectorAll(`main [name="${n}"]`)]; return all.some(e => /radio|checkbox/.test(e.type) ? e.checked : e.value) }', name
            )
            if not answered and name in said:
                await keys.choose(name, said[name])
        at = page.url
        await keys.press('main button[name="_act"][value="next"]')
        assert page.url != at, await he.main.inner_text()
    words = await he.text()
    assert "人口登记" in words or "居民身份证" in words
    await keys.choose("declared", "true")
    await keys.press('button[name="_act"][value="submit"]')
    assert page.url.endswith("/submitted"), (page.url, await he.text())
    words = await he.text()
    assert "办件号" in words
    assert re.search(r"\d{1,2} 月 \d{1,2} 日", words)
    assert "你" not in await he.page.locator("main h1").inner_text()
    assert keys.unseen == [], f"{len(keys.unseen)} stops cannot be seen: {keys.unseen[:6]}"


async def test_skip_link_and_error_summary_by_keyboard(citizen: Make) -> None:
    he = await citizen()
    page, keys = he.page, Keyboard(he.page)
    await page.goto(he.home + "/login")
    await keys.to("a.skip")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("!!document.activeElement.closest('main')"), "the skip link leads into the page"
    await page.goto(he.home + "/login")
    await keys.type('input[name="who"]', "123")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    assert (await page.title()).startswith("出错了："), await page.title()
    assert await page.evaluate("document.activeElement.getAttribute('role')") == "alert", "the summary has the focus"
    await keys.to(".err-sum a")
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.name") == "who", "each line of the summary lands in its field"
    assert await page.locator('input[name="who"]').input_value() == "123", "nothing typed is lost"


async def test_switching_keeps_what_is_typed_and_not_saved(citizen: Make) -> None:
    he = await citizen()
    page = he.page
    await page.goto(f"{he.home}/search?q=内资公司设立登记")
    await page.locator('main a[href^="/s/"]').first.click()
    await page.wait_for_url("**/s/**")
    await he.press("开始办理")
    await he.sign_in()
    await he.press("开始办理")
    while await he.main.locator('[name="company_name"]').count() == 0:
        await he.fill_page()
        await he.press("继续")
    at = page.url
    await he.put("company_name", "成都没存过演示科技有限公司")
    await he.put("company_type", "limited")
    async with page.expect_navigation():
        await page.locator('button[form="display"][name="mode"]:visible').first.click()
    assert page.url == at
    assert await page.locator("html").get_attribute("data-mode") == "elder"
    assert await he.main.locator('[name="company_name"]').input_value() == "成都没存过演示科技有限公司"
    assert await he.main.locator('[name="company_type"][value="limited"]').is_checked()
    assert await page.evaluate("sessionStorage.length") == 0, "nothing typed stays behind in the browser"
