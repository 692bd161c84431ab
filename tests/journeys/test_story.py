"""The story in real browsers: a company set up in 成都 from a phone in 重庆, its licence shown to a bank."""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from tongban.main.demo.tour.licence import BANK, bank_registers

pytestmark = [pytest.mark.browser, pytest.mark.nation]
Make = Callable[..., Awaitable[Any]]


async def refused(person: Any, url: str, *statuses: int) -> str:
    """The address answers with one of these statuses and a Chinese page that says what to do; its words."""
    answer = await person.page.goto(url)
    words = await person.text()
    assert answer.status in statuses, (url, answer.status, words[:500])
    assert not re.search(r"\b(error|not found|forbidden|traceback)\b", words, re.IGNORECASE), words[:500]
    assert len(re.findall(r"[\u4e00-\u9fff]", words)) > 20, words
    return str(words)


def decode(screenshot: bytes) -> str:
    """The one QR code on a screenshot, as any camera reads it."""
    found = zxingcpp.read_barcodes(Image.open(io.BytesIO(screenshot)))
    assert len(found) == 1, f"{len(found)} codes on the screen"
    return str(found[0].text)


async def search_and_fill(her: Any) -> str:
    """Steps 1–3; the address of the check page."""
    page, home = her.page, her.home
    await page.goto(home + "/")
    await page.locator('input[name="q"]').first.fill("开公司")
    await page.locator('input[name="q"]').first.press("Enter")
    await page.wait_for_url("**/search?**")
    await page.locator('main a[href^="/s/"]').first.click()
    await page.wait_for_url("**/s/**")
    words = await her.text()
    for word in ("内资公司设立登记", "成都", "多久", "趟", "收费"):
        assert word in words, words[:800]
    await her.press("开始办理")
    assert "/login" in page.url, "not signed in: sign-in comes in between"
    await her.sign_in()
    if "/s/" in page.url:
        await her.press("开始办理")
    assert "/apply/" in page.url, page.url
    draft = page.url.split("/apply/")[1].split("/")[0]
    step = page.url
    await refused(her, f"{home}/apply/{draft}/submitted", 404)  # nothing is submitted yet
    await page.goto(step)
    await her.fill()
    words = await her.text()
    assert words.count("人口登记") >= 3, words
    assert her.who.name in words or her.who.name[0] in words
    return str(page.url)


async def submit(her: Any, check: str) -> str:
    """Step 4: declare, step up by the difference only, submit; the case's id."""
    page = her.page
    await her.press("提交申请")
    assert (await page.title()).startswith("出错了："), "the declaration is never assumed"
    await page.locator('input[name="declared"]').check()
    await her.press("提交申请")
    assert "/step-up" in page.url, await her.text()
    assert "三级" in await her.text()
    await refused(her, check.replace("/check", "/submitted"), 404)  # without the level nothing was submitted
    await page.goto(check)
    await page.locator('input[name="declared"]').check()
    await her.press("提交申请")
    await her.face()
    assert page.url == check
    await page.locator('input[name="declared"]').check()
    await her.press("提交申请")
    assert page.url.endswith("/submitted"), await her.text()
    words = await her.text()
    assert "办件号" in words
    assert re.search(r"\d{1,2} 月 \d{1,2} 日", words), "a date, not 尽快"
    case = str(page.url.rsplit("/", 2)[1])
    await page.goto(check)
    assert page.url.endswith("/submitted"), "Back after submitting shows that it was submitted"
    return case


async def correction(her: Any, acceptor: Any, case: str) -> None:
    """Step 5: the clerk asks once for one thing with the exact item; she corrects only that."""
    desk = f"{acceptor.base}/desk/{case}"
    await acceptor.until(desk, "要补材料")
    await acceptor.page.locator('input[name="defect"][value^="material:"]').first.check()
    await acceptor.page.locator('input[name^="why-material:"]').first.fill("照片看不清门牌号，请重拍一张")
    await acceptor.act("发出补材料通知")
    await her.until(f"{her.home}/cases/{case}", "照片看不清门牌号")
    await her.page.goto(f"{her.home}/cases/{case}/correct")
    assert "照片看不清门牌号" in await her.text()
    files = her.main.locator('input[type="file"]')
    assert await files.count() == 1, "only the one thing"
    assert await her.main.locator('[name="company_name"]').count() == 0
    await files.set_input_files([{"name": "房产证明（演示）.png", "mimeType": "image/png", "buffer": _photo()}])
    await her.press("交补的材料")
    assert not (await her.page.title()).startswith("出错了"), await her.text()
    await acceptor.until(desk, "受理，发通知书")


def _photo() -> bytes:
    picture = Image.new("RGB", (900, 640), "white")
    picture.paste("black", (100, 100, 700, 130))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


