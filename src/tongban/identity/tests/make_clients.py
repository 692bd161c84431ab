"""Builders for clients in tests: a client registered through the real verbs by two members of staff, and a plain driver.

    app = await register_client(node, kind="service_app", redirect_uris=("http://app.localhost:9/cb",), scopes=("openid", "profile"))
    driver = Driver(node, app); pushed = await driver.par(); tokens = await driver.token(code)
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from joserfc import jws

from tongban.identity import tokens
from tongban.identity.actions import clients as verbs
from tongban.identity.actions.provider_client import ASSERTION_TYPE
from tongban.identity.queries import clients as queries
from tongban.identity.rules.clients import Client, Grant
from tongban.identity.rules.roles import assignment
from tongban.identity.tests.make import Browser, Page
from tongban.kernel.actor import Actor
from tongban.kernel.node import Node

REDIRECT = "http://app.localhost:9901/callback"


def clerk(number: str, *actions: str) -> Actor:
    """A member of staff of this division who may do these actions everywhere."""
    held = assignment("none", "000000")
    return Actor(
        kind="staff", subject="s" + number, staff_id=number, unit="演示单位", acr=4,
        assignments=(msgspec.structs.replace(held, actions=frozenset(actions)),),
    )  # fmt: skip


PROPOSER = clerk("T-01", verbs.PROPOSE, verbs.SEE)
APPROVER = clerk("T-02", verbs.APPROVE, verbs.SUSPEND, verbs.SEE)


class TestClient(msgspec.Struct):
    """A registered client with its private key, when the builder made it."""

    __test__ = False

    id: str
    client: Client
    key: Any
    kid: str


async def register_client(
    node: Node, *, kind: str = "service_app", profile: str = "", redirect_uris: tuple[str, ...] = (REDIRECT,), alg: str = "ES256",
    key: tokens.TokenKey | None = None, jwk: dict[str, Any] | None = None, kid: str = "k1", **more: Any,
) -> TestClient:  # fmt: skip
    """A client proposed by one, approved by another, with one public key unless it is native."""
    wanted = msgspec.convert({
        "id": "", "kind": kind, "name": "演示应用", "profile": profile or ("plain" if kind == "outside" else "fapi2"),
        "org": "91510000MA6TEST00X", "division": "510100", "sector": urlsplit(redirect_uris[0]).hostname if redirect_uris else "",
        "redirect_uris": redirect_uris, "scopes": ("openid", "profile"), "purpose": "登录演示应用", "keeps": "退出就删", **more,
    }, Client)  # fmt: skip
    made = await agreed(node, await _propose(node, wanted))
    if kind != "native":
        key = key or (None if jwk else tokens.TokenKey(kid, "ES256" if alg == "ES256" else "Ed25519", secrets.token_bytes(32)))
        async with node.db.transaction() as tx:
            public = jwk or {name: value for name, value in key.jwk.items() if name in ("kty", "crv", "x", "y")} if key or jwk else {}
            change = await verbs.propose_key(tx, node, PROPOSER, made, kid, public)
        await agreed(node, change)
    async with node.db.reading() as tx:
        client = await queries.registered(tx, made)
    assert client is not None
    return TestClient(made, client, key, kid)


async def _propose(node: Node, wanted: Client) -> Any:
    async with node.db.transaction() as tx:
        return await verbs.propose(tx, node, PROPOSER, wanted)


async def agreed(node: Node, change: Any) -> str:
    """Approve a change by the second member of staff; the client's id."""
    assert not isinstance(change, tuple), change
    async with node.db.transaction() as tx:
        refused = await verbs.decide(tx, node, APPROVER, change.id, agree=True, seen=change.digest)
    assert refused == ()
    return str(change.client)


async def suspend_client(node: Node, client_id: str, reason: str = "演示停用") -> None:
    """Stop a client at once."""
    async with node.db.transaction() as tx:
        assert await verbs.suspend(tx, node, APPROVER, client_id, reason) == ()


async def resume_client(node: Node, client_id: str) -> None:
    """Let it run again, by two."""
    async with node.db.transaction() as tx:
        change = await verbs.propose_resume(tx, node, PROPOSER, client_id)
    await agreed(node, change)


def grant(*names: str) -> dict[str, Any]:
    """Grants for some claims, good for long."""
    return {name: Grant("演示 001", "演示依据", date(2099, 12, 31)) for name in names}


