"""What a person gives and takes back, and what a client learns and does not (identity.md 5, 6.5, 10; R-303, R-409)."""

from __future__ import annotations

import asyncio
import contextlib
import html
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from aiohttp import web

from tongban import consent
from tongban.identity.actions import client_logout
from tongban.identity.actions import clients as verbs
from tongban.identity.actions.resolve import resolve
from tongban.identity.rules.clients import Client
from tongban.identity.tests.make import Browser, MakeNode, Page, citizen, household, sign_in, step_up
from tongban.identity.tests.make_clients import (
    PROPOSER,
    REDIRECT,
    Driver,
    agreed,
    back_of,
    claims_of,
    grant,
    register_client,
)
from tongban.kernel.node import Node

LEVEL_3 = '{"id_token": {"acr": {"essential": true, "values": ["urn:tongban:acr:3"]}}}'
AFTER = "http://app.localhost:9901/bye"


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, "500000", "510000") as found:
        yield found


@pytest.fixture(scope="module")
async def node(nodes: dict[str, Node]) -> Node:
    return nodes["500000"]


@pytest.fixture
async def her(node: Node) -> Browser:
    browser = Browser()
    await sign_in(browser, node, citizen())
    return browser


async def lines(node: Node, browser: Browser, receiver: str) -> list[Any]:
    actor = await resolve(node, browser.jar[node.settings.host])
    async with node.db.reading() as tx:
        return [one for one in await consent.lines(tx, node.id, actor.subject) if one.receiver == receiver]


async def test_the_page_says_who_what_what_for_how_long_and_a_refusal_goes_back(node: Node, her: Browser) -> None:
    """identity.md 10: required and optional apart, optional unticked, own values masked, equal answers, access_denied."""
    driver = Driver(node, await register_client(
        node, kind="outside", profile="fapi2", scopes=("openid", "profile", "phone", "age_over"), required=("name",), name="演示银行",
        purpose="开一个演示账户", keeps="账户销了 5 年",
    ))  # fmt: skip
    page = await her.get(node, await driver.start())
    for words in ("演示银行", "app.localhost", "开一个演示账户", "账户销了 5 年", "陈**", "****", "必须给的"):
        assert words in page.body, words
    assert citizen().phone not in page.body
    boxes = re.findall(r'<input type="checkbox" name="claim"[^>]*>', page.body)
    assert len(boxes) == 3
    assert not any("checked" in one for one in boxes)
    assert page.body.count('class="btn s eq"') == 2, "同意 and 不同意 look the same"
    refused = await driver.through(her, page.url, choice="no")
    assert back_of(refused)["error"] == "access_denied"
    assert back_of(refused)["state"] == "st"
    page = await driver.through(her, await driver.start(), ticks=("age_over_14",))
    told = (await driver.redeem(back_of(page)["code"]))[2]
    info = (await driver.userinfo(told["access_token"]))[2]
    assert set(info) == {"sub", "name", "age_over_14", "age_over_18", "age_over_60"}
    written = await lines(node, her, driver.app.id)
    assert {"姓名", "是否年满 14、18、60 岁"} in [set(one.fields) for one in written], "each giving stands in the ledger"


async def test_withdrawing_ends_tokens_and_refresh_at_once(node: Node, her: Browser) -> None:
    driver = Driver(node, await register_client(node, scopes=("openid", "profile", "offline_access"), name="演示社保应用"))
    told = await driver.tokens(her)
    page = await her.get(node, "/oidc/logout")
    async with node.db.transaction() as tx:
        actor = await resolve(node, her.jar[node.settings.host])
        given = next(one for one in await consent.consents(tx, actor.subject) if one.receiver == driver.app.id)
        await consent.withdraw(tx, node, actor, given.id, channel="h5")
    assert page.status == 200
    assert (await driver.userinfo(told["access_token"]))[0] == 401
    assert (await driver.refresh(told["refresh_token"]))[2]["error"] == "invalid_grant"
    assert (await driver.post("/oidc/introspect", {"token": told["access_token"]}))[2] == {"active": False}
    page = await her.get(node, await driver.start())
    assert page.path == "/consent", "and it is asked again"


async def test_a_changed_purpose_asks_again(node: Node, her: Browser) -> None:
    driver = Driver(node, await register_client(node, kind="outside", name="演示水务"))
    await driver.code(her)
    assert "code" in back_of(await driver.through(her, await driver.start(prompt="none")))
    async with node.db.transaction() as tx:
        change = await verbs.propose(tx, node, PROPOSER, msgspec.structs.replace(driver.app.client, purpose="现在也用来推销"))
    await agreed(node, change)
    assert back_of(await driver.through(her, await driver.start(prompt="none")))["error"] == "consent_required"


