"""What must not get through the provider: forged, replayed, stale, confused and bent requests (T-04 … T-08, T-11, T-24, T-25)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web

from tongban.identity import tokens
from tongban.identity.actions import provider_client
from tongban.identity.actions.provider_client import ASSERTION_TYPE
from tongban.identity.tests.make import Browser, MakeNode, citizen, household, sign_in, step_up
from tongban.identity.tests.make_clients import (
    REDIRECT,
    Driver,
    back_of,
    claims_of,
    grant,
    register_client,
    resume_client,
    suspend_client,
)
from tongban.kernel.node import Node

LEVEL = "urn:tongban:acr:"


@pytest.fixture(scope="module")
async def node(make_node: MakeNode) -> AsyncIterator[Node]:
    async with household(make_node, "500000") as found:
        yield found["500000"]


@pytest.fixture(scope="module")
async def her(node: Node) -> Browser:
    browser = Browser()
    await sign_in(browser, node, citizen())
    return browser


@pytest.fixture(scope="module")
async def app(node: Node) -> Driver:
    return Driver(node, await register_client(node, scopes=("openid", "profile", "offline_access"), alg="Ed25519"))


def forms(driver: Driver, **change: Any) -> dict[str, str]:
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": driver.assertion(**change)}


async def par_with(driver: Driver, **more: str) -> tuple[int, str]:
    status, _, told = await driver.post("/oidc/par", {**driver.asked(), **more}, auth="client_assertion" not in more)
    return status, str(told.get("error", ""))


async def test_forged_assertions_open_nothing(node: Node, app: Driver) -> None:
    """T-07: wrong audience, wrong party, stale, ahead, endless, alg swapped, key confused, none, replayed."""
    at = int(node.clock.now().timestamp())
    issuer = node.settings.base_url
    for change in (
        {"aud": issuer + "/oidc/token"}, {"aud": issuer + "/oidc/par"}, {"aud": [issuer]}, {"aud": issuer + "/"}, {"sub": "cn"}, {"iss": "cn"},
        {"sub": None}, {"exp": at - 300}, {"exp": at + 3600}, {"iat": at + 90}, {"nbf": at + 90}, {"jti": None}, {"exp": None},
    ):  # fmt: skip
        assert await par_with(app, **forms(app, **change)) == (401, "invalid_client"), change
    assert (await par_with(app, **forms(app, iat=at + 8, nbf=at + 8)))[0] == 201, "8 seconds ahead is a clock, not an attack"
    other = tokens.TokenKey("k1", "ES256", secrets.token_bytes(32))
    body = {"iss": app.app.id, "sub": app.app.id, "aud": issuer, "iat": at, "exp": at + 60, "jti": secrets.token_urlsafe(12)}
    assert await par_with(app, client_assertion_type=ASSERTION_TYPE, client_assertion=other.sign(body, typ="JWT")) == (401, "invalid_client")
    head, claims, sign = app.assertion().split(".")
    for alg in ("none", "HS256", "RS256", "EdDSA", "ES256"):
        swapped = tokens.b64u(f'{{"alg":"{alg}","typ":"JWT","kid":"k1"}}'.encode())
        forged = f"{swapped}.{claims}.{'' if alg == 'none' else sign}"
        assert await par_with(app, client_assertion_type=ASSERTION_TYPE, client_assertion=forged) == (401, "invalid_client"), alg
    assert head
    once = app.assertion()
    assert (await par_with(app, client_assertion_type=ASSERTION_TYPE, client_assertion=once))[0] == 201
    assert await par_with(app, client_assertion_type=ASSERTION_TYPE, client_assertion=once) == (401, "invalid_client")
    assert (await app.post("/oidc/par", {**app.asked(), "client_secret": "x"}, auth=False))[0] == 401, "no secrets are offered"


async def test_proofs_of_another_request_key_or_time_are_refused(node: Node, app: Driver) -> None:
    """T-06: other method, address, stale, replayed; a clock that is off gets a nonce, and the nonce stands for the clock."""
    at = int(node.clock.now().timestamp())

    async def answer(proof: str) -> tuple[int, str, str]:
        status, headers, told = await app.post("/oidc/par", app.asked(), proof=proof)
        return status, told.get("error", ""), headers.get("dpop-nonce", "")

    for change in ({"htm": "GET"}, {"htu": node.settings.base_url + "/oidc/token"}, {"jti": None}, {"htu": "http://evil.localhost/oidc/par"}):
        assert (await answer(app.proof("POST", "/oidc/par", **change)))[:2] == (400, "invalid_dpop_proof"), change
    proof = app.proof("POST", "/oidc/par")
    assert (await answer(proof))[0] == 201
    assert (await answer(proof))[:2] == (400, "invalid_dpop_proof"), "replayed"
    for off in (-400, 300):
        status, error, nonce = await answer(app.proof("POST", "/oidc/par", iat=at + off))
        assert (status, error) == (400, "use_dpop_nonce")
        assert (await answer(app.proof("POST", "/oidc/par", iat=at + off, nonce=nonce)))[0] == 201
    assert (await answer(app.proof("POST", "/oidc/par", iat=at - 400, nonce="A" * 32)))[1] == "use_dpop_nonce"
    old = tokens.make_nonce(node.keys.secret("dpop-nonce"), node.clock.now() - timedelta(seconds=400))
    assert not provider_client.nonce_holds(node, old)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"redirect_uri": REDIRECT + "/"}, "invalid_request"), ({"redirect_uri": REDIRECT + "?a"}, "invalid_request"),
        ({"redirect_uri": REDIRECT.replace("app.", "app.evil.")}, "invalid_request"), ({"redirect_uri": ""}, "invalid_request"),
        ({"response_type": "code id_token"}, "unsupported_response_type"), ({"response_mode": "form_post"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"), ({"scope": "openid id_number"}, "invalid_scope"),
        ({"scope": "openid node"}, "invalid_scope"), ({"scope": "profile"}, "invalid_scope"),
        ({"request": "e30.e30."}, "request_not_supported"), ({"request_uri": "http://127.0.0.1/"}, "request_uri_not_supported"),
        ({"claims": '{"id_token": {"number": null}}'}, "invalid_scope"), ({"claims": "["}, "invalid_request"),
        ({"id_token_hint": "e30.e30.e30"}, "invalid_request"), ({"dpop_jkt": "A" * 43}, "invalid_dpop_proof"),
    ],
)  # fmt: skip
async def test_a_request_is_judged_where_the_developer_sees_it(app: Driver, change: dict[str, str], error: str) -> None:
    """T-08, T-24: exact redirect, code only, S256 only, no request objects, over-asking refused at PAR."""
    status, _, told = await app.par(**change)
    assert (status, told["error"]) == (400, error)
    assert told["error_description"].isascii()


async def test_nothing_goes_to_an_address_that_is_not_registered(node: Node, her: Browser) -> None:
    """T-08: an error goes to a verified redirect only; for a stranger, a look-alike or a bent request there is a page."""
    plain = Driver(node, await register_client(node, kind="outside"))
    for change in ({"redirect_uri": "https://evil.example/"}, {"client_id": "out-nobody"}, {"redirect_uri": REDIRECT + "#x"}, {"client_id": ""}):
        page = await her.get(node, "/oidc/authorize?" + urlencode(plain.asked(**change)), follow=False)
        assert page.status == 400, change
        assert "location" not in page.headers
    page = await her.get(node, "/oidc/authorize?" + urlencode(plain.asked(response_type="token")), follow=False)
    assert page.headers["location"].startswith(REDIRECT + "?")
    assert back_of(page) == {
        "error": "unsupported_response_type", "error_description": "only code is offered", "iss": node.settings.base_url, "state": "st",
    }  # fmt: skip
    twice = urlencode(plain.asked()) + "&scope=openid"
    assert (await her.get(node, "/oidc/authorize?" + twice, follow=False)).status == 400


async def test_a_fapi_client_must_push(node: Node, her: Browser, app: Driver) -> None:
    page = await her.get(node, "/oidc/authorize?" + urlencode(app.asked()), follow=False)
    assert back_of(page)["error"] == "invalid_request"
    status, _, told = await app.par()
    assert status == 201
    other = Driver(node, await register_client(node))
    bent = "/oidc/authorize?" + urlencode({"client_id": other.app.id, "request_uri": told["request_uri"]})
    assert (await her.get(node, bent, follow=False)).status == 400, "a request of another client"
    with_other_state = "/oidc/authorize?" + urlencode({"client_id": app.app.id, "request_uri": told["request_uri"], "state": "evil"})
    assert back_of(await app.through(her, with_other_state))["state"] == "st", "only what was pushed counts"
    assert (await her.get(node, with_other_state, follow=False)).status == 400, "answered once, then dead"


async def test_a_code_is_for_one_client_key_verifier_and_time(node: Node, her: Browser, app: Driver) -> None:
    """T-05: other client, other key, other verifier, other redirect; then once, and the second use takes back the first's."""
    code = await app.code(her)
    stranger = Driver(node, await register_client(node), proof_key=app.proof_key)
    assert (await stranger.redeem(code, code_verifier=app.verifier))[2].get("error") == "invalid_grant", "another client, with the very proof key"
    thief = Driver(node, app.app)
    thief.verifier = app.verifier
    assert (await thief.redeem(code))[2].get("error") == "invalid_dpop_proof"
    assert (await app.redeem(code, code_verifier="v" * 43))[2].get("error") == "invalid_grant"
    assert (await app.redeem(code, redirect_uri=REDIRECT + "/"))[2].get("error") == "invalid_grant"
    assert (await app.post("/oidc/token", {"grant_type": "authorization_code", "code": code}, auth=False))[2].get("error") == "invalid_client"
    status, _, told = await app.redeem(code)
    assert status == 200
    assert (await app.userinfo(told["access_token"]))[0] == 200
    assert (await app.redeem(code))[2].get("error") == "invalid_grant"
    assert (await app.userinfo(told["access_token"]))[0] == 401, "the second use revokes what the first gave"
    assert (await app.refresh(told["refresh_token"]))[2].get("error") == "invalid_grant"


