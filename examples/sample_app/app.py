"""A small service that lets 通办 sign its people in 演示应用: written only against docs/connect.md, imports nothing of the platform.

    python app.py key                       makes key.json and prints the public key to register
    ISSUER=… CLIENT_ID=… python app.py      runs it at BASE_URL (http://sample.localhost:9300)

Needs aiohttp and joserfc. Sessions live in memory: enough for a sample, not for a service.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import secrets
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

ISSUER = os.environ.get("ISSUER", "http://510000.localhost:8104")
CLIENT_ID = os.environ.get("CLIENT_ID", "")
BASE_URL = os.environ.get("BASE_URL", "http://sample.localhost:9300")
KEY_FILE = Path(os.environ.get("KEY_FILE", "key.json"))
KID = os.environ.get("KID", "k1")
SCOPE = "openid profile"
LEVEL = "urn:tongban:acr:"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
COOKIE = "__Host-sample"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SECONDS = aiohttp.ClientTimeout(total=10)


class Refused(Exception):
    """The platform said no; `error` is the registered name."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Localhost(AbstractResolver):
    """Names under .localhost are this machine; everything else as the system knows it."""

    def __init__(self) -> None:
        self._system = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
        return await self._system.resolve("127.0.0.1" if host.endswith(".localhost") else host, port, socket.AF_INET)

    async def close(self) -> None:
        await self._system.close()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: dict[str, Any], key: ECKey) -> str:
    return jws.serialize_compact({"alg": "ES256", **header}, json.dumps(claims).encode(), key, algorithms=["ES256"])


class Platform:
    """Everything this app says to the platform."""

    def __init__(self, key: ECKey) -> None:
        self.key = key
        self.proof_key = ECKey.generate_key("P-256")
        self.endpoints: dict[str, Any] = {}
        self._keys: tuple[float, KeySet | None] = (0.0, None)

    async def open(self) -> None:
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Localhost()), timeout=SECONDS)

    async def close(self) -> None:
        await self.http.close()

    async def at(self, name: str) -> str:
        """An endpoint; the discovery document must be of the issuer we asked."""
        if not self.endpoints:
            async with self.http.get(ISSUER + "/.well-known/openid-configuration") as answer:
                told = await answer.json()
            if told["issuer"] != ISSUER:
                raise Refused("wrong_issuer")
            self.endpoints = told
        return str(self.endpoints[name])

    def assertion(self) -> str:
        now = int(time.time())
        claims = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": secrets.token_urlsafe(16)}
        return signed({"kid": KID}, claims, self.key)

    def proof(self, method: str, url: str, *, token: str = "", nonce: str = "") -> str:
        claims: dict[str, Any] = {"htm": method, "htu": url, "iat": int(time.time()), "jti": secrets.token_urlsafe(16)}
        if token:
            claims["ath"] = b64(hashlib.sha256(token.encode()).digest())
        if nonce:
            claims["nonce"] = nonce
        public = {name: value for name, value in self.proof_key.as_dict(private=False).items() if name in ("kty", "crv", "x", "y")}
        return signed({"typ": "dpop+jwt", "jwk": public}, claims, self.proof_key)

    async def post(self, endpoint: str, form: dict[str, str]) -> dict[str, Any]:
        """A request as this client; a nonce that is asked for is given once."""
        url, nonce = await self.at(endpoint), ""
        for _ in range(2):
            body = {**form, "client_id": CLIENT_ID, "client_assertion_type": ASSERTION, "client_assertion": self.assertion()}
            headers = {**FORM, "DPoP": self.proof("POST", url, nonce=nonce)}
            async with self.http.post(url, data=urlencode(body), headers=headers) as answer:
                told = await answer.json()
                nonce = answer.headers.get("DPoP-Nonce", "")
            if answer.status < 400:
                return dict(told)
            if told.get("error") != "use_dpop_nonce" or not nonce:
                break
        raise Refused(str(told.get("error", "server_error")))

    async def userinfo(self, token: str) -> dict[str, Any]:
        """What the person agreed to; a nonce that is asked for is given once."""
        url, nonce = await self.at("userinfo_endpoint"), ""
        for _ in range(2):
            headers = {"Authorization": f"DPoP {token}", "DPoP": self.proof("GET", url, token=token, nonce=nonce)}
            async with self.http.get(url, headers=headers) as answer:
                if answer.status == 200:
                    return dict(await answer.json())
                nonce = answer.headers.get("DPoP-Nonce", "")
            if not nonce:
                break
        raise Refused("invalid_token")

    async def read(self, token: str, typ: str) -> dict[str, Any]:
        """The claims of a token of the platform: signature, kind, issuer, audience, time. Raises Refused."""
        try:
            header = json.loads(base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "=="))
            if header.get("typ") != typ:
                raise Refused("wrong_typ")
            keys = await self.keys(str(header.get("kid", "")))
            claims = json.loads(jws.deserialize_compact(token, keys, algorithms=["ES256", "Ed25519"]).payload)
        except (JoseError, ValueError, IndexError):
            raise Refused("bad_token") from None
        now = time.time()
        if claims.get("iss") != ISSUER or claims.get("aud") != CLIENT_ID or not claims.get("iat", 0) - 60 <= now < claims.get("exp", 0):
            raise Refused("bad_token")
        return dict(claims)

    async def keys(self, kid: str) -> KeySet:
        """The platform's public keys; an unknown key id is looked for again, at most once in 30 s."""
        fetched, found = self._keys
        known = found is not None and kid in {one.kid for one in found.keys}
        if found is None or (not known and time.monotonic() - fetched > 30) or time.monotonic() - fetched > 300:
            async with self.http.get(await self.at("jwks_uri")) as answer:
                found = KeySet.import_key_set(await answer.json())
            self._keys = (time.monotonic(), found)
        return found


