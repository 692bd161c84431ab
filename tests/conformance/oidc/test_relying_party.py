"""Our node as relying party 登录别处: the suite's client modules against providers that lie (identity.md 12, R-301, T-04, T-07).

Each case is told twice, by a genuine node and by an outside issuer; module names are the public suite's. Self-run, not certified.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tongban import identity
from tongban.identity.tests.make import Browser, Page
from tongban.identity.tests.make_hostile import GONE, Liar, Lie
from tongban.kernel.node import Node

AWAY = "510000"
NOW = int(time.time())
BOTH = ["node", "outside"]


@pytest.fixture(params=BOTH)
def liar(request: pytest.FixtureRequest, liars: dict[str, Liar]) -> Iterator[Liar]:
    found = liars[request.param]
    yield found
    found.lie, found.more_keys = Lie(), []


@pytest.fixture
async def away(nodes: dict[str, Node]) -> Node:
    """The node that signs people in by others; its key cache starts empty, so that each case fetches."""
    async with nodes[AWAY].db.transaction() as tx:
        await tx.execute("DELETE FROM jwks_cache WHERE node IN ('440000', 'x-liar')")
    return nodes[AWAY]


async def signed_in(away: Node, browser: Browser) -> bool:
    return (await identity.resolve(away, browser.jar.get(away.settings.host, {}), path="/me")).kind == "citizen"


async def sign_in(away: Node, liar: Liar, browser: Browser) -> Page:
    return await browser.get(away, "/login/go?" + urlencode({"home": liar.id, "next": "/me/access"}))


async def test_happy_flow(away: Node, liar: Liar) -> None:
    """oidcc-client-test: what is told truly is believed, at the level it can have."""
    browser = Browser()
    page = await sign_in(away, liar, browser)
    assert (page.status, page.path) == (200, "/me/access"), page.body
    actor = await identity.resolve(away, browser.jar[away.settings.host], path="/me")
    assert actor.home == liar.id
    assert (actor.acr, actor.subject[0]) == ((2, "n") if liar.node else (1, "l")), "an outside provider counts for level 1"


REFUSED = {
    "invalid-iss": Lie(claims={"iss": "https://evil.example"}),
    "missing-iss": Lie(claims={"iss": GONE}),
    "missing-sub": Lie(claims={"sub": GONE}),
    "empty-sub": Lie(claims={"sub": ""}),
    "invalid-aud": Lie(claims={"aud": "somebody-else"}),
    "missing-aud": Lie(claims={"aud": GONE}),
    "invalid-azp": Lie(claims={"azp": "somebody-else"}),
    "many-aud-without-azp": Lie(claims={"aud": ["510000", "tongban-demo", "somebody-else"]}),
    "missing-iat": Lie(claims={"iat": GONE}),
    "iat-long-ago": Lie(claims={"iat": NOW - 4000, "exp": NOW + 4000}),
    "iat-in-the-future": Lie(claims={"iat": NOW + 4000, "exp": NOW + 8000}),
    "missing-exp": Lie(claims={"exp": GONE}),
    "expired": Lie(claims={"exp": NOW - 5}),
    "nonce-invalid": Lie(claims={"nonce": "another"}),
    "nonce-missing": Lie(claims={"nonce": GONE}),
    "idtoken-sig-none": Lie(header={"alg": "none"}, sign="none"),
    "sig-none-under-a-true-header": Lie(sign="none"),
    "invalid-sig": Lie(sign="flipped"),
    "sig-of-another-key": Lie(sign="other"),
    "sig-hs256-with-the-public-key": Lie(header={"alg": "HS256"}, sign="hs256"),
    "alg-swapped": Lie(header={"alg": "RS256"}),
    "alg-eddsa": Lie(header={"alg": "EdDSA"}),
    "kid-unknown": Lie(header={"kid": "nobody/j1"}),
    "jwk-in-the-header": Lie(header={"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}}),
    "jku-in-the-header": Lie(header={"jku": "https://evil.example/keys"}),
    "crit-unknown": Lie(header={"crit": ["b64"], "b64": False}),
    "typ-of-an-access-token": Lie(header={"typ": "at+jwt"}),
    "typ-of-a-logout-token": Lie(header={"typ": "logout+jwt"}),
    "no-id-token": Lie(answer={"id_token": GONE}),
    "id-token-is-no-text": Lie(answer={"id_token": 7}),
    "id-token-is-junk": Lie(answer={"id_token": "a.b.c"}),
    "id-token-too-long": Lie(answer={"id_token": "a" * 9000}),
}  # fmt: skip


@pytest.mark.parametrize("lie", REFUSED.values(), ids=REFUSED.keys())
async def test_client_module(away: Node, liar: Liar, lie: Lie) -> None:
    """oidcc-client-test-*: each lie alone is refused with a page, and nobody is signed in (T-04, T-07, T-22)."""
    liar.lie, browser = lie, Browser()
    page = await sign_in(away, liar, browser)
    assert page.status == 403, page.body
    assert "核对不上" in page.body
    assert not await signed_in(away, browser)
    liar.lie = Lie()
    assert (await sign_in(away, liar, browser)).path == "/me/access", "the same provider telling the truth is believed"


async def test_kid_absent_single_jwks(away: Node, liars: dict[str, Liar]) -> None:
    """oidcc-client-test-kid-absent-single-jwks: the only fitting key of an outside issuer is taken."""
    liar, browser = liars["outside"], Browser()
    liar.lie = Lie(header={"kid": GONE})
    assert (await sign_in(away, liar, browser)).path == "/me/access"
    liar.lie = Lie()


async def test_kid_absent_multiple_jwks(away: Node, liar: Liar) -> None:
    """oidcc-client-test-kid-absent-multiple-jwks: with several keys nothing is guessed. A node always names its key."""
    liar.lie = Lie(header={"kid": GONE})
    liar.more_keys = [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "other", "use": "sig"}]
    browser = Browser()
    assert (await sign_in(away, liar, browser)).status == 403
    assert not await signed_in(away, browser)


@pytest.mark.parametrize("more", [{"sub": "somebody-else"}, {"sub": GONE}, {"sub": 7}], ids=["other", "missing", "number"])
async def test_userinfo_invalid_sub(away: Node, liars: dict[str, Liar], more: dict[str, Any]) -> None:
    """oidcc-client-test-userinfo-invalid-sub: userinfo about somebody else is no word about this person."""
    liar, browser = liars["outside"], Browser()
    liar.lie = Lie(userinfo=more)
    page = await sign_in(away, liar, browser)
    liar.lie = Lie()
    assert page.status == 403
    assert not await signed_in(away, browser)


@pytest.mark.parametrize(
    "back", [{"iss": "https://evil.example"}, {"iss": GONE}, {"state": "another"}, {"state": GONE}], ids=["iss", "no-iss", "state", "no-state"]
)
async def test_answer_of_another(away: Node, liar: Liar, back: dict[str, Any]) -> None:
    """RFC 9207 and oidcc-client-test-invalid-iss of the answer: mix-up and foreign state end before the token request (T-04, T-10)."""
    liar.lie, browser = Lie(back=back), Browser()
    page = await sign_in(away, liar, browser)
    assert page.status == 508, page.body
    assert not await signed_in(away, browser)


async def test_error_answer_is_a_page_with_a_way_on(away: Node, liar: Liar) -> None:
    liar.lie, browser = Lie(back={"code": GONE, "error": "access_denied", "error_description": "<script>alert(1)</script>"}), Browser()
    page = await sign_in(away, liar, browser)
    assert page.status == 200
    assert "没有核验" in page.body
    assert "<script>alert" not in page.body, "nothing a provider writes is drawn"


async def test_token_endpoint_away(away: Node, liar: Liar) -> None:
    liar.lie, browser = Lie(token_status=500), Browser()
    assert (await sign_in(away, liar, browser)).status == 503
    assert not await signed_in(away, browser)


DOCUMENTS = {
    "issuer": {"issuer": "https://evil.example"},
    "token-elsewhere": {"token_endpoint": "https://evil.example/token"},
    "keys-elsewhere": {"jwks_uri": "https://evil.example/keys"},
    "no-token-endpoint": {"token_endpoint": GONE},
    "no-pkce": {"code_challenge_methods_supported": ["plain"]},
    "rs256-only": {"id_token_signing_alg_values_supported": ["RS256"]},
    "implicit-only": {"response_types_supported": ["id_token"]},
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
async def test_discovery_of_another(away: Node, liars: dict[str, Liar], document: dict[str, Any]) -> None:
    """oidcc-client-test-discovery-issuer-mismatch and its like: the document must be of this issuer and on its own host."""
    from tongban.identity.actions import issuers

    liar = liars["outside"]
    liar.lie = Lie(discovery=document)
    issuers._found.pop(away, None)
    page = await sign_in(away, liar, Browser())
    liar.lie = Lie()
    assert page.status == 503
    assert page.url.startswith(away.settings.base_url), "the browser was not sent away"
    assert (await sign_in(away, liar, Browser())).path == "/me/access"


async def test_key_rotation(away: Node, liars: dict[str, Liar]) -> None:
    """oidcc-client-test-signing-key-rotation: a key published before use costs one fetch, at most one in 30 s."""
    from joserfc.jwk import ECKey

    liar, browser = liars["outside"], Browser()
    assert (await sign_in(away, liar, browser)).path == "/me/access"
    before, kid = liar.key, liar.kid
    liar.key, liar.kid = ECKey.generate_key("P-256"), "liar-2"
    assert (await sign_in(away, liar, Browser())).status == 403, "looked a moment ago: not again within 30 s"
    async with away.db.transaction() as tx:
        await tx.execute("UPDATE jwks_cache SET fetched_at = fetched_at - interval '31 seconds' WHERE node = 'x-liar'")
    assert (await sign_in(away, liar, Browser())).path == "/me/access"
    liar.key, liar.kid = before, kid


# ---- back-channel logout ---------------------------------------------------------------------------------------------------


async def push(away: Node, token: str) -> int:
    url, body = away.settings.base_url + "/oidc/backchannel", urlencode({"logout_token": token}).encode()
    status, _, _ = await away.http.request("POST", url, body=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    return status


EVENT = "http://schemas.openid.net/event/backchannel-logout"
BACK = {
    "alg-none": Lie(header={"alg": "none"}, sign="none"),
    "wrong-alg": Lie(header={"alg": "HS256"}, sign="hs256"),
    "alg-rs256": Lie(header={"alg": "RS256"}),
    "invalid-sig": Lie(sign="other"),
    "no-event": Lie(claims={"events": GONE}),
    "wrong-event": Lie(claims={"events": {"http://schemas.openid.net/event/another": {}}}),
    "event-is-no-object": Lie(claims={"events": {EVENT: "yes"}}),
    "with-nonce": Lie(claims={"nonce": "n-0S6_WzA2Mj"}),
    "wrong-aud": Lie(claims={"aud": "somebody-else"}),
    "wrong-iss": Lie(claims={"iss": "https://evil.example"}),
    "iss-of-another-node": Lie(claims={"iss": "HOME"}),
    "no-sid-no-sub": Lie(claims={"sid": GONE, "sub": GONE}),
    "no-jti": Lie(claims={"jti": GONE}),
    "no-iat": Lie(claims={"iat": GONE}),
    "long-ago": Lie(claims={"iat": NOW - 4000, "exp": NOW - 3900}),
    "expired": Lie(claims={"exp": NOW - 5}),
    "typ-of-an-access-token": Lie(header={"typ": "at+jwt"}),
    "unknown-kid": Lie(header={"kid": "nobody/j1"}),
}  # fmt: skip


@pytest.mark.parametrize("lie", BACK.values(), ids=BACK.keys())
async def test_backchannel_module(nodes: dict[str, Node], away: Node, liar: Liar, lie: Lie) -> None:
    """oidcc-client-test-rp-backchannel-*: each bad logout token is 400 and ends nothing; the good one ends the session at once."""
    browser = Browser()
    assert (await sign_in(away, liar, browser)).path == "/me/access"
    if lie.claims.get("iss") == "HOME":
        lie.claims["iss"] = nodes["500000"].settings.base_url
    liar.lie = lie
    assert await push(away, liar.logout_token()) == 400
    assert await signed_in(away, browser)
    liar.lie = Lie()
    good = liar.logout_token()
    assert await push(away, good) == 200
    assert not await signed_in(away, browser)
    assert await push(away, good) == 400, "once"


async def test_backchannel_by_subject(away: Node, liars: dict[str, Liar]) -> None:
    """oidcc-client-test-rp-backchannel-rpinitlogout by `sub`: every session of that person ends, nobody else's."""
    liar, first, second, other = liars["outside"], Browser(), Browser(), Browser()
    for browser in (first, second):
        await sign_in(away, liar, browser)
    liar.sub = "another-person"
    await sign_in(away, liar, other)
    liar.sub = "somebody"
    assert await push(away, liar.logout_token(by_sub=True)) == 200
    assert [await signed_in(away, one) for one in (first, second, other)] == [False, False, True]


