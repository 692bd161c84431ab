"""Who may sign people in here 可以为本节点登录的提供方: the nodes of the directory, and what `outside-issuers.toml` names.

A node's word is judged with keys had by a signed call and the register's statement; an outside provider's with the keys
it publishes, and counts for level 1 only. The file stands in the node's data folder; without it there are none (R-301).
"""

from __future__ import annotations

import base64
import re
import time
import tomllib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
import msgspec

from tongban import federation
from tongban.identity import tokens
from tongban.identity.actions import keys
from tongban.identity.errors import TokenRefused, failure
from tongban.identity.rules import outside
from tongban.identity.rules.outside import ID_PREFIX, Endpoints, Outside
from tongban.identity.tokens import Alg
from tongban.kernel.gm import hmac_sm3
from tongban.kernel.log import log
from tongban.kernel.node import Node

FILE = "outside-issuers.toml"
_ID = re.compile(r"x-[a-z0-9-]{1,30}")
_FRESH_SECONDS = 300.0
_SECONDS = 4.0
_MOST = 65_536
_found: WeakKeyDictionary[Node, dict[str, tuple[float, Endpoints]]] = WeakKeyDictionary()


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as this node goes to it 登录方; `client` is what this node is called there, `alg` what it signs with."""

    id: str
    name: str
    url: str
    client: str
    node: bool
    at: Endpoints
    alg: Alg


def is_outside(issuer: str | None) -> bool:
    """Whether an issuer id is that of an outside provider."""
    return issuer is not None and issuer.startswith(ID_PREFIX)


def outsiders(node: Node) -> tuple[Outside, ...]:
    """The outside providers of this node 外部登录方名单, by id; a line that cannot be used is left out and logged."""
    path = node.settings.data_dir / FILE
    if not path.is_file():
        return ()
    made: list[Outside] = []
    for name, row in sorted(tomllib.loads(path.read_text("utf-8")).items()):
        try:
            one = msgspec.convert({**row, "id": name}, Outside)
        except (msgspec.ValidationError, TypeError):
            log("identity.outside_issuer_unusable", peer=name[:32])
            continue
        if _ID.fullmatch(name) and _secure(one.url):
            made.append(one)
        else:
            log("identity.outside_issuer_unusable", peer=name[:32])
    return tuple(made)


async def issuer(node: Node, name: str) -> Issuer:
    """The provider with this id. Raises Failure `identity.client_unknown` for a stranger, `identity.home_away` for silence."""
    if is_outside(name):
        listed = next((one for one in outsiders(node) if one.id == name), None)
        if listed is None:
            raise failure("identity.client_unknown")
        at = await _discovered(node, listed)
        return Issuer(id=name, name=listed.name, url=listed.url, client=listed.client_id, node=False, at=at, alg=listed.alg)
    home = (await _directory(node)).node(name)
    if home is None or home.status not in ("active", "leaving") or home.role != "province" or name == node.id:
        raise failure("identity.client_unknown")
    base = home.base_url
    at = Endpoints(authorize=f"{base}/oidc/authorize", token=f"{base}/oidc/token", jwks="", par=f"{base}/oidc/par", dpop=True)
    return Issuer(id=name, name=home.name, url=base, client=node.id, node=True, at=at, alg="Ed25519")


async def named(node: Node, url: str) -> str:
    """The id of the provider with this issuer address, empty for a stranger (T-23)."""
    home = next((one.id for one in (await _directory(node)).nodes if one.base_url == url), "")
    return home or next((one.id for one in outsiders(node) if one.url == url), "")


async def _directory(node: Node) -> federation.Directory:
    """The directory as this process has it: read anew when its bell rings. Raises NotMember before the node is enrolled."""
    found = await federation.present(node)
    if found is None:
        raise federation.NotMember
    return found


async def public_keys(node: Node, provider: Issuer, token: str) -> Sequence[dict[str, Any]]:
    """The keys that may have signed `token`; an unknown key id causes at most one fetch in 30 s. Raises TokenRefused."""
    if provider.node:
        return await keys.keys_of(node, provider.id, token)
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT keys, fetched_at FROM jwks_cache WHERE node = $1", provider.id)
    now = node.clock.now()
    known: list[dict[str, Any]] = [] if row is None else row["keys"]["keys"]
    age = timedelta.max if row is None else now - row["fetched_at"]
    fits = tokens.kid_of(token) in {one.get("kid", "") for one in known}
    if age < keys.REFETCH or (fits and age < keys.FRESH):
        return known
    try:
        answer = await _document(node, provider.at.jwks)
    except TokenRefused:
        if fits:
            return known
        raise
    fetched = [one for one in answer.get("keys", []) if isinstance(one, dict)]
    async with node.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO jwks_cache (node, keys, fetched_at) VALUES ($1, $2, $3)"
            " ON CONFLICT (node) DO UPDATE SET keys = excluded.keys, fetched_at = excluded.fetched_at",
            provider.id, {"keys": fetched}, now,
        )  # fmt: skip
    return fetched


def local_subject(node: Node, provider: str, sub: str) -> str:
    """The `l…` subject of an outside provider's person 外部登录方的人: the same at each sign-in, and only at this node."""
    made = hmac_sm3(node.keys.secret("outside-subject"), f"{provider}\0{sub}".encode())
    return "l" + base64.b32encode(made).decode().lower()[:26]


async def _discovered(node: Node, listed: Outside) -> Endpoints:
    cache = _found.setdefault(node, {})
    at, found = cache.get(listed.id, (0.0, None))
    if found is not None and time.monotonic() - at < _FRESH_SECONDS:
        return found
    try:
        found = outside.endpoints(await _document(node, listed.url.rstrip("/") + "/.well-known/openid-configuration"), listed.url, listed.alg)
    except TokenRefused as error:
        log("identity.outside_issuer_refused", peer=listed.id, reason=error.why)
        raise failure("identity.home_away", place=listed.name) from None
    cache[listed.id] = (time.monotonic(), found)
    return found


async def _document(node: Node, url: str) -> dict[str, Any]:
    try:
        status, _, body = await node.http.request("GET", url, headers={"Accept": "application/json"}, seconds=_SECONDS)
        if status != 200 or len(body) > _MOST:
            raise TokenRefused("document cannot be had")
        return msgspec.json.decode(body, type=dict[str, Any])
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError, msgspec.ValidationError):
        raise TokenRefused("document cannot be had") from None


def _secure(url: str) -> bool:
    """https, or http on this very machine for a demo."""
    return re.fullmatch(r"https://[^/?#\s]+(/[^?#\s]*)?|http://([a-z0-9-]+\.)*localhost(:\d+)?(/[^?#\s]*)?", url) is not None
