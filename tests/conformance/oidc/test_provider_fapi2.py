"""Our node as provider 登录提供方, FAPI 2.0 Security Profile: the suite's modules for private_key_jwt, DPoP, simple (identity.md 12, R-302).

Module names are those of `fapi2-security-profile-final-test-plan` without their common prefix. Self-run, not certified.
"""

from __future__ import annotations

import json
import secrets
import time

import pytest

from tongban.identity.tests.make import Browser, citizen
from tongban.identity.tests.make_hostile import GONE, Form
from tongban.identity.tests.make_judges import Door, travel
from tongban.identity.tests.make_wire import Wire, arrived, at, fapi_wire, new_key, thumbprint
from tongban.kernel.node import Node

NOW = int(time.time())


# ---- normal ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["ES256", "Ed25519"])
async def test_happy_flow(home: Node, door: Door, browser: Browser, alg: str) -> None:
    """happy-flow; discovery-end-point-verification is in test_provider_basic."""
    wire = await fapi_wire(home, door, alg)
    told = await wire.tokens(browser)
    assert told["token_type"].lower() == "dpop"
    claims = await wire.verified(told["id_token"])
    assert (await wire.userinfo(told["access_token"])).json["sub"] == claims["sub"]


async def test_user_rejects_authentication(wire: Wire, home: Node, door: Door, browser: Browser) -> None:
    """user-rejects-authentication."""
    fresh = await fapi_wire(home, door)
    page = await fresh.go(browser, choice="no")
    assert (arrived(page)["error"], arrived(page)["iss"], arrived(page)["state"]) == ("access_denied", wire.base, "st-1")


async def test_without_state(wire: Wire, browser: Browser) -> None:
    """ensure-authorization-request-without-state-success."""
    page = await wire.go(browser, {"state": GONE})
    assert "state" not in arrived(page)
    assert (await wire.redeem(arrived(page)["code"])).status == 200


async def test_without_nonce(wire: Wire, browser: Browser) -> None:
    """ensure-authorization-request-without-nonce-success."""
    assert "nonce" not in await wire.verified((await wire.tokens(browser, {"nonce": GONE}))["id_token"])