async def test_id_token_is_no_logout_token(away: Node, liar: Liar) -> None:
    browser = Browser()
    await sign_in(away, liar, browser)
    assert await push(away, liar.id_token("n")) == 400
    for junk in ("", "a.b.c", "a" * 9000, "e30.e30."):
        assert await push(away, junk) in (400, 413)
    assert await signed_in(away, browser)


# ---- third-party initiated login -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_third_party_initiated_login(away: Node, liar: Liar, method: str) -> None:
    """oidcc-3rdparty-init-login: iss and target start a request of our own, by GET and by POST; nobody is signed in by the link itself."""
    asked, browser = {"iss": liar.url, "target_link_uri": away.settings.base_url + "/me/access?a=b", "login_hint": "somebody"}, Browser()
    if method == "GET":
        page = await browser.get(away, "/login/initiate?" + urlencode(asked))
    else:
        page = await browser.post(away, "/login/initiate", asked)
    assert page.url == away.settings.base_url + "/me/access?a=b"
    assert any(one.startswith(liar.url + "/oidc/authorize") for one in page.trail)
    assert await signed_in(away, browser)


async def test_third_party_initiated_login_nohttps(away: Node, liar: Liar) -> None:
    """oidcc-3rdparty-init-login-nohttps: the other scheme is another issuer and another host; the browser stays here (T-23)."""
    other = {"http": "https", "https": "http"}[liar.url.split(":")[0]]
    wrong = other + liar.url[liar.url.index(":") :]
    foreign = other + away.settings.base_url[away.settings.base_url.index(":") :] + "/me"
    for asked in ({"iss": wrong}, {"iss": liar.url, "target_link_uri": foreign}, {"iss": ""}, {"iss": liar.url + "/x"}):
        page = await Browser().get(away, "/login/initiate?" + urlencode(asked), follow=False)
        assert page.status == 400, asked