async def test_the_number_needs_a_grant_level_three_and_a_ledger_line(node: Node) -> None:
    """id_number: only with a grant, only at level 3, only at userinfo, never in an ID token (identity.md 5)."""
    scopes = ("openid", "profile", "id_number", "birthdate", "gender", "address")
    without = Driver(node, await register_client(node, scopes=scopes))
    assert (await without.par())[2]["error"] == "invalid_scope"
    driver = Driver(node, await register_client(node, scopes=scopes, grants=grant("doctype", "number", "birthdate", "gender", "address_formatted")))
    who, browser = citizen("周雨桐"), Browser()
    await sign_in(browser, node, who)
    info = (await driver.userinfo((await driver.tokens(browser))["access_token"]))[2]
    assert "number" not in info, "level 2"
    assert info["birthdate"].replace("-", "") == who.number[6:14]
    assert info["gender"] in ("male", "female")
    assert set(info["address"]) == {"region", "country", "formatted"}
    await step_up(browser, node, await browser.get(node, "/step-up?level=3&next=/me/access"))
    told = await driver.tokens(browser, claims=LEVEL_3)
    assert "number" not in claims_of(told["id_token"])
    info = (await driver.userinfo(told["access_token"]))[2]
    assert (info["doctype"], info["number"]) == ("111", who.number)
    assert any("证件类型和号码" in one.fields for one in await lines(node, browser, driver.app.id))
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE client SET grants = jsonb_set(grants, '{number,until}', '\"2020-01-01\"') WHERE id = $1", driver.app.id)
    assert (await driver.par())[2]["error"] == "invalid_scope", "a grant has a last day"


async def test_a_visitor_signs_in_to_an_app_of_the_visited_node(nodes: dict[str, Node], her: Browser) -> None:
    """identity.md 6.2: V signs the person in at home, then acts from its own session; name from home by a recorded call."""
    away = nodes["510000"]
    driver = Driver(away, await register_client(away, name="演示川渝通办"))
    await her.get(away, "/login/go?home=500000&next=/me/access")
    told = await driver.tokens(her)
    info = (await driver.userinfo(told["access_token"]))[2]
    assert info["name"] == citizen().name
    phone = await register_client(away, scopes=("openid", "phone"), name="演示电话应用")
    asked = Driver(away, phone)
    assert "phone_number" not in (await asked.userinfo((await asked.tokens(her))["access_token"]))[2], "a visited node has no phone"


async def test_signing_out_at_a_client_asks_and_goes_where_it_registered(node: Node, her: Browser) -> None:
    """RP-Initiated Logout: a hint of ours, an exact address, the state; a button, never a link alone (T-10)."""
    driver = Driver(node, await register_client(node, post_logout_uris=(AFTER,), name="演示医保应用"))
    told = await driver.tokens(her)

    async def page_for(**form: str) -> Page:
        return await her.get(node, "/oidc/logout?" + urlencode(form), follow=False)

    right = {"id_token_hint": told["id_token"], "post_logout_redirect_uri": AFTER, "state": "s-1"}
    bad_hint = told["id_token"][:-4] + "AAAA"
    for form in (
        {**right, "post_logout_redirect_uri": AFTER + "/x"}, {**right, "post_logout_redirect_uri": AFTER + "?a=b"}, {**right, "id_token_hint": bad_hint},
        {**right, "client_id": "out-other"}, {"post_logout_redirect_uri": AFTER, "state": "s"}, {"post_logout_redirect_uri": "https://evil.example/"},
    ):  # fmt: skip
        page = await page_for(**form)
        assert page.status == 400, form
        assert 'name="post_logout_redirect_uri"' not in page.body
        assert "location" not in page.headers
    for form in ({}, {"state": "s"}, {"id_token_hint": told["id_token"]}):
        assert (await page_for(**form)).status == 200
    page = await page_for(**right)
    assert "演示医保应用" in page.body
    assert "form-action" in page.headers["content-security-policy"]
    assert "http://app.localhost:9901" in page.headers["content-security-policy"]
    assert (await her.get(node, "/me/access")).status == 200, "nothing ended before the button"
    page = await her.post(node, "/oidc/logout/confirm", page.fields("/oidc/logout/confirm"), follow=False)
    assert page.headers["location"] == AFTER + "?state=s-1"
    assert (await driver.userinfo(told["access_token"]))[0] == 401
    assert (await page_for(**right)).headers["location"] == AFTER + "?state=s-1", "signed out already: on at once"


