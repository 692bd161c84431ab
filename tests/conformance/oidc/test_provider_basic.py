"""Our node as provider 登录提供方, plain profile: the modules of the suite's basic, config and logout plans (identity.md 12, R-302).

Module names are the public suite's; variant: private_key_jwt, static client, discovery. Self-run, not certified.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tongban.identity.tests.make import Browser, citizen, sign_in
from tongban.identity.tests.make_clients import register_client
from tongban.identity.tests.make_hostile import GONE, compact
from tongban.identity.tests.make_judges import Door, travel
from tongban.identity.tests.make_wire import Wire, arrived, new_key, payload
from tongban.kernel.node import Node

ALL = ("openid", "profile", "email", "phone", "address", "age_over", "offline_access")


@pytest.fixture(scope="module")
async def plain(home: Node, door: Door) -> Wire:
    """An outside party."""
    app = await register_client(
        home, kind="outside", redirect_uris=(door.callback, door.base + "/second"), post_logout_uris=(door.base + "/bye",), scopes=("openid", "profile", "email")
    )
    return Wire(home, app, door.callback)


@pytest.fixture(scope="module")
async def full(home: Node, door: Door) -> Wire:
    """A service app that may ask every scope without a grant."""
    app = await register_client(home, kind="service_app", redirect_uris=(door.callback,), scopes=ALL, post_logout_uris=(door.base + "/bye",))
    return Wire(home, app, door.callback)


async def test_server(plain: Wire, browser: Browser) -> None:
    """oidcc-server."""
    told = await plain.tokens(browser)
    claims = await plain.verified(told["id_token"])
    assert claims["nonce"] == "n-1"
    assert told["token_type"].lower() == "bearer"
    assert 0 < told["expires_in"] <= 300


@pytest.mark.parametrize("wrong", [GONE, ""], ids=["absent", "empty"])
async def test_response_type_missing(plain: Wire, browser: Browser, wrong: Any) -> None:
    """oidcc-response-type-missing."""
    page = await plain.go(browser, {"response_type": wrong})
    assert arrived(page)["error"] in ("invalid_request", "unsupported_response_type")
    assert arrived(page)["state"] == "st-1"


async def test_idtoken_signature(plain: Wire, full: Wire, browser: Browser) -> None:
    """oidcc-idtoken-signature: kid and alg named, verified by another library with the published keys."""
    for wire in (plain, full):
        token = (await wire.tokens(browser))["id_token"]
        header = json.loads(__import__("base64").urlsafe_b64decode(token.split(".")[0] + "=="))
        assert header["alg"] == wire.app.client.id_alg
        assert header["kid"]
        await wire.verified(token)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_userinfo_get_and_post_header(plain: Wire, full: Wire, browser: Browser, method: str) -> None:
    """oidcc-userinfo-get, oidcc-userinfo-post-header."""
    for wire in (plain, full):
        told = await wire.tokens(browser)
        info = await wire.userinfo(told["access_token"], method=method)
        assert info.status == 200
        assert info.json["sub"] == (await wire.verified(told["id_token"]))["sub"]


async def test_userinfo_post_body(full: Wire, browser: Browser) -> None:
    """oidcc-userinfo-post-body: refused on FAPI clients (FAPI 2 5.3.4 allows the header only)."""
    token = (await full.tokens(browser))["access_token"]
    told = await full.userinfo(token, method="POST", body=urlencode({"access_token": token}).encode())
    assert told.status in (400, 401)
    assert "sub" not in told.json


async def test_request_without_nonce(plain: Wire, browser: Browser) -> None:
    """oidcc-ensure-request-without-nonce-succeeds-for-code-flow."""
    told = await plain.tokens(browser, {"nonce": GONE})
    assert "nonce" not in await plain.verified(told["id_token"])


SCOPES = {
    "profile": ("openid profile", {"name"}), "email": ("openid email", set()), "address": ("openid address", {"address"}),
    "phone": ("openid phone", {"phone_number", "phone_number_verified"}),
    "all": ("openid profile email address phone", {"name", "phone_number", "address"}),
}  # fmt: skip


@pytest.mark.parametrize(("scope", "wanted"), SCOPES.values(), ids=SCOPES.keys())
async def test_scopes(full: Wire, browser: Browser, scope: str, wanted: set[str]) -> None:
    """oidcc-scope-profile, -email, -address, -phone, -all: what each scope gives, and nothing more. email is empty unless given."""
    told = await full.tokens(browser, {"scope": scope}, ticks=("name", "phone_number", "address", "email", "kind"))
    info = (await full.userinfo(told["access_token"])).json
    assert wanted <= set(info), info
    if "phone" not in scope:
        assert "phone_number" not in info
    if "address" in wanted:
        assert "formatted" not in info["address"], "formatted needs a grant"


async def test_other_scope_order(plain: Wire, browser: Browser) -> None:
    """oidcc-ensure-other-scope-order-succeeds, fapi2 other-scope-order."""
    assert (await plain.tokens(browser, {"scope": "profile openid"}))["id_token"]


async def test_alternate_happy_flow(plain: Wire, full: Wire, browser: Browser, door: Door) -> None:
    """oidcc-alternate-happy-flow: the second registered address, and a second client, in one browser."""
    other = Wire(plain.node, plain.app, door.base + "/second")
    page = await other.go(browser)
    assert page.url.startswith(door.base + "/second?")
    assert (await other.redeem(arrived(page)["code"])).status == 200
    assert (await full.tokens(browser))["id_token"]


IGNORED = {
    "display-page": {"display": "page"}, "display-popup": {"display": "popup"}, "ui-locales": {"ui_locales": "se"},
    "claims-locales": {"claims_locales": "se"}, "unknown-parameter": {"extra": "foobar"}, "login-hint": {"login_hint": "buffy@example.com"},
    "acr-values": {"acr_values": "urn:tongban:acr:1 urn:tongban:acr:2"},
}  # fmt: skip


@pytest.mark.parametrize("more", IGNORED.values(), ids=IGNORED.keys())
async def test_tolerated_parameters(plain: Wire, browser: Browser, more: dict[str, str]) -> None:
    """oidcc-display-page, -popup, -ui-locales, -claims-locales, -login-hint, ensure-request-with-unknown-parameter-, -acr-values-succeeds."""
    told = await plain.tokens(browser, more)
    assert (await plain.verified(told["id_token"]))["acr"].startswith("urn:tongban:acr:")


async def test_prompt_login(plain: Wire, home: Node) -> None:
    """oidcc-prompt-login: the person is asked again, and auth_time moves on."""
    browser = Browser()
    await sign_in(browser, home, citizen("何志远"))
    first = await plain.verified((await plain.tokens(browser))["id_token"])
    stopped = await travel(browser, home, plain.url(change={"prompt": "login"}))
    assert stopped.path == "/login", "signed in, and asked all the same"
    told = await plain.tokens(browser, {"prompt": "login"}, who=citizen("何志远"))
    assert (await plain.verified(told["id_token"]))["auth_time"] >= first["auth_time"]


async def test_prompt_none(plain: Wire, home: Node, browser: Browser) -> None:
    """oidcc-prompt-none-not-logged-in and -logged-in."""
    page = await plain.go(Browser(), {"prompt": "none"})
    assert arrived(page) == {"error": "login_required", "state": "st-1", "iss": home.settings.base_url} or arrived(page)["error"] == "login_required"
    await plain.tokens(browser)
    assert (await plain.tokens(browser, {"prompt": "none"}))["id_token"], "consent given before"


async def test_prompt_none_without_consent(home: Node, door: Door, browser: Browser) -> None:
    wire = Wire(home, await register_client(home, kind="outside", redirect_uris=(door.callback,)), door.callback)
    assert arrived(await wire.go(browser, {"prompt": "none"}))["error"] in ("consent_required", "interaction_required")


async def test_max_age_1(plain: Wire, home: Node) -> None:
    """oidcc-max-age-1: a session older than asked is not enough."""
    browser = Browser()
    await sign_in(browser, home, citizen("罗桂兰"))
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE session SET auth_time = auth_time - interval '10 seconds' WHERE revoked_at IS NULL AND subject IN "
                         "(SELECT subject FROM session ORDER BY started_at DESC LIMIT 1)")  # fmt: skip
    stopped = await travel(browser, home, plain.url(change={"max_age": "1"}))
    assert stopped.path == "/login"


async def test_max_age_10000(plain: Wire, browser: Browser) -> None:
    """oidcc-max-age-10000: the running session is enough, and auth_time is told."""
    claims = await plain.verified((await plain.tokens(browser, {"max_age": "10000"}))["id_token"])
    again = await plain.verified((await plain.tokens(browser, {"max_age": "10000"}))["id_token"])
    assert claims["auth_time"] == again["auth_time"]


async def test_id_token_hint(plain: Wire, home: Node, browser: Browser) -> None:
    """oidcc-id-token-hint: with prompt=none the hinted person is answered; for another person it is login_required."""
    hint = (await plain.tokens(browser))["id_token"]
    assert (await plain.tokens(browser, {"prompt": "none", "id_token_hint": hint}))["id_token"]
    other = Browser()
    await sign_in(other, home, citizen("刘建国"))
    await plain.tokens(other)
    assert arrived(await plain.go(other, {"prompt": "none", "id_token_hint": hint}))["error"] == "login_required"


async def test_codereuse(plain: Wire, browser: Browser) -> None:
    """oidcc-codereuse, oidcc-codereuse-30seconds: the second use is invalid_grant at any time, and ends what the first gave (T-05)."""
    code = await plain.code(browser)
    first = await plain.redeem(code)
    assert first.status == 200
    again = await plain.redeem(code)
    assert (again.status, again.error) == (400, "invalid_grant")
    assert (await plain.userinfo(first.json["access_token"])).status == 401


@pytest.mark.parametrize("uri", ["{}/", "{}?a=b", "{}#x", "http://evil.example/callback", "{}x", "//evil.example", ""])
async def test_ensure_registered_redirect_uri(plain: Wire, home: Node, browser: Browser, uri: str) -> None:
    """oidcc-ensure-registered-redirect-uri: any other address is a page of ours, and the browser stays (T-08)."""
    wrong = {"redirect_uri": uri.format(plain.redirect) if uri else GONE}
    page = await travel(browser, home, plain.url(change=wrong))
    assert page.status == 400
    assert page.url.startswith(home.settings.base_url)
    assert (await plain.par(wrong)).error == "invalid_request"


async def test_ensure_post_request(plain: Wire, home: Node, browser: Browser) -> None:
    """oidcc-ensure-post-request-succeeds: also from another site, where no cookie comes along."""
    async with home.http.session.post(home.settings.base_url + "/oidc/authorize", data=plain.asked(), allow_redirects=False) as answer:
        assert answer.status == 303
        where = answer.headers["Location"]
    page = await travel(browser, home, where)
    assert (await plain.redeem(arrived(page)["code"])).status == 200


@pytest.mark.parametrize("more", [{}, {"redirect_uri": GONE}], ids=["unsigned", "with-redirect-uri"])
async def test_request_object(plain: Wire, browser: Browser, more: dict[str, Any]) -> None:
    """oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported, oidcc-ensure-request-object-with-redirect-uri."""
    inside = compact({"alg": "none"}, plain.asked({"state": "inside"}), new_key(), "none")
    told = await plain.par({"request": inside, **more})
    assert told.error in ("request_not_supported", "invalid_request")
    page = await travel(browser, plain.node, plain.url(change={"request": inside, **more}))
    if more:
        assert page.status == 400
    else:
        assert arrived(page) | {"error_description": ""} == {"error": "request_not_supported", "error_description": "", "state": "st-1", "iss": plain.base}


async def test_claims_essential(full: Wire, browser: Browser) -> None:
    """oidcc-claims-essential: an essential claim comes, at the place asked."""
    wanted = json.dumps({"userinfo": {"name": {"essential": True}}, "id_token": {"auth_time": {"essential": True}}})
    told = await full.tokens(browser, {"scope": "openid profile", "claims": wanted})
    assert (await full.verified(told["id_token"]))["auth_time"]
    assert (await full.userinfo(told["access_token"])).json["name"] == citizen().name


async def test_refresh_token(full: Wire, browser: Browser) -> None:
    """oidcc-refresh-token: a new access token, the same subject; another client's token is not taken."""
    told = await full.tokens(browser, {"scope": "openid profile offline_access"})
    again = await full.refresh(told["refresh_token"])
    assert again.status == 200
    assert (await full.userinfo(again.json["access_token"])).json["sub"] == (await full.verified(told["id_token"]))["sub"]
    assert (await full.refresh("nonsense")).error == "invalid_grant"