@pytest.mark.parametrize("length", [64, 300])
async def test_long_nonce_and_state(wire: Wire, browser: Browser, length: int) -> None:
    """ensure-authorization-request-with-64-char-nonce-success, -with-long-nonce, -with-long-state."""
    nonce, state = secrets.token_hex(length // 2), secrets.token_hex(length // 2)
    page = await wire.go(browser, {"nonce": nonce, "state": state})
    assert arrived(page)["state"] == state
    told = await wire.redeem(arrived(page)["code"])
    assert (await wire.verified(told.json["id_token"]))["nonce"] == nonce


async def test_claims_parameter_identity_claims(wire: Wire, browser: Browser) -> None:
    """test-claims-parameter-identity-claims; over-asking is refused where the developer sees it."""
    wanted = json.dumps({"id_token": {"name": None}, "userinfo": {"name": {"essential": True}}})
    told = await wire.tokens(browser, {"claims": wanted})
    assert (await wire.userinfo(told["access_token"])).json["name"] == citizen().name
    refused = await wire.par({"claims": json.dumps({"userinfo": {"number": {"essential": True}}})})
    assert refused.error == "invalid_scope"


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
async def test_access_token_type_header_case_sensitivity(wire: Wire, browser: Browser, scheme: str) -> None:
    """access-token-type-header-case-sensitivity."""
    token = (await wire.tokens(browser))["access_token"]
    assert (await wire.userinfo(token, scheme=scheme)).status == 200


# ---- DPoP ------------------------------------------------------------------------------------------------------------------

PROOFS: dict[str, tuple[Form, Form, str]] = {
    "wrong-htm": ({"htm": "GET"}, {}, "right"),
    "missing-htm": ({"htm": GONE}, {}, "right"),
    "wrong-htu": ({"htu": "https://evil.example/oidc/token"}, {}, "right"),
    "missing-htu": ({"htu": GONE}, {}, "right"),
    "missing-iat": ({"iat": GONE}, {}, "right"),
    "missing-jti": ({"jti": GONE}, {}, "right"),
    "iat-long-ago": ({"iat": NOW - 4000}, {}, "right"),
    "iat-in-the-future": ({"iat": NOW + 4000}, {}, "right"),
    "wrong-typ": ({}, {"typ": "JWT"}, "right"),
    "missing-typ": ({}, {"typ": GONE}, "right"),
    "missing-jwk": ({}, {"jwk": GONE}, "right"),
    "alg-none": ({}, {"alg": "none"}, "none"),
    "alg-hs256": ({}, {"alg": "HS256"}, "hs256"),
    "alg-rs256": ({}, {"alg": "RS256"}, "right"),
    "bad-signature": ({}, {}, "flipped"),
    "signature-of-another-key": ({}, {}, "other"),
}


@pytest.mark.parametrize(("claims", "header", "sign"), PROOFS.values(), ids=PROOFS.keys())
async def test_dpop_negative_tests(wire: Wire, browser: Browser, claims: Form, header: Form, sign: str) -> None:
    """dpop-negative-tests, at the token endpoint and at userinfo; the true proof of the same code then works."""
    code = await wire.code(browser)
    url = wire.base + "/oidc/token"
    refused = await wire.redeem(code, proof=wire.proof("POST", url, claims=claims, header=header, sign=sign))
    assert (refused.status, refused.error) in ((400, "invalid_dpop_proof"), (400, "use_dpop_nonce"))
    told = await wire.redeem(code)
    assert told.status == 200, "a bad proof spends nothing"
    token = told.json["access_token"]
    info = wire.base + "/oidc/userinfo"
    bad = wire.proof("GET", info, token=token, claims={"htm": "POST"} if claims.get("htm") == "GET" else claims, header=header, sign=sign)
    assert (await wire.userinfo(token, proofs=[bad])).status in (400, 401)


async def test_dpop_private_key_in_the_proof(wire: Wire) -> None:
    private = {**wire.proof_key.as_dict(private=True)}
    told = await wire.par(proofs=[wire.proof("POST", wire.base + "/oidc/par", header={"jwk": private})])
    assert told.error == "invalid_dpop_proof"


@pytest.mark.parametrize("count", [0, 2])
async def test_dpop_not_exactly_one(wire: Wire, browser: Browser, count: int) -> None:
    """dpop-negative-tests: no proof, two proofs."""
    code = await wire.code(browser)
    proofs = [wire.proof("POST", wire.base + "/oidc/token") for _ in range(count)]
    assert (await wire.redeem(code, proofs=proofs)).error in ("invalid_dpop_proof", "invalid_request")
    token = (await wire.redeem(code)).json["access_token"]
    proofs = [wire.proof("GET", wire.base + "/oidc/userinfo", token=token) for _ in range(count)]
    assert (await wire.userinfo(token, proofs=proofs)).status in (400, 401)


async def test_dpop_replayed(wire: Wire, browser: Browser) -> None:
    """dpop-negative-tests: a proof seen before; a proof of another token (ath)."""
    told = await wire.tokens(browser)
    token, url = told["access_token"], wire.base + "/oidc/userinfo"
    proof = wire.proof("GET", url, token=token)
    assert (await wire.userinfo(token, proofs=[proof])).status == 200
    assert (await wire.userinfo(token, proofs=[proof])).status in (400, 401)
    assert (await wire.userinfo(token, proofs=[wire.proof("GET", url, token="another")])).status in (400, 401)
    assert (await wire.userinfo(token, proofs=[wire.proof("GET", url)])).status in (400, 401)


@pytest.mark.parametrize("seconds", [-10, 10])
async def test_dpop_iat_a_little_off(wire: Wire, browser: Browser, seconds: int) -> None:
    """dpop-proof-iat 10 seconds before and after now succeed."""
    code = await wire.code(browser)
    assert (await wire.redeem(code, proof={"iat": at(seconds)})).status == 200


async def test_check_dpop_proof_nbf_exp(wire: Wire, browser: Browser) -> None:
    """check-dpop-proof-nbf-exp: present and sensible is fine; run out or not yet is refused."""
    assert (await wire.redeem(await wire.code(browser), proof={"nbf": at(-5), "exp": at(60)})).status == 200
    for wrong in ({"exp": at(-4000)}, {"nbf": at(4000)}):
        assert (await wire.redeem(await wire.code(browser), proof=wrong)).status == 400


async def test_dpop_clock_wrong_gets_a_nonce(wire: Wire) -> None:
    """A device with a wrong clock gets `use_dpop_nonce`, and the nonce stands for the clock (RFC 9449 8)."""
    told = await wire.par(proof={"iat": at(-3600)})
    assert (told.status, told.error) == (400, "use_dpop_nonce")
    nonce = told.headers["dpop-nonce"]
    assert (await wire.par(proof={"iat": at(-3600), "nonce": nonce})).status == 201
    assert (await wire.par(proof={"nonce": nonce[:-2] + "xx"})).error == "use_dpop_nonce"


async def test_mismatched_dpop_jkt(wire: Wire) -> None:
    """par-ensure-mismatched-dpop-jkt fails."""
    told = await wire.par({"dpop_jkt": thumbprint(new_key())})
    assert (told.status, told.error) == (400, "invalid_dpop_proof")
    assert (await wire.par({"dpop_jkt": thumbprint(wire.proof_key)})).status == 201


async def test_token_endpoint_mismatched_proof_jkt(wire: Wire, browser: Browser) -> None:
    """token-endpoint-fails-with-mismatched-dpop-proof-jkt, proof-at-par-binding: the code is bound to the key shown at PAR."""
    code = await wire.code(browser)
    stolen = wire.proof("POST", wire.base + "/oidc/token", key=new_key())
    assert (await wire.redeem(code, proof=stolen)).error in ("invalid_dpop_proof", "invalid_grant")


async def test_token_endpoint_mismatched_dpop_jkt(wire: Wire, home: Node, browser: Browser) -> None:
    """token-endpoint-fails-with-mismatched-dpop-jkt, auth-code-binding: `dpop_jkt` without a proof at PAR binds as well."""
    told = await wire.par({"dpop_jkt": thumbprint(wire.proof_key)}, proofs=[])
    assert told.status == 201, told
    code = arrived(await travel(browser, home, wire.url(told)))["code"]
    stolen = wire.proof("POST", wire.base + "/oidc/token", key=new_key())
    assert (await wire.redeem(code, proof=stolen)).error in ("invalid_dpop_proof", "invalid_grant")


# ---- authorization ---------------------------------------------------------------------------------------------------------


async def test_ensure_registered_redirect_uri(wire: Wire) -> None:
    """ensure-registered-redirect-uri, par-ensure-request-without-redirect-uri-fails."""
    for uri in (wire.redirect + "/", "https://evil.example/cb", GONE):
        assert (await wire.par({"redirect_uri": uri})).error == "invalid_request"


async def test_redirect_uri_in_authorization_request(wire: Wire, home: Node, browser: Browser) -> None:
    """redirect-uri-in-authorization-request, tolerate-unregistered-redirect-uri: what stands beside request_uri counts nothing."""
    told = await wire.par()
    page = await travel(browser, home, wire.url(told, {"redirect_uri": "https://evil.example/cb"}))
    assert page.url.startswith(wire.redirect)


async def test_unsigned_authorization_request_without_par_fails(wire: Wire, home: Node, browser: Browser) -> None:
    """ensure-unsigned-authorization-request-without-using-par-fails."""
    page = await travel(browser, home, wire.url())
    assert arrived(page)["error"] == "invalid_request"
    assert "code" not in arrived(page)


@pytest.mark.parametrize("kind", ["code id_token", "token", "id_token", "code token", "none"])
async def test_response_type(wire: Wire, kind: str) -> None:
    """ensure-response-type-code-idtoken-fails, ensure-response-type-token-fails."""
    assert (await wire.par({"response_type": kind})).error == "unsupported_response_type"


@pytest.mark.parametrize("mode", ["fragment", "form_post", "web_message", "query.jwt"])
async def test_response_mode(wire: Wire, mode: str) -> None:
    """Only query: form_post would lose the Lax cookies."""
    assert (await wire.par({"response_mode": mode})).error == "invalid_request"


async def test_state_only_outside(wire: Wire, home: Node, browser: Browser) -> None:
    """state-only-outside-request-object-not-used, different-state and -nonce inside and outside: what was pushed counts."""
    told = await wire.par({"state": GONE})
    assert "state" not in arrived(await travel(browser, home, wire.url(told, {"state": "outside"})))
    told = await wire.par()
    page = await travel(browser, home, wire.url(told, {"state": "outside", "nonce": "outside", "scope": "openid"}))
    assert arrived(page)["state"] == "st-1"
    assert (await wire.verified((await wire.redeem(arrived(page)["code"])).json["id_token"]))["nonce"] == "n-1"


async def test_answer_has_iss(wire: Wire, browser: Browser) -> None:
    """RFC 9207, in success and in error."""
    assert arrived(await wire.go(browser))["iss"] == wire.base
    assert arrived(await wire.go(Browser(), {"prompt": "none"}))["iss"] == wire.base


# ---- token and client ------------------------------------------------------------------------------------------------------


async def test_client_id_in_token_endpoint(wire: Wire, other: Wire, browser: Browser) -> None:
    """client-id-in-token-endpoint: another's client_id beside the assertion is refused."""
    code = await wire.code(browser)
    assert (await wire.redeem(code, {"client_id": other.app.id})).status in (400, 401)
    assert (await wire.redeem(code)).status == 200


async def test_holder_of_key_required(wire: Wire, browser: Browser) -> None:
    """ensure-holder-of-key-required: no client assertion, no tokens."""
    code = await wire.code(browser)
    told = await wire.redeem(code, {"client_id": wire.app.id}, auth=False)
    assert (told.status, told.error) == (401, "invalid_client")


async def test_code_is_bound_to_client(wire: Wire, other: Wire, browser: Browser) -> None:
    """ensure-authorization-code-is-bound-to-client."""
    code = await wire.code(browser)
    told = await other.redeem(code, {"code_verifier": wire.verifier})
    assert (told.status, told.error) == (400, "invalid_grant")


async def test_attempt_reuse_authorization_code(wire: Wire, browser: Browser) -> None:
    """attempt-reuse-authorization-code-after-one-second: refused, and the access token and refresh family are dead (T-05)."""
    code = await wire.code(browser, {"scope": "openid offline_access"})
    first = (await wire.redeem(code)).json
    assert (await wire.redeem(code)).error == "invalid_grant"
    assert (await wire.userinfo(first["access_token"])).status == 401
    assert (await wire.refresh(first["refresh_token"])).error == "invalid_grant"


async def test_expired_auth_code(wire: Wire, home: Node, browser: Browser) -> None:
    """ensure-expired-auth-code-fails: after 60 s."""
    code = await wire.code(browser)
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE oidc_code SET expires_at = expires_at - interval '61 seconds' WHERE client = $1", wire.app.id)
    assert (await wire.redeem(code)).error == "invalid_grant"
