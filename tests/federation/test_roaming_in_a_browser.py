"""Roaming in a real Chromium with third-party cookies blocked, with and without JavaScript: cookies, CSP and redirects as
a browser sees them, and a passkey of the browser's own virtual authenticator (stack.md 11)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from tongban.identity import tasks
from tongban.identity.tests.make import citizen
from tongban.kernel.node import Node
from tongban.ui.tests import browser

pytestmark = pytest.mark.browser
HOME, AWAY = "500000", "510000"


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """As a person sets it who takes no cookies of third parties."""
    async with browser.chromium("--test-third-party-cookie-phaseout", whole=True) as running:
        yield running


async def new_context(chromium: Browser, *, javascript: bool) -> BrowserContext:
    return await chromium.new_context(java_script_enabled=javascript, viewport={"width": 390, "height": 844}, is_mobile=True, locale="zh-CN")


async def walk_in(page: Page, home: Node, name: str, next_path: str = "/me/access") -> None:
    """Sign in for the first time by hand, as a person does."""
    who = citizen(name)
    await page.goto(home.settings.base_url + "/login?" + urlencode({"next": next_path}))
    await page.get_by_label("手机号，或者身份证号").fill(who.phone)
    await page.get_by_role("button", name="发验证码").click()
    shown = await page.locator(".notice").inner_text()
    code = re.search(r"验证码 (\d{6})", shown)
    assert code, shown
    await page.get_by_label("短信验证码").fill(code[1])
    number = page.get_by_label("身份证号")
    if await number.count():
        await number.fill(who.number)
    await page.get_by_role("button", name="登录", exact=True).click()
    if "/login/name" in page.url:
        await page.get_by_label("姓名").fill(who.name)
        await page.get_by_role("button", name="核对并登录").click()
    async with home.db.transaction() as tx:  # on a busy machine the register may have been late: its next round is now
        late = await tx.execute("UPDATE match_pending SET next_at = $1", home.clock.now())
    if late != "UPDATE 0":
        await tasks.match_again(home)


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_person_roams_steps_up_and_signs_out_everywhere(nodes: dict[str, Node], chromium: Browser, javascript: bool) -> None:
    home, away = nodes[HOME], nodes[AWAY]
    context = await new_context(chromium, javascript=javascript)
    page = await context.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "Content Security Policy" in message.text else None)
    await walk_in(page, home, "陈晓雨")
    assert page.url == home.settings.base_url + "/me/access"

    await page.goto(f"{away.settings.base_url}/login?" + urlencode({"next": f"/me/access?from={HOME}"}))
    assert page.url == f"{away.settings.base_url}/me/access?from={HOME}", "signed in without a prompt"
    assert await page.get_by_role("heading", name="登录记录").count() == 1

    await page.goto(f"{away.settings.base_url}/step-up?level=3&next=/me/access")
    if page.url.startswith(home.settings.base_url):
        await page.get_by_label("我同意这一次用人脸照片核验本人").check()
        await page.get_by_role("button", name="刷脸核验").click()
    assert page.url == f"{away.settings.base_url}/me/access", "the form's redirect crosses to the asking node"
    assert "核验级别是 3 级" in await page.locator("main").inner_text()

    await page.goto(f"{home.settings.base_url}/me/devices")
    await page.get_by_role("button", name="退出所有设备").click()
    assert page.url == f"{home.settings.base_url}/logout"
    for _ in range(50):
        await page.goto(f"{away.settings.base_url}/me/access")
        if "/login" in page.url:
            break
        await page.wait_for_timeout(100)
    assert "登录" in await page.title()
    assert refused == []
    await context.close()


async def test_signing_in_from_a_form_at_home_crosses_back(nodes: dict[str, Node], chromium: Browser) -> None:
    home, away = nodes[HOME], nodes[AWAY]
    context = await new_context(chromium, javascript=False)
    page = await context.new_page()
    await page.goto(f"{away.settings.base_url}/login/elsewhere?next=/me/access")
    await page.get_by_role("link", name="重庆市").first.click()
    assert page.url.startswith(home.settings.base_url + "/login")
    who = citizen("刘建国")
    await page.get_by_label("手机号，或者身份证号").fill(who.phone)
    await page.get_by_role("button", name="发验证码").click()
    code = re.search(r"验证码 (\d{6})", await page.locator(".notice").inner_text())
    assert code
    await page.get_by_label("短信验证码").fill(code[1])
    await page.get_by_label("身份证号").fill(who.number)
    await page.get_by_role("button", name="登录", exact=True).click()
    await page.get_by_label("姓名").fill(who.name)
    await page.get_by_role("button", name="核对并登录").click()
    assert page.url == f"{away.settings.base_url}/me/access"
    await context.close()


async def test_passkey_of_this_host_signs_in_and_another_hosts_does_not(nodes: dict[str, Node], chromium: Browser) -> None:
    home = nodes[HOME]
    context = await new_context(chromium, javascript=True)
    page = await context.new_page()
    devtools = await context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }})  # fmt: skip
    await walk_in(page, home, "周雨桐", "/me/devices")
    await page.get_by_label("给它起个名字").fill("我的手机")
    await page.get_by_role("button", name="绑定这台设备").click()
    await page.get_by_text("绑定于").wait_for()
    await page.get_by_role("button", name="退出所有设备").click()
    await page.goto(home.settings.base_url + "/login?next=/me/access")
    await page.get_by_role("button", name="用指纹或面容登录").click()
    await page.wait_for_url(home.settings.base_url + "/me/access")
    assert "核验级别是 2 级" in await page.locator("main").inner_text()
    await context.close()