async def test_ensure_request_with_valid_pkce(plain: Wire, browser: Browser) -> None:
    """oidcc-ensure-request-with-valid-pkce-succeeds."""
    assert (await plain.tokens(browser))["id_token"]


async def test_discovery_endpoint_verification(home: Node) -> None:
    """oidcc-discovery-endpoint-verification; fapi2 discovery-end-point-verification; back-channel discovery-endpoint-verification."""
    _, headers, body = await home.http.request("GET", home.settings.base_url + "/.well-known/openid-configuration")
    told = json.loads(body)
    base = home.settings.base_url
    assert headers["content-type"].startswith("application/json")
    assert told["issuer"] == base
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "pushed_authorization_request_endpoint",
                 "end_session_endpoint", "introspection_endpoint", "revocation_endpoint"):  # fmt: skip
        assert told[name].startswith(base + "/"), name
        assert not urlsplit(told[name]).fragment
    assert told["response_types_supported"] == ["code"]
    assert set(told["subject_types_supported"]) == {"public", "pairwise"}
    assert told["id_token_signing_alg_values_supported"] == ["Ed25519", "ES256"]
    assert set(told["token_endpoint_auth_methods_supported"]) <= {"private_key_jwt", "none"}
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["dpop_signing_alg_values_supported"]
    assert told["authorization_response_iss_parameter_supported"] is True
    assert told["backchannel_logout_supported"] is told["backchannel_logout_session_supported"] is True
    assert "openid" in told["scopes_supported"]
    assert {"sub", "acr", "name"} <= set(told["claims_supported"])
    assert told["claims_parameter_supported"] is True
    assert told["request_uri_parameter_supported"] is told["request_parameter_supported"] is False
    _, _, keys = await home.http.request("GET", told["jwks_uri"])
    for one in json.loads(keys)["keys"]:
        assert one["kid"]
        assert one["use"] == "sig"
        assert not {"d", "p", "q", "k"} & set(one), "only public halves"


