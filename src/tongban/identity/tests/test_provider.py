"""The provider for every kind of client: whole sign-ins through real pages, and what each kind gets (R-302, identity.md 5, 10)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tongban.identity.actions import provider_client
from tongban.identity.actions.provider_client import ASSERTION_TYPE
from tongban.identity.rules import clients
from tongban.identity.tests.make import Browser, MakeNode, citizen, household, sign_in
from tongban.identity.tests.make_clients import Driver, back_of, claims_of, register_client, suspend_client
from tongban.kernel.node import Node


@pytest.fixture(scope="module")
async def nodes(make_node: MakeNode) -> AsyncIterator[dict[str, Node]]:
    async with household(make_node, "500000") as found:
        yield found


@pytest.fixture(scope="module")
async def her(nodes: dict[str, Node]) -> Browser:
    browser = Browser()
    await sign_in(browser, nodes["500000"], citizen())
    return browser


async def test_a_service_app_signs_a_person_in_and_asks_once(nodes: dict[str, Node], her: Browser) -> None:
    """R-302: PAR, private_key_jwt, DPoP, the notice once, pairwise sub, claims at userinfo."""
    node = nodes["500000"]
    app = await register_client(node, scopes=("openid", "profile", "phone"))
    driver = Driver(node, app)
    page = await her.get(node, await driver.start())
    assert page.path == "/consent"
    assert "演示应用" in page.body
    assert "陈" in page.body
    assert "138" in page.body or "****" in page.body
    told = await driver.tokens(her)
    claims = claims_of(told["id_token"])
    assert claims["aud"] == app.id
    assert claims["nonce"] == "n-1"
    assert len(claims["sub"]) == 26
    assert "name" not in claims
    assert told["token_type"] == "DPoP"
    status, _, info = await driver.userinfo(told["access_token"])
    assert status == 200, info
    assert info["sub"] == claims["sub"]
    assert info["name"] == "陈晓雨"
    assert info["phone_number"] == "+86" + citizen().phone
    again = await driver.through(her, await driver.start())
    assert "code" in back_of(again), "the notice is shown once"
    assert back_of(again)["iss"] == node.settings.base_url
    assert back_of(again)["state"] == "st"


async def test_an_outside_party_talks_the_plain_profile_and_asks_for_each_thing(nodes: dict[str, Node], her: Browser) -> None:
    node = nodes["500000"]
    app = await register_client(node, kind="outside", scopes=("openid", "profile"), name="演示招聘网")
    driver = Driver(node, app)
    page = await driver.through(her, await driver.start(), ticks=())
    code = back_of(page)["code"]
    status, _, told = await driver.redeem(code)
    assert status == 200, told
    assert told["token_type"] == "Bearer"
    _, _, info = await driver.userinfo(told["access_token"])
    assert set(info) == {"sub"}, "what was not ticked is not given"
    await suspend_client(node, app.id)
    status, _, _ = await driver.userinfo(told["access_token"])
    assert status == 401, "T-25: a suspended client is served nothing from that moment on"
    page = await her.get(node, await driver.start())
    assert page.status == 403
    assert "停用" in page.body


async def test_one_client_cannot_take_all_the_time(nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    """identity.md 8: so many a second a client, counted after it proved who it is."""
    node = nodes["500000"]
    driver, other = Driver(node, await register_client(node)), Driver(node, await register_client(node))
    monkeypatch.setattr(clients, "per_second", lambda: 3)
    monkeypatch.setattr(provider_client, "monotonic", lambda: 100.0)
    wrong = {**driver.asked(), "client_assertion_type": ASSERTION_TYPE}
    forged = [await driver.post("/oidc/par", {**wrong, "client_assertion": driver.assertion(aud="x")}, auth=False) for _ in range(9)]
    assert {one[0] for one in forged} == {401}
    answers = [await driver.par() for _ in range(4)]
    assert [one[0] for one in answers] == [201, 201, 201, 429]
    assert answers[-1][1]["retry-after"] == "1", "docs/connect.md 8: wait for Retry-After"
    assert (await other.par())[0] == 201
