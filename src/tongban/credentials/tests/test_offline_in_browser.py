"""Showing and checking in a real browser with the network cut: the server is stopped, not pretended (R-404, F7, F8, T-51, T-55, T-84)."""

from __future__ import annotations

import base64
import io
import random
import socket
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image, ImageFilter
from pyzbar import pyzbar

from tongban import credentials, seals, ui
from tongban.credentials.actions import verifiers, verify
from tongban.credentials.queries.keys import signer_of
from tongban.credentials.rules import base45, presentation
from tongban.credentials.tests import make
from tongban.credentials.tests.house import House
from tongban.credentials.tests.phone import Phone, parts, signature_holds
from tongban.kernel.clock import SystemClock
from tongban.kernel.gm import Sm2PrivateKey, hmac_sm3, sm3
from tongban.ui.tests.browser import promised
from tongban.ui.tests.test_gallery_in_browser import AXE_TAGS, axe_source

LOOK = (Path(ui.__file__).parent / "tests" / "look.js").read_text("utf-8")
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
async def house(make_node) -> AsyncIterator[House]:
    node = await make_node("500000", clock=SystemClock())
    await seals.set_up(node)
    await credentials.set_up(node)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        made = House(node, found.getsockname()[1])
    await made.on()
    yield made
    await made.off()


async def phone_of(chromium: Any, house: House, **cookies: str) -> Any:
    context = await chromium.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN", timezone_id="Europe/London")
    await context.add_cookies([{"name": name, "value": value, "domain": "localhost", "path": "/"} for name, value in cookies.items()])
    page = await context.new_page()
    page.set_default_timeout(10_000)
    return page


async def prepared(page: Any, house: House, card: Any) -> None:
    """She keeps a card in her phone, with the network on."""
    await page.goto(f"{house.base}/wallet/{card.id}/offline")
    await page.get_by_role("button", name="存到这部手机").click()
    await page.wait_for_url("**/wallet/offline")
    await page.get_by_role("button", name="营业执照，给人看").wait_for()


async def screen(page: Any) -> Image.Image:
    """What a camera sees: the code on the real page, at one pixel a CSS pixel."""
    return Image.open(io.BytesIO(await page.locator("[data-pass] .qr-box").screenshot())).convert("L")


async def card_of(house: House) -> Any:
    async with house.node.db.transaction() as tx:
        return await make.licence(tx, house.node)


async def window_of(house: House) -> verifiers.Bound:
    async with house.node.db.transaction() as tx:
        made = await verifiers.make_verifier(
            tx, house.node, make.staff(), name="演示银行", org_code="11100000000013338W", purposes=("bank_company",)
        )
        bound = await verifiers.bind(tx, house.node, code=str(made[1]), label="柜台 07")
    assert isinstance(bound, verifiers.Bound)
    return bound