async def test_an_access_token_is_worth_nothing_without_its_key(node: Node, her: Browser, app: Driver) -> None:
    """T-06: as a bearer, with another key, a proof for another token or address, replayed; an ID token is no access token."""
    told = await app.tokens(her)
    token = told["access_token"]
    thief = Driver(node, app.app)
    assert (await thief.userinfo(token))[0] == 401
    thief.dpop = False
    assert (await thief.userinfo(token))[0] == 401, "downgraded to a bearer"
    assert (await app.userinfo(token, proof=app.proof("GET", "/oidc/userinfo", token="another")))[0] == 401
    assert (await app.userinfo(token, proof=app.proof("POST", "/oidc/userinfo", token=token)))[0] == 401
    once = app.proof("GET", "/oidc/userinfo", token=token)
    assert (await app.userinfo(token, proof=once))[0] == 200
    assert (await app.userinfo(token, proof=once))[0] == 401, "replayed"
    assert (await app.userinfo(told["id_token"]))[0] == 401
    assert (await app.userinfo(token, method="POST"))[0] == 200
    headers = {"Content-Type": "application/x-www-form-urlencoded", "DPoP": app.proof("POST", "/oidc/userinfo", token=token)}
    status, _, _ = await node.http.request(
        "POST", node.settings.base_url + "/oidc/userinfo", headers=headers, body=urlencode({"access_token": token}).encode()
    )
    assert status == 401, "a FAPI client's token is not taken from a body"


