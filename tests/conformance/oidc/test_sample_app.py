"""The sample app 演示应用, a separate process written only against docs/connect.md: sign-in, consent, level 3, logout, suspension (R-302, R-601).

It is registered as section 9 of that page says and no other way: on the pages of the back office, with what its table says to enter.
"""

from __future__ import annotations

import ast
import asyncio
import html
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tongban.federation.tests.make import free_port
from tongban.identity.tests.make import Browser, citizen, code_for, sign_in
from tongban.identity.tests.make_clients import resume_client, suspend_client
from tongban.identity.tests.make_judges import stop, travel
from tongban.kernel.node import Node
from tongban.main.demo.visitor import Visitor

ROOT = Path(__file__).resolve().parents[3]
APP = ROOT / "examples" / "sample_app" / "app.py"
PAGE = (ROOT / "docs" / "connect.md").read_text("utf-8")
REGISTRAR, REVIEWER = "CQ-YY-01", "CQ-YY-02"


class Sample:
    """The app as it runs."""

    def __init__(self, base: str, client_id: str) -> None:
        self.base, self.client_id = base, client_id


async def run(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, str(APP), *arguments, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )


async def at_desk(home: Node, staff_no: str) -> Browser:
    desk = Browser()
    await desk.submit(home, await desk.get(home, "/staff/login?next=/staff/clients"), "/staff/login", key=staff_no)
    return desk


def entered(body: str, base: str, division: str) -> dict[str, str]:
    """The table of section 9 as the fields of the form whose labels it names; its demo's port and area are ours."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PAGE.partition("## 9 ")[2], re.MULTILINE)
    found: dict[str, str] = {}
    for label, value in rows[1:]:
        value = value.strip().replace("http://sample.localhost:9300", base).replace("510000", division)
        at = re.search(rf'<label for="f-(\w+)"[^>]*>{re.escape(label)}[<\n]', body)
        name = at[1] if at else "scopes"
        assert at or f">{label}</legend>" in body, f"the form has no {label}"
        option = re.search(rf'<option value="([^"]*)"[^>]*>{re.escape(value)}</option>', body)
        found[name] = html.unescape(option[1]) if option else value
    assert len(found) == len(rows) - 1 >= 11
    return found


async def registered(home: Node, base: str, public: dict[str, str]) -> str:
    """Registered by two members of staff by what section 9 of docs/connect.md tells them; the client id."""
    registrar, reviewer = await at_desk(home, REGISTRAR), await at_desk(home, REVIEWER)

    async def agreed(page: Any) -> None:
        assert page.path.startswith("/staff/clients/changes/"), page.body
        page = await reviewer.submit(home, await reviewer.get(home, page.path), page.path, act="agree")
        assert "批了，已经生效" in page.body, page.body

    page = await registrar.get(home, "/staff/clients/new")
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.body))
    left = {"consent_days": "180", "id_alg": "ES256"}  # as the form has them
    await agreed(await registrar.post(home, "/staff/clients/new", {**hidden, **left, **entered(page.body, base, home.id)}))
    listed = await registrar.get(home, "/staff/clients")
    client = next(path for path, name in re.findall(r'href="(/staff/clients/app-[a-z2-7]+)"[^>]*>(.*?)</a>', listed.body, re.DOTALL) if "演示应用" in name)
    page = await registrar.get(home, client)
    await agreed(await registrar.post(home, client, {**hidden, "act": "add_key", "kid": "k1", "jwk": json.dumps(public)}))
    return client.rpartition("/")[2]


@pytest.fixture(scope="module")
async def sample(home: Node, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sample]:
    """Registered by two members of staff with the key the app itself made, then started."""
    port, key = free_port(), str(tmp_path_factory.mktemp("sample") / "key.json")
    base = f"http://sample.localhost:{port}"
    printed = await run("key", KEY_FILE=key)
    public = json.loads((await printed.communicate())[0])
    client_id = await registered(home, base, public)
    process = await run(ISSUER=home.settings.base_url, CLIENT_ID=client_id, BASE_URL=base, KEY_FILE=key)
    assert process.stdout is not None
    said = await asyncio.wait_for(process.stdout.readline(), 20)
    assert said.decode().startswith("ready")
    yield Sample(base, client_id)
    await stop(process)


def test_sample_imports_nothing_of_the_platform() -> None:
    """Whoever reads docs/connect.md can write it."""
    for one in ast.walk(ast.parse(APP.read_text("utf-8"))):
        if isinstance(one, ast.Import | ast.ImportFrom):
            names = [one.module or ""] if isinstance(one, ast.ImportFrom) else [each.name for each in one.names]
            assert not any(name.split(".")[0] in ("tongban", "litestar") for name in names)


async def visit(browser: Browser, home: Node, url: str) -> Any:
    """Open a page of the app and go through the platform's pages."""
    page = await browser.get(home, url)
    return await travel(browser, home, page.url) if page.url.startswith(home.settings.base_url) else page


async def test_consent_sign_in_level_3_and_logout(home: Node, sample: Sample) -> None:
    """The whole page docs/connect.md promises, as a person meets it."""
    browser = Browser()
    await sign_in(browser, home, citizen("陈晓雨"))
    assert "还没有登录" in (await browser.get(home, sample.base + "/")).body
    asked = await browser.get(home, sample.base + "/login")
    assert asked.path == "/consent"
    assert "演示应用" in asked.body
    page = await visit(browser, home, sample.base + "/login")
    assert page.url == sample.base + "/"
    assert "核验级别 2" in page.body
    asked = await browser.get(home, sample.base + "/apply")
    assert asked.path == "/step-up", "the app asked for level 3"
    page = await travel(browser, home, asked.url)
    assert page.url == sample.base + "/apply"
    assert "已经核验本人" in page.body
    page = await browser.post(home, sample.base + "/logout", {})
    assert page.path == "/oidc/logout"
    page = await browser.submit(home, page, "/oidc/logout/confirm", choice="yes")
    assert page.url == sample.base + "/bye?state=bye"
    assert "还没有登录" in (await browser.get(home, sample.base + "/")).body


