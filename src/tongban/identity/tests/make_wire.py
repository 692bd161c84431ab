"""A client that can be wrong in every single thing 可以样样出错的客户端: assertions, proofs and forms put together by hand on joserfc.

    wire = Wire(home, app, door.callback)
    told = await wire.par(assertion={"aud": "https://evil.example"})

Nothing of `tokens.py` makes or reads what it sends and gets; an ID token is verified with joserfc and the published keys.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OKPKey

from tongban.identity.tests.make import Browser, Page
from tongban.identity.tests.make_clients import TestClient, register_client
from tongban.identity.tests.make_hostile import b64, bent, compact
from tongban.identity.tests.make_judges import Door, travel
from tongban.kernel.node import Node

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Form = dict[str, Any]


class Told(msgspec.Struct):
    """An answer of the back channel."""

    status: int
    headers: dict[str, str]
    json: dict[str, Any]

    @property
    def error(self) -> str:
        return str(self.json.get("error", ""))


class Wire:
    """One client; `GONE` in a change takes a member away."""

    def __init__(self, node: Node, app: TestClient, redirect: str, *, proof_alg: str = "ES256") -> None:
        self.node, self.app, self.redirect = node, app, redirect
        self.base = node.settings.base_url
        self.dpop = not app.client.plain
        self.proof_key = new_key(proof_alg)
        self.verifier = secrets.token_urlsafe(40)

    # ---- what is sent ------------------------------------------------------------------------------------------------------
    def assertion(self, claims: Form | None = None, header: Form | None = None, sign: str = "right") -> str:
        now = int(time.time())
        true = {"iss": self.app.id, "sub": self.app.id, "aud": self.base, "iat": now, "exp": now + 60, "jti": secrets.token_urlsafe(12)}
        return compact(bent({"alg": self.app.key.alg, "kid": self.app.kid}, header or {}), bent(true, claims or {}), self.app.key.private, sign)

    def proof(
        self, method: str, url: str, *, token: str = "", claims: Form | None = None, header: Form | None = None, sign: str = "right", key: Any = None
    ) -> str:
        key = key or self.proof_key
        true: Form = {"htm": method, "htu": url, "iat": int(time.time()), "jti": secrets.token_urlsafe(12)}
        if token:
            true["ath"] = b64(hashlib.sha256(token.encode()).digest())
        alg = "Ed25519" if isinstance(key, OKPKey) else "ES256"
        public = {name: value for name, value in key.as_dict(private=False).items() if name in ("kty", "crv", "x", "y")}
        return compact(bent({"alg": alg, "typ": "dpop+jwt", "jwk": public}, header or {}), bent(true, claims or {}), key, sign)

    async def post(
        self, path: str, form: Form, *, assertion: Form | str | None = None, header: Form | None = None, sign: str = "right",
        proof: Form | str | None = None, proofs: list[str] | None = None, twice: str = "", method: str = "POST", auth: bool = True,
    ) -> Told:  # fmt: skip
        """A back-channel request. `assertion` and `proof` bend claims, or are the whole thing as text."""
        body: Form = dict(form)
        if auth and self.app.key is not None:
            signed = assertion if isinstance(assertion, str) else self.assertion(assertion, header, sign)
            body = {"client_id": self.app.id, "client_assertion_type": ASSERTION, "client_assertion": signed, **body}
        pairs = [(name, value) for name, value in bent(body, {}).items()]
        if twice:
            pairs.append((twice, str(body[twice])))
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        if proofs is None and self.dpop and path in ("/oidc/par", "/oidc/token"):
            proofs = [proof if isinstance(proof, str) else self.proof("POST", self.base + path, claims=proof)]
        headers += [("DPoP", one) for one in proofs or []]
        return await self._send(method, path, headers, urlencode(pairs).encode())

    async def _send(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes | None) -> Told:
        async with self.node.http.session.request(method, self.base + path, headers=headers, data=body, allow_redirects=False) as answer:
            content = await answer.read()
            told = {name.lower(): value for name, value in answer.headers.items()}
            parsed = json.loads(content) if content and "json" in told.get("content-type", "") else {}
            return Told(answer.status, told, parsed)

    def asked(self, change: Form | None = None) -> Form:
        """The parameters of an authorization request."""
        return bent({
            "client_id": self.app.id, "response_type": "code", "redirect_uri": self.redirect, "scope": "openid profile", "state": "st-1",
            "nonce": "n-1", "code_challenge": b64(hashlib.sha256(self.verifier.encode()).digest()), "code_challenge_method": "S256",
        }, change or {})  # fmt: skip

    async def par(self, change: Form | None = None, **more: Any) -> Told:
        return await self.post("/oidc/par", self.asked(change), **more)

    def url(self, told: Told | None = None, change: Form | None = None) -> str:
        """Where the browser is sent."""
        query = self.asked(change) if told is None else {"client_id": self.app.id, "request_uri": told.json["request_uri"], **(change or {})}
        return f"{self.base}/oidc/authorize?{urlencode(query)}"

    # ---- whole ways --------------------------------------------------------------------------------------------------------
    async def go(self, browser: Browser, change: Form | None = None, **more: Any) -> Page:
        """Push (or ask plainly) and let the person go through; ends at the client or at a page of ours."""
        if self.dpop:
            told = await self.par(change)
            assert told.status == 201, told
            return await travel(browser, self.node, self.url(told), **more)
        return await travel(browser, self.node, self.url(change=change), **more)

    async def code(self, browser: Browser, change: Form | None = None, **more: Any) -> str:
        page = await self.go(browser, change, **more)
        assert page.url.startswith(self.redirect), (page.status, page.url, page.body)
        found = arrived(page)
        assert "code" in found, found
        return found["code"]

    async def redeem(self, code: str, change: Form | None = None, **more: Any) -> Told:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect, "code_verifier": self.verifier}
        return await self.post("/oidc/token", bent(form, change or {}), **more)

    async def tokens(self, browser: Browser, change: Form | None = None, **more: Any) -> Form:
        told = await self.redeem(await self.code(browser, change, **more))
        assert told.status == 200, told
        return told.json

    async def refresh(self, token: str, change: Form | None = None, **more: Any) -> Told:
        return await self.post("/oidc/token", bent({"grant_type": "refresh_token", "refresh_token": token}, change or {}), **more)

    async def userinfo(
        self, token: str, *, method: str = "GET", scheme: str = "", proof: Form | None = None, proofs: list[str] | None = None, key: Any = None, body: bytes | None = None
    ) -> Told:
        url = self.base + "/oidc/userinfo"
        headers = [("Authorization", f"{scheme or ('DPoP' if self.dpop else 'Bearer')} {token}")] if body is None else [
            ("Content-Type", "application/x-www-form-urlencoded")]
        if self.dpop and proofs is None:
            proofs = [self.proof(method, url, token=token, claims=proof, key=key)]
        return await self._send(method, "/oidc/userinfo", headers + [("DPoP", one) for one in proofs or []], body)

    async def verified(self, token: str) -> Form:
        """The claims of an ID token, verified by joserfc with the key set as published."""
        _, _, body = await self.node.http.request("GET", self.base + "/oidc/jwks")
        keys = KeySet.import_key_set(json.loads(body))
        found = jws.deserialize_compact(token, keys, algorithms=["ES256", "Ed25519"])
        claims: Form = json.loads(found.payload)
        now = time.time()
        assert claims["iss"] == self.base
        assert claims["aud"] == self.app.id
        assert claims["iat"] - 5 <= now <= claims["exp"]
        return claims


def new_key(alg: str = "ES256") -> ECKey | OKPKey:
    """A key pair."""
    return OKPKey.generate_key("Ed25519") if alg == "Ed25519" else ECKey.generate_key("P-256")


def thumbprint(key: ECKey | OKPKey) -> str:
    return key.thumbprint()


def arrived(page: Page) -> Form:
    """The parameters the client got."""
    return dict(parse_qsl(urlsplit(page.url).query, keep_blank_values=True))


def payload(token: str) -> Form:
    """The claims, unverified."""
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


async def fapi_wire(home: Node, door: Door, alg: str = "ES256") -> Wire:
    """A new client of the FAPI 2.0 profile that signs and proves with `alg`."""
    app = await register_client(home, kind="service_app", redirect_uris=(door.callback,), scopes=("openid", "profile", "offline_access"), alg=alg)
    return Wire(home, app, door.callback, proof_alg=alg)


def at(seconds: int) -> int:
    """Unix seconds from now."""
    return int(time.time()) + seconds