async def test_a_phone_without_network_shows_and_leaves_nothing_behind(house, chromium):
    """F7, F8, D-5: prepared, network cut, reloaded, shown; read by two scanners, blurred and turned; the key cannot leave; wiped at sign-out."""
    card = await card_of(house)
    page = await phone_of(chromium, house, who="her")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    await prepared(page, house, card)
    await house.off()
    try:
        await page.goto(house.base + "/wallet")  # any page of the wallet: the shell stands in for it
        await page.get_by_role("button", name="营业执照，给人看").click()
        await page.locator("[data-pass][data-code]").wait_for()
        picture, text = await screen(page), await page.locator("[data-pass]").get_attribute("data-code")
        assert "离线出示，对方联网后核对状态" in await page.locator("main").inner_text()
        aside, said_at, at = await promised(page, """async () => {
            const code = document.querySelector("[data-pass] svg.qr").getBoundingClientRect(), card = document.querySelector("[data-pass]").getBoundingClientRect();
            return [code.left - card.left - (card.right - code.right), document.querySelector("[data-now]").textContent, Date.now()]; }""")
        assert abs(aside) <= 1, "the code stands aside and loses its quiet zone"
        hours, minutes, seconds = map(int, said_at.split(":"))
        assert (at // 1000 + 8 * 3600 - hours * 3600 - minutes * 60 - seconds) % 86400 < 300, "not the time of whoever looks at it"
        kept = await promised(
            page, """async () => {
              const texts = [];
              for (const name of await caches.keys()) for (const one of await (await caches.open(name)).keys())
                texts.push(one.url + await (await caches.match(one)).text());
              const open = await new Promise((good) => { const asked = indexedDB.open("tongban-offline"); asked.onsuccess = () => good(asked.result); });
              const entries = await new Promise((good) => { const asked = open.transaction("entries").objectStore("entries").getAll(); asked.onsuccess = () => good(asked.result); });
              open.close();
              let stolen = "";
              try { stolen = JSON.stringify(await crypto.subtle.exportKey("jwk", entries[0].key)); } catch (error) { stolen = error.name; }
              return { texts, keys: entries.length, stolen, extractable: entries.map((one) => one.key.extractable) };
            }"""
        )
    finally:
        await house.on()
    for seen in (picture, picture.filter(ImageFilter.GaussianBlur(0.8)), picture.rotate(13, expand=True, fillcolor=255, resample=Image.Resampling.BICUBIC)):
        assert [one.text for one in zxingcpp.read_barcodes(seen)] == [text]
        assert [one.data.decode() for one in pyzbar.decode(seen)] == [text]
    assert signature_holds(text), "judged by cryptography alone"
    assert kept["keys"] == 8
    assert kept["stolen"] == "InvalidAccessError"
    assert kept["extractable"] == [False] * 8
    assert len(kept["texts"]) > 5
    assert not [one for one in kept["texts"] if "演示科技" in one or card.number in one], "a cache holds somebody's data"
    found = await verify.verify_presentation(house.node, text, (await window_of(house)).browser)
    assert (found.kind, found.offline) == ("valid", True), found
    # signed out: the next page seen online empties the phone
    await page.context.clear_cookies()
    await page.goto(house.base + "/dev/components")
    await page.goto(house.base + "/wallet/offline")
    await page.get_by_text("手机里没有存证照").wait_for()
    assert not [one for one in said if "Content Security Policy" in one], said
    await page.context.close()


async def test_a_phone_whose_worker_is_never_ready_says_that_nothing_was_kept(house, chromium):
    """Without the worker nothing opens without a network; the button did nothing at all, for ever."""
    card = await card_of(house)
    page = await phone_of(chromium, house, who="her")
    await page.add_init_script(
        """Object.defineProperty(navigator.serviceWorker, 'ready', { value: new Promise(() => {}) });
           const later = setTimeout; window.setTimeout = (work, ms, ...rest) => later(work, ms === 10000 ? 0 : ms, ...rest);"""
    )
    await page.goto(f"{house.base}/wallet/{card.id}/offline")
    await page.get_by_role("button", name="存到这部手机").click()
    await page.get_by_text("没存成").wait_for()
    await page.context.close()


async def test_a_window_without_network_checks_and_tells_later(house, chromium):
    """T-55, T-84: keys and marks held, server stopped: valid, used, changed, from a picture too; the holder sees it after all."""
    card, gone, bank = await card_of(house), await card_of(house), await window_of(house)
    async with house.node.db.transaction() as tx:
        good = (await credentials.present(tx, house.node, make.citizen(), card.id)).token
        second = (await credentials.present(tx, house.node, make.citizen(), card.id)).token
        ended = (await credentials.present(tx, house.node, make.citizen(), gone.id)).token
        await credentials.revoke(tx, house.node, make.staff("head"), make.SUBJECT, gone.id, "虚假登记")
    page = await phone_of(chromium, house)
    await page.context.add_cookies([{"name": "__Host-tb_window", "value": bank.key, "url": house.base.replace("http:", "https:"), "secure": True}])
    await page.goto(house.base + "/verify/offline")
    await page.get_by_text("演示银行，柜台 07").wait_for()
    await promised(page, "navigator.serviceWorker.ready.then(() => true)")
    await house.off()
    try:
        await page.goto(house.base + "/verify")
        await page.get_by_text("单位开户核对").wait_for()

        async def look(text: str = "", picture: bytes = b"") -> tuple[str, str]:
            if picture:
                await page.locator("#f-photo").set_input_files([{"name": "a.png", "mimeType": "image/png", "buffer": picture}])
            else:
                await page.locator("#f-code").fill(text)
            await page.get_by_role("button", name="核对", exact=True).click()
            box = page.locator("[data-verdict]:not([hidden])")
            await box.wait_for()
            said = await box.inner_text(), str(await box.get_attribute("data-kind"))
            await page.get_by_role("button", name="核对下一位").click()
            return said[1], said[0]

        kind, words = await look(good)
        assert kind == "valid", words
        assert "成都市演示科技有限公司" in words
        assert "陈演示" not in words
        assert "状态清单" in words
        assert (await look(good))[0] == "used"
        field = page.locator(".fld.file")  # our own words stand for the browser's, also without network
        assert await field.locator(".picked").inner_text() == "选择文件\n还没有选"
        await page.locator("#f-photo").set_input_files([{"name": "照片.png", "mimeType": "image/png", "buffer": b"x"}])
        assert "照片.png" in await field.inner_text()
        kind, words = await look(picture=drawn(second))
        assert kind == "valid", words
        await field.get_by_text("还没有选").wait_for()  # the next one finds an empty form
        kind, words = await look(ended)
        assert (kind, "已作废" in words or "已撤销" in words or "不能用" in words) == ("revoked", True), words
        broken = bytearray(base45.decode(good[4:]))
        broken[-1] ^= 1
        assert (await look("GZ1:" + base45.encode(bytes(broken))))[0] == "false"
        assert (await look("https://example.test/"))[0] == "false"
    finally:
        await house.on()
    async with house.node.db.reading() as tx:
        assert not await credentials.views(tx, house.node, make.SUBJECT, card.id)
    await page.get_by_role("button", name="更新资料").click()
    await page.locator("[data-waiting]:empty").wait_for(state="attached")
    async with house.node.db.reading() as tx:
        views = await credentials.views(tx, house.node, make.SUBJECT, card.id)
    assert [(one.unit, one.way, one.result) for one in views] == [("演示银行", "both", "valid")] * 2
    assert set(views[0].fields) == {"名称", "统一社会信用代码"}
    await page.context.close()


def drawn(text: str) -> bytes:
    """A turned, soft photo of a code on a grey table."""
    import segno

    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="png", scale=5, border=4)
    table = Image.new("L", (760, 900), 120)
    table.paste(Image.open(out).convert("L").rotate(4, expand=True, fillcolor=120, resample=Image.Resampling.BICUBIC), (60, 130))
    seen = io.BytesIO()
    table.filter(ImageFilter.GaussianBlur(0.8)).save(seen, "PNG")
    return seen.getvalue()


