"""Each way to sign in in a real Chromium: a code read from the screen by another phone, a gesture, a face that does not answer.

R-302. Two browser contexts stand for the computer and the phone; the picture of the code is decoded by zbar.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import axe_playwright_python
import pytest
from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page
from pyzbar.pyzbar import decode
from tests.federation.test_roaming_in_a_browser import walk_in

from tongban.identity.tests.make import MakeNode, citizen, household
from tongban.kernel.node import Node
from tongban.ui.tests.browser import promised

pytestmark = pytest.mark.browser
HOME = "500000"
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def accessible(page: Page) -> None:
    """Pages that stand only in the middle of something are looked at here, not in tests/journeys/test_axe.py."""
    await page.evaluate(AXE)
    found = await promised(page, "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", TAGS)
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, HOME) as found:
        yield found


async def phone_context(chromium: Browser, *, javascript: bool = True) -> BrowserContext:
    return await chromium.new_context(java_script_enabled=javascript, viewport={"width": 390, "height": 844}, is_mobile=True, locale="zh-CN")


async def scanned(page: Page) -> str:
    """What a phone's camera reads off the computer's screen."""
    picture = Image.open(io.BytesIO(await page.locator(".qr-box").screenshot()))
    found = decode(picture)
    assert len(found) == 1
    return found[0].data.decode()


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_computer_is_let_in_by_a_phone(nodes: dict[str, Node], chromium: Browser, javascript: bool) -> None:
    """Scan, three numbers, one of them on the computer's screen; with JavaScript the computer goes on by itself."""
    base = nodes[HOME].settings.base_url
    phone, pc = await phone_context(chromium), await chromium.new_context(java_script_enabled=javascript, viewport={"width": 1280, "height": 900})
    hand, desk = await phone.new_page(), await pc.new_page()
    await walk_in(hand, nodes[HOME], "陈晓雨" if javascript else "刘建国")
    await desk.goto(base + "/login?next=/me/access")
    await desk.get_by_role("link", name="用手机扫码").click()
    address = await scanned(desk)
    assert address.startswith(base + "/scan/")
    number = (await desk.locator(".scan-pick b").inner_text()).strip()
    await hand.goto(address)
    assert "500000.localhost" in await hand.locator("main").inner_text()
    assert await hand.locator('button[name="pick"]').count() == 3
    await accessible(hand)
    if javascript:
        await accessible(desk)
    await hand.get_by_role("button", name=f"数字 {number}，登录电脑").click()
    assert "电脑可以登录了" in await hand.locator("main").inner_text()
    if not javascript:  # the page comes anew by itself (meta refresh), the person presses one button
        await desk.get_by_role("button", name="登录这台电脑").click(timeout=15_000)
    await desk.wait_for_url(base + "/me/access", timeout=15_000)
    assert "核验级别是 2 级" in await desk.locator("main").inner_text()
    await phone.close()
    await pc.close()


