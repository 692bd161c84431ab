"""Entering another node 跨节点登录: from home without a prompt, by place, by the hub, and what is public on the way (R-303)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tongban import identity
from tongban.federation.tests.make import deliver
from tongban.identity.actions import introduce, roam
from tongban.identity.tests.make import Browser, citizen, code_for, go_on, sign_in
from tongban.identity.tests.make_count import Count
from tongban.kernel.errors import Failure
from tongban.kernel.node import Node

from .make import AWAY, HOME, alive

SESSION = "__Host-tb_s"


def hosts(trail: list[str]) -> list[str]:
    """The hosts a navigation went through, repeats taken together."""
    found: list[str] = []
    for url in trail:
        host = (urlsplit(url).hostname or "").split(".")[0]
        if not found or found[-1] != host:
            found.append(host)
    return found


async def test_link_from_home_signs_in_without_a_prompt(nodes: dict[str, Node]) -> None:
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    await sign_in(browser, home, citizen())
    page = await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    assert page.status == 200
    assert page.path == "/me/access"
    assert hosts(page.trail) == [AWAY, HOME, AWAY], "two redirects between nodes when the home is known"
    assert "cn" not in hosts(page.trail), "the hub takes no part"
    assert "陈" not in "".join(page.trail)
    assert citizen().number not in "".join(page.trail)
    here = await identity.resolve(home, browser.jar[home.settings.host])
    there = await identity.resolve(away, browser.jar[away.settings.host])
    assert here.subject == there.subject
    assert there.home == HOME
    async with away.db.reading() as tx:
        known = await identity.person(tx, away, there.subject)
    assert known is not None
    assert known.name_masked is not None
    assert known.name_masked.reveal() == "陈**"
    assert (known.name, known.number, known.phone) == (None, None, None), "a visited node learns the masked name only"
    access = await browser.get(home, "/me/access")
    assert "四川省" in access.body, "the person sees at home where the account was used"


async def test_home_cookie_is_enough_the_second_time(nodes: dict[str, Node]) -> None:
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    await sign_in(browser, home, citizen())
    await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    browser.jar[away.settings.host].pop(SESSION)
    page = await browser.get(away, "/login?next=/me/access")
    assert page.path == "/me/access"


async def test_signed_out_at_home_gives_one_ordinary_page_and_no_loop(nodes: dict[str, Node]) -> None:
    browser, away = Browser(), nodes[AWAY]
    page = await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    assert page.status == 200
    assert page.path == "/login"
    again = await browser.get(away, f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}")
    assert hosts(again.trail) == [AWAY], "a refusal is remembered"


async def test_signing_in_at_home_on_the_way_and_coming_back(nodes: dict[str, Node]) -> None:
    """The long way: no session anywhere, the account is chosen by place, answers are asked at the home only."""
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    page = await browser.get(away, "/login/elsewhere?next=/me/access")
    assert "重庆市" in page.body
    page = await browser.get(away, f"/login/go?home={HOME}&next=/me/access")
    assert page.url.startswith(home.settings.base_url)
    page = await go_on(browser, home, page, citizen("刘建国"))
    assert page.url == f"{away.settings.base_url}/me/access"
    assert await alive(away, browser)


async def test_hub_introduces_and_nothing_is_typed_twice(nodes: dict[str, Node]) -> None:
    browser, hub, home, away, who = Browser(), nodes["cn"], nodes[HOME], nodes[AWAY], citizen("周雨桐")
    await sign_in(Browser(), home, who)
    await deliver(nodes)
    page = await browser.get(away, "/login/elsewhere?next=/me/access")
    asked = next(one for one in page.links() if "/discover?" in one)
    page = await browser.get(hub, asked)
    page = await browser.submit(hub, page, "/discover", who=who.phone)
    assert page.path == "/login/code", "the home fetched what was typed at the hub and sent the code"
    assert page.url.startswith(home.settings.base_url)
    assert who.phone not in "".join(page.trail)
    page = await go_on(browser, home, page, who)
    assert page.url == f"{away.settings.base_url}/me/access"
    async with hub.db.reading() as tx:
        dump = [dict(row) for row in await tx.fetch("SELECT * FROM home_index")]
        assert await tx.fetchval("SELECT count(*) FROM session") == 0, "the hub keeps no session for other nodes' people"
    assert who.phone not in repr(dump)
    assert who.number not in repr(dump)


async def test_a_hint_is_for_its_home_and_once(nodes: dict[str, Node]) -> None:
    hub, who = nodes["cn"], citizen("何志远")
    async with hub.db.transaction() as tx:
        await introduce.remember(tx, hub, HOME, number=who.number, phone=who.phone)
        found = await introduce.introduce(tx, hub, who.number, visited=AWAY, address="127.0.0.1", browser="b")
        assert found is not None
        assert await introduce.redeem(tx, hub, AWAY, found.handle) is None
        assert await introduce.redeem(tx, hub, HOME, found.handle) == who.number
        assert await introduce.redeem(tx, hub, HOME, found.handle) is None


async def test_home_away_is_said_plainly_and_silent_roaming_just_does_not_happen(nodes: dict[str, Node]) -> None:
    away = nodes[AWAY]
    browser = Browser()
    async with away.db.reading() as tx:
        listed = (await identity_directory(tx)).node("mps")
    assert listed is not None
    with pytest.raises(Failure):
        await roam.start(away, "mps", next_path="/me", silent=False)  # no home for people
    page = await browser.get(away, "/login?next=/me?from=nosuch")
    assert page.status == 200
    assert page.path == "/login"


async def identity_directory(tx: Any) -> Any:
    from tongban import federation

    return await federation.directory(tx)


async def test_silent_roaming_stays_within_its_statements(nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    """identity.md 13: over both nodes, keys and directory known: pushed, answered, redeemed, entered; the page itself not counted."""
    browser, home, away = Browser(), nodes[HOME], nodes[AWAY]
    await sign_in(browser, home, citizen())
    where = f"/login?{urlencode({'next': f'/me/access?from={HOME}'})}"
    await browser.get(away, where)
    count = Count.of(monkeypatch)
    browser.jar.pop(away.settings.host)
    with count.at_most(9):
        page = await browser.get(away, where, follow=False)
        page = await browser.get(home, page.headers["location"], follow=False)
        page = await browser.get(away, page.headers["location"], follow=False)
    assert page.headers["location"].startswith("/me/access")
    assert "__Host-tb_s" in browser.jar[away.settings.host]


async def test_discovery_and_keys_are_public(nodes: dict[str, Node]) -> None:
    import msgspec

    home = nodes[HOME]
    page = await Browser().get(home, "/.well-known/openid-configuration")
    told = msgspec.json.decode(page.body)
    assert told["issuer"] == home.settings.base_url
    assert told["require_pushed_authorization_requests"] is True
    page = await Browser().get(home, "/oidc/jwks")
    found = msgspec.json.decode(page.body)["keys"]
    assert {one["alg"] for one in found} == {"Ed25519", "ES256"}
    assert not any("d" in one for one in found)


async def test_code_is_asked_where_the_account_lives_only(nodes: dict[str, Node]) -> None:
    page = await Browser().get(nodes["mps"], "/login")
    assert 'action="/login"' not in page.body
    assert "不开账号" in page.body
    with pytest.raises(IndexError):
        await code_for(Browser(), nodes["mps"], citizen().phone)