async def test_a_suspended_client_gets_nothing_at_any_door(node: Node, her: Browser) -> None:
    """T-25: PAR, authorize, token, refresh, userinfo, introspect stop in the moment of the suspension; refresh stays dead after."""
    driver = Driver(node, await register_client(node, scopes=("openid", "profile", "offline_access")))
    told, start, code = await driver.tokens(her), await driver.start(), await driver.code(her)
    short = await driver.tokens(her, scope="openid profile")
    assert (await driver.userinfo(short["access_token"]))[0] == 200
    await suspend_client(node, driver.app.id)
    assert (await driver.par())[2].get("error") == "invalid_client"
    assert (await driver.redeem(code))[2].get("error") == "invalid_client"
    assert (await driver.refresh(told["refresh_token"]))[2].get("error") == "invalid_client"
    assert (await driver.post("/oidc/introspect", {"token": told["access_token"]}))[0] == 401
    assert (await driver.userinfo(told["access_token"]))[0] == 401
    assert (await driver.userinfo(short["access_token"]))[0] == 401, "also one that rests on no refresh token"
    page = await her.get(node, start, follow=False)
    assert page.status == 403
    assert "location" not in page.headers
    await resume_client(node, driver.app.id)
    assert (await driver.refresh(told["refresh_token"]))[2].get("error") == "invalid_grant"