async def test_a_gesture_locks_and_unlocks_this_device_only(nodes: dict[str, Node], chromium: Browser) -> None:
    """The device's key never leaves the browser; five wrong gestures and both are gone."""
    base = nodes[HOME].settings.base_url
    context = await phone_context(chromium)
    page = await context.new_page()
    await walk_in(page, nodes[HOME], "周雨桐")
    await page.goto(base + "/me/lock")
    await page.get_by_label("按顺序连的点").fill("1 2 3 4 5")
    await page.get_by_role("button", name="设好手势").click()
    await page.get_by_text("至少连 5 个点").first.wait_for()
    await page.get_by_label("按顺序连的点").fill("")
    for one in (1, 5, 9, 6, 3):
        box = await page.locator(f'[data-dot="{one}"]').bounding_box()
        assert box
        await page.mouse.move(box["x"] + 30, box["y"] + 30)
        if one == 1:
            await page.mouse.down()
    await page.mouse.up()
    assert await page.get_by_label("按顺序连的点").input_value() == "15963"
    await page.get_by_role("button", name="设好手势").click()
    await page.wait_for_url(base + "/me/devices")
    assert await promised(
        page, """() => new Promise((good) => { const asked = indexedDB.open("tongban", 1);
        asked.onsuccess = () => { const get = asked.result.transaction("keys").objectStore("keys").get("device");
        get.onsuccess = () => good(get.result.privateKey.extractable); }; })"""
    ) is False
    await page.goto(base + "/me/lock")
    await page.get_by_role("button", name="马上锁上").click()
    await page.wait_for_url("**/unlock**")
    await page.goto(base + "/me/access")
    assert "/unlock" in page.url, "a locked session opens nothing"
    await accessible(page)
    await page.get_by_label("按顺序连的点").fill("95123")
    await page.get_by_role("button", name="解锁").click()
    await page.get_by_text("手势不对，还能试 4 次").first.wait_for()
    await page.get_by_label("按顺序连的点").fill("1 5 9 6 3")
    await page.get_by_role("button", name="解锁").click()
    await page.wait_for_url(base + "/me/access")
    assert "核验级别是 2 级" in await page.locator("main").inner_text()
    await page.goto(base + "/me/lock")
    await page.get_by_role("button", name="马上锁上").click()
    for left in (4, 3, 2, 1):
        await page.get_by_label("按顺序连的点").fill("95123")
        await page.get_by_role("button", name="解锁").click()
        await page.get_by_text(f"手势不对，还能试 {left} 次").first.wait_for()
    await page.get_by_label("按顺序连的点").fill("95123")
    await page.get_by_role("button", name="解锁").click()
    await page.get_by_text("手势已删除").first.wait_for()
    assert await page.get_by_label("按顺序连的点").count() == 0, "what is gone is not asked for"
    await page.goto(base + "/me/access")
    assert "/login" in page.url, "sign in anew"
    await context.close()


async def test_a_passkey_refused_says_why_and_what_to_do(nodes: dict[str, Node], chromium: Browser) -> None:
    """An hour after signing in the way to bind one is closed: the button once did nothing at all."""
    base = nodes[HOME].settings.base_url
    context = await phone_context(chromium)
    page = await context.new_page()
    await walk_in(page, nodes[HOME], "郑浩然" if HOME == "510000" else "陈晓雨")
    async with nodes[HOME].db.transaction() as tx:
        await tx.execute("UPDATE session SET auth_time = auth_time - interval '1 hour' WHERE kind = 'citizen'")
    await page.goto(base + "/me/devices")
    await page.get_by_label("给它起个名字").fill("我的手机")
    await page.get_by_role("button", name="绑定这台设备").click()
    await page.get_by_role("link", name="再登录一次").click()
    await page.wait_for_url("**/login?again=1**")
    await context.close()


async def test_a_voice_signs_in_on_this_device_and_on_no_other(nodes: dict[str, Node], chromium: Browser) -> None:
    """R-305: recorded once with a consent of its own; another day the same device asks for it again, level 2 at most."""
    base, who, said = nodes[HOME].settings.base_url, citizen("邓春梅"), {"name": "voice.wav", "mimeType": "audio/wav", "buffer": b"RIFF$\0\0\0WAVEfmt "}
    context, strange = await phone_context(chromium, javascript=False), await phone_context(chromium, javascript=False)
    page = await context.new_page()
    await walk_in(page, nodes[HOME], "邓春梅")
    await page.goto(base + "/me/voice")
    await page.get_by_label("读一句话录下来").set_input_files([said])
    await page.get_by_role("button", name="开始用声纹").click()
    assert "声纹要你单独同意" in await page.locator("main").inner_text()
    await page.get_by_label("读一句话录下来").set_input_files([said])
    await page.get_by_label("我单独同意用声音核对本人").check()
    await page.get_by_role("button", name="开始用声纹").click()
    assert "正在用声纹" in await page.locator("main").inner_text()
    await page.goto(base + "/me/devices")
    await page.get_by_role("button", name="退出所有设备").click()

    async def speak(at: Page, result: str) -> str:
        await at.goto(base + "/login?again=1&next=/me/access")
        await at.locator('a[href^="/login/voice"]').click()
        await at.get_by_label("手机号，或者身份证号").fill(who.phone)
        await at.get_by_label("读一句话录下来").set_input_files([said])
        await at.get_by_label(result).check()
        await at.locator('form[action="/login/voice"] button').last.click()
        return await at.locator("main").inner_text()

    assert "没听出来。安静一点再说一遍" in await speak(page, "没听出来")
    assert "这台设备没登录过，不能只用声纹" in await speak(await strange.new_page(), "是本人")
    assert "核验级别是 2 级" in await speak(page, "是本人")
    assert page.url == base + "/me/access"
    await strange.close()
    await context.close()