class App:
    """The pages. `sessions` by cookie, `started` by state: what was asked, until the answer comes."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.sessions: dict[str, dict[str, Any]] = {}
        self.started: dict[str, dict[str, Any]] = {}

    def session(self, request: web.Request) -> dict[str, Any] | None:
        return self.sessions.get(request.cookies.get(COOKIE, ""))

    async def home(self, request: web.Request) -> web.Response:
        now = self.session(request)
        if now is None:
            return page("演示应用", '<p>还没有登录。</p><p><a href="/login">用通办账号登录</a></p>')
        return page("演示应用", f"""<p>您好，{html.escape(now["name"])}（核验级别 {now["level"]}）</p>
            <p><a href="/apply">办要刷脸的事</a></p><form method="post" action="/logout"><button>退出</button></form>""")

    async def login(self, request: web.Request) -> web.Response:
        """To the platform; `level` when a page needs more."""
        level = request.query.get("level", "")
        verifier, state, nonce, bound = (secrets.token_urlsafe(40) for _ in range(4))
        asked = {
            "response_type": "code", "redirect_uri": BASE_URL + "/callback", "scope": SCOPE, "state": state, "nonce": nonce,
            "code_challenge": b64(hashlib.sha256(verifier.encode()).digest()), "code_challenge_method": "S256",
        }
        if level in ("2", "3"):
            asked["claims"] = json.dumps({"id_token": {"acr": {"essential": True, "values": [LEVEL + level]}}})
        try:
            pushed = await self.platform.post("pushed_authorization_request_endpoint", asked)
        except (Refused, aiohttp.ClientError, TimeoutError):
            return page("现在不能登录", "<p>通办平台没有接受这次登录，您的信息没有交给任何人。过一会儿再试，或者打 12345。</p>", status=503)
        self.started[state] = {"verifier": verifier, "nonce": nonce, "bound": bound, "level": int(level or 1), "at": time.time(),
                               "next": "/apply" if level == "3" else "/"}
        where = await self.platform.at("authorization_endpoint") + "?" + urlencode({"client_id": CLIENT_ID, "request_uri": pushed["request_uri"]})
        response = web.Response(status=303, headers={"Location": where})
        response.set_cookie("__Host-sample-tx", bound, max_age=1800, secure=True, httponly=True, samesite="Lax", path="/")
        return response

    async def callback(self, request: web.Request) -> web.Response:
        """Back from the platform: this browser, this issuer, once."""
        query = request.query
        asked = self.started.pop(query.get("state", ""), None)
        mine = asked is not None and secrets.compare_digest(asked["bound"], request.cookies.get("__Host-sample-tx", ""))
        if asked is None or not mine or time.time() - asked["at"] > 1800 or query.get("iss") != ISSUER:
            return page("没有登录成", '<p>这个回答不是这次登录的。<a href="/login">再登录一次</a></p>', status=400)
        if "code" not in query:
            said_no = query.get("error") == "access_denied"
            return page("没有登录", f"<p>{'您没有同意，什么都没有交给本应用。' if said_no else '这次没有登录成。'}</p><p><a href='/'>回首页</a></p>")
        try:
            told = await self.platform.post("token_endpoint", {
                "grant_type": "authorization_code", "code": query["code"], "redirect_uri": BASE_URL + "/callback", "code_verifier": asked["verifier"],
            })
            claims = await self.platform.read(told["id_token"], "JWT")
            level = int(str(claims["acr"]).removeprefix(LEVEL))
            if claims.get("nonce") != asked["nonce"] or level < asked["level"]:
                raise Refused("bad_token")
            person = await self.platform.userinfo(told["access_token"])
            if person["sub"] != claims["sub"]:
                raise Refused("bad_token")
        except (Refused, KeyError, ValueError, aiohttp.ClientError, TimeoutError):
            return page("没有登录成", '<p>登录凭据核对不上。<a href="/login">再登录一次</a></p>', status=403)
        self.sessions.pop(request.cookies.get(COOKIE, ""), None)
        value = secrets.token_urlsafe(32)
        self.sessions[value] = {
            "sub": claims["sub"], "sid": claims["sid"], "level": level, "auth_time": claims["auth_time"], "id_token": told["id_token"],
            "name": person.get("name") or person.get("name_masked") or "您",
        }
        response = web.Response(status=303, headers={"Location": asked["next"]})
        response.set_cookie(COOKIE, value, secure=True, httponly=True, samesite="Lax", path="/")
        return response

    async def apply(self, request: web.Request) -> web.Response:
        """A page that needs level 3, checked in the token and not in the request, and not older than two hours."""
        now = self.session(request)
        if now is None or now["level"] < 3 or time.time() - now["auth_time"] > 7200:
            return web.Response(status=303, headers={"Location": "/login?level=3"})
        return page("办要刷脸的事", f"<p>{html.escape(now['name'])}，已经核验本人，可以办了。</p>")

    async def logout(self, request: web.Request) -> web.Response:
        """Our session ends first; then the person may sign out of the platform too."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return page("没有退出", "<p>请从本应用的页面退出。</p>", status=403)
        now = self.sessions.pop(request.cookies.get(COOKIE, ""), None)
        if now is None:
            return web.Response(status=303, headers={"Location": "/"})
        query = {"id_token_hint": now["id_token"], "post_logout_redirect_uri": BASE_URL + "/bye", "state": "bye"}
        return web.Response(status=303, headers={"Location": await self.platform.at("end_session_endpoint") + "?" + urlencode(query)})

    async def bye(self, request: web.Request) -> web.Response:
        return page("已退出", '<p>已经退出。<a href="/">回首页</a></p>')

    async def backchannel(self, request: web.Request) -> web.Response:
        """The platform says a session ended: every session of ours with that sid ends."""
        form = await request.post()
        try:
            claims = await self.platform.read(str(form.get("logout_token", "")), "logout+jwt")
        except Refused:
            return web.json_response({"error": "invalid_request"}, status=400)
        if LOGOUT_EVENT not in claims.get("events", {}) or "nonce" in claims:
            return web.json_response({"error": "invalid_request"}, status=400)
        for value, one in list(self.sessions.items()):
            if one["sid"] == claims.get("sid"):
                del self.sessions[value]
        return web.Response(status=200, headers={"Cache-Control": "no-store"})


