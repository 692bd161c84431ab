"""A provider that lies 说假话的登录方, as a genuine node of the directory and as an outside issuer, over real HTTP.

    liar.lie = Lie(claims={"aud": "somebody-else"})
    page = await browser.get(away, f"/login/go?home={liar.id}&next=/me/access")

Every token is put together by hand here: nothing of `tokens.py` makes what `tokens.py` judges.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey
from litestar import Request, get, post
from litestar.response import Redirect, Response

AnyRequest = Request[Any, Any, Any]
GONE = object()
Form = dict[str, Any]


class Lie(msgspec.Struct, kw_only=True):
    """What is bent in the next tokens: `GONE` takes a member away. `sign`: right, none, flipped, other, hs256."""

    claims: dict[str, Any] = {}
    header: dict[str, Any] = {}
    sign: str = "right"
    answer: dict[str, Any] = {}
    userinfo: dict[str, Any] = {}
    back: dict[str, Any] = {}
    discovery: dict[str, Any] = {}
    token_status: int = 200


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bent(true: dict[str, Any], lie: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**true, **lie}.items() if value is not GONE}


def compact(header: dict[str, Any], claims: dict[str, Any], key: OKPKey | ECKey, sign: str) -> str:
    """A compact JWS as told, right or wrong."""
    head, body = b64(json.dumps(header).encode()), b64(json.dumps(claims).encode())
    if sign == "none":
        return f"{head}.{body}."
    if sign == "hs256":
        public = key.as_pem(private=False)
        return f"{head}.{body}.{b64(hmac.new(public, f'{head}.{body}'.encode(), hashlib.sha256).digest())}"
    if sign == "other":
        key = type(key).generate_key("Ed25519" if isinstance(key, OKPKey) else "P-256")
    alg = "Ed25519" if isinstance(key, OKPKey) else "ES256"
    protected = {**header, "alg": alg}
    signature = jws.serialize_compact(protected, json.dumps(claims).encode(), key, algorithms=[alg]).rsplit(".", 1)[1]
    if header.get("alg") != alg:  # the signature of an honest header under a dishonest one
        return f"{head}.{body}.{signature}"
    made = jws.serialize_compact(protected, json.dumps(claims).encode(), key, algorithms=[alg])
    if sign == "flipped":
        at, _, last = made.rpartition(".")
        raw = bytearray(base64.urlsafe_b64decode(last + "=="))
        raw[7] ^= 1
        return f"{at}.{b64(bytes(raw))}"
    return made


class Liar:
    """The provider. `id` is what our node calls it, `client` what it calls our node."""

    def __init__(self, url: str, *, id_: str, client: str, key: OKPKey | ECKey, kid: str, sub: str, node: bool) -> None:
        self.url, self.id, self.client, self.node = url, id_, client, node
        self.key, self.kid, self.sub = key, kid, sub
        self.more_keys: list[dict[str, Any]] = []
        self.home_stmt = ""
        self.lie = Lie()
        self.sid = ""
        self._pushed: dict[str, dict[str, str]] = {}
        self._codes: dict[str, dict[str, str]] = {}

    @property
    def alg(self) -> str:
        return "Ed25519" if isinstance(self.key, OKPKey) else "ES256"

    def jwk(self) -> dict[str, Any]:
        return {**self.key.as_dict(private=False), "kid": self.kid, "alg": self.alg, "use": "sig"}

    def token(self, claims: dict[str, Any], *, typ: str = "JWT") -> str:
        header = bent({"alg": self.alg, "typ": typ, "kid": self.kid}, self.lie.header)
        return compact(header, bent(claims, self.lie.claims), self.key, self.lie.sign)

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        self.sid = secrets.token_urlsafe(12)
        claims = {"iss": self.url, "sub": self.sub, "aud": self.client, "iat": now, "exp": now + 300, "nonce": nonce, "sid": self.sid, "auth_time": now}
        if self.node:
            claims |= {"acr": "urn:tongban:acr:2", "amr": ["otp"], "proof": 2, "name_masked": "假**", "home_stmt": self.home_stmt}
        return self.token(claims)

    def logout_token(self, *, by_sub: bool = False) -> str:
        now = int(time.time())
        about = {"sub": self.sub} if by_sub else {"sid": self.sid}
        return self.token({
            "iss": self.url, "aud": self.client, "iat": now, "exp": now + 120, "jti": secrets.token_urlsafe(12), **about,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }, typ="logout+jwt")  # fmt: skip

    def document(self) -> dict[str, Any]:
        return bent({
            "issuer": self.url, "authorization_endpoint": f"{self.url}/oidc/authorize", "token_endpoint": f"{self.url}/oidc/token",
            "userinfo_endpoint": f"{self.url}/oidc/userinfo", "jwks_uri": f"{self.url}/oidc/jwks", "response_types_supported": ["code"],
            "pushed_authorization_request_endpoint": f"{self.url}/oidc/par", "id_token_signing_alg_values_supported": ["ES256", "Ed25519"],
            "code_challenge_methods_supported": ["S256"], "dpop_signing_alg_values_supported": ["ES256"], "subject_types_supported": ["public"],
        }, self.lie.discovery)  # fmt: skip

    def routes(self) -> list[Any]:
        """Its doors."""

        @get("/.well-known/openid-configuration")
        async def discovery() -> Response[Any]:
            return Response(self.document())

        @get("/oidc/jwks")
        async def jwks() -> Response[Any]:
            return Response({"keys": [self.jwk(), *self.more_keys]})

        @post("/oidc/par", status_code=201)
        async def par(request: AnyRequest) -> Response[Any]:
            uri = "urn:ietf:params:oauth:request_uri:" + secrets.token_urlsafe(16)
            self._pushed[uri] = dict(parse_qsl((await request.body()).decode()))
            return Response({"request_uri": uri, "expires_in": 60}, status_code=201)

        @get("/oidc/authorize")
        async def authorize(request: AnyRequest) -> Redirect:
            asked = self._pushed.pop(request.query_params["request_uri"])
            code = secrets.token_urlsafe(16)
            self._codes[code] = asked
            back = bent({"code": code, "state": asked["state"], "iss": self.url}, self.lie.back)
            return Redirect(f"{asked['redirect_uri']}?{urlencode(back)}", status_code=303)

        @post("/oidc/token", status_code=200)
        async def token(request: AnyRequest) -> Response[Any]:
            form = dict(parse_qsl((await request.body()).decode()))
            asked = self._codes.pop(form["code"])
            answer = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 60, "id_token": self.id_token(asked["nonce"])}
            return Response(bent(answer, self.lie.answer), status_code=self.lie.token_status)

        @get("/oidc/userinfo")
        async def userinfo() -> Response[Any]:
            return Response(bent({"sub": self.sub, "name": "演示人"}, self.lie.userinfo))

        return [discovery, jwks, par, authorize, token, userinfo]