@pytest.mark.parametrize("elder", [False, True])
async def test_a_face_check_that_does_not_answer_says_so_and_leaves_other_ways(nodes: dict[str, Node], chromium: Browser, elder: bool) -> None:
    base = nodes[HOME].settings.base_url
    context = await phone_context(chromium, javascript=False)
    page = await context.new_page()
    await walk_in(page, nodes[HOME], "何志远" if elder else "郑浩然")
    if elder:
        await page.get_by_role("button", name="换成长辈版").click()
    await page.goto(base + "/step-up?level=3&next=/me/access")
    await page.get_by_label("一直没有回应").first.check()
    await page.get_by_label("我同意这一次用人脸照片核验本人").check()
    await page.get_by_role("button", name="刷脸核验").click(timeout=15_000)
    text = await page.locator("main").inner_text()
    assert "人脸核验现在用不了" in text
    assert "去大厅办" in text
    await page.get_by_role("button", name="用数字证书").click()
    await page.wait_for_url(base + "/me/access")
    assert "核验级别是 4 级" in await page.locator("main").inner_text()
    await context.close()


async def test_the_line_before_the_end_is_one_tap(nodes: dict[str, Node], chromium: Browser) -> None:
    """With JavaScript nothing on the page moves: the line appears, 继续用 by keyboard, the line goes."""
    base = nodes[HOME].settings.base_url
    context = await phone_context(chromium)
    page = await context.new_page()
    await page.clock.install()
    await walk_in(page, nodes[HOME], "罗桂兰")
    line = page.locator("form[data-session-left]")
    assert await line.is_hidden()
    await page.clock.fast_forward("01:58:30")
    await line.wait_for()
    await line.get_by_role("button", name="继续用").focus()
    async with page.expect_response(base + "/session/keep") as answer:
        await page.keyboard.press("Enter")
    assert (await answer.value).status == 200
    await line.wait_for(state="hidden")
    assert page.url == base + "/me/access"
    await context.close()


async def test_the_page_of_a_new_number_is_accessible(nodes: dict[str, Node], chromium: Browser) -> None:
    base = nodes[HOME].settings.base_url
    context = await phone_context(chromium)
    page = await context.new_page()
    await walk_in(page, nodes[HOME], "马志明")
    await page.goto(base + "/me/phone")
    await accessible(page)
    await page.get_by_label("新手机号").fill("13900008801")
    await page.get_by_role("button", name="发验证码").click()
    await accessible(page)
    code = (await page.locator(".notice").inner_text()).split("验证码 ")[1][:6]
    await page.get_by_label("的验证码").fill(code)
    await page.get_by_role("button", name="核对").click()
    await page.get_by_text("新号码核对好了").wait_for()
    await accessible(page)
    await context.close()


@pytest.mark.parametrize("elder", [False, True])
async def test_the_pages_of_devices_and_recovery_are_accessible(nodes: dict[str, Node], chromium: Browser, elder: bool) -> None:
    base = nodes[HOME].settings.base_url
    context = await phone_context(chromium)
    page = await context.new_page()
    await walk_in(page, nodes[HOME], "吴思涵" if elder else "马志明")
    if elder:
        await page.get_by_role("button", name="换成长辈版").click()
    for path in ("/me/devices", "/me/lock", "/me/voice", "/me/phone", "/me/access", "/levels", "/step-up?level=3&next=/me/access", "/session/ending"):
        await page.goto(base + path)
        await accessible(page)
    await context.clear_cookies()
    for path in ("/login?again=1", "/scan", "/recover", "/recover/wait", "/recover/hall", "/theft", "/login/voice", "/login/certificate"):
        await page.goto(base + path)
        await accessible(page)
    await context.close()