class Driver:
    """A client as small as can be: it makes assertions and proofs itself, so that a test can make wrong ones."""

    def __init__(self, node: Node, app: TestClient, *, proof_key: tokens.TokenKey | None = None) -> None:
        self.node = node
        self.app = app
        self.proof_key = proof_key or tokens.TokenKey("proof", "ES256", secrets.token_bytes(32))
        self.verifier = secrets.token_urlsafe(32)
        self.redirect = app.client.redirect_uris[0] if app.client.redirect_uris else ""
        self.dpop = not app.client.plain

    def assertion(self, **change: Any) -> str:
        at = int(self.node.clock.now().timestamp())
        claims = {"iss": self.app.id, "sub": self.app.id, "aud": self.node.settings.base_url, "iat": at, "exp": at + 60, "jti": secrets.token_urlsafe(12)}
        key: tokens.TokenKey = self.app.key
        return key.sign({name: value for name, value in {**claims, **change}.items() if value is not None}, typ="JWT")

    def proof(self, method: str, path: str, *, token: str | None = None, **change: Any) -> str:
        """A DPoP proof for one request; `change` replaces claims."""
        at = int(self.node.clock.now().timestamp())
        claims: dict[str, Any] = {"htm": method, "htu": self.node.settings.base_url + path, "iat": at, "jti": secrets.token_urlsafe(12)}
        if token is not None:
            claims["ath"] = tokens.b64u(hashlib.sha256(token.encode()).digest())
        public = {name: value for name, value in self.proof_key.jwk.items() if name in ("kty", "crv", "x", "y")}
        header = {"alg": self.proof_key.alg, "typ": "dpop+jwt", "jwk": public}
        return jws.serialize_compact(header, msgspec.json.encode({**claims, **change}), self.proof_key.private, algorithms=[self.proof_key.alg])

    async def post(self, path: str, form: dict[str, str], *, proof: str | None = None, auth: bool = True) -> tuple[int, dict[str, str], Any]:
        """A back-channel request as this client; (status, headers, JSON)."""
        body = {"client_id": self.app.id, **form}
        if auth and self.app.key is not None and "client_assertion" not in body:
            body |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if proof is None and self.dpop and path in ("/oidc/par", "/oidc/token"):
            proof = self.proof("POST", path)
        if proof:
            headers["DPoP"] = proof
        status, told, content = await self.node.http.request("POST", self.node.settings.base_url + path, headers=headers, body=urlencode(body).encode())
        return status, told, msgspec.json.decode(content) if content else {}

    def asked(self, **change: str) -> dict[str, str]:
        """The parameters of an authorization request."""
        return {
            "client_id": self.app.id, "response_type": "code", "redirect_uri": self.redirect, "scope": " ".join(self.app.client.scopes), "state": "st", "nonce": "n-1",
            "code_challenge": tokens.challenge(self.verifier), "code_challenge_method": "S256", **change,
        }  # fmt: skip

    async def par(self, **change: str) -> tuple[int, dict[str, str], Any]:
        return await self.post("/oidc/par", self.asked(**change))

    async def start(self, **change: str) -> str:
        """The path the browser is sent to."""
        if self.app.client.plain:
            return "/oidc/authorize?" + urlencode(self.asked(**change))
        status, _, told = await self.par(**change)
        assert status == 201, told
        return "/oidc/authorize?" + urlencode({"client_id": self.app.id, "request_uri": told["request_uri"]})

    async def code(self, browser: Browser, **change: str) -> str:
        """A code for somebody signed in, through the consent page when it comes."""
        answer = back_of(await self.through(browser, await self.start(**change)))
        assert "code" in answer, answer
        return answer["code"]

    async def through(self, browser: Browser, path: str, *, choice: str = "yes", ticks: tuple[str, ...] = ()) -> Page:
        """Follow the way inside the node until it leaves for the client; consents when asked."""
        page = await browser.get(self.node, path, follow=False)
        for _ in range(8):
            where = page.headers.get("location", "")
            if page.status == 200 and page.path == "/consent":
                kept = [(name, value) for name, value in page.fields("/consent").items() if name != "claim"]
                answer: Any = [*kept, ("choice", choice), *(("claim", one) for one in ticks)]
                page = await browser.post(self.node, "/consent", answer, follow=False)
                continue
            if page.status != 303 or (where.startswith("http") and not where.startswith(self.node.settings.base_url)):
                return page
            page = await browser.get(self.node, where, follow=False)
        return page

    async def redeem(self, code: str, **change: str) -> tuple[int, dict[str, str], Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect, "code_verifier": self.verifier}
        return await self.post("/oidc/token", {**form, **change})

    async def tokens(self, browser: Browser, **change: str) -> dict[str, Any]:
        """A whole sign-in."""
        status, _, told = await self.redeem(await self.code(browser, **change))
        assert status == 200, told
        return dict(told)

    async def refresh(self, token: str, **change: str) -> tuple[int, dict[str, str], Any]:
        return await self.post("/oidc/token", {"grant_type": "refresh_token", "refresh_token": token, **change})

    async def userinfo(self, token: str, *, method: str = "GET", proof: str | None = None) -> tuple[int, dict[str, str], Any]:
        """Userinfo with a bound token, or as a bearer of the plain profile."""
        headers = {"Authorization": f"{'DPoP' if self.dpop else 'Bearer'} {token}"}
        if self.dpop:
            headers["DPoP"] = proof or self.proof(method, "/oidc/userinfo", token=token)
        status, told, content = await self.node.http.request(method, self.node.settings.base_url + "/oidc/userinfo", headers=headers)
        return status, told, msgspec.json.decode(content) if content else {}


def back_of(page: Page) -> dict[str, str]:
    """The answer a client's redirect carries."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.headers.get("location", "")).query).items()}


def claims_of(token: str) -> dict[str, Any]:
    """The payload, unverified."""
    part = token.split(".")[1]
    return dict(msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))