async def test_clients_hear_of_the_end(node: Node, her: Browser) -> None:
    """Back-channel logout: one token a client, with its own sid and sub, within seconds; a deaf client is tried three times."""
    heard: dict[str, list[str]] = {"good": [], "deaf": []}
    all_heard = asyncio.Event()

    async def hear(request: web.Request) -> web.Response:
        form, name = await request.post(), request.match_info["name"]
        heard[name].append(str(form["logout_token"]))
        if len(heard["good"]) == 1 and len(heard["deaf"]) == 3:
            all_heard.set()
        return web.Response(status=200 if name == "good" else 503)

    app = web.Application()
    app.router.add_post("/out/{name}", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    good = Driver(node, await register_client(node, backchannel_uri=f"http://127.0.0.1:{port}/out/good", name="演示听得见"))
    deaf = Driver(node, await register_client(node, backchannel_uri=f"http://127.0.0.1:{port}/out/deaf", name="演示听不见"))
    told = claims_of((await good.tokens(her))["id_token"])
    await deaf.tokens(her)
    page = await her.get(node, "/me/devices")
    await her.submit(node, page, "/me/devices/leave-all")
    await asyncio.wait_for(all_heard.wait(), 10)
    await runner.cleanup()
    claims = claims_of(heard["good"][0])
    assert (claims["aud"], claims["sid"], claims["sub"]) == (good.app.id, told["sid"], told["sub"])
    assert "http://schemas.openid.net/event/backchannel-logout" in claims["events"]
    assert "nonce" not in claims
    assert len(set(heard["deaf"])) == 3


async def test_a_client_is_told_again_when_the_node_died_while_telling(node: Node, her: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """identity.md 6.5: what is written down as told was told; a kill on the way loses no logout token."""
    heard, there = [], asyncio.Event()

    async def dies(*_: Any) -> None:
        raise ConnectionAbortedError

    async def hears(_node: Node, client: Client, _key: Any, sid: str, _sub: str) -> None:
        heard.append((client.id, sid))
        there.set()

    monkeypatch.setattr(client_logout, "_push", dies)
    driver = Driver(node, await register_client(node, backchannel_uri="http://127.0.0.1:9/out", name="演示再通知"))
    sid = claims_of((await driver.tokens(her))["id_token"])["sid"]
    await her.submit(node, await her.get(node, "/me/devices"), "/me/devices/leave-all")
    with contextlib.suppress(ConnectionAbortedError):
        await client_logout.tell_clients(node)
    async with node.db.reading() as tx:
        assert await tx.fetchval("SELECT told_at FROM session_client WHERE sid = $1", sid) is None
    monkeypatch.setattr(client_logout, "_push", hears)
    await client_logout.tell_clients(node)
    await asyncio.wait_for(there.wait(), 10)
    assert heard == [(driver.app.id, sid)]


async def test_a_staff_tool_is_signed_in_with_the_staff_session_only(node: Node, her: Browser) -> None:
    """A tool's person is s…, from the staff session; a citizen's session opens nothing there."""
    driver = Driver(node, await register_client(node, kind="staff_tool", name="演示统计工具"))
    page = await driver.through(her, await driver.start())
    assert page.path == "/staff/login"
    clerk = Browser()
    page = await clerk.get(node, "/staff/login?next=" + "/staff/counter")
    key = html.unescape(re.findall(r'name="key"[^>]*value="([^"]+)"', page.body)[0])
    await clerk.submit(node, page, "/staff/login", key=key)
    told = await driver.tokens(clerk)
    claims = claims_of(told["id_token"])
    assert claims["sub"].startswith("s")
    assert set((await driver.userinfo(told["access_token"]))[2]) == {"sub", "name"}
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE session SET auth_time = auth_time - interval '481 minutes' WHERE subject = $1", claims["sub"])
    page = await driver.through(clerk, await driver.start())
    assert page.path == "/staff/login", "a tool's day has eight hours"


async def test_a_published_app_brings_its_client_and_takes_it_along(node: Node, her: Browser) -> None:
    """R-601, T-25: published, suspended, published again; what staff suspended stays suspended."""
    from tongban.kernel.ids import uuid7

    app = uuid7()

    async def publish() -> Client:
        async with node.db.transaction() as tx:
            return await verbs.app_published(
                tx, node, app=app, name="演示企业开办", org="11510100DEM000014N", division="510100", purpose="登录演示企业开办", submitted_by="A", published_by="B"
            )

    client = await publish()
    assert (client.kind, client.status, client.redirect_uris) == ("service_app", "active", ())
    async with node.db.transaction() as tx:
        change = await verbs.propose(
            tx, node, PROPOSER, msgspec.structs.replace(client, redirect_uris=(REDIRECT,), sector="app.localhost", scopes=("openid", "profile", "offline_access"))
        )
    await agreed(node, change)
    key_maker = Driver(node, await register_client(node))
    async with node.db.transaction() as tx:
        public = {name: value for name, value in key_maker.app.key.jwk.items() if name in ("kty", "crv", "x", "y")}
        change = await verbs.propose_key(tx, node, PROPOSER, client.id, "k1", public)
    await agreed(node, change)
    driver = Driver(node, msgspec.structs.replace(key_maker.app, id=client.id, client=await publish()))
    told = await driver.tokens(her)
    async with node.db.transaction() as tx:
        await verbs.app_stopped(tx, node, app=app)
    assert (await driver.userinfo(told["access_token"]))[0] == 401
    assert (await driver.refresh(told["refresh_token"]))[2]["error"] == "invalid_client"
    assert (await publish()).status == "active"
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE client SET status = 'suspended', reason = '泄露' WHERE id = $1", client.id)
    assert (await publish()).status == "suspended"
