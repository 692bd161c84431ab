"""PyPI `authlib` as a client of our provider: the plain profile by a second witness (identity.md 12, R-302)."""

from __future__ import annotations

import json
import secrets
import socket
import time
import warnings
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tongban.identity.tests.make import Browser, citizen, sign_in
from tongban.identity.tests.make_clients import TestClient, register_client
from tongban.identity.tests.make_judges import Door, travel
from tongban.kernel.node import Node

with warnings.catch_warnings(record=True):  # authlib speaks to httpx through a module it is about to rename
    warnings.simplefilter("always")
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.httpx_client import AsyncOAuth2Client
    from authlib.oauth2.rfc6749.errors import MismatchingStateException
    from authlib.oauth2.rfc7523 import PrivateKeyJWT
    from authlib.oauth2.rfc7523.assertion import private_key_jwt_sign
    from authlib.oidc.core import CodeIDToken


class Signed(PrivateKeyJWT):  # type: ignore[misc]
    """As docs/connect.md asks: the issuer as audience, a minute of life, a new jti each time."""

    def __init__(self, issuer: str, kid: str) -> None:
        super().__init__(alg="ES256")
        self.issuer, self.kid = issuer, kid

    def sign(self, auth: Any, token_endpoint: str) -> str:
        claims = {"aud": self.issuer, "exp": int(time.time()) + 60, "jti": secrets.token_urlsafe(16)}
        return str(private_key_jwt_sign(auth.client_secret, auth.client_id, token_endpoint, alg="ES256", claims=claims, header={"kid": self.kid}))


@pytest.fixture(autouse=True)
def localhost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names under .localhost are this machine; the C library does not know them."""
    asked = socket.getaddrinfo

    def answer(host: Any, *more: Any, **named: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else host
        return asked("127.0.0.1" if text and text.endswith(".localhost") else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.fixture
async def app(home: Node, door: Door) -> TestClient:
    return await register_client(home, kind="outside", redirect_uris=(door.callback,))


def client(home: Node, app: TestClient, door: Door, method: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AsyncOAuth2Client(
            app.id, app.key.private, redirect_uri=door.callback, scope="openid profile", code_challenge_method="S256", token_endpoint_auth_method=method
        )


async def arrived(home: Node, door: Door, library: Any, verifier: str, nonce: str) -> tuple[str, str]:
    """The address the person came back to, and the state the library remembers."""
    browser = Browser()
    await sign_in(browser, home, citizen())
    url, state = library.create_authorization_url(home.settings.base_url + "/oidc/authorize", code_verifier=verifier, nonce=nonce)
    page = await travel(browser, home, url, ticks=("name",))
    assert page.url.startswith(door.callback), page.body
    return page.url, state


async def test_plain_happy_flow(home: Node, app: TestClient, door: Door) -> None:
    """oidcc-server: code with PKCE, the ID token judged by authlib's own claim rules, userinfo by bearer."""
    base, verifier, nonce = home.settings.base_url, secrets.token_urlsafe(40), secrets.token_urlsafe(16)
    async with client(home, app, door, Signed(base, app.kid)) as library:
        url, state = await arrived(home, door, library, verifier, nonce)
        token = await library.fetch_token(base + "/oidc/token", authorization_response=url, state=state, code_verifier=verifier)
        keys = KeySet.import_key_set(json.loads((await home.http.request("GET", base + "/oidc/jwks"))[2]))
        read = jwt.decode(token["id_token"], keys, algorithms=["ES256"])
        options = {"iss": {"essential": True, "value": base}, "aud": {"essential": True, "value": app.id}}
        claims = CodeIDToken(read.claims, read.header, options, {"nonce": nonce, "client_id": app.id, "access_token": token["access_token"]})
        claims.validate(leeway=5)
        info = (await library.get(base + "/oidc/userinfo")).json()
        assert (info["sub"], info["name"]) == (claims["sub"], citizen().name)


async def test_authlib_refuses_a_foreign_state(home: Node, app: TestClient, door: Door) -> None:
    verifier = secrets.token_urlsafe(40)
    async with client(home, app, door, Signed(home.settings.base_url, app.kid)) as library:
        url, _ = await arrived(home, door, library, verifier, "n")
        with pytest.raises(MismatchingStateException):
            await library.fetch_token(home.settings.base_url + "/oidc/token", authorization_response=url, state="another", code_verifier=verifier)


async def test_an_hour_and_the_endpoint_as_audience_are_refused(home: Node, app: TestClient, door: Door) -> None:
    """What the library writes by itself is not what the page asks: invalid_client, and the code is not spent."""
    base, verifier, nonce = home.settings.base_url, secrets.token_urlsafe(40), "n-2"
    async with client(home, app, door, PrivateKeyJWT(alg="ES256", headers={"kid": app.kid})) as library:
        url, state = await arrived(home, door, library, verifier, nonce)
        with pytest.raises(OAuthError, match="invalid_client"):
            await library.fetch_token(base + "/oidc/token", authorization_response=url, state=state, code_verifier=verifier)
    async with client(home, app, door, Signed(base, app.kid)) as library:
        assert (await library.fetch_token(base + "/oidc/token", authorization_response=url, code_verifier=verifier))["id_token"]


async def test_wrong_verifier(home: Node, app: TestClient, door: Door) -> None:
    base = home.settings.base_url
    async with client(home, app, door, Signed(base, app.kid)) as library:
        url, state = await arrived(home, door, library, secrets.token_urlsafe(40), "n-3")
        with pytest.raises(OAuthError, match="invalid_grant"):
            await library.fetch_token(base + "/oidc/token", authorization_response=url, state=state, code_verifier=secrets.token_urlsafe(40))