def page(title: str, body: str, *, status: int = 200) -> web.Response:
    text = f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>{title}</title><main><h1>{title}</h1>{body}</main></html>'
    headers = {"Content-Security-Policy": "default-src 'none'; form-action *", "Cache-Control": "no-store"}
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


def key_of(path: Path) -> ECKey:
    """The private key of this app, made on first use and kept for its owner only."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps(ECKey.generate_key("P-256").as_dict(private=True)), "utf-8")
    return ECKey.import_key(json.loads(path.read_text("utf-8")))


def main() -> None:
    key = key_of(KEY_FILE)
    if sys.argv[1:] == ["key"]:
        public = {name: value for name, value in key.as_dict(private=False).items() if name in ("kty", "crv", "x", "y")}
        print(json.dumps({**public, "alg": "ES256", "use": "sig", "kid": KID}))
        return
    platform = Platform(key)
    app = App(platform)
    server = web.Application()
    server.add_routes([
        web.get("/", app.home), web.get("/login", app.login), web.get("/callback", app.callback), web.get("/apply", app.apply),
        web.post("/logout", app.logout), web.get("/bye", app.bye), web.post("/backchannel", app.backchannel),
    ])

    async def opened(_: web.Application) -> None:
        await platform.open()

    async def closed(_: web.Application) -> None:
        await platform.close()

    server.on_startup.append(opened)
    server.on_cleanup.append(closed)
    web.run_app(server, host="127.0.0.1", port=urlsplit(BASE_URL).port or 80, print=lambda *_: print(f"ready {BASE_URL}", flush=True))


if __name__ == "__main__":
    main()
