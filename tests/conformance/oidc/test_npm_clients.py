"""npm `openid-client` and `oauth4webapi` against our provider: happy and hostile, both algorithms, step-up, refresh both ways.

One author wrote both: one witness. They check iss, aud, nonce, times and signatures themselves (identity.md 12, R-302).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tongban.identity.actions import keys
from tongban.identity.tests.make import Browser, citizen, sign_in
from tongban.identity.tests.make_clients import TestClient, register_client, suspend_client
from tongban.identity.tests.make_judges import Door, Judge, Refused, back_of, travel
from tongban.kernel.node import Node


@pytest.fixture
async def browser(home: Node) -> Browser:
    """A browser signed in at level 2."""
    made = Browser()
    await sign_in(made, home, citizen())
    return made


async def client(home: Node, door: Door, kind: str, **more: Any) -> TestClient:
    return await register_client(
        home, kind=kind, redirect_uris=(door.callback,), post_logout_uris=(door.base + "/bye",), **{"scopes": ("openid", "profile"), **more}
    )


async def opened(judge: Judge, home: Node, app: TestClient, *, dpop: str = "ES256") -> None:
    more = {} if app.key is None else {"jwk": {**app.key.private.as_dict(private=True), "kid": app.kid}, "alg": app.key.alg}
    await judge("open", issuer=home.settings.base_url, client_id=app.id, id_alg=app.client.id_alg, dpop="" if app.client.plain else dpop, **more)


async def signed_in(judge: Judge, home: Node, door: Door, browser: Browser, *, par: bool = True, ticks: tuple[str, ...] = (), **params: str) -> dict[str, Any]:
    """A whole sign-in as the library does it; what it believed."""
    asked = {"redirect_uri": door.callback, "scope": "openid profile", **params}
    started = await judge("start", params=asked, par=par)
    page = await travel(browser, home, started["url"], ticks=ticks)
    assert page.url.startswith(door.callback), page.body
    return await judge("finish", url=page.url)


@pytest.mark.parametrize("alg", ["ES256", "Ed25519"])
@pytest.mark.parametrize("id_alg", ["ES256", "Ed25519"])
async def test_fapi2_happy_flow(judge: Judge, home: Node, door: Door, browser: Browser, alg: str, id_alg: str) -> None:
    """fapi2-security-profile-final-happy-flow: PAR, code, token, userinfo with DPoP and private_key_jwt, in both algorithms."""
    app = await client(home, door, "service_app", alg=alg, id_alg=id_alg)
    await opened(judge, home, app, dpop=alg)
    told = await signed_in(judge, home, door, browser)
    assert told["token_type"].lower() == "dpop"
    claims = told["claims"]
    assert (claims["iss"], claims["aud"], claims["acr"]) == (home.settings.base_url, app.id, "urn:tongban:acr:2")
    assert not claims["sub"].startswith("n1"), "a service app never learns the nation's subject"
    info = await judge("userinfo")
    assert (info["sub"], info["name"]) == (claims["sub"], citizen().name)


@pytest.mark.parametrize("par", [False, True])
async def test_plain_happy_flow(judge: Judge, home: Node, door: Door, browser: Browser, par: bool) -> None:
    """oidcc-server with private_key_jwt: an outside party, with and without PAR, bearer for userinfo only."""
    app = await client(home, door, "outside")
    await opened(judge, home, app)
    told = await signed_in(judge, home, door, browser, par=par, ticks=("name",))
    assert told["token_type"].lower() == "bearer"
    assert "refresh_token" not in told
    info = await judge("userinfo")
    assert info["sub"] == told["claims"]["sub"]


async def test_two_parties_cannot_compare_notes(judge: Judge, home: Node, door: Door, browser: Browser) -> None:
    """Pairwise subjects: stable for one sector, another for the next."""
    first, again = await client(home, door, "outside"), await client(home, door, "service_app")
    subs = []
    for app in (first, again):
        await opened(judge, home, app)
        subs.append((await signed_in(judge, home, door, browser))["claims"]["sub"])
    assert subs[0] == subs[1], "one sector, one subject"
    other = await register_client(home, kind="outside", redirect_uris=("http://other.localhost:9/callback",), scopes=("openid",))
    await opened(judge, home, other)
    started = await judge("start", params={"redirect_uri": "http://other.localhost:9/callback", "scope": "openid"}, par=True)
    from tongban.identity.tests.make_clients import Driver

    page = await Driver(home, other).through(browser, started["url"].removeprefix(home.settings.base_url))
    assert (await judge("finish", url=page.headers["location"]))["claims"]["sub"] != subs[0]


async def test_step_up(judge: Judge, home: Node, door: Door) -> None:
    """acr as an essential claim: the person passes a face check on the way, and the token says so."""
    browser = Browser()
    await sign_in(browser, home, citizen("刘建国"))
    app = await client(home, door, "service_app")
    await opened(judge, home, app)
    wanted = '{"id_token":{"acr":{"essential":true,"values":["urn:tongban:acr:3"]}}}'
    told = await signed_in(judge, home, door, browser, claims=wanted)
    assert told["claims"]["acr"] == "urn:tongban:acr:3"


async def test_refresh_of_a_confidential_client(judge: Judge, home: Node, door: Door, browser: Browser) -> None:
    """fapi2 refresh-token: the same token stays good, also with a new DPoP key of the authenticated client."""
    app = await client(home, door, "service_app", scopes=("openid", "profile", "offline_access"))
    await opened(judge, home, app)
    told = await signed_in(judge, home, door, browser, scope="openid profile offline_access")
    kept = told["refresh_token"]
    for more in ({}, {}, {"other_key": "ES256"}):
        again = await judge("refresh", token=kept, **more)
        assert again["access_token"] != told["access_token"]
        assert again.get("refresh_token", kept) == kept, "not rotated (FAPI 2, 5.3.2.1-9)"


async def test_refresh_of_a_native_app(judge: Judge, home: Node, door: Door, browser: Browser) -> None:
    """Rotation with reuse detection, bound to the key of the platform keystore (T-06)."""
    app = await client(home, door, "native", scopes=("openid", "profile", "offline_access"))
    await opened(judge, home, app)
    told = await signed_in(judge, home, door, browser, scope="openid profile offline_access")
    first = told["refresh_token"]
    second = (await judge("refresh", token=first))["refresh_token"]
    assert second != first
    assert (await judge("refresh", token=first))["refresh_token"] == second, "a lost answer is given again"
    third = (await judge("refresh", token=second))["refresh_token"]
    with pytest.raises(Refused, match="invalid_grant"):
        await judge("refresh", token=first)
    with pytest.raises(Refused, match="invalid_grant"):
        await judge("refresh", token=third)  # the whole family is gone


async def test_native_refresh_with_another_key(judge: Judge, home: Node, door: Door, browser: Browser) -> None:
    app = await client(home, door, "native", scopes=("openid", "profile", "offline_access"))
    await opened(judge, home, app)
    told = await signed_in(judge, home, door, browser, scope="openid profile offline_access")
    with pytest.raises(Refused, match=r"invalid_grant|invalid_dpop_proof"):
        await judge("refresh", token=told["refresh_token"], other_key="ES256")


async def test_person_says_no(judge: Judge, home: Node, door: Door, browser: Browser) -> None:
    """fapi2 user-rejects-authentication: access_denied, with state and iss."""
    app = await client(home, door, "outside")
    await opened(judge, home, app)
    started = await judge("start", params={"redirect_uri": door.callback, "scope": "openid profile"}, par=True)
    page = await travel(browser, home, started["url"], choice="no")
    assert back_of(page)["iss"] == home.settings.base_url
    with pytest.raises(Refused, match="access_denied"):
        await judge("finish", url=page.url)


async def test_prompt_none_without_session(judge: Judge, home: Node, door: Door) -> None:
    """oidcc-prompt-none-not-logged-in."""
    app = await client(home, door, "service_app")
    await opened(judge, home, app)
    started = await judge("start", params={"redirect_uri": door.callback, "scope": "openid", "prompt": "none"}, par=True)
    page = await travel(Browser(), home, started["url"])
    with pytest.raises(Refused, match="login_required"):
        await judge("finish", url=page.url)


async def test_code_twice(judge: Judge, home: Node, door: Door, browser: Browser) -> None:
    """oidcc-codereuse: the second use is refused and what the first gave is dead (T-05)."""
    app = await client(home, door, "service_app")
    await opened(judge, home, app)
    started = await judge("start", params={"redirect_uri": door.callback, "scope": "openid profile"}, par=True)
    page = await travel(browser, home, started["url"])
    await judge("finish", url=page.url)
    assert await judge("userinfo")
    with pytest.raises(Refused, match="invalid_grant"):
        await judge("finish", url=page.url)
    with pytest.raises(Refused):
        await judge("userinfo")


async def test_judge_refuses_what_is_not_ours(pipe: Any, home: Node, door: Door, browser: Browser) -> None:
    """The judge can say no: an answer with another issuer, another state or none (T-04)."""
    judge = Judge(pipe, "oauth4webapi")
    app = await client(home, door, "service_app")
    await opened(judge, home, app)
    started = await judge("start", params={"redirect_uri": door.callback, "scope": "openid profile"}, par=True)
    url = (await travel(browser, home, started["url"])).url
    parts = back_of(type("P", (), {"url": url})())  # type: ignore[arg-type]
    for wrong in (url.replace("iss=", "iss=x"), url.replace("state=" + parts["state"], "state=x"), url.replace("iss=", "xiss=")):
        assert (await judge("refuses", url=wrong))["refused"]
    assert not (await judge("refuses", url=url))["refused"]


async def test_key_rotation(judge: Judge, home: Node, door: Door, browser: Browser) -> None:
    """A sign-in under way while the keys change: the set has old and new ones, and the library finds its own."""
    app = await client(home, door, "service_app")
    await opened(judge, home, app)
    await signed_in(judge, home, door, browser)
    async with home.db.transaction() as tx:
        assert await keys.rotate(tx, home, at_once=True) == 2
    fresh = Judge(judge._pipe, judge.library)
    await opened(fresh, home, app)
    assert (await signed_in(fresh, home, door, browser))["claims"]["sub"]
    assert await judge("userinfo"), "a token of the old key is still good"


async def test_suspended_client(judge: Judge, home: Node, door: Door, browser: Browser) -> None:
    """Suspending the app suspends the client at once: no new request, no token, no userinfo (R-302)."""
    app = await client(home, door, "service_app", scopes=("openid", "profile", "offline_access"))
    await opened(judge, home, app)
    told = await signed_in(judge, home, door, browser, scope="openid profile offline_access")
    await suspend_client(home, app.id)
    with pytest.raises(Refused):
        await judge("userinfo")
    with pytest.raises(Refused, match=r"invalid_client|unauthorized_client"):
        await judge("refresh", token=told["refresh_token"])
    with pytest.raises(Refused, match=r"invalid_client|unauthorized_client"):
        await judge("start", params={"redirect_uri": door.callback, "scope": "openid"}, par=True)


async def test_revoke_and_introspect(judge: Judge, home: Node, door: Door, browser: Browser) -> None:
    """RFC 7009 and 7662: only one's own tokens, and a revoked one is dead at once."""
    app = await client(home, door, "service_app", scopes=("openid", "profile", "offline_access"))
    await opened(judge, home, app)
    told = await signed_in(judge, home, door, browser, scope="openid profile offline_access")
    seen = await judge("introspect", token=told["refresh_token"])
    assert seen["active"] is True
    await judge("revoke", token=told["refresh_token"])
    assert (await judge("introspect", token=told["refresh_token"]))["active"] is False
    assert (await judge("introspect", token="nonsense"))["active"] is False
    with pytest.raises(Refused, match="invalid_grant"):
        await judge("refresh", token=told["refresh_token"])


async def test_logout(pipe: Any, home: Node, door: Door) -> None:
    """oidcc-rp-initiated-logout: the person presses a button of ours, then arrives where the client registered, with state."""
    judge, browser = Judge(pipe, "openid-client"), Browser()
    await sign_in(browser, home, citizen())
    app = await client(home, door, "service_app")
    await opened(judge, home, app)
    await signed_in(judge, home, door, browser)
    out = await judge("logout", params={"post_logout_redirect_uri": door.base + "/bye", "state": "s-1"})
    page = await travel(browser, home, out["url"])
    assert urlsplit(page.url).path == "/bye", page.body
    assert back_of(page) == {"state": "s-1"}
    assert "__Host-tb_s" not in browser.jar[home.settings.host]