async def test_a_company_in_another_province(citizen: Make, clerk: Make, phone: Any, lending: Make) -> None:
    her = await citizen()
    page, home, owner = her.page, her.home, her.story.owner
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "Content Security Policy" in message.text else None)
    check = await search_and_fill(her)
    case = await submit(her, check)

    other = await citizen()  # somebody else, signed in: neither case nor draft
    await other.page.goto(home + "/login")
    await other.sign_in()
    for path in (f"{home}/cases/{case}", check, f"{home}/cases/{case}/correct", f"{home}/review/{case}"):
        words = await refused(other, path, 403, 404)
        assert her.who.name not in words

    county = await clerk("WH-SJ-01")
    words = await refused(county, f"{owner}/desk/{case}", 403)
    assert her.who.number not in words

    acceptor = await clerk("CD-SJ-01")
    await correction(her, acceptor, case)
    await acceptor.page.locator('input[name="complete"]').check()
    await acceptor.act("受理，发通知书")
    examiner = await clerk("CD-SJ-02")
    await examiner.page.goto(f"{owner}/desk/{case}")
    await examiner.act("我来审查")
    await examiner.page.goto(f"{owner}/desk/{case}")
    await examiner.page.locator('input[name="favourable"][value="yes"]').check()
    await examiner.page.locator('[name="opinion"]').fill("材料齐全，符合登记条件（演示）")
    await examiner.act("写下意见")
    assert await examiner.page.get_by_role("button", name="准予", exact=True).count() == 0, "the examiner does not decide"
    approver = await clerk("CD-SJ-03")
    await approver.page.goto(f"{owner}/desk/{case}")
    await approver.act("准予")

    await licence(her, other, phone, lending)

    # 8 five grades, none chosen, once
    await page.goto(f"{home}/review/{case}")
    assert await page.locator('input[name="grade"]').count() == 5
    assert await page.locator('input[name="grade"]:checked').count() == 0
    await page.locator('input[name="grade"][value="5"]').check()
    await page.locator("main form button").last.click()
    await page.wait_for_load_state()
    assert "评" in await her.text()
    await page.goto(f"{home}/review/{case}")
    assert await page.locator('input[name="grade"]').count() == 0, "judged once"

    # 9 四川's own page: signed in without a prompt; signed out there, signed out everywhere
    await page.goto(f"{owner}/me?from=500000")
    assert page.url.startswith(owner + "/me"), page.url
    await page.goto(f"{owner}/cases")
    assert "内资公司设立登记" in await her.text()
    await page.goto(f"{owner}/me")
    await page.locator('form[action$="/logout"] button').first.click()
    await page.wait_for_load_state()
    for _ in range(40):
        await page.goto(home + "/me")
        if "/login" in page.url:
            break
        await page.wait_for_timeout(250)
    assert "/login" in page.url, "signed out in one place, signed out everywhere"
    await page.goto(f"{home}/cases/{case}")
    assert "/login" in page.url
    assert complaints == []


async def licence(her: Any, other: Any, phone: Any, lending: Make) -> None:
    """Steps 6–7: in the wallet, two taps to a code, a bank that is not signed in, once."""
    page, home = her.page, her.home
    company = her.story.kept["company"]
    await her.until(home + "/wallet", company[:6])
    await page.locator('main a[href^="/wallet/"]', has_text="营业执照").first.click()
    await page.wait_for_load_state()
    card = page.url.split("?")[0]
    words = await her.text()
    assert "有效" in words
    assert company in words
    for path in (card, card + "/show", card + "/document.ofd", card + "/records"):
        status, body = await other.page.evaluate("async url => { const r = await fetch(url); return [r.status, await r.text()] }", path)
        assert status in {403, 404}, (path, status)
        assert company not in body

    her.story.kept["card"] = card
    await bank_registers(her.story)
    bank_page = await phone(width=412, height=900)
    await lending(bank_page, her.story.browser("bank"))
    await her.press("给人看")
    await page.locator("svg.qr").wait_for()
    least = page.locator('input[name="d"]')
    assert await least.count() > 1, "she chooses what to show"
    screenshot = await page.screenshot()
    assert decode(screenshot).startswith("GZ1:")
    await bank_page.goto(home + "/verify")
    assert BANK in await bank_page.locator("body").inner_text()
    await bank_page.locator('input[name="photo"]').set_input_files([{"name": "code.png", "mimeType": "image/png", "buffer": screenshot}])
    await bank_page.get_by_role("button", name="核对", exact=True).click()
    await bank_page.wait_for_load_state()
    verdict = await bank_page.content()
    assert "有效" in verdict
    assert company in verdict
    for hidden in (her.who.name, her.who.number, her.who.phone, "演示乙"):
        assert hidden not in verdict, "the bank sees only what she chose"
    await bank_page.goto(home + "/verify")
    await bank_page.locator('input[name="photo"]').set_input_files([{"name": "code.png", "mimeType": "image/png", "buffer": screenshot}])
    await bank_page.get_by_role("button", name="核对", exact=True).click()
    await bank_page.wait_for_load_state()
    again = await bank_page.locator("body").inner_text()
    assert "用过" in again, again
    assert company not in again
    await page.goto(card + "/records")
    assert BANK in await her.text()
