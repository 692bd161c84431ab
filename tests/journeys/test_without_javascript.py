"""With JavaScript off: she applies, corrects nothing twice, and shows her card; the mode switch keeps page and answers."""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from tongban.main.demo.tour import desk, licence
from tongban.main.demo.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.nation]
Make = Callable[..., Awaitable[Any]]


async def to_the_form(her: Any, item: str = "内资公司设立登记") -> None:
    """Search, guide, sign-in, first page of the form."""
    await her.page.goto(f"{her.home}/search?q={item}")
    await her.page.locator('main a[href^="/s/"]').first.click()
    await her.page.wait_for_load_state()
    await her.press("开始办理")
    await her.sign_in()
    if "/s/" in her.page.url:
        await her.press("开始办理")
    assert "/apply/" in her.page.url, her.page.url


async def test_applying_and_showing(citizen: Make, phone: Any, lending: Any) -> None:
    her = await citizen(javascript=False)
    page, home, story = her.page, her.home, her.story
    await to_the_form(her)
    await her.fill()
    check = page.url
    await page.locator('input[name="declared"]').check()
    await her.press("提交申请")
    await her.face()
    assert page.url == check
    await page.locator('input[name="declared"]').check()
    await her.press("提交申请")
    assert page.url.endswith("/submitted"), await her.text()
    story.kept["case"] = page.url.rsplit("/", 2)[1]
    await her.until(f"{home}/cases/{story.kept['case']}", "受理部门收到了")

    await desk.ask_correction(story)
    await her.until(f"{home}/cases/{story.kept['case']}", "看不清门牌号")
    await page.goto(f"{home}/cases/{story.kept['case']}/correct")
    one = {"name": "房产证明（演示）.png", "mimeType": "image/png", "buffer": _photo()}
    await her.main.locator('input[type="file"]').set_input_files([one])
    await her.press("交补的材料")
    assert not (await page.title()).startswith("出错了"), await her.text()
    await desk.decide(story)
    await her.until(home + "/wallet", story.kept["company"][:6])
    await page.locator('main a[href^="/wallet/"]', has_text="营业执照").first.click()
    await page.wait_for_load_state()
    story.kept["card"] = page.url.split("?")[0]

    await her.press("给人看")
    choices = page.locator('input[name="d"]:visible')
    assert await choices.count() > 1
    await choices.last.check()
    await her.press("按这个出示")
    assert "d=" in page.url
    refresh = await page.locator('meta[http-equiv="refresh"][content*="since="]').get_attribute("content")
    assert refresh
    assert re.match(r"\d+;", refresh), "without a script the page itself renews the code"
    await page.goto(story.kept["card"] + "/show?d=least")
    picture = await page.screenshot()
    assert len(zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))) == 1
    assert re.search(r"\d{4} \d{4}", await her.text()), "eight digits to say aloud"
    await licence.bank_registers(story)
    bank = await phone(javascript=False)
    await lending(bank, story.browser("bank"))
    await bank.goto(home + "/verify")
    await bank.locator('input[name="photo"]').set_input_files([{"name": "code.png", "mimeType": "image/png", "buffer": picture}])
    await bank.get_by_role("button", name="核对", exact=True).click()
    words = await bank.locator("body").inner_text()
    assert "有效" in words
    assert story.kept["company"] in words
    assert her.who.name not in words


async def test_mode_switch_keeps_page_and_answers(citizen: Make) -> None:
    her = await citizen(javascript=False)
    await to_the_form(her)
    while await her.main.locator('[name="company_name"]').count() == 0:
        await her.fill_page()
        await her.press("继续")
    await her.fill_page()
    name, address = her.story.kept["company"], her.page.url
    await her.press("继续")
    await her.page.goto(address)
    await her.page.locator('button[form="display"][name="mode"]:visible').first.click()
    await her.page.wait_for_load_state()
    assert her.page.url == address
    assert await her.page.locator("html").get_attribute("data-mode") == "elder"
    assert await her.main.locator('[name="company_name"]').input_value() == name


async def test_every_page_of_the_walk_is_one_document(visitor: Visitor, nation: Any) -> None:
    """No page needs a second request to show its words: what the server sends is what is read."""
    home = nation.settings("500000").base_url
    for path, word in {"/": "常办的事", "/services": "办事", "/search?q=居住证": "居住证", "/verify": "核对", "/help": "12345"}.items():
        (await visitor.get(home + path)).must(word)


def _photo() -> bytes:
    picture = Image.new("RGB", (900, 640), "white")
    picture.paste("black", (100, 100, 700, 130))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
