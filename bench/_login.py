"""What the benches of signing in share: a node full of accounts, a registered client, a person who signs in over real HTTP.

The load is made in this process, on the same processors as node and database; it parses pages with one expression and
signs what a client must sign. Invented people only (演示).
"""

from __future__ import annotations

import html
import os
import random
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import aiohttp
import msgspec
from joserfc import jws

from tongban.credentials.queries.types import types
from tongban.identity import tokens
from tongban.identity.queries.persons import number_index, phone_index
from tongban.identity.rules.typed import masked_name
from tongban.identity.tests.make_clients import TestClient, register_client
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
NAME = "演示测速"
TOKEN = re.compile(r'name="tb_token" value="([^"]+)"')
CODE = re.compile(r"验证码 ?(\d{6,8})")


def number_of(index: int) -> str:
    """An invented document number with a true check digit."""
    body = f"500103{1950 + index // 36500 % 60}{1 + index // 3000 % 12:02d}{1 + index // 100 % 28:02d}{index % 1000:03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(one) * weight for one, weight in zip(body, weights, strict=True)) % 11]


def phone_of(index: int) -> str:
    return f"139{index:08d}"


async def fill(node: Node, count: int) -> None:
    """`count` open accounts with proof 2, sealed and indexed as real ones are, whose identity cards were asked for when they were opened."""
    seal, now = node.cipher.seal, node.clock.now()
    asked = [one for one in types(node) if one.on_request]
    for start in range(0, count, 5000):
        accounts, persons = [], []
        for index in range(start, min(start + 5000, count)):
            subject = f"n1{index:032x}"
            phone, number = phone_of(index), number_of(index)
            accounts.append((subject, uuid7(), seal("contact", "account.phone", subject, phone), phone_index(node, phone)))
            persons.append((
                subject, seal("identity", "person.name", subject, NAME), seal("identity", "person.name_masked", subject, masked_name(NAME)),
                seal("sensitive", "person.number", subject, number), number_index(node, number),
            ))  # fmt: skip
        async with node.db.transaction() as tx:
            await tx.execute(
                "INSERT INTO account (subject, id, phone, bi_phone, proof, proof_method, proof_at, opened_at)"
                " SELECT n.*, 2, 'register', $5, $5 FROM unnest($1::text[], $2::uuid[], $3::bytea[], $4::bytea[]) AS n",
                *map(list, zip(*accounts, strict=True)), now,
            )  # fmt: skip
            await tx.execute(
                "INSERT INTO person (subject, name, name_masked, number, bi_number, home, proof, photo_held, matched_at, seen_at)"
                " SELECT n.*, $6, 2, true, $7, $7 FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[]) AS n",
                *map(list, zip(*persons, strict=True)), node.id, now,
            )  # fmt: skip
            await tx.execute(
                "INSERT INTO credential_request (subject, type_code, issuer, asked_at) SELECT n.subject, t.code, t.issuer, $4"
                " FROM unnest($1::text[]) AS n (subject), unnest($2::text[], $3::text[]) AS t (code, issuer)",
                [one[0] for one in accounts], [one.code for one in asked], [one.on_request for one in asked], now,
            )  # fmt: skip
    async with node.db.reading() as tx:
        await tx.execute("ANALYZE account")
        await tx.execute("ANALYZE person")
        await tx.execute("ANALYZE credential_request")


@asynccontextmanager
async def opened(made: Any, node_id: str) -> AsyncIterator[Node]:
    """The tables and keys of a running node, from outside."""
    async with Node.open(made.settings(node_id)) as node:
        yield node


async def client_of(node: Node, kind: str = "service_app", **more: Any) -> TestClient:
    return await register_client(node, kind=kind, redirect_uris=("http://app.localhost:9901/callback",), **more)


class App:
    """The client's side: assertions, proofs and its three requests."""

    def __init__(self, base: str, made: TestClient, http: aiohttp.ClientSession) -> None:
        self.base, self.made, self.http = base, made, http
        self.proof_key = tokens.TokenKey("proof", "ES256", secrets.token_bytes(32))
        self.public = {name: value for name, value in self.proof_key.jwk.items() if name in ("kty", "crv", "x", "y")}

    def proof(self, method: str, path: str, token: str | None = None) -> str:
        claims: dict[str, Any] = {"htm": method, "htu": self.base + path, "iat": int(time.time()), "jti": secrets.token_urlsafe(12)}
        if token is not None:
            claims["ath"] = tokens.challenge(token)
        header = {"alg": self.proof_key.alg, "typ": "dpop+jwt", "jwk": self.public}
        return jws.serialize_compact(header, msgspec.json.encode(claims), self.proof_key.private, algorithms=[self.proof_key.alg])

    async def post(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        body = {"client_id": self.made.id, **form}
        if self.made.key is not None:
            body |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": tokens.make_assertion(
                self.made.key, self.made.id, self.base, jti=secrets.token_urlsafe(12), now=_now(),
            )}  # fmt: skip
        async with self.http.post(self.base + path, data=body, headers={"DPoP": self.proof("POST", path)}) as answer:
            told = await answer.json()
            if answer.status >= 400:
                raise RuntimeError(f"{path}: {answer.status} {told}")
            return dict(told)

    async def start(self, verifier: str) -> str:
        told = await self.post("/oidc/par", {
            "response_type": "code", "redirect_uri": self.made.client.redirect_uris[0], "scope": " ".join(self.made.client.scopes), "state": "st",
            "nonce": secrets.token_urlsafe(8), "code_challenge": tokens.challenge(verifier), "code_challenge_method": "S256",
        })  # fmt: skip
        return "/oidc/authorize?" + urlencode({"client_id": self.made.id, "request_uri": told["request_uri"]})

    async def redeem(self, code: str, verifier: str) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.made.client.redirect_uris[0], "code_verifier": verifier}
        return await self.post("/oidc/token", form)

    async def userinfo(self, token: str) -> dict[str, Any]:
        headers = {"Authorization": f"DPoP {token}", "DPoP": self.proof("GET", "/oidc/userinfo", token)}
        async with self.http.get(self.base + "/oidc/userinfo", headers=headers) as answer:
            if answer.status != 200:
                raise RuntimeError(f"userinfo: {answer.status} {await answer.text()}")
            return dict(await answer.json())


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