@pytest.mark.parametrize("name", ["RS256", "none", "HS256"])
async def test_not_offered(plain: Wire, name: str) -> None:
    """oidcc-idtoken-rs256, -unsigned and server-client-secret-post are not applicable: none of it is offered or can be registered."""
    refused = await register(plain.node, name)
    assert refused, "a client cannot be registered for it"
    assert (await plain.post("/oidc/par", {**plain.asked(), "client_secret": "x", "client_id": plain.app.id}, auth=False)).error == "invalid_client"


async def register(node: Node, alg: str) -> bool:
    try:
        await register_client(node, kind="outside", id_alg=alg)
    except (AssertionError, Exception):
        return True
    return False


# ---- RP-initiated logout ---------------------------------------------------------------------------------------------------


async def out(wire: Wire, home: Node, who: str = "刘建国") -> tuple[Browser, str]:
    browser = Browser()
    await sign_in(browser, home, citizen(who))
    return browser, (await wire.tokens(browser))["id_token"]


def signed_in(browser: Browser, home: Node) -> bool:
    return "__Host-tb_s" in browser.jar[home.settings.host]


async def logout(browser: Browser, home: Node, *, press: bool = True, **params: str) -> Any:
    page = await browser.get(home, "/oidc/logout?" + urlencode(params))
    if press and 'action="/oidc/logout/confirm"' in page.body:
        page = await browser.submit(home, page, "/oidc/logout/confirm", choice="yes")
    return page


