"""Ways to sign in beside code and passkey: scan with number match, voice, certificate, through the real pages without JavaScript."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tongban.identity import providers
from tongban.identity.actions import certificates, scan
from tongban.identity.providers.city import DemoCity
from tongban.identity.providers.city import ask as ask_city
from tongban.identity.providers.cosigner import DemoCoSigner
from tongban.identity.providers.phone_status import ask as ask_status
from tongban.identity.queries.sessions import hashed
from tongban.identity.rules.certificates import judge
from tongban.identity.rules.patterns import points
from tongban.identity.tests.make import PC_AGENT, Browser, MakeNode, Page, citizen, household, sign_in
from tongban.kernel.errors import Failure
from tongban.kernel.gm import Sm2PrivateKey
from tongban.kernel.node import Node

HOST = "500000.localhost"


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, "500000") as found:
        yield found


def code_path(pc: Browser) -> str:
    return "/scan/" + pc.jar[HOST]["__Host-tb_tx"].partition(".")[2]


def number_on(page: Page) -> str:
    found = re.search(r'data-digits="(\d\d)"', page.body)
    assert found, page.body
    return found[1]


async def offered(phone: Browser, home: Node, path: str) -> tuple[Page, list[str]]:
    page = await phone.get(home, path)
    return page, re.findall(r'name="pick" value="(\d\d)"', page.body)


async def test_a_phone_lets_a_computer_in_at_level_two_and_never_more(nodes: dict[str, Node]) -> None:
    """R-302: the phone sees site, host, city, browser and time, picks the number, and even a level-3 phone gives level 2."""
    home, who, phone, pc = nodes["500000"], citizen(), Browser(), Browser(PC_AGENT)
    await sign_in(phone, home, who)
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE session SET acr = 3, raised_at = now(), auth_time = now()")
    page = await pc.get(home, "/scan?next=/me/access")
    assert "<svg" in page.body
    assert 'http-equiv="refresh"' in page.body, "the computer's page works without JavaScript"
    number = number_on(page)
    asked, choices = await offered(phone, home, code_path(pc))
    assert len(choices) == 3
    assert number in choices
    assert all(one in asked.body for one in ("重庆市", HOST, "电脑上的 Chrome"))
    assert "__Host-tb_s" not in pc.jar[HOST]
    page = await phone.submit(home, asked, code_path(pc), pick=number)
    assert "电脑可以登录了" in page.body
    async with home.db.reading() as tx:
        worth = await tx.fetchval("SELECT acr FROM scan_login WHERE cookie_hash = $1", hashed(pc.jar[HOST]["__Host-tb_tx"]))
    assert worth == 2, "capped where the phone agrees, and once more where the computer signs in"
    page = await pc.get(home, "/scan?next=/me/access")
    assert "手机上同意了" in page.body
    page = await pc.submit(home, page, "/scan/finish")
    assert page.path == "/me/access"
    assert "核验级别是 2 级" in page.body
    again = await pc.get(home, "/me/devices")
    assert "通行密钥" in again.body
    page = await Browser(PC_AGENT).post(home, "/scan/finish", {})
    assert page.status in (403, 400), "no token, no form"
    texts = await phone.get(home, f"/demo/sms?phone={who.phone}")
    assert "新电脑上扫码登录" in texts.body, "new device: told by text too"
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM message WHERE kind = 'identity.scanned'") == 1


async def test_the_wrong_number_ends_the_code_and_so_does_not_me(nodes: dict[str, Node]) -> None:
    """QRLjacking: a number only the other screen shows; one wrong pick is the end of the code."""
    home, phone, pc = nodes["500000"], Browser(), Browser(PC_AGENT)
    await sign_in(phone, home, citizen("刘建国"))
    number = number_on(await pc.get(home, "/scan?new=1"))
    path = code_path(pc)
    asked, choices = await offered(phone, home, path)
    wrong = next(one for one in choices if one != number)
    page = await phone.submit(home, asked, path, pick=wrong)
    assert page.status == 403
    assert "数字和电脑上的不一样。不是你在登录，就点“不是我”" in page.body
    assert (await phone.post(home, path, {**page.fields(path), "act": "", "pick": number})).status == 410, "one use"
    assert "没有同意" in (await pc.get(home, "/scan")).body
    number_on(await pc.get(home, "/scan?new=1"))
    asked, _ = await offered(phone, home, code_path(pc))
    page = await phone.submit(home, asked, code_path(pc), act="refuse")
    assert "没有让它登录" in page.body
    assert "__Host-tb_s" not in pc.jar[HOST]


async def test_a_code_copied_to_another_browser_finishes_nothing(nodes: dict[str, Node]) -> None:
    home, phone, pc, thief = nodes["500000"], Browser(), Browser(PC_AGENT), Browser(PC_AGENT)
    await sign_in(phone, home, citizen("周雨桐"))
    number = number_on(await pc.get(home, "/scan?new=1"))
    path = code_path(pc)
    for _ in range(3):  # a link preview only looks
        await Browser().get(home, path)
    asked, _ = await offered(phone, home, path)
    await phone.submit(home, asked, path, pick=number)
    page = await thief.get(home, "/scan?new=1")
    fields = (await thief.get(home, "/login")).fields("/login")
    thief.jar[HOST]["__Host-tb_tx"] = "x" * 43 + path.removeprefix("/scan/").join([".", ""])
    page = await thief.post(home, "/scan/finish", {"tb_token": fields["tb_token"]})
    assert page.status == 410
    assert "__Host-tb_s" not in thief.jar[HOST]
    page = await pc.submit(home, await pc.get(home, "/scan"), "/scan/finish")
    assert "__Host-tb_s" in pc.jar[HOST]


async def test_a_minute_is_all_a_code_lives(nodes: dict[str, Node]) -> None:
    home, phone, pc = nodes["500000"], Browser(), Browser(PC_AGENT)
    await sign_in(phone, home, citizen())
    await pc.get(home, "/scan?new=1")
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE scan_login SET expires_at = $1", home.clock.now() - timedelta(seconds=1))
    page = await pc.get(home, "/scan")
    assert page.status == 410
    assert "二维码过了 1 分钟，刷新再扫" in page.body
    page = await phone.get(home, code_path(pc))
    assert page.status == 410
    assert "二维码过了 1 分钟，刷新再扫" in page.body


async def test_a_phone_that_signed_out_meanwhile_lets_nobody_in(nodes: dict[str, Node]) -> None:
    home, phone, pc = nodes["500000"], Browser(), Browser(PC_AGENT)
    await sign_in(phone, home, citizen())
    number = number_on(await pc.get(home, "/scan?new=1"))
    asked, _ = await offered(phone, home, code_path(pc))
    await phone.submit(home, asked, code_path(pc), pick=number)
    await phone.submit(home, await phone.get(home, "/me/devices"), "/me/devices/leave-all")
    page = await pc.submit(home, await pc.get(home, "/scan"), "/scan/finish")
    assert page.status == 410
    assert "__Host-tb_s" not in pc.jar[HOST]


async def test_a_scanned_computer_cannot_change_authenticators_for_a_day(nodes: dict[str, Node]) -> None:
    """Analysis (a): on a device not seen before nothing of the account's keys changes for 24 hours, unless the person is proved."""
    home, phone, pc = nodes["500000"], Browser(), Browser(PC_AGENT)
    await sign_in(phone, home, citizen())
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE account SET opened_at = opened_at - interval '30 days'")
    number = number_on(await pc.get(home, "/scan?new=1"))
    asked, _ = await offered(phone, home, code_path(pc))
    await phone.submit(home, asked, code_path(pc), pick=number)
    await pc.submit(home, await pc.get(home, "/scan"), "/scan/finish")
    for path in ("/me/devices/passkey/options", "/me/phone", "/me/voice", "/me/lock"):
        page = await pc.get(home, path)
        assert page.status == 403, path
        assert "新设备登录的头一天" in page.body
    page = await pc.get(home, "/me/devices")
    phones = re.findall(r'action="(/me/devices/[0-9a-f-]{36}/remove)"', page.body)
    assert len(phones) >= 2
    for path in phones:
        page = await pc.submit(home, await pc.get(home, "/me/devices"), path)
        assert page.status == 403, "the owner's devices are thrown out by the one let in"
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE session SET started_at = started_at - interval '25 hours'")
    assert (await pc.get(home, "/me/phone")).status == 200


