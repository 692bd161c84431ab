"""Clients 接入的应用: what each kind may ask, how it proves itself, which claims a scope means (identity.md 5). Pure.

The tables are data, clients.toml; nothing here knows a database.
"""

from __future__ import annotations

import base64
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from tongban.kernel.errors import Refusal, Refusals
from tongban.kernel.gm import digest, hmac_sm3, jcs

_FILE = Path(__file__).resolve().parent.parent / "clients.toml"
KindName = Literal["node", "staff_tool", "service_app", "outside", "native"]
PREFIXES = {"staff_tool": "tool-", "service_app": "app-", "outside": "out-", "native": "nat-"}
_REGISTERED = re.compile(r"(tool|app|out|nat)-[a-z2-7]{16}")
_KID = re.compile(r"[!-~]{1,128}")
_MOST_URIS = 10


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of client 应用种类, one table of clients.toml."""

    words: str
    auth: Literal["private_key_jwt", "none"]
    algs: tuple[str, ...]
    profiles: tuple[str, ...]
    sub: Literal["nation", "pairwise", "staff"]
    consent: Literal["none", "notice", "ask"]
    scopes: tuple[str, ...]
    plain_scopes: tuple[str, ...] = ()
    plain_max_acr: int = 4
    refresh_days: int = 0
    rotates: bool = False
    session_hours: int = 0


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A claim 信息项: its words, and what it needs besides consent."""

    words: str
    free: bool = False
    grant: bool = False
    level: int = 0
    userinfo: bool = False


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: str
    per_second: int
    kind: dict[str, Kind]
    scope: dict[str, tuple[str, ...]]
    claim: dict[str, Claim]


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a client may have a claim that needs a reason 特许: the number of the document, its basis, its last day."""

    number: str
    basis: str
    until: date


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A client as registered 登记的应用; a node is one by being in the directory. `required` are claims, not scopes."""

    id: str
    kind: KindName
    name: str
    profile: Literal["fapi2", "plain"] = "fapi2"
    org: str = ""
    division: str = ""
    sector: str = ""
    redirect_uris: tuple[str, ...] = ()
    post_logout_uris: tuple[str, ...] = ()
    backchannel_uri: str = ""
    scopes: tuple[str, ...] = ("openid",)
    required: tuple[str, ...] = ()
    purpose: str = ""
    keeps: str = ""
    consent_days: int = 180
    id_alg: Literal["Ed25519", "ES256"] = "ES256"
    token_aud: bool = False
    grants: dict[str, Grant] = msgspec.field(default_factory=dict)
    pairwise_version: int = 1
    app: str | None = None
    status: Literal["active", "suspended", "ended"] = "active"
    reason: str = ""

    @property
    def rules(self) -> Kind:
        """What its kind may do."""
        return kinds()[self.kind]

    @property
    def plain(self) -> bool:
        """Whether it talks the narrower profile for outside parties."""
        return self.profile == "plain"

    @property
    def max_acr(self) -> int:
        """The highest level it may be told."""
        return self.rules.plain_max_acr if self.plain else 4

    @property
    def text_digest(self) -> str:
        """What a person was told about it: another purpose or term asks again (identity.md 10)."""
        return _text_digest(self.name, self.purpose, self.keeps, self.consent_days)

    def granted(self, claim: str, today: date) -> bool:
        """Whether a grant in force names this claim."""
        found = self.grants.get(claim)
        return found is not None and today <= found.until


@lru_cache(maxsize=2000)
def _text_digest(name: str, purpose: str, keeps: str, days: int) -> str:
    """Asked for at every step of a sign-in; pure, so what was asked before is remembered."""
    return digest(jcs({"name": name, "purpose": purpose, "keeps": keeps, "days": days}))


@cache
def _tables() -> _Tables:
    return msgspec.convert(tomllib.loads(_FILE.read_text("utf-8")), _Tables)


def per_second() -> int:
    """How many requests a second one client may make at one endpoint."""
    return _tables().per_second


def kinds() -> Mapping[str, Kind]:
    """All kinds of clients by code. Raises msgspec.ValidationError when the file is not right."""
    return _tables().kind


def claims() -> Mapping[str, Claim]:
    """All claims by name."""
    return _tables().claim


def scopes() -> Mapping[str, tuple[str, ...]]:
    """All scopes with the claims they mean."""
    return _tables().scope


def allowed_scopes(kind: KindName, profile: str) -> tuple[str, ...]:
    """What a client of this kind and profile may be registered for."""
    rules = kinds()[kind]
    return rules.plain_scopes if profile == "plain" else rules.scopes


def claims_of(asked: Iterable[str]) -> tuple[str, ...]:
    """The claims some scopes mean, in the order of the tables, each once."""
    named = {claim for scope in asked for claim in scopes().get(scope, ())}
    return tuple(one for one in claims() if one in named)


def words_of(names: Iterable[str]) -> tuple[str, ...]:
    """Claims in the words a citizen reads, each once.

    >>> words_of(("name", "doctype", "number"))
    ('姓名', '证件类型和号码')
    """
    return tuple(dict.fromkeys(claims()[one].words for one in names if one in claims()))