async def test_rp_initiated_logout(plain: Wire, home: Node, door: Door) -> None:
    """oidcc-rp-initiated-logout: the person confirms, the session ends, the registered address gets the state."""
    browser, hint = await out(plain, home)
    page = await browser.get(home, "/oidc/logout?" + urlencode({"id_token_hint": hint, "post_logout_redirect_uri": door.base + "/bye", "state": "x"}))
    assert page.path == "/oidc/logout", "a link alone signs nobody out (T-10)"
    assert signed_in(browser, home)
    page = await browser.submit(home, page, "/oidc/logout/confirm", choice="yes")
    assert page.url == door.base + "/bye?state=x"
    assert not signed_in(browser, home)


BAD_LOGOUTS = {
    "bad-post-logout-redirect-uri": ({"post_logout_redirect_uri": "http://evil.example/"}, True),
    "query-added-to-post-logout-redirect-uri": ({"post_logout_redirect_uri": "BYE?a=b"}, True),
    "modified-id-token-hint": ({"post_logout_redirect_uri": "BYE"}, "modified"),
    "bad-id-token-hint": ({"post_logout_redirect_uri": "BYE"}, "bad"),
    "no-id-token-hint": ({"post_logout_redirect_uri": "BYE", "state": "x"}, False),
    "no-params": ({}, False),
    "no-post-logout-redirect-uri": ({"state": "x"}, True),
    "only-state": ({"state": "x"}, False),
}  # fmt: skip