async def test_four_eyes_and_narrow_registration(node: Node) -> None:
    """Nobody approves an own client; what is approved is what was seen; wildcards, http, foreign hosts, private keys are refused."""
    import msgspec

    from tongban.identity.actions import clients as verbs
    from tongban.identity.rules.clients import Client
    from tongban.identity.tests.make_clients import APPROVER, PROPOSER, clerk
    from tongban.kernel.errors import NotAllowed

    wanted = Client(
        id="", kind="outside", name="演示招聘", profile="plain", division="510100", sector="app.localhost", redirect_uris=(REDIRECT,),
        scopes=("openid",), purpose="登录演示招聘", keeps="退出就删",
    )  # fmt: skip
    both = clerk("T-03", verbs.PROPOSE, verbs.APPROVE)
    async with node.db.transaction() as tx:
        change = await verbs.propose(tx, node, both, wanted)
        assert not isinstance(change, tuple)
        assert (await verbs.decide(tx, node, both, change.id, agree=True, seen=change.digest))[0].code == "identity.four_eyes"
        assert (await verbs.decide(tx, node, APPROVER, change.id, agree=True, seen="sm3:other"))[0].code == "identity.change_other"
        with pytest.raises(NotAllowed):
            await verbs.decide(tx, node, PROPOSER, change.id, agree=True, seen=change.digest)
        for bad in (
            {"redirect_uris": ("https://*.example/cb",)}, {"redirect_uris": ("http://app.example/cb",)}, {"redirect_uris": ("https://app.localhost/#x",)},
            {"redirect_uris": ("https://u@app.localhost/",)}, {"redirect_uris": ("https://other.example/cb",)}, {"scopes": ("openid", "phone")},
            {"scopes": ("profile",)}, {"kind": "node"}, {"required": ("phone_number",)}, {"grants": grant("name")},
        ):  # fmt: skip
            refused = await verbs.propose(tx, node, PROPOSER, msgspec.structs.replace(wanted, **bad))
            assert isinstance(refused, tuple), bad
        assert await verbs.decide(tx, node, APPROVER, change.id, agree=True, seen=change.digest) == ()
        key = tokens.TokenKey("k", "ES256", b"\x07" * 32)
        for jwk in ({**key.jwk, "d": "x"}, {"kty": "oct", "k": "AAAA"}, tokens.TokenKey("e", "Ed25519", b"\x07" * 32).jwk, {**key.jwk, "alg": "HS256"}):
            assert isinstance(await verbs.propose_key(tx, node, PROPOSER, change.client, "k", jwk), tuple)


