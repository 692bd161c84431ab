"""An old person finishes 异地就医结算备案 in elder mode with a keyboard alone: Tab, Enter, Space, arrows and typing."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from tongban.kernel.clock import SystemClock
from tongban.main.demo.tour.person import PICTURE

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
    questions = []
    for _ in range(20):
        if page.url.endswith("/check"):
            break
        questions.append(await one_question(he))
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
    assert len(questions) >= 7, questions
    assert len(set(questions)) == len(questions), "no question comes twice"
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


async def one_question(he: Any) -> str:
    """This page of the form asks one thing, says how far it is, and has a way back; the question's words."""
    page = he.page
    assert await he.main.locator("form[data-one], form[enctype]").count() == 1
    asked = await page.evaluate(
        """() => new Set([...document.querySelectorAll('main form :is(input, select, textarea)')]
             .filter(one => !/hidden|submit/.test(one.type)).map(one => one.name.split('.')[0].replace(/^_reuse/, 'material'))).size"""
    )
    assert asked <= 1, f"{asked} questions on one page: {await he.main.inner_text()}"
    words = await he.main.inner_text()
    assert re.search(r"第 \d+ 个问题，共 \d+ 个|后面还有 \d+ 个问题", words), words
    assert "你" not in words, words
    return str(await he.main.locator("h1").inner_text())


async def answer(he: Any) -> None:
    """What nobody knows of the person, where this page asks it."""
    said = {
        "permit_number": "演示500103000000001", "address": "重庆市渝中区演示路 2 号 3 单元", "moved": "false", "reason": "work",
        "insured_at": "500000", "insurance": "resident", "kind": "living", "promise": "true", "province": "510000", "city": "510100",
        "starts": (SystemClock().today() + timedelta(days=3)).isoformat(), "living_address": "成都市锦江区演示路 9 号（演示）",
    }  # fmt: skip
    empty = await he.page.evaluate(
        """() => [...new Set([...document.querySelectorAll('main form :is(input, select, textarea)')].filter(one => !/hidden|submit|file/.test(one.type))
             .map(one => one.name))].filter(name => ![...document.getElementsByName(name)].some(one => /radio|checkbox/.test(one.type) ? one.checked : one.value))"""
    )
    await he.fill_page({name: said[name] for name in empty if name in said})
    for one in await he.main.locator('input[type="file"]').all():
        await one.set_input_files([{"name": "材料（演示）.png", "mimeType": "image/png", "buffer": PICTURE}])


@pytest.mark.parametrize("name", ["内资公司设立登记", "居住证签注", "异地就医结算备案"])
async def test_elder_forms_ask_one_thing_a_page_without_a_script(citizen: Make, name: str) -> None:
    """R-707: every item that is filled in here, one question a page; back keeps the answer; one change from the check page."""
    he = await citizen(javascript=False)
    page = he.page
    await page.goto(f"{he.home}/search?q={name}")
    await page.locator('button[form="display"][name="mode"][value="elder"]:visible').first.click()
    await page.wait_for_load_state()
    await page.locator('main a[href^="/s/"]').first.click()
    await page.wait_for_load_state()
    await he.press("开始办理")
    await he.sign_in()
    if "/s/" in page.url:
        await he.press("开始办理")
    seen: list[str] = []
    for _ in range(40):
        if page.url.endswith("/check"):
            break
        heading = await one_question(he)
        await answer(he)
        if len(seen) == 2:  # back and forth: nothing is lost, and it is the same question again
            await he.press("上一步")
            assert await he.main.locator("h1").inner_text() == seen[-1]
            await he.press("继续")
            assert await he.main.locator("h1").inner_text() == heading
            await answer(he)
        seen.append(heading)
        await he.press("继续")
        assert not (await page.title()).startswith("出错了"), await he.main.inner_text()
    assert page.url.endswith("/check"), page.url
    assert len(set(seen)) == len(seen), seen
    assert "你" not in await he.main.inner_text()
    await he.main.locator('a.lk[href*="q="]').last.click()
    await page.wait_for_load_state()
    await one_question(he)
    await he.press("继续")
    assert page.url.endswith("/check"), "a change leads back to the check page"


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
    assert await page.evaluate("sessionStorage.length") == 0, "nothing typed stays behind in the browser"
    await he.press("继续")  # on the way the answers typed for the step's other questions go along
    while await he.main.locator('[name="company_type"]').count() == 0:
        await he.press("继续")
    assert await he.main.locator('[name="company_type"][value="limited"]').is_checked()