async def until_out(browser: Browser, home: Node, sample: Sample) -> None:
    for _ in range(50):
        if "还没有登录" in (await browser.get(home, sample.base + "/")).body:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("still signed in at the app after 5 s")


async def test_signing_out_of_the_platform_signs_out_of_the_app(home: Node, sample: Sample) -> None:
    """Back-channel logout, within 5 s (identity.md 6.5)."""
    browser = Browser()
    await sign_in(browser, home, citizen("刘建国"))
    assert (await visit(browser, home, sample.base + "/login")).url == sample.base + "/"
    page = await browser.get(home, "/me/devices")
    await browser.submit(home, page, "/me/devices/leave-all")
    await until_out(browser, home, sample)


async def test_bad_logout_token_ends_nothing(home: Node, sample: Sample) -> None:
    browser = Browser()
    await sign_in(browser, home, citizen("何志远"))
    await visit(browser, home, sample.base + "/login")
    for token in ("", "a.b.c", "e30.e30."):
        assert (await browser.post(home, sample.base + "/backchannel", {"logout_token": token})).status == 400
    assert "您好" in (await browser.get(home, sample.base + "/")).body


async def test_answer_of_another_browser_is_refused(home: Node, sample: Sample) -> None:
    """Login CSRF at the app: the callback must come back to the browser that left (T-10)."""
    thief, victim = Browser(), Browser()
    await sign_in(thief, home, citizen("罗桂兰"))
    left = await thief.get(home, sample.base + "/login", follow=False)
    page = await thief.get(home, left.headers["location"], follow=False)
    if "/consent" in page.headers.get("location", ""):
        asked = await thief.get(home, page.headers["location"])
        page = await thief.post(home, "/consent", {**asked.fields("/consent"), "choice": "yes"}, follow=False)
        page = page if page.headers["location"].startswith(sample.base) else await thief.get(home, page.headers["location"], follow=False)
    assert page.headers["location"].startswith(sample.base + "/callback")
    assert (await victim.get(home, page.headers["location"])).status == 400
    assert "还没有登录" in (await victim.get(home, sample.base + "/")).body


async def test_person_says_no(home: Node, sample: Sample) -> None:
    browser = Browser()
    await sign_in(browser, home, citizen("周雨桐"))
    page = await travel(browser, home, (await browser.get(home, sample.base + "/login")).url, choice="no")
    assert "您没有同意" in page.body


async def test_suspended_app(home: Node, sample: Sample) -> None:
    """Suspending is felt at once, in words a person understands; two members of staff let it run again."""
    await suspend_client(home, sample.client_id)
    page = await Browser().get(home, sample.base + "/login")
    assert page.status == 503
    assert "现在不能登录" in page.body
    await resume_client(home, sample.client_id)
    assert (await Browser().get(home, sample.base + "/login")).path == "/login"


async def test_as_a_visitor(home: Node, sample: Sample) -> None:
    """The demo's own browser without JavaScript, from the app's first page to its last."""
    who = citizen("陈晓雨")
    async with Visitor() as visitor:
        await visitor.get(sample.base + "/")
        page = await visitor.follow("用通办账号登录")
        page = await visitor.submit(page.form(has="who"), {"who": who.phone})
        typed = {"code": await code_for(Browser(), home, who.phone)}
        form = page.form(has="code")
        page = await visitor.submit(form, {**typed, "number": who.number} if "number" in form.names() else typed)
        if "/consent" in page.url:
            form = page.form(action="/consent")
            page = await visitor.submit(form, button=("choice", "yes"))
        page.must("您好", "核验级别 2")


@pytest.mark.browser
async def test_in_a_browser(home: Node, sample: Sample, phone: Any) -> None:
    """A real Chromium: sign in, agree, face check, sign out everywhere."""
    who = citizen("刘建国")
    page = await phone()
    page.set_default_timeout(15_000)
    await page.goto(sample.base + "/")
    await page.get_by_role("link", name="用通办账号登录").click()
    await page.locator('input[name="who"]').fill(who.phone)
    await page.locator('form[action="/login"] button').first.click()
    await page.locator('input[name="code"]').fill(await code_for(Browser(), home, who.phone))
    number = page.locator('input[name="number"]')
    if await number.count():
        await number.fill(who.number)
    await page.locator('form[action="/login/code"] button').first.click()
    await page.wait_for_load_state()
    if "/consent" in page.url:
        await page.get_by_role("button", name="同意", exact=True).click()
    await page.wait_for_url(sample.base + "/")
    assert "您好" in await page.locator("main").inner_text()
    await page.get_by_role("link", name="办要刷脸的事").click()
    await page.wait_for_url("**/step-up?*")
    await page.get_by_label("我同意这一次用人脸照片核验本人").check()
    await page.get_by_role("button", name="刷脸核验").click()
    await page.wait_for_url(sample.base + "/apply")
    assert "已经核验本人" in await page.locator("main").inner_text()
    await page.goto(sample.base + "/")
    await page.get_by_role("button", name="退出").click()
    await page.wait_for_url("**/oidc/logout?*")
    await page.locator('form[action="/oidc/logout/confirm"] button').first.click()
    await page.wait_for_url(sample.base + "/bye?*")