async def test_levels_asked_and_not_reachable(node: Node, app: Driver) -> None:
    """T-14: an essential acr is met by stepping up or answered with an error; a wish goes on without; unknown values are no wish."""
    browser = Browser()
    await sign_in(browser, node, citizen("刘建国"))
    essential = '{"id_token": {"acr": {"essential": true, "values": ["%s"]}}}'
    await app.code(browser)
    page = await app.through(browser, await app.start(claims=essential % (LEVEL + "3")))
    assert page.path == "/step-up"
    await step_up(browser, node, await browser.get(node, "/step-up?level=3&next=/me/access"))
    assert (await app.tokens(browser, claims=essential % (LEVEL + "3")))["id_token"]
    page = await app.through(browser, await app.start(claims=essential % "urn:mace:silver"))
    assert back_of(page)["error"] == "unmet_authentication_requirements"
    page = await app.through(browser, await app.start(acr_values="urn:mace:silver 1"))
    assert "code" in back_of(page)
    plain = Driver(node, await register_client(node, kind="outside"))
    page = await browser.get(node, "/oidc/authorize?" + urlencode(plain.asked(claims=essential % (LEVEL + "3"))), follow=False)
    assert back_of(page)["error"] == "invalid_request", "the plain profile ends at level 2"
    claims = claims_of((await plain.tokens(browser))["id_token"])
    assert claims["acr"] == LEVEL + "2", "and is told no more"


async def test_prompt_and_max_age(node: Node, her: Browser) -> None:
    """OpenID Connect Core 3.1.2.1: none answers with an error, login and max_age ask anew, and only anew."""
    driver = Driver(node, await register_client(node))
    nobody = Browser()
    page = await driver.through(nobody, await driver.start(prompt="none"))
    assert back_of(page)["error"] == "login_required"
    page = await driver.through(her, await driver.start(prompt="none"))
    assert back_of(page)["error"] == "consent_required"
    await driver.code(her)
    assert "code" in back_of(await driver.through(her, await driver.start(prompt="none")))
    assert "code" in back_of(await driver.through(her, await driver.start(max_age="10000")))
    for change in ({"prompt": "login"}, {"max_age": "0"}):
        page = await driver.through(her, await driver.start(**change))
        assert page.path == "/login", change
    page = await driver.through(her, await driver.start(prompt="consent"))
    assert "code" in back_of(page)
    other = claims_of((await Driver(node, await register_client(node, redirect_uris=("http://b.localhost/cb",))).tokens(her))["id_token"])
    mine = claims_of((await driver.tokens(her))["id_token"])
    assert mine["sub"] != other["sub"], "two sectors cannot compare notes"
    assert mine["sid"] != other["sid"]


@pytest.fixture
async def native(node: Node, her: Browser) -> tuple[Driver, str]:
    driver = Driver(node, await register_client(node, kind="native", scopes=("openid", "profile", "offline_access")))
    return driver, (await driver.tokens(her))["refresh_token"]


async def test_native_refresh_turns_and_an_old_one_ends_everything(node: Node, native: tuple[Driver, str]) -> None:
    """T-11: successor; the lost answer within 60 s and with the same key; anything else ends family and session, with a notice."""
    driver, first = native
    _, _, second = await driver.refresh(first)
    assert second["refresh_token"] != first
    _, _, again = await driver.refresh(first)
    assert again["refresh_token"] == second["refresh_token"], "the same successor: the answer was lost on a train"
    thief = Driver(node, driver.app)
    assert (await thief.refresh(second["refresh_token"]))[2].get("error") == "invalid_grant", "another key, nothing given"
    assert (await driver.refresh(second["refresh_token"]))[0] == 200, "and nothing lost"
    assert (await thief.refresh(first))[2].get("error") == "invalid_grant"
    assert (await driver.refresh(second["refresh_token"]))[2].get("error") == "invalid_grant", "the family is over"
    async with node.db.reading() as tx:
        reason = await tx.fetchval("SELECT s.reason FROM session s JOIN oidc_refresh r ON r.session = s.id WHERE r.client = $1", driver.app.id)
        told = await tx.fetchval("SELECT count(*) FROM message WHERE kind = 'identity.refresh_reused'")
        ended = await tx.fetchval("SELECT reason FROM oidc_refresh WHERE client = $1", driver.app.id)
    assert (reason, ended) == ("refresh_reused", "reused"), "session and family end, each by itself"
    assert told == 1


