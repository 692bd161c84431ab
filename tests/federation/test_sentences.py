"""Every sentence of identity.md 11 seen in a browser: the way that leads there, the status, and the words on the screen (R-305, R-306).

Every way is walked with real sessions, mandates and clients, in normal and in elder mode; `/act` and `/read` stand for a room
above that asks identity first. The page a way ends with is then drawn by Chromium at the size of a phone, from the node's own
styles and scripts: what counts is what can be seen.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from litestar import get
from litestar.params import FromPath
from playwright.async_api import Page as Screen
from playwright.async_api import Route

from tongban import identity
from tongban.federation.actions import way
from tongban.federation.actions.office import office
from tongban.identity.actions import clients, introduce, mandates, sessions
from tongban.identity.errors import SENTENCES, failure
from tongban.identity.pages.browser import Asking, HereNode
from tongban.identity.queries.persons import number_index
from tongban.identity.queries.sessions import by_cookie
from tongban.identity.tests.make import PC_AGENT, PHONE_AGENT, MakeNode, Page, citizen, code_for, household, sign_in
from tongban.identity.tests.make import Browser as AnyBrowser
from tongban.identity.tests.make_clients import APPROVER, register_client
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

HOST, COOKIE = "500000.localhost", "__Host-tb_s"
WORDS = {
    "n": 4, "t": "5 分钟", "item": "开公司", "hall": "大厅", "place": "重庆市", "name": "陈*雨", "time": "11月19日 10:00", "link": "/s/1",
}  # fmt: skip
ITEM = "12500000DEM00003002002099903000"


class Browser(AnyBrowser):
    """A browser in the mode that is being looked at; it asks for pages, as people do."""

    accept, elder = "text/html", False

    def __init__(self, agent: str = PHONE_AGENT) -> None:
        super().__init__(agent)
        self.jar[HOST] = {"tb_mode": "elder"} if self.elder else {}


class Forgetful(Browser):
    """A browser that throws its cookies away at every step."""

    def _keep(self, cookies: dict[str, str], line: str) -> None:
        cookies.clear()
        cookies |= {"tb_mode": "elder"} if self.elder else {}


@get("/told/{code:str}")
async def told(code: FromPath[str]) -> None:
    """Raises what a room would raise, so that the one error page draws it."""
    raise failure(f"identity.{code}", **WORDS)


@get("/act/{act:str}")
async def act(node: HereNode, actor: Asking, act: FromPath[str]) -> None:
    """What every verb of a room does first for somebody who acts for another."""
    async with node.db.transaction() as tx:
        await identity.require_act(tx, node, actor, identity.Deed(act=act, item=ITEM, audience=frozenset({"person"}), level=2))


@get("/staff/read/{subject:str}")
async def read(node: HereNode, actor: Asking, subject: FromPath[str]) -> None:
    """What every desk does before it shows a person."""
    async with node.db.transaction() as tx:
        await identity.reading_reason(tx, node, actor, subject, "none", "", fields=("姓名",))


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, "500000", "510000", routes=(told, act, read)) as found:
        yield found


def words_of(code: str) -> str:
    """The sentence as a pattern without commas (a page may set its halves apart): what is filled in may be anything."""
    pattern = re.sub(r"\\\{\w+\\\}", ".+?", re.escape(re.sub(r"[\s，]", "", SENTENCES[code][1])))
    return pattern.replace("你", "您" if Browser.elder else "你")


async def begun(home: Node, phone: str) -> tuple[Browser, Page]:
    browser = Browser()
    return browser, await browser.submit(home, await browser.get(home, "/login?next=/me/access"), "/login", who=phone)


async def at_name(home: Node, phone: str, number: str, *, name: str, typed: str) -> Page:
    browser, page = await begun(home, phone)
    page = await browser.submit(home, page, "/login/code", code=await code_for(browser, home, phone), number=number)
    return await browser.submit(home, page, "/login/name", name=name, number=typed)


async def number_check(home: Node, _: dict[str, Node]) -> Page:
    return await at_name(home, "13700000011", citizen().number, name=citizen().name, typed="110105194912310021")


async def name_mismatch(home: Node, _: dict[str, Node]) -> Page:
    return await at_name(home, "13700000012", citizen().number, name="陈晓云", typed=citizen().number)


async def not_in_register(home: Node, _: dict[str, Node]) -> Page:
    return await at_name(home, "13700000013", citizen().number, name="某某某", typed="11010519491231002X")


async def register_away(home: Node, _: dict[str, Node]) -> Page:
    with pytest.MonkeyPatch.context() as patch:  # the process itself is stopped in tests/faults/test_away.py

        async def cut(*_: object, **__: object) -> None:
            raise way.NoAnswer("transport")

        patch.setattr(way, "transport", cut)
        who = citizen("邓春梅" if Browser.elder else "马志明")
        page = await at_name(home, who.phone, who.number, name=who.name, typed=who.number)
    office(home).breakers.clear()
    return page


async def account_exists(home: Node, nodes: dict[str, Node]) -> Page:
    who = citizen("吴思涵")
    async with nodes["mps"].db.transaction() as tx:
        await tx.execute("UPDATE register_entry SET home = '510000' WHERE bi_number = $1", number_index(nodes["mps"], who.number))
    return await sign_in(Browser(), home, who)


async def code_wrong(home: Node, _: dict[str, Node]) -> Page:
    browser, page = await begun(home, "13700000014")
    right = await code_for(browser, home, "13700000014")
    return await browser.submit(home, page, "/login/code", code=f"{(int(right) + 1) % 10**6:06d}", number=citizen().number)


async def code_expired(home: Node, _: dict[str, Node]) -> Page:
    browser, page = await begun(home, "13700000015")
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE login_tx SET code_until = now() - interval '1 second'")
    return await browser.submit(home, page, "/login/code", code="123456", number=citizen().number)


async def code_limit(home: Node, _: dict[str, Node]) -> Page:
    browser, page = await begun(home, "13700000016")
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE throttle SET count = 1000000")
    page = await browser.submit(home, page, "/login/resend")
    async with home.db.transaction() as tx:
        await tx.execute("DELETE FROM throttle")
    return page


async def passkey_failed(home: Node, _: dict[str, Node]) -> Page:
    browser = Browser()
    return await browser.submit(home, await browser.get(home, "/login"), "/login/passkey", credential="{}")


async def _scan(home: Node) -> tuple[Browser, Browser, str, str]:
    phone, pc = Browser(), Browser(PC_AGENT)
    await sign_in(phone, home, citizen())
    page = await pc.get(home, "/scan?new=1")
    found = re.search(r'data-digits="(\d\d)"', page.body)
    assert found
    return phone, pc, "/scan/" + pc.jar[HOST]["__Host-tb_tx"].partition(".")[2], found[1]


async def scan_expired(home: Node, _: dict[str, Node]) -> Page:
    _, pc, _, _ = await _scan(home)
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE scan_login SET expires_at = now() - interval '1 second'")
    return await pc.get(home, "/scan")


async def scan_wrong_pick(home: Node, _: dict[str, Node]) -> Page:
    phone, _, path, number = await _scan(home)
    return await phone.submit(home, await phone.get(home, path), path, pick="10" if number != "10" else "11")


async def level_needed(home: Node, _: dict[str, Node]) -> Page:
    browser = Browser()
    await sign_in(browser, home, citizen())
    return await browser.get(home, "/step-up?level=3&next=/apply/x/1")


async def level_unavailable(home: Node, _: dict[str, Node]) -> Page:
    browser = Browser()
    await sign_in(browser, home, citizen("罗桂兰"))
    return await browser.get(home, "/step-up?level=3&next=/me")


async def session_ended(home: Node, _: dict[str, Node]) -> Page:
    browser = Browser()
    await sign_in(browser, home, citizen())
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE session SET idle_until = now() - interval '1 second' WHERE revoked_at IS NULL")
    home.bell.ring(sessions.BELL)
    return await browser.get(home, "/login?next=/me")


async def signed_out_elsewhere(home: Node, _: dict[str, Node]) -> Page:
    one, other = Browser(), Browser(PC_AGENT)
    await sign_in(one, home, citizen())
    await sign_in(other, home, citizen())
    await other.submit(home, await other.get(home, "/me/devices"), "/me/devices/leave-all")
    return await one.get(home, "/login?next=/me")


async def hub_away(home: Node, _: dict[str, Node]) -> Page:
    with pytest.MonkeyPatch.context() as patch:

        async def silent(node: Node) -> bool:
            return False

        patch.setattr(introduce, "hub_ready", silent)
        return await Browser().get(home, "/login/elsewhere")


async def away_level(home: Node, _: dict[str, Node]) -> Page:
    browser = Browser()
    await sign_in(browser, home, citizen())
    async with home.db.transaction() as tx:
        found = await by_cookie(tx, home, browser.jar[HOST][COOKIE], staff=False)
        assert found is not None
        await tx.execute("UPDATE session SET away = true, acr = 1, home = 'mps' WHERE id = $1", found.id)
    home.bell.ring(sessions.BELL)
    return await browser.get(home, "/levels")


async def home_away(home: Node, _: dict[str, Node]) -> Page:
    with pytest.MonkeyPatch.context() as patch:

        async def silent(*_: object, **__: object) -> None:
            raise TimeoutError

        patch.setattr(home.http, "request", silent)
        return await Browser().get(home, "/login/go?home=510000&next=/me")


async def _agent(home: Node) -> Browser:
    """Somebody who acts for an elder since a moment ago, and may fill in but not pay."""
    browser = Browser()
    await sign_in(browser, home, citizen())
    me = await identity.resolve(home, browser.jar[HOST])
    now, made = home.clock.now(), uuid7()
    async with home.db.transaction() as tx:
        await mandates.put(tx, home, {
            "id": made, "grantor": "n1" + "e" * 32, "agent": me.subject, "basis": "family", "items": (ITEM,), "acts": ("view", "draft", "submit"),
            "set_name": "", "set_version": 0, "from_at": now - timedelta(minutes=1), "until_at": now + timedelta(days=30),
            "wait_until": now + timedelta(hours=24), "granted_acr": 3, "granted_by_subject": "", "granted_node": home.id, "agent_node": home.id,
            "state": "active", "offered_until": now, "grantor_name": Personal("陈国栋"), "agent_name": Personal("陈晓雨"),
        })  # fmt: skip
    token = (await browser.get(home, "/me/switch")).fields("/me/switch/ask")["tb_token"]
    await browser.post(home, "/me/switch", {"tb_token": token, "mandate": made})
    return browser


async def mandate_scope(home: Node, _: dict[str, Node]) -> Page:
    return await (await _agent(home)).get(home, "/act/pay")


async def mandate_wait(home: Node, _: dict[str, Node]) -> Page:
    return await (await _agent(home)).get(home, "/act/submit")


async def reason_needed(home: Node, _: dict[str, Node]) -> Page:
    desk = Browser(PC_AGENT)
    await desk.submit(home, await desk.get(home, "/staff/login?next=/staff/counter"), "/staff/login", key="YZ-DT-01")
    return await desk.get(home, "/staff/read/n1" + "e" * 32)


async def client_unknown(home: Node, _: dict[str, Node]) -> Page:
    return await Browser().get(home, "/oidc/authorize?client_id=nobody&request_uri=x")


async def client_suspended(home: Node, _: dict[str, Node]) -> Page:
    app = await register_client(home)
    async with home.db.transaction() as tx:
        assert await clients.suspend(tx, home, APPROVER, app.id, "演练停用") == ()
    return await Browser().get(home, f"/oidc/authorize?client_id={app.id}&request_uri=x")


async def loop(home: Node, _: dict[str, Node]) -> Page:
    return await Forgetful().get(home, "/login?next=/me/access?from=510000")


WAYS: dict[str, Callable[[Node, dict[str, Node]], Awaitable[Page]]] = {
    f"identity.{one.__name__}": one
    for one in (
        number_check, name_mismatch, not_in_register, register_away, account_exists, code_wrong, code_expired, code_limit, passkey_failed,
        scan_expired, scan_wrong_pick, level_needed, level_unavailable, session_ended, signed_out_elsewhere, hub_away, away_level,
        home_away, mandate_scope, mandate_wait, reason_needed, client_unknown, client_suspended, loop,
    )
}  # fmt: skip
TABLE = (
    "number_check", "name_mismatch", "register_away", "not_in_register", "code_wrong", "code_expired", "code_limit", "passkey_failed",
    "scan_expired", "scan_wrong_pick", "level_needed", "level_unavailable", "session_ended", "signed_out_elsewhere", "home_away",
    "hub_away", "away_level", "account_exists", "mandate_scope", "mandate_wait", "reason_needed", "client_unknown", "client_suspended",
    "loop",
)  # fmt: skip


def test_the_table_is_whole() -> None:
    wanted = {f"identity.{one}" for one in TABLE}
    assert len(wanted) == 24
    assert wanted <= set(SENTENCES)
    assert set(WAYS) == wanted


# where the sentence stands on a page that is itself as it should be, the page says 200
AMONG_OTHERS = {"register_away", "level_needed", "level_unavailable", "session_ended", "signed_out_elsewhere"}


@pytest.fixture(scope="module")
async def screen(chromium: Any) -> AsyncIterator[Screen]:
    context = await chromium.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
    context.set_default_timeout(5_000)
    yield await context.new_page()
    await context.close()


async def seen(screen: Screen, home: Node, page: Page) -> str:
    """What a person reads on the screen when the node answers this."""
    address = home.settings.base_url + "/what-the-node-answered"

    async def answer(route: Route) -> None:
        await route.fulfill(status=page.status, body=page.body, headers={"Content-Type": "text/html; charset=utf-8"})

    await screen.route(address, answer)
    await screen.goto(address, wait_until="load")
    text = await screen.locator("body").inner_text()
    await screen.unroute(address)
    return text


@pytest.mark.browser
@pytest.mark.parametrize("elder", [False, True])
@pytest.mark.parametrize("code", sorted(WAYS))
async def test_the_way_there_shows_the_sentence(
    nodes: dict[str, Node], screen: Screen, monkeypatch: pytest.MonkeyPatch, code: str, elder: bool
) -> None:
    monkeypatch.setattr(Browser, "elder", elder)
    page = await WAYS[code](nodes["500000"], nodes)
    name = code.removeprefix("identity.")
    assert page.status == (200 if name in AMONG_OTHERS else SENTENCES[code][0]), f"{code}: {page.url}"
    assert ('data-mode="elder"' in page.body) is elder
    text = re.sub(r"[\s，]", "", await seen(screen, nodes["500000"], page))
    assert re.search(words_of(code), text), f"{code}: {page.status} {page.url}\n{text[:600]}"


@pytest.mark.parametrize("code", sorted(f"identity.{one}" for one in TABLE if SENTENCES[f"identity.{one}"][0] >= 400))
async def test_the_error_page_draws_the_sentence(nodes: dict[str, Node], code: str) -> None:
    """Status, sentence and what to do, on the page every failure has."""
    home = nodes["500000"]
    url = f"{home.settings.base_url}/told/{code.removeprefix('identity.')}"
    async with home.http.session.get(url, headers={"Accept": "text/html"}) as answer:
        body = await answer.text()
        assert answer.status == SENTENCES[code][0]
    assert SENTENCES[code][1].format(**WORDS) in body