class Person:
    """A browser with cookies of its own, one request at a time; `steps` holds the seconds of each."""

    def __init__(self, base: str, http: aiohttp.ClientSession, steps: list[float]) -> None:
        self.base, self.http, self.steps = base, http, steps
        self.jar: dict[str, str] = {}

    async def ask(self, method: str, path: str, data: dict[str, str] | None = None) -> tuple[int, str, str]:
        """(status, where it leads, page) of one request; a redirect is not followed."""
        headers = {"Accept": "text/html", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) bench"}
        if self.jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        if data is not None:
            headers |= {"Origin": self.base, "Sec-Fetch-Site": "same-origin"}
        started = time.perf_counter()
        async with self.http.request(method, urljoin(self.base, path), data=data, headers=headers, allow_redirects=False) as answer:
            text = await answer.text()
            self.steps.append(time.perf_counter() - started)
            for line in answer.headers.getall("Set-Cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                self.jar[name] = value.strip('"')
            return answer.status, answer.headers.get("Location", ""), text

    async def through(self, path: str, index: int) -> str:
        """From an authorization request to the code, signing in and consenting on the way; the code."""
        for _ in range(12):
            status, where, page = await self.ask("GET", path)
            if status == 303:
                path = where
            elif path.startswith("/login/code"):
                code, token = CODE.search(page), TOKEN.search(page)
                if code is None or token is None:
                    raise RuntimeError(f"no code on the page: {page[:300]}")
                status, path, page = await self.ask("POST", "/login/code", {"code": code[1], "number": number_of(index), "tb_token": token[1]})
            elif path.startswith("/login"):
                (token, next_path) = TOKEN.search(page), parse_qs(urlsplit(path).query).get("next", ["/"])[0]
                status, path, page = await self.ask("POST", "/login", {"who": phone_of(index), "next": next_path, "tb_token": token[1]})
            elif path.startswith("/consent"):
                fields = [(html.unescape(n), html.unescape(v)) for n, v in re.findall(r'<input[^>]*?type="hidden"[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', page)]
                status, path, page = await self.ask("POST", "/consent", {**dict(fields), "choice": "yes"})
            if status not in (200, 303):
                raise RuntimeError(f"{path}: {status} {re.sub(r'<[^>]+>', ' ', page)[:300]}")
            found = parse_qs(urlsplit(path).query)
            if path.startswith("http://app.") and "code" in found:
                return found["code"][0]
        raise RuntimeError(f"never came back: {path}")


class Crowd:
    """The people who sign in, each of them once at a time: the page shows the newest message to a phone, whoever asked."""

    def __init__(self, people: list[int]) -> None:
        self.free = list(people)
        random.shuffle(self.free)

    async def sign_in(self, app: App, steps: list[float]) -> dict[str, Any]:
        """Whoever waited longest signs in, in a new browser."""
        index = self.free.pop(0)
        try:
            return await sign_in(app, Person(app.base, app.http, steps), index)
        finally:
            self.free.append(index)


async def sign_in(app: App, person: Person, index: int) -> dict[str, Any]:
    """One complete login of a client's user: PAR to userinfo."""
    verifier = secrets.token_urlsafe(32)
    start = time.perf_counter()
    path = await app.start(verifier)
    person.steps.append(time.perf_counter() - start)
    code = await person.through(path, index)
    for step in (lambda: app.redeem(code, verifier),):
        start = time.perf_counter()
        told = await step()
        person.steps.append(time.perf_counter() - start)
    start = time.perf_counter()
    await app.userinfo(told["access_token"])
    person.steps.append(time.perf_counter() - start)
    return told


def database_cpu(made: Any) -> float:
    """CPU seconds of the database server and its children so far, those that ended included."""
    parent = int((made.folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    total = 0.0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            own = int(fields[11]) + int(fields[12])
            if int(folder.name) == parent:
                total += own + int(fields[13]) + int(fields[14])
            elif int(fields[1]) == parent:
                total += own
    return total / os.sysconf("SC_CLK_TCK")


def at(values: list[float], share: float) -> float:
    """The value below which that share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
