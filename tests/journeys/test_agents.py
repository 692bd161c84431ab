"""An old person asks a relative to act, both at their own phone in a browser; the relative switches, the banner shows, the stop in
the message works (R-301, T-85). The relative's browser has no JavaScript; the old person reads in elder mode.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.nation]
Make = Callable[..., Awaitable[Any]]
PAGES = ("/", "/services", "/cases", "/me", "/messages", "/help", "/search?q=异地就医")


async def signed_in(one: Any, next_path: str = "/me") -> None:
    await one.page.goto(f"{one.home}/login?next={next_path}")
    await one.sign_in()


async def test_a_relative_is_asked_acts_under_the_banner_and_is_stopped_from_the_message(citizen: Make) -> None:
    elder, relative = await citizen(), await citizen(javascript=False)
    await signed_in(relative)
    await signed_in(elder)
    await elder.page.locator('button[name="mode"][value="elder"]:visible').first.click()
    await elder.page.wait_for_load_state()
    assert await elder.page.locator("html[data-mode=elder]").count()

    # the four steps of a mandate, in elder mode
    await elder.page.goto(f"{elder.home}/me/agents/new")
    await elder.face()
    await elder.page.get_by_label("对方姓名").fill(relative.who.name)
    await elder.page.get_by_label("对方身份证号").fill(relative.who.number)
    await elder.press("下一步")
    await elder.put("set_name", "养老常办")
    await elder.press("下一步")
    await elder.put("days", "30")
    await elder.press("下一步")
    said = await elder.text()
    assert relative.who.name in said
    assert "以后才能提交" in said, "the page names the act and the wait before it is given (T-94)"
    await elder.press("同意授权")
    assert "发给对方了" in await elder.text()

    # the relative, without JavaScript: message, accept, switch
    await relative.page.goto(f"{relative.home}/messages")
    await relative.page.locator("main li", has_text="想请你代办").locator("a.lk").first.click()
    await relative.press("接受")
    await relative.page.goto(f"{relative.home}/me/switch")
    await relative.press("切换过去")
    for path in PAGES:
        await relative.page.goto(relative.home + path)
        strip = relative.page.locator("aside.acting")
        assert await strip.count() == 1, f"no banner on {path}"
        assert elder.who.name in await strip.inner_text()
    assert await relative.page.locator("html").get_attribute("lang") == "zh-CN"
    for path in ("/me/data-use", "/me/consents", "/me/materials"):
        answer = await relative.page.goto(relative.home + path)
        assert answer.status == 403, f"{path} is the elder's own"
        assert "只能本人" in await relative.text()
    await relative.page.goto(f"{relative.home}/search?q=异地就医")
    await relative.page.locator('main a[href^="/s/"]').first.click()
    await relative.press("开始办理")
    assert "/apply/" in relative.page.url, await relative.text()
    draft = relative.page.url

    # the elder reads it and stops it, from inside the message
    await elder.until(f"{elder.home}/messages", f"{relative.who.name}替你开始填表")
    await elder.page.get_by_role("link", name="停止授权").first.click()
    await elder.page.wait_for_load_state()
    await elder.press("停止授权")
    assert "停了" in await elder.text()

    answer = await relative.page.goto(draft)
    assert answer.status in {403, 404}, "at once"
    await relative.page.goto(f"{relative.home}/me")
    assert "代办授权已经停了" in await relative.page.locator("aside.acting").inner_text()
    await relative.page.get_by_role("link", name="知道了").click()
    await relative.press("切回自己")
    assert await relative.page.locator("aside.acting").count() == 0