async def module(page: Any, name: str, call: str, *given: object) -> Any:
    """`call` with everything the served module offers in `m`, and what is given in `a`."""
    return await page.evaluate(f"async ([address, a]) => {{ const m = await import(address); return {call}; }}", [ui.asset(name), list(given)])


BYTES = "(t) => Uint8Array.from(t.match(/../g) || [], (p) => parseInt(p, 16))"
HEX = "(b) => [...b].map((one) => one.toString(16).padStart(2, '0')).join('')"


async def test_sm2_in_the_browser_agrees_with_the_vectors_and_with_the_kernel(house, chromium):
    """T-52: GM/T 0003.5 signature, SM3("abc"), 40 kernel signatures, 200 changed bits; the other curve's short points."""
    page = await phone_of(chromium, house)
    await page.goto(house.base + "/wallet/offline")
    keys = [Sm2PrivateKey.generate() for _ in range(4)]
    cases = [(key.public.point[-64:], data := random.randbytes(size), key.sign(data)) for key in keys for size in (0, 1, 55, 56, 63, 64, 65, 119, 120, 400)]
    known = (
        bytes.fromhex("09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"),
        b"message digest",
        bytes.fromhex("f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"),
    )
    told = [[part.hex() for part in one] for one in (known, *cases)]
    good = await module(page, "offline-gm.js", f"a[0].map((one) => m.sm2Verify(...one.map({BYTES})))", told)
    assert good == [True] * 41
    flipped = []
    for place in random.Random(5).sample(range(512), 200):
        changed = bytearray(known[2])
        changed[place // 8] ^= 1 << place % 8
        flipped.append([known[0].hex(), known[1].hex(), changed.hex()])
    flipped += [[known[0].hex(), b"message digesT".hex(), known[2].hex()], ["00" * 64, known[1].hex(), known[2].hex()], [known[0].hex(), known[1].hex(), "00" * 64]]
    assert not any(await module(page, "offline-gm.js", f"a[0].map((one) => m.sm2Verify(...one.map({BYTES})))", flipped)), "tampered valid"
    texts = [random.randbytes(size) for size in (0, 3, 55, 56, 64, 200)]
    sums = await module(page, "offline-gm.js", f"a[0].map((one) => ({HEX})(m.sm3(({BYTES})(one))))", [one.hex() for one in texts])
    assert sums == [sm3(one).hex() for one in texts]
    assert await module(page, "offline-gm.js", f"({HEX})(m.hmacSm3(({BYTES})(a[0]), ({BYTES})(a[1])))", "11" * 16, "abcd") == hmac_sm3(b"\x11" * 16, b"\xab\xcd").hex()
    await page.context.close()


async def test_codes_drawn_by_the_phone_are_read_by_others_and_by_itself(house, chromium):
    """F8: from version 2 to 25 the drawn modules are read by zbar, zxing and our own reader."""
    page = await phone_of(chromium, house)
    await page.goto(house.base + "/wallet/offline")
    for size in (10, 60, 150, 333, 457, 700):
        text = "GZ1:" + base45.encode(random.randbytes(size))
        rows = await module(page, "offline-qr.js", "m.modules(a[0]).map((row) => [...row].join(''))", text)
        grid = Image.new("L", (len(rows) + 8, len(rows) + 8), 255)
        for y, row in enumerate(rows):
            for x, dark in enumerate(row):
                if dark == "1":
                    grid.putpixel((x + 4, y + 4), 0)
        picture = grid.resize((grid.width * 4, grid.height * 4), Image.Resampling.NEAREST)
        assert [one.text for one in zxingcpp.read_barcodes(picture)] == [text]
        assert [one.data.decode() for one in pyzbar.decode(picture)] == [text]
        turned = picture.rotate(9, expand=True, fillcolor=255, resample=Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(0.7))
        seen = await module(
            page, "offline-scan.js",
            "m.scan({width: a[0], height: a[1], data: Uint8ClampedArray.from(Uint8Array.from(atob(a[2]), (c) => c.charCodeAt(0)))})",
            turned.width, turned.height, base64.b64encode(turned.convert("RGBA").tobytes()).decode(),
        )  # fmt: skip
        assert seen == text, size
    await page.context.close()


async def test_four_verdicts_with_reason_time_and_age(house, chromium):
    """有效, 过期了, 已作废, 现在不能确认: each with its reason and the age of the list; 61 s, an old list, an unknown key, no registration."""
    page = await phone_of(chromium, house)
    await page.goto(house.base + "/verify/offline")
    card = await card_of(house)
    async with house.node.db.transaction() as tx:
        made = await credentials.present(tx, house.node, make.citizen(), card.id, "full")
        bank = await credentials.present(tx, house.node, make.citizen(), card.id, "for:bank_company")
    check = """(async () => {
      const held = await (await fetch("/verify/offline/data.json")).json();
      Object.assign(held, a[2]);
      held.lists = a[3] ? {} : m.lists(held.ended, held.keys);
      for (const one of Object.values(held.lists)) one.at += a[4] || 0;
      const found = await m.check(a[0], held, a[1], async () => false);
      return [found.kind, found.code, found.reason, found.lines.map((one) => one.join("：")).join("\\n")];
    })()"""
    now = house.node.clock.now().timestamp()
    valid = await module(page, "offline-check.js", check, made.token, now, {}, False)
    assert valid[:2] == ["valid", "valid"]
    assert "本机没登记" in valid[2]
    assert "状态清单" in valid[3]
    assert "演示科技" not in valid[3], "a device that is not registered shows no field"
    assert (await module(page, "offline-check.js", check, made.token, now + 61, {}, False))[1] == "too_old"
    assert (await module(page, "offline-check.js", check, made.token, now - 40, {}, False))[1] == "not_yet"
    assert (await module(page, "offline-check.js", check, made.token, now, {"keys": {}}, False))[:2] == ["unknown", "unknown_key"]
    assert (await module(page, "offline-check.js", check, made.token, now, {"nodes": {}}, False))[:2] == ["unknown", "unknown_key"]
    own = {"purpose": {"id": "bank_company", "name": "单位开户核对", "fields": {"营业执照": ["company_name"]}}}
    told = await module(page, "offline-check.js", check, made.token, now, own, False)
    assert "成都市演示科技有限公司" in told[3]
    assert "陈演示" not in told[3], "the purpose bounds what is shown (T-53)"
    assert told[2] == "营业执照，可以办"
    wants = {"purpose": own["purpose"] | {"required": {"营业执照": ["credit_code", "company_name"]}}}
    short = await module(page, "offline-check.js", check, made.token, now, wants, False)
    assert short[2] == "营业执照，还差统一社会信用代码", "said to do though something is missing"
    for other, words in ((own["purpose"] | {"fields": {"居民身份证": ["name"]}}, "和本用途无关"), (own["purpose"] | {"id": "hotel"}, "对方选的是给")):
        told = await module(page, "offline-check.js", check, bank.token if "给" in words else made.token, now, {"purpose": other}, False)
        assert words in told[2], told
        assert "演示科技" not in told[3]
    # an entry of a phone whose home held a list of yesterday: within the day it stands, after it nobody can say (D-14)
    phone = Phone(1)
    at = house.node.clock.now()
    entry = presentation.encode_entry(
        await signer_of(house.node), home=house.node.id, issuer=house.node.id, org_code="11510100MB0000001Y", org_name="演示局", type_code="0" * 21,
        opaque=b"o" * 16, attributes={}, state="valid", state_at=at - timedelta(hours=20), valid_until=None, at=at, jti=b"12345678", device=phone.points[0],
    )  # fmt: skip
    for hours, kind in ((3, "valid"), (5, "unknown")):
        then = int(now) + hours * 3600
        found = await module(page, "offline-check.js", check, phone.code(entry, then), then, {}, True)
        assert found[0] == kind, found
    assert "查不到" in found[2]
    gone = presentation.encode_entry(
        await signer_of(house.node), home=house.node.id, issuer=house.node.id, org_code="11510100MB0000001Y", org_name="演示局", type_code="0" * 21,
        opaque=b"o" * 16, attributes={}, state="valid", state_at=at, valid_until=date(2020, 1, 1), at=at, jti=b"12345678", device=phone.points[0],
    )  # fmt: skip
    assert (await module(page, "offline-check.js", check, phone.code(gone, int(now)), now, {}, True))[:2] == ["expired", "expired"]
    assert (await module(page, "offline-check.js", check, Phone(1).code(entry, int(now)), now, {}, False))[1] == "bad_signature"
    assert parts(phone.code(entry, int(now)))[0] == entry
    await page.context.close()


@pytest.mark.parametrize("mode", ["", "elder"])
async def test_filled_offline_pages_are_accessible(house, chromium, mode):
    """A1–A6 on what the walk of the journeys sees only empty: a kept card, its code, a verdict, the chooser, reports."""
    card, bank = await card_of(house), await window_of(house)
    async with house.node.db.transaction() as tx:
        token = (await credentials.present(tx, house.node, make.citizen(), card.id)).token
    context = await chromium.new_context(viewport={"width": 390, "height": 844}, bypass_csp=True, locale="zh-CN")
    await context.add_cookies([
        {"name": "who", "value": "her", "url": house.base}, {"name": "tb_mode", "value": mode or "-", "url": house.base},
        {"name": "__Host-tb_window", "value": bank.key, "url": house.base.replace("http:", "https:"), "secure": True},
    ])  # fmt: skip
    page = await context.new_page()
    page.set_default_timeout(20_000)
    wrong: list[Any] = []

    async def look(where: str) -> None:
        await page.evaluate("window.scrollTo(0, 0)")
        await page.add_script_tag(path=axe_source())
        found = await promised(page, f"axe.run(document, {{runOnly: {AXE_TAGS}}})", seconds=60)
        wrong.extend((where, one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"])
        wrong.extend((where, name, what) for name, what in (await page.evaluate(LOOK, {"elder": bool(mode)})).items() if what)

    await page.goto(f"{house.base}/wallet/{card.id}/show")
    if not mode:
        whole = Image.open(io.BytesIO(await page.screenshot())).convert("L")
        assert [one.text[:4] for one in zxingcpp.read_barcodes(whole)] == ["GZ1:"], "the code stands on the first screen"
        assert pyzbar.decode(whole.filter(ImageFilter.GaussianBlur(0.6)).rotate(7, expand=True, fillcolor=255, resample=Image.Resampling.BICUBIC))
    await page.locator("summary").first.click()
    await look("show")
    await prepared(page, house, card)
    await look("kept")
    await page.get_by_role("button", name="营业执照，给人看").click()
    await page.locator("[data-pass][data-code]").wait_for()
    await look("shown")
    await page.goto(f"{house.base}/wallet/{card.id}/offline")
    await look("prepare")
    await page.goto(house.base + "/verify/offline")
    await page.get_by_text("演示银行，柜台 07").wait_for()
    await look("ready")
    await page.locator("#f-code").fill(token)
    await page.get_by_role("button", name="核对", exact=True).click()
    await page.locator("[data-verdict]:not([hidden])").wait_for()
    await look("verdict")
    await context.close()
    assert wrong == []
