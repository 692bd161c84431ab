"""Tokens that must not be believed (T-07, T-06), and the two that must: assertions and proofs within their windows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from tongban.identity import tokens
from tongban.identity.errors import ProtocolError, TokenRefused
from tongban.identity.rules import home, requests
from tongban.identity.rules.clients import Client

NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
ED = tokens.TokenKey("500000/j1", "Ed25519", b"\x01" * 32)
EC = tokens.TokenKey("500000/w1", "ES256", b"\x02" * 32)
KEYS = [ED.jwk, EC.jwk]
CLAIMS = {"iss": "a", "sub": "b"}
ISSUER = "http://500000.localhost:8103"


def part(value: object) -> str:
    return tokens.b64u(json.dumps(value).encode())


def forged(header: dict[str, object], secret: bytes | None = None) -> str:
    head = f"{part(header)}.{part(CLAIMS)}"
    mac = b"" if secret is None else hmac.new(secret, head.encode(), hashlib.sha256).digest()
    return f"{head}.{tokens.b64u(mac)}"


@pytest.mark.parametrize("key", [ED, EC])
def test_a_signed_token_is_read_with_its_own_key(key: tokens.TokenKey) -> None:
    assert tokens.read(key.sign(CLAIMS, typ="JWT"), KEYS, typ="JWT") == CLAIMS


def public_bytes(jwk: dict[str, str]) -> bytes:
    return base64.urlsafe_b64decode(jwk["x"] + "=" * (-len(jwk["x"]) % 4))


@pytest.mark.parametrize(
    "token",
    [
        forged({"alg": "none", "typ": "JWT", "kid": "500000/j1"}),
        forged({"alg": "None", "typ": "JWT", "kid": "500000/j1"}),
        forged({"alg": "HS256", "typ": "JWT", "kid": "500000/j1"}, public_bytes(ED.jwk)),
        forged({"alg": "HS256", "typ": "JWT", "kid": "500000/w1"}, public_bytes(EC.jwk)),
        ED.sign(CLAIMS, typ="JWT", header={"kid": "500000/w1"}),
        EC.sign(CLAIMS, typ="JWT", header={"kid": "500000/j1"}),
        ED.sign(CLAIMS, typ="JWT", header={"kid": "510000/j1"}),
        ED.sign(CLAIMS, typ="at+jwt"),
        ED.sign(CLAIMS, typ="JWT", header={"jwk": ED.jwk}),
        ED.sign(CLAIMS, typ="JWT", header={"x5u": "http://127.0.0.1/"}),
        ED.sign(CLAIMS, typ="JWT")[:-4] + "AAAA",
        "..",
        "a.b",
        "",
        ED.sign({"iss": "x" * 9000}, typ="JWT"),
    ],
)
def test_forged_tokens_are_refused(token: str) -> None:
    with pytest.raises(TokenRefused):
        tokens.read(token, KEYS, typ="JWT")


def test_eddsa_is_never_read_even_with_a_right_signature() -> None:
    good = ED.sign(CLAIMS, typ="JWT")
    head, body, _ = good.split(".")
    renamed = part({"alg": "EdDSA", "typ": "JWT", "kid": "500000/j1"})
    signature = ED.private.private_key.sign(f"{renamed}.{body}".encode())
    with pytest.raises(TokenRefused, match="algorithm"):
        tokens.read(f"{renamed}.{body}.{tokens.b64u(signature)}", KEYS, typ="JWT")
    assert head


def assertion(**change: object) -> str:
    at = int(NOW.timestamp())
    claims = {"iss": "510000", "sub": "510000", "aud": ISSUER, "iat": at, "exp": at + 60, "jti": "jti-number-1", **change}
    return ED.sign({name: value for name, value in claims.items() if value is not None}, typ="JWT")


def judged(token: str) -> tokens.Assertion:
    return tokens.check_assertion(token, KEYS, client="510000", issuer=ISSUER, now=NOW)


def test_an_assertion_within_its_time_holds() -> None:
    assert judged(assertion()).jti == "jti-number-1"
    ahead = int(NOW.timestamp()) + 8
    assert judged(assertion(iat=ahead, nbf=ahead)).client == "510000"


@pytest.mark.parametrize(
    "change",
    [
        {"aud": ISSUER + "/oidc/token"}, {"aud": [ISSUER]}, {"aud": "http://510000.localhost"}, {"sub": "cn"}, {"sub": None},
        {"iss": "cn"}, {"exp": int(NOW.timestamp()) - 300}, {"exp": int(NOW.timestamp()) + 3600}, {"exp": None}, {"exp": True},
        {"iat": int(NOW.timestamp()) + 90}, {"nbf": int(NOW.timestamp()) + 90}, {"jti": None}, {"jti": 5},
    ],
)  # fmt: skip
def test_a_wrong_assertion_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(TokenRefused):
        judged(assertion(**change))


URL = ISSUER + "/oidc/token"


def proof(key: tokens.TokenKey = EC, *, method: str = "POST", url: str = URL, at: datetime = NOW, token: str | None = None) -> str:
    return tokens.make_proof(key, method, url, jti="jti-number-2", now=at, access_token=token)


@pytest.mark.parametrize("seconds", [-30, 0, 59])
def test_a_proof_within_its_window_holds(seconds: int) -> None:
    found = tokens.check_proof(proof(at=NOW - timedelta(seconds=seconds)), "POST", URL, now=NOW, jkt=EC.thumbprint)
    assert found.jkt == EC.thumbprint


@pytest.mark.parametrize(
    "bad",
    [
        proof(method="GET"),
        proof(url=ISSUER + "/oidc/par"),
        proof(url=URL + "/"),
        proof(at=NOW - timedelta(seconds=61)),
        proof(at=NOW + timedelta(seconds=31)),
        proof(ED),
        ED.sign({"htm": "POST", "htu": URL, "iat": int(NOW.timestamp()), "jti": "jti-number-2"}, typ="dpop+jwt"),
        ED.sign({"htm": "POST", "htu": URL, "iat": int(NOW.timestamp()), "jti": "jti-number-2"}, typ="JWT", header={"jwk": EC.jwk}),
        "",
    ],
)
def test_a_wrong_proof_is_refused(bad: str) -> None:
    with pytest.raises(TokenRefused):
        tokens.check_proof(bad, "POST", URL, now=NOW, jkt=EC.thumbprint)


def test_a_proof_is_for_one_access_token() -> None:
    good = proof(token="one")
    assert tokens.check_proof(good, "POST", URL, now=NOW, access_token="one")
    with pytest.raises(TokenRefused, match="ath"):
        tokens.check_proof(good, "POST", URL, now=NOW, access_token="two")


def test_a_proof_that_shows_a_private_key_is_refused() -> None:
    private = {**ED.jwk, "d": "AAAA"}
    bad = ED.sign({"htm": "POST", "htu": URL, "iat": int(NOW.timestamp()), "jti": "jti-number-2"}, typ="dpop+jwt", header={"jwk": private})
    with pytest.raises(TokenRefused, match="private"):
        tokens.check_proof(bad, "POST", URL, now=NOW)


def test_thumbprint_of_rfc_8037() -> None:
    """RFC 8037 appendix A.3."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert tokens.thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_challenge_of_rfc_7636() -> None:
    """RFC 7636 appendix B."""
    assert tokens.challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def id_claims(**change: object) -> tokens.Claims:
    at = int(NOW.timestamp())
    return {
        "iss": ISSUER, "aud": "510000", "nonce": "n", "iat": at, "exp": at + 300, "sub": "n1" + "a" * 32, "sid": "s",
        "acr": "urn:tongban:acr:2", "auth_time": at - 5, "proof": 2, "amr": ["otp"], **change,
    }  # fmt: skip