async def test_scan_rows_are_no_cookies_and_keep_no_secret(nodes: dict[str, Node]) -> None:
    """T-26: the row holds hashes; what stands in the code alone finishes nothing."""
    home, pc = nodes["500000"], Browser(PC_AGENT)
    await pc.get(home, "/scan?new=1")
    cookie = pc.jar[HOST]["__Host-tb_tx"]
    async with home.db.reading() as tx:
        row = await tx.fetchrow("SELECT * FROM scan_login WHERE cookie_hash = $1", hashed(cookie))
        assert row is not None
        assert await scan.at_pc(tx, home, cookie.partition(".")[2]) is None
    assert cookie.encode() not in b"".join(one for one in row.values() if isinstance(one, bytes))


async def test_cities_are_a_hint_that_may_be_missing() -> None:
    twin = DemoCity("重庆市")
    assert await twin.of("203.0.113.9") == "北京市（演示）"
    assert await ask_city(DemoCity("重庆市", "slow"), "203.0.113.9", seconds=0.05) == ""


async def test_a_node_in_service_without_hints_goes_on_and_without_proofs_does_not(make_node: MakeNode) -> None:
    """A city and a phone's status are hints: not known, nothing stops. A face, a voice or a certificate nobody checked is no proof."""
    node = await make_node("500000", demo=False)
    assert await ask_city(providers.city(node), "203.0.113.9", seconds=1) == ""
    assert await ask_status(providers.phone_status(node), "13900000001", node.clock.now(), seconds=1) == "unknown"
    for one in (providers.face, providers.voice, providers.cosigner, providers.certificates, providers.register, providers.sms):
        with pytest.raises(Failure, match=r"identity\.provider_missing"):
            one(node)