async def test_three_tabs_refreshing_get_one_successor(node: Node) -> None:
    import asyncio

    browser = Browser()
    await sign_in(browser, node, citizen("周雨桐"))
    driver = Driver(node, await register_client(node, kind="native", scopes=("openid", "profile", "offline_access")))
    first = (await driver.tokens(browser))["refresh_token"]
    thief = Driver(node, driver.app)
    assert (await thief.refresh(first))[2].get("error") == "invalid_grant", "another proof key turns nothing"
    answers = await asyncio.gather(*(driver.refresh(first) for _ in range(3)))
    assert {one[0] for one in answers} == {200}
    assert len({one[2]["refresh_token"] for one in answers}) == 1
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE oidc_refresh SET turned_at = turned_at - interval '61 seconds' WHERE client = $1", driver.app.id)
    assert (await driver.refresh(first))[2].get("error") == "invalid_grant", "61 seconds later it is a theft"
    assert (await driver.refresh(answers[0][2]["refresh_token"]))[2].get("error") == "invalid_grant"


async def test_confidential_refresh_stays_and_takes_a_new_key(node: Node) -> None:
    """FAPI 2 5.3.2.1-9: no rotation; the client's own key is the protection, a new DPoP key is taken."""
    browser = Browser()
    await sign_in(browser, node, citizen("何志远"))
    driver = Driver(node, await register_client(node, scopes=("openid", "profile", "offline_access")))
    told = await driver.tokens(browser)
    other = Driver(node, driver.app)
    status, _, again = await other.refresh(told["refresh_token"])
    assert status == 200
    assert again["refresh_token"] == told["refresh_token"]
    assert (await other.userinfo(again["access_token"]))[0] == 200
    stranger = Driver(node, await register_client(node, scopes=("openid", "profile", "offline_access")))
    assert (await stranger.refresh(told["refresh_token"]))[2].get("error") == "invalid_grant"
    assert (await other.refresh(told["refresh_token"][:-2] + "AA"))[2].get("error") == "invalid_grant"
    assert (await other.refresh(told["refresh_token"], scope="openid phone"))[2].get("error") == "invalid_scope"
    assert (await driver.post("/oidc/revoke", {"token": told["refresh_token"]}))[0] == 200
    assert (await other.refresh(told["refresh_token"]))[2].get("error") == "invalid_grant"
    assert (await other.userinfo(again["access_token"]))[0] == 401




async def test_nothing_a_client_names_is_fetched(node: Node, app: Driver) -> None:
    """T-24: addresses in requests, assertions and proofs cause no outgoing request; a huge form and doubled parameters are refused."""
    seen: list[str] = []

    async def trap(request: web.Request) -> web.Response:
        seen.append(str(request.url))
        return web.Response()

    server = web.Application()
    server.router.add_route("*", "/{any:.*}", trap)
    runner = web.AppRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/x"
    for more in ({"request_uri": url}, {"jwks_uri": url}, {"sector_identifier_uri": url}, {"logo_uri": url}, {"request": f"e30.{tokens.b64u(url.encode())}.x"}):
        await app.par(**more)
    key: tokens.TokenKey = app.app.key
    at = int(node.clock.now().timestamp())
    body = {"iss": app.app.id, "sub": app.app.id, "aud": node.settings.base_url, "iat": at, "exp": at + 60, "jti": secrets.token_urlsafe(12)}
    for header in ({"jku": url}, {"x5u": url}, {"jwk": key.jwk}):
        signed = key.sign(body, typ="JWT", header=header)
        assert await par_with(app, client_assertion_type=ASSERTION_TYPE, client_assertion=signed) == (401, "invalid_client"), header
    await runner.cleanup()
    assert seen == []
    assert (await app.post("/oidc/par", {**app.asked(), "x": "y" * 1_000_000}))[0] == 413
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    twice = (urlencode(app.asked()) + "&scope=openid").encode()
    assert (await node.http.request("POST", node.settings.base_url + "/oidc/par", headers=headers, body=twice))[0] == 400