@pytest.mark.parametrize(("params", "hint"), BAD_LOGOUTS.values(), ids=BAD_LOGOUTS.keys())
async def test_rp_initiated_logout_module(plain: Wire, home: Node, door: Door, params: dict[str, str], hint: Any) -> None:
    """oidcc-rp-initiated-logout-*: the person may sign out all the same, and stays on a page of ours."""
    browser, token = await out(plain, home)
    asked = {name: value.replace("BYE", door.base + "/bye") for name, value in params.items()}
    if hint:
        head, body, signature = token.split(".")
        turned = ("B" if signature[0] != "B" else "C") + signature[1:]
        asked["id_token_hint"] = {"modified": f"{head}.{body}.{turned}", "bad": "nonsense"}.get(hint, token)  # type: ignore[call-overload]
    page = await logout(browser, home, **asked)
    assert page.url.startswith(home.settings.base_url), "no redirect that was not verified"
    assert page.status in (200, 400)


async def test_rp_initiated_logout_no_state(plain: Wire, home: Node, door: Door) -> None:
    """oidcc-rp-initiated-logout-no-state."""
    browser, hint = await out(plain, home)
    page = await logout(browser, home, id_token_hint=hint, post_logout_redirect_uri=door.base + "/bye")
    assert page.url == door.base + "/bye"


async def test_backchannel_rp_initiated_logout(home: Node, door: Door) -> None:
    """oidcc-backchannel-rp-initiated-logout: the client is told with a logout token it can verify."""
    app = await register_client(
        home, kind="outside", redirect_uris=(door.callback,), post_logout_uris=(door.base + "/bye",), backchannel_uri=door.base + "/backchannel"
    )
    wire = Wire(home, app, door.callback)
    browser, hint = await out(wire, home)
    heard = len(door.heard)
    page = await logout(browser, home, id_token_hint=hint, post_logout_redirect_uri=door.base + "/bye", state="x")
    assert page.url == door.base + "/bye?state=x"
    told = await door.wait(heard, seconds=6)
    claims = await wire.verified(dict(parse_qsl(told))["logout_token"])
    before = payload(hint)
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert (claims["sid"], claims.get("sub", before["sub"])) == (before["sid"], before["sub"])
    assert "nonce" not in claims
    assert claims["jti"]