async def test_a_phone_that_learns_no_city_is_told_so(nodes: dict[str, Node]) -> None:
    home, phone, pc = nodes["500000"], Browser(), Browser(PC_AGENT)
    await sign_in(phone, home, citizen("刘建国"))
    page = await pc.get(home, "/demo/providers")
    ways = dict.fromkeys(("face", "voice", "cosigner", "phone_status"), "works")
    await pc.submit(home, page, "/demo/providers", **ways, city="fails")
    await pc.get(home, "/scan?new=1")
    asked, _ = await offered(phone, home, code_path(pc))
    assert "查不到这台电脑在哪里" in asked.body
    assert "不在一个地方" not in asked.body, "nobody knows that"
    await pc.submit(home, await pc.get(home, "/demo/providers"), "/demo/providers", **ways, city="works")


# ---- certificate --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("way", "sentence"), [("fails", "证书没有通过"), ("slow", "证书核验现在用不了")])
async def test_a_certificate_that_is_revoked_or_silent_lets_nobody_in(
    nodes: dict[str, Node], way: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, browser, who = nodes["500000"], Browser(), citizen()
    await sign_in(Browser(), home, who)
    page = await browser.get(home, "/login/certificate?next=/me/access")
    page = await browser.submit(home, page, "/login/certificate", who=who.number, demo=way)
    assert sentence in page.body
    assert "换一种方式" in page.body, "the page stays usable"
    assert "__Host-tb_s" not in browser.jar[HOST]


async def test_a_certificate_reaches_level_four(nodes: dict[str, Node]) -> None:
    home, browser, who = nodes["500000"], Browser(), citizen("刘建国")
    await sign_in(Browser(), home, who)
    page = await browser.get(home, "/login/certificate?next=/me/access")
    page = await browser.submit(home, page, "/login/certificate", who=who.number, demo="works")
    assert page.path == "/me/access"
    assert "核验级别是 4 级" in page.body
    page = await browser.get(home, "/login/certificate")
    stranger = await Browser().submit(home, await Browser().get(home, "/login/certificate"), "/login/certificate", who=citizen("马志明").number)
    assert stranger.status in (403, 422)


async def test_every_part_of_a_certificate_answer_is_judged(nodes: dict[str, Node]) -> None:
    """A provider that answers anything else signs nobody in: chain, holder, status, signature, each once."""
    home = nodes["500000"]
    twin, holder, challenge = DemoCoSigner(home), certificates.holder_of(home, citizen().number), b"tongban/login/500000/" + b"c" * 32
    signed = await twin.sign(holder, challenge)
    assert signed is not None
    good = {
        "certificate": signed.certificate, "signature": signed.signature, "challenge": challenge, "holder": holder,
        "anchors": await twin.anchors(), "revoked": (), "at": home.clock.now(),
    }  # fmt: skip
    assert judge(**good) == ""
    assert judge(**{**good, "challenge": challenge + b"x"}) == "signature"
    assert judge(**{**good, "holder": "0" * 32}) == "another holder"
    assert judge(**{**good, "anchors": ()}) != ""
    assert judge(**{**good, "at": home.clock.now() + timedelta(days=4000)}) != ""
    assert judge(**{**good, "signature": Sm2PrivateKey.generate().sign(challenge)}) == "signature"
    bad = await DemoCoSigner(home, "fails").sign(holder, challenge)
    assert bad is not None
    assert judge(**{**good, "certificate": bad.certificate, "signature": bad.signature, "revoked": bad.revoked}) == "revoked"


# ---- voice --------------------------------------------------------------------------------------------------------


async def test_voice_is_off_until_agreed_to_and_never_alone_on_a_new_device(nodes: dict[str, Node]) -> None:
    home, browser, who = nodes["500000"], Browser(), citizen("何志远")
    await sign_in(browser, home, who)
    page = await browser.get(home, "/me/voice")
    assert "没有用声纹" in page.body
    refused = await browser.submit(home, page, "/me/voice", demo="works", agree="")
    assert "要你单独同意" in refused.body
    away = await browser.submit(home, page, "/me/voice", demo="slow", agree="yes")
    assert away.status == 503
    assert "声纹核验现在用不了" in away.body
    page = await browser.submit(home, page, "/me/voice", demo="works", agree="yes")
    assert "正在用声纹" in page.body
    page = await browser.get(home, "/login/voice?next=/me/access")
    stranger = Browser(PC_AGENT)
    other = await stranger.submit(home, await stranger.get(home, "/login/voice"), "/login/voice", who=who.phone, demo="works")
    assert other.status == 403
    assert "这台设备没登录过" in other.body
    wrong = await browser.submit(home, page, "/login/voice", who=who.phone, demo="fails")
    assert "没听出来" in wrong.body
    page = await browser.submit(home, page, "/login/voice", who=who.phone, demo="works")
    assert page.path == "/me/access"
    assert "核验级别是 2 级" in page.body
    page = await browser.submit(home, await browser.get(home, "/me/voice"), "/me/voice/forget")
    assert "没有用声纹" in page.body
    gone = await browser.submit(home, await browser.get(home, "/login/voice"), "/login/voice", who=who.phone, demo="works")
    assert gone.status == 403


@pytest.mark.parametrize(
    ("typed", "gesture"),
    [("15963", "15963"), ("1 5 9 6 3", "15963"), ("1-5-9-6-3-2", "159632"), ("1596", None), ("12345", None), ("98765", None), ("15951", None), ("", None), ("abcde", None)],
)
def test_gestures_have_five_points_and_do_not_run_straight(typed: str, gesture: str | None) -> None:
    assert points(typed) == gesture
