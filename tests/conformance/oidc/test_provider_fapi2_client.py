"""Our node as provider 登录提供方, FAPI 2.0 Security Profile: the client's word, pushed requests and code challenges (identity.md 12, R-302).

Module names are those of `fapi2-security-profile-final-test-plan` without their common prefix. Self-run, not certified.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from tongban.identity.tests.make import Browser
from tongban.identity.tests.make_hostile import GONE, Form, compact
from tongban.identity.tests.make_judges import travel
from tongban.identity.tests.make_wire import Wire, arrived, at, new_key
from tongban.kernel.node import Node


def _times(**seconds: int) -> dict[str, Any]:
    return {name: ("at", value) for name, value in seconds.items()}


ASSERTIONS: dict[str, tuple[Form, Form, str]] = {
    "exp-5-minutes-past": (_times(exp=-300), {}, "right"),
    "exp-missing": ({"exp": GONE}, {}, "right"),
    "lives-an-hour": (_times(exp=3600), {}, "right"),
    "wrong-aud": ({"aud": "https://evil.example"}, {}, "right"),
    "aud-missing": ({"aud": GONE}, {}, "right"),
    "no-sub": ({"sub": GONE}, {}, "right"),
    "wrong-sub": ({"sub": "somebody"}, {}, "right"),
    "wrong-iss": ({"iss": "somebody"}, {}, "right"),
    "no-jti": ({"jti": GONE}, {}, "right"),
    "iat-over-60-seconds-ahead": (_times(iat=90, exp=200), {}, "right"),
    "nbf-over-60-seconds-ahead": (_times(nbf=90, exp=200), {}, "right"),
    "alg-rs256": ({}, {"alg": "RS256"}, "right"),
    "alg-none": ({}, {"alg": "none"}, "none"),
    "alg-hs256": ({}, {"alg": "HS256"}, "hs256"),
    "signature-of-another-key": ({}, {}, "other"),
    "bad-signature": ({}, {}, "flipped"),
    "unknown-kid": ({}, {"kid": "another"}, "right"),
    "typ-of-a-proof": ({}, {"typ": "dpop+jwt"}, "right"),
    "aud-par-endpoint": ({"aud": "PAR"}, {}, "right"),
    "aud-token-endpoint": ({"aud": "TOKEN"}, {}, "right"),
    "aud-array": ({"aud": ["ISSUER"]}, {}, "right"),
}


@pytest.mark.parametrize(("claims", "header", "sign"), ASSERTIONS.values(), ids=ASSERTIONS.keys())
async def test_client_assertion(wire: Wire, claims: Form, header: Form, sign: str) -> None:
    """ensure-client-assertion-* and par-*: every wrong assertion is invalid_client, at PAR and at the token endpoint (T-07)."""
    places = {"PAR": wire.base + "/oidc/par", "TOKEN": wire.base + "/oidc/token", "ISSUER": wire.base}

    def filled(value: Any) -> Any:
        if isinstance(value, tuple):
            return at(value[1])
        return [places[one] for one in value] if isinstance(value, list) else places.get(value, value) if isinstance(value, str) else value

    bad = {name: filled(value) for name, value in claims.items()}
    for told in (await wire.par(assertion=bad, header=header, sign=sign), await wire.redeem("none", assertion=bad, header=header, sign=sign)):
        assert (told.status, told.error) == (401, "invalid_client"), told


async def test_client_assertion_times_accepted(wire: Wire) -> None:
    """ensure-client-assertion-with-iat-nbf-8-seconds-in-the-future-is-accepted."""
    assert (await wire.par(assertion={"iat": at(8), "nbf": at(8), "exp": at(60)})).status == 201


async def test_client_assertion_once(wire: Wire) -> None:
    signed = wire.assertion()
    assert (await wire.par(assertion=signed)).status == 201
    assert (await wire.par(assertion=signed)).error == "invalid_client"


async def test_assertion_of_another_client(wire: Wire, other: Wire) -> None:
    """The assertion decides who calls, not the client_id beside it."""
    assert (await wire.par(assertion=other.assertion())).status in (400, 401)


async def test_refresh_token(wire: Wire, browser: Browser) -> None:
    """refresh-token: not rotated, good with a new DPoP key of the authenticated client, and for no other client."""
    told = await wire.tokens(browser, {"scope": "openid profile offline_access"})
    kept = told["refresh_token"]
    first = await wire.refresh(kept)
    assert first.status == 200
    assert first.json.get("refresh_token", kept) == kept
    key = new_key()
    second = await wire.refresh(kept, proof=wire.proof("POST", wire.base + "/oidc/token", key=key))
    assert second.status == 200
    assert (await wire.userinfo(second.json["access_token"], key=key)).status == 200
    assert (await wire.userinfo(second.json["access_token"])).status in (400, 401), "bound to the new key"
    assert (await wire.refresh(kept, auth=False)).status in (400, 401)


async def test_refresh_token_of_another_client(wire: Wire, other: Wire, browser: Browser) -> None:
    told = await wire.tokens(browser, {"scope": "openid offline_access"})
    assert (await other.refresh(told["refresh_token"])).error == "invalid_grant"
    assert (await wire.refresh(told["refresh_token"])).status == 200
    more = await wire.refresh(told["refresh_token"], {"scope": "openid profile offline_access"})
    assert more.error == "invalid_scope", "never more than was given"


# ---- PAR and PKCE ----------------------------------------------------------------------------------------------------------


async def test_reused_request_uri_prior_to_completion(wire: Wire, home: Node, browser: Browser) -> None:
    """par-ensure-reused-request-uri-prior-to-auth-completion-succeeds, par-attempt-reuse-request_uri fails after it."""
    told = await wire.par()
    stopped = await travel(Browser(), home, wire.url(told))
    assert stopped.path == "/login"
    page = await travel(browser, home, wire.url(told))
    assert "code" in arrived(page)
    again = await travel(browser, home, wire.url(told))
    assert again.url.startswith(home.settings.base_url)
    assert again.status == 400


async def test_expired_request_uri(wire: Wire, home: Node, browser: Browser) -> None:
    """par-attempt-to-use-expired-request_uri: after 90 s, told nowhere but on a page."""
    told = await wire.par()
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE oidc_request SET expires_at = expires_at - interval '91 seconds' WHERE client = $1", wire.app.id)
    page = await travel(browser, home, wire.url(told))
    assert (page.status, page.url.startswith(home.settings.base_url)) == (400, True)


async def test_request_uri_of_another_client(wire: Wire, other: Wire, home: Node, browser: Browser) -> None:
    """par-attempt-to-use-request_uri-for-different-client."""
    told = await wire.par()
    page = await travel(browser, home, f"{wire.base}/oidc/authorize?" + urlencode({"client_id": other.app.id, "request_uri": told.json["request_uri"]}))
    assert (page.status, page.url.startswith(home.settings.base_url)) == (400, True)


async def test_request_uri_form_param(wire: Wire) -> None:
    """par-test-pushed-authorization-url-with-request_uri-form-param refused; a request object too."""
    assert (await wire.par({"request_uri": "urn:ietf:params:oauth:request_uri:x"})).status == 400
    inside = compact({"alg": "ES256"}, wire.asked(), new_key(), "right")
    assert (await wire.par({"request": inside})).status == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_par_invalid_http_method(wire: Wire, method: str) -> None:
    """par-test-invalid-http-method."""
    assert (await wire.post("/oidc/par", wire.asked(), method=method)).status == 405


@pytest.mark.parametrize("name", ["scope", "client_id", "redirect_uri", "state"])
async def test_par_without_duplicate_parameters(wire: Wire, name: str) -> None:
    """par-without-duplicate-parameters: a parameter given twice is refused (T-24)."""
    told = await wire.post("/oidc/par", wire.asked(), twice=name)
    assert (told.status, told.error) == (400, "invalid_request")


async def test_par_answer(wire: Wire) -> None:
    """happy-flow of PAR: 201, a urn, at most 600 s, and nothing cached."""
    told = await wire.par()
    assert told.status == 201
    assert told.json["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert 5 < told.json["expires_in"] <= 600
    assert "no-store" in told.headers["cache-control"]


@pytest.mark.parametrize(
    "change",
    [{"code_challenge": GONE, "code_challenge_method": GONE}, {"code_challenge": GONE}, {"code_challenge_method": "plain"}, {"code_challenge_method": GONE}],
    ids=["none", "no-challenge", "plain", "no-method"],
)
async def test_pkce_required(wire: Wire, change: Form) -> None:
    """par-ensure-pkce-required, par-ensure-plain-pkce-rejected."""
    assert (await wire.par(change)).error == "invalid_request"


@pytest.mark.parametrize("change", [{"code_verifier": GONE}, {"code_verifier": "v" * 43}, {"code_verifier": ""}], ids=["absent", "incorrect", "empty"])
async def test_pkce_code_verifier(wire: Wire, browser: Browser, change: Form) -> None:
    """ensure-pkce-code-verifier-required, incorrect-pkce-code-verifier-rejected."""
    code = await wire.code(browser)
    assert (await wire.redeem(code, change)).error in ("invalid_grant", "invalid_request")


@pytest.mark.parametrize("change", [{"redirect_uri": "https://evil.example/cb"}, {"grant_type": "password"}, {"grant_type": GONE}])
async def test_token_request_bent(wire: Wire, browser: Browser, change: Form) -> None:
    code = await wire.code(browser)
    told = await wire.redeem(code, change)
    assert (told.status, told.error in ("invalid_grant", "unsupported_grant_type", "invalid_request")) == (400, True)
    assert "access_token" not in told.json