def personal(names: Iterable[str]) -> tuple[str, ...]:
    """Those claims that say something of the person, and so need consent, notice or law."""
    return tuple(one for one in names if one in claims() and not claims()[one].free)


def registered_form(client_id: str) -> bool:
    """Whether an id has the form of registered clients, which no node's id has."""
    return bool(_REGISTERED.fullmatch(client_id))


def pairwise_sub(key: bytes, sector: str, subject: str) -> str:
    """What a sector knows a person by 专用标识: 26 base32 characters, lower case (identity.md 5)."""
    return base64.b32encode(hmac_sm3(key, f"{sector}\x00{subject}".encode())[:16]).decode().lower().rstrip("=")


def host_of(url: str) -> str:
    """The host of a URL, lower case."""
    return (urlsplit(url).hostname or "").lower()


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def wrong_uri(url: str, *, demo: bool) -> bool:
    """Whether a URL cannot be registered: not https (http only for this machine in a demo), a fragment, a user, a wildcard."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return True
    host = parts.hostname or ""
    local = demo and parts.scheme == "http" and (host in ("localhost", "127.0.0.1") or host.endswith(".localhost"))
    if not (parts.scheme == "https" or local) or not host or len(url) > 500 or not url.isascii():
        return True
    return bool(parts.fragment or "#" in url or parts.username or parts.password or "*" in url or any(one in url for one in ' \\"<>^`{|}'))


def check_client(wanted: Client, *, demo: bool) -> Refusals:
    """What is wrong with a client as somebody wants to register it 登记前检查; empty when nothing is."""
    rules, found = kinds().get(wanted.kind), []
    if rules is None or wanted.kind == "node":
        return (Refusal("identity.client_kind", "选一个应用种类；节点不用登记", "kind"),)
    if not 2 <= len(wanted.name.strip()) <= 40:
        found.append(Refusal("identity.client_name", "名称写 2 到 40 个字", "name"))
    if wanted.profile not in rules.profiles:
        found.append(Refusal("identity.client_profile", "这种应用不能用这个接入方式", "profile"))
    uris = (*wanted.redirect_uris, *wanted.post_logout_uris, *((wanted.backchannel_uri,) if wanted.backchannel_uri else ()))
    if any(wrong_uri(one, demo=demo) for one in uris) or len(uris) > _MOST_URIS:
        found.append(Refusal("identity.client_uri", "网址要完整，https 开头，不带 # 和 *，最多 10 个", "redirect_uris"))
    elif wanted.redirect_uris and {host_of(one) for one in wanted.redirect_uris} != {wanted.sector}:
        found.append(Refusal("identity.client_sector", "回跳网址要在同一个域名下，就是登记的域名", "sector"))
    if "openid" not in wanted.scopes or set(wanted.scopes) - set(allowed_scopes(wanted.kind, wanted.profile)):
        found.append(Refusal("identity.client_scopes", "这种应用不能要这些信息", "scopes"))
    if set(wanted.required) - set(claims_of(wanted.scopes)) - {"address_formatted"}:
        found.append(Refusal("identity.client_required", "必需的信息要在能要的范围里", "required"))
    if not 4 <= len(wanted.purpose) <= 100 or not 2 <= len(wanted.keeps) <= 60:
        found.append(Refusal("identity.client_purpose", "写清楚用来做什么、留多久，给老百姓看的", "purpose"))
    if not 1 <= wanted.consent_days <= 365:
        found.append(Refusal("identity.client_days", "授权最长一年", "consent_days"))
    if wanted.token_aud and not wanted.plain:
        found.append(Refusal("identity.client_aud", "只有简化接入方式可以这样设", "token_aud"))
    if set(wanted.grants) - {"sub", *(name for name, one in claims().items() if one.grant)}:
        found.append(Refusal("identity.client_grants", "特许只给需要特许的信息", "grants"))
    return tuple(found)


def check_key(kind: KindName, kid: str, jwk: Mapping[str, Any]) -> tuple[str, dict[str, str]] | Refusal:
    """(algorithm, public JWK) of a key to be registered 检查公钥, or why it is refused. A private member is refused."""
    alg = {("OKP", "Ed25519"): "Ed25519", ("EC", "P-256"): "ES256"}.get((str(jwk.get("kty")), str(jwk.get("crv"))))
    wrong = Refusal("identity.client_key", "公钥要是 P-256 或 Ed25519 的 JWK，不要带私钥，不能是密钥口令", "jwk")
    if alg is None or "d" in jwk or alg not in kinds()[kind].algs or not _KID.fullmatch(kid):
        return wrong
    if jwk.get("alg") not in (None, alg, "EdDSA" if alg == "Ed25519" else alg) or jwk.get("use") not in (None, "sig"):
        return wrong
    kept = {name: jwk[name] for name in ("kty", "crv", "x", "y") if isinstance(jwk.get(name), str)}
    if any(not re.fullmatch(r"[A-Za-z0-9_-]{43}", kept.get(one, "")) for one in ("x", *(("y",) if alg == "ES256" else ()))):
        return wrong
    return alg, kept


def client_of(row: Mapping[str, Any]) -> Client:
    """A row of `client` as a Client."""
    return msgspec.convert({name: row[name] for name in Client.__struct_fields__}, Client, strict=False)
