"""No page leaves a person standing: what is said to be done elsewhere has its link, and every error leads to its place (ux.md 1.2, 5)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tongban.federation.actions import way
from tongban.federation.actions.office import office
from tongban.identity.actions import sessions
from tongban.identity.errors import SENTENCES, WAYS
from tongban.identity.tests.make import Browser, MakeNode, Page, citizen, code_for, household, sign_in, step_up
from tongban.kernel.clock import CHINA
from tongban.kernel.node import Node

HOME, AWAY = "500000", "510000"


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, HOME, AWAY) as found:
        yield found


@pytest.fixture(scope="module")
async def at_home(nodes: dict[str, Node]) -> Browser:
    browser = Browser()
    await sign_in(browser, nodes[HOME], citizen("何志远"))
    return browser


@pytest.fixture(scope="module")
async def visitor(nodes: dict[str, Node]) -> Browser:
    """周雨桐, at home in 重庆, who roamed to 四川 at level 3."""
    browser = Browser()
    await sign_in(browser, nodes[HOME], citizen("周雨桐"))
    await step_up(browser, nodes[HOME], await browser.get(nodes[HOME], "/step-up?level=3&next=/levels"))
    page = await browser.get(nodes[AWAY], "/login?next=/me/access%3Ffrom%3D" + HOME)
    assert (page.path, page.status) == ("/me/access", 200)
    return browser


def nowhere(page: Page) -> list[str]:
    """Links to a place on this page that is not there."""
    ids = set(re.findall(r'\bid="([^"]+)"', page.body))
    return [one for one in page.links() if one.startswith("#") and one[1:] not in ids]


async def test_the_error_of_a_way_leads_to_its_sentence(nodes: dict[str, Node], at_home: Browser) -> None:
    node = nodes[HOME]
    asked = await at_home.get(node, "/step-up?level=3&next=/levels")
    failed = await step_up(at_home, node, asked, demo="fails")
    voice = await at_home.submit(node, await at_home.get(node, "/me/voice"), "/me/voice", agree="yes", demo="fails")
    by_voice = await at_home.submit(node, await at_home.get(node, "/login/voice"), "/login/voice", who=citizen("何志远").phone, demo="fails")
    by_paper = await at_home.submit(
        node, await at_home.get(node, "/login/certificate"), "/login/certificate", who=citizen("何志远").number, demo="fails"
    )
    for page in (failed, voice, by_voice, by_paper):
        assert 'class="err-sum"' in page.body, page.url
        assert nowhere(page) == [], page.url


async def test_the_error_of_a_new_number_leads_to_its_sentence(nodes: dict[str, Node], at_home: Browser) -> None:
    node = nodes[HOME]
    page = await at_home.submit(node, await at_home.get(node, "/me/phone"), "/me/phone", phone="13812340001")
    page = await at_home.submit(node, page, "/recover/confirm", act="new", code="000000")
    assert 'class="err-sum"' in page.body
    assert nowhere(page) == []


async def test_what_a_visitor_can_do_at_home_only_leads_home(nodes: dict[str, Node], visitor: Browser) -> None:
    away, home = nodes[AWAY], nodes[HOME].settings.base_url
    page = await visitor.get(away, "/me/agents")
    assert home + "/me/agents" in page.links()
    assert (await visitor.get(away, "/me/agents/new")).path == "/me/agents", "no error page for a link that is offered"
    page = await visitor.get(away, "/me/devices")
    assert home + "/me/devices" in page.links()
    for path in ("/me/phone", "/me/voice"):
        page = await visitor.get(away, path)
        assert page.path == "/me/devices", f"{path} offers what only the home can do"


async def test_a_visitor_can_change_no_number_and_no_voice_by_posting(nodes: dict[str, Node], visitor: Browser) -> None:
    away = nodes[AWAY]
    form = (await visitor.get(away, "/me/devices")).fields("/me/devices/passkey")
    for path, typed in (("/me/phone", {"phone": "13812340002"}), ("/me/voice", {"agree": "yes", "demo": "works"})):
        page = await visitor.post(away, path, {"tb_token": form["tb_token"], **typed})
        assert page.path == "/me/devices", page.url
    async with away.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM authenticator WHERE kind = 'voice'") == 0


async def test_the_home_says_how_to_move(nodes: dict[str, Node], at_home: Browser) -> None:
    page = await at_home.get(nodes[HOME], "/me/home")
    assert f"{nodes[AWAY].settings.base_url}/me/home?from={HOME}" in page.links()


async def test_the_list_of_sign_ins_leads_to_the_devices(nodes: dict[str, Node], at_home: Browser) -> None:
    page = await at_home.get(nodes[HOME], "/me/access")
    assert "设备和登录方式" in page.body
    assert page.body.count('href="/me/devices"') == 1


async def test_the_report_of_a_lost_phone_names_where_else_to_report(nodes: dict[str, Node]) -> None:
    page = await Browser().get(nodes[HOME], "/theft")
    assert f"{nodes[AWAY].settings.base_url}/theft" in page.links()


async def test_signing_out_names_no_province_one_did_not_visit(nodes: dict[str, Node]) -> None:
    """A nation has 31 provinces: the page once listed them all, as if the person had been there."""
    page = await Browser().get(nodes[HOME], "/logout")
    assert "别的省也退出了" in page.body
    assert nodes[AWAY].settings.name not in page.body


async def test_finding_the_account_again_promises_no_sign_in_by_face(nodes: dict[str, Node]) -> None:
    """A face proves a person who is signed in; alone it signs nobody in, so the row that leads to the sign-in may not say so."""
    page = await Browser().get(nodes[HOME], "/recover")
    assert "或者能刷脸" not in page.body


async def test_an_error_page_has_the_button_its_words_name(nodes: dict[str, Node], at_home: Browser) -> None:
    """“先核验本人”, “再登录一次”, “回到代办列表”: the page once offered only the first page and the search."""
    looking = Browser()
    looking.jar, looking.accept = at_home.jar, "text/html"
    page = await looking.get(nodes[HOME], "/me/agents/01890000-0000-7000-8000-000000000000")
    assert page.status == 404
    assert "/me/agents" in page.links()
    for code, there in WAYS.items():
        assert code in SENTENCES
        assert there[1].startswith("/")


async def test_a_passkey_that_may_not_be_bound_now_is_refused_in_words(nodes: dict[str, Node]) -> None:
    """The script could not read the refusal and the button did nothing; it sends the form without a passkey instead."""
    node, browser = nodes[HOME], Browser()
    await sign_in(browser, node, citizen("刘建国"))
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE session SET auth_time = auth_time - interval '1 hour'")
    browser.accept = "text/html"
    page = await browser.submit(node, await browser.get(node, "/me/devices"), "/me/devices/passkey", label="我的手机")
    assert page.status == 403
    assert "再核对一次" in page.body
    assert "/login?again=1&next=/me/devices" in page.links()


async def test_a_restricted_account_is_told_why_and_offered_only_what_works(nodes: dict[str, Node]) -> None:
    node, browser = nodes[HOME], Browser()
    who = citizen("陈晓雨")
    await sign_in(browser, node, who)
    async with node.db.transaction() as tx:
        until = await tx.fetchval(
            "UPDATE account SET status = 'restricted', restricted_until = $1 WHERE subject = (SELECT subject FROM session WHERE kind = 'citizen'"
            " ORDER BY started_at DESC LIMIT 1) RETURNING restricted_until", node.clock.now() + timedelta(hours=24),
        )  # fmt: skip
        await tx.execute("UPDATE session SET acr = 1")
    page = await browser.get(node, "/step-up?level=2&next=/wallet")
    local = until.astimezone(CHINA)
    assert "报了手机丢失" in page.body
    assert f"{local.month}月{local.day}日" in page.body, "24 hours from now is another day"
    assert 'value="face"' not in page.body
    assert 'value="certificate"' not in page.body
    assert 'value="counter"' in page.body
    assert "/login?again=1&next=/wallet" in page.links()


async def test_a_link_from_the_home_signs_in_though_it_was_said_no_before(nodes: dict[str, Node]) -> None:
    """R-303: nobody was signed in at home, so the visited node said no for half an hour; the person signed in at home and came again."""
    home, away, browser = nodes[HOME], nodes[AWAY], Browser()
    come = "/login?next=/me/access%3Ffrom%3D" + HOME
    page = await browser.get(away, come)
    assert (page.path, len(page.trail)) == ("/login", 4), "asked once, and no loop"
    await sign_in(browser, home, citizen("罗桂兰"))
    page = await browser.get(away, come)
    assert (page.path, len(page.trail)) == ("/login", 1), "not at once again: whoever is sent round and round is caught"
    _some_seconds_later(browser, away)
    page = await browser.get(away, come)
    assert (page.path, page.status) == ("/me/access", 200)
    page = await browser.submit(away, await browser.get(away, "/oidc/logout"), "/oidc/logout/confirm")
    assert (await browser.get(away, come)).path == "/login"


def _some_seconds_later(browser: Browser, node: Node) -> None:
    """The cookie holds the moment from which a link may ask again: that moment has come."""
    jar = browser.jar[node.settings.host]
    assert int(jar["__Host-tb_noroam"]) > node.clock.now().timestamp()
    jar["__Host-tb_noroam"] = str(int(node.clock.now().timestamp()) - 1)


async def test_what_was_typed_at_a_step_up_stays_when_the_register_is_away(nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    """“你填的都在”: the number was gone."""
    node, browser = nodes[HOME], Browser()
    page = await browser.get(node, "/login?next=/levels")
    page = await browser.submit(node, page, "/login", who="13700000031")
    page = await browser.submit(node, page, "/login/code", code=await code_for(browser, node, "13700000031"), number=citizen("马志明").number)

    async def cut(*_: object, **__: object) -> None:
        raise way.NoAnswer("transport")

    monkeypatch.setattr(way, "transport", cut)
    typed = {"name": "马志明", "number": citizen("马志明").number}
    await browser.submit(node, page, "/login/name", **typed)
    page = await browser.get(node, "/step-up?level=2&next=/levels")
    page = await browser.submit(node, page, "/step-up", way="register", **typed)
    office(node).breakers.clear()
    assert "现在查不到户籍登记" in page.body
    assert f'value="{typed["name"]}"' in page.body
    assert f'value="{typed["number"]}"' in page.body


async def test_the_level_is_asked_before_a_correction_is_typed_not_after(nodes: dict[str, Node]) -> None:
    """Two weeks on the level has dropped to 1: the form was shown, and what was typed was lost on the way to the step-up."""
    node, browser = nodes[HOME], Browser()
    browser.accept = "text/html"
    await sign_in(browser, node, citizen("罗桂兰"))
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE session SET acr = 1")
    node.bell.ring(sessions.BELL)
    page = await browser.get(node, "/me/disputes/new")
    assert page.path == "/step-up"
    assert "next=/me/disputes/new" in page.url