def test_an_id_token_tells_who_and_how_surely() -> None:
    told = home.judge_id_token(id_claims(), issuer=ISSUER, client="510000", nonce="n", now=NOW)
    assert (told.acr, told.sid) == (2, "s")


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "http://cn.localhost:8100"}, {"aud": "cn"}, {"aud": ["510000"]}, {"azp": "cn"}, {"nonce": "m"}, {"nonce": None},
        {"iat": int(NOW.timestamp()) - 61}, {"iat": int(NOW.timestamp()) + 60}, {"iat": None}, {"exp": int(NOW.timestamp())},
        {"sub": None}, {"sub": "l" + "a" * 26}, {"sub": "s1"}, {"sid": None}, {"acr": "4"}, {"acr": "urn:tongban:acr:5"},
        {"acr": None}, {"auth_time": None},
    ],
)  # fmt: skip
def test_a_wrong_id_token_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(TokenRefused):
        home.judge_id_token(id_claims(**change), issuer=ISSUER, client="510000", nonce="n", now=NOW)


REDIRECT = "http://510000.localhost:8104/oidc/callback/500000"
NODE = Client(id="510000", kind="node", name="四川省", redirect_uris=(REDIRECT,), scopes=("openid", "node"))
ASKED = {
    "client_id": "510000", "redirect_uri": REDIRECT, "response_type": "code", "code_challenge": "a" * 43,
    "code_challenge_method": "S256", "scope": "openid node", "state": "s", "nonce": "n",
}  # fmt: skip


def test_a_pushed_request_is_kept_as_judged() -> None:
    claims = json.dumps({"id_token": {"acr": {"essential": True, "values": ["urn:tongban:acr:3"]}}})
    found = requests.pushed({**ASKED, "prompt": "none", "claims": claims, "unknown": "x"}, NODE, today=NOW.date())
    assert (found.silent, found.level, found.essential) == (True, 3, True)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"redirect_uri": REDIRECT + "/"}, "invalid_request"),
        ({"redirect_uri": REDIRECT + "?a=b"}, "invalid_request"),
        ({"redirect_uri": REDIRECT + "#f"}, "invalid_request"),
        ({"redirect_uri": REDIRECT.replace("510000", "user@510000", 1)}, "invalid_request"),
        ({"redirect_uri": REDIRECT.replace("8104", "8105")}, "invalid_request"),
        ({"redirect_uri": REDIRECT.replace("callback", "%63allback")}, "invalid_request"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"client_id": "cn"}, "invalid_request"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "a" * 42}, "invalid_request"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "http://127.0.0.1/"}, "request_uri_not_supported"),
        ({"scope": "node"}, "invalid_scope"),
        ({"scope": "openid id_number"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"claims": "{"}, "invalid_request"),
        ({"response_type": ""}, "invalid_request"),
        ({"claims": '{"userinfo": {"number": null}}'}, "invalid_scope"),
        ({"state": "s" * 1025}, "invalid_request"),
    ],
)
def test_a_wrong_request_is_refused_where_the_developer_sees_it(change: dict[str, str], error: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        requests.pushed({**ASKED, **change}, NODE, today=NOW.date())
    assert caught.value.error == error
    assert caught.value.why.isascii()


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(ProtocolError):
        requests.single([("client_id", "a"), ("client_id", "b")])
