"""A provider that is no node 外部登录方: what its discovery document and tokens must say. Pure.

What it tells counts for level 1 and gives a local subject: no register stands behind it (identity.md 1, 4).
Source: OpenID Connect Core 3.1.3.7, Discovery 4.3, Back-Channel Logout 2.6.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tongban.identity.errors import TokenRefused
from tongban.identity.tokens import ALGORITHMS, Alg, Claims, number

ID_PREFIX = "x-"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_AHEAD, _BEHIND = 30, 300
_LONGEST = 255


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `outside-issuers.toml` 外部登录方的登记; `id` starts with `x-`."""

    id: str
    name: str
    url: str
    client_id: str
    alg: Alg = "ES256"


class Endpoints(msgspec.Struct, frozen=True):
    """Where a provider takes what 各个入口; empty where it has none."""

    authorize: str
    token: str
    jwks: str
    par: str = ""
    userinfo: str = ""
    dpop: bool = False


class OutsideSignIn(msgspec.Struct, frozen=True):
    """What an outside provider's ID token told, judged."""

    sub: str
    sid: str
    auth_time: datetime


def endpoints(document: dict[str, Any], issuer: str, alg: Alg) -> Endpoints:
    """The endpoints of a discovery document 发现文档 that says it is of this very issuer. Raises TokenRefused (T-04).

    Every address must be on the issuer's own origin, so that a document cannot send keys or codes to somebody else.
    """
    if document.get("issuer") != issuer:
        raise TokenRefused("discovery document is of another issuer")
    if "code" not in document.get("response_types_supported", []):
        raise TokenRefused("code flow is not offered")
    if not set(ALGORITHMS) & set(document.get("id_token_signing_alg_values_supported", [])):
        raise TokenRefused("no algorithm of ours is offered")
    if "S256" not in document.get("code_challenge_methods_supported", []):
        raise TokenRefused("PKCE is not offered")
    base = urlsplit(issuer)

    def at(name: str, *, needed: bool = False) -> str:
        url = str(document.get(name, ""))
        parts = urlsplit(url)
        if (needed or url) and (parts.scheme, parts.netloc) != (base.scheme, base.netloc):
            raise TokenRefused("an endpoint is on another host")
        return url

    return Endpoints(
        authorize=at("authorization_endpoint", needed=True), token=at("token_endpoint", needed=True), jwks=at("jwks_uri", needed=True),
        par=at("pushed_authorization_request_endpoint"), userinfo=at("userinfo_endpoint"),
        dpop=alg in document.get("dpop_signing_alg_values_supported", []),
    )  # fmt: skip


def judge_id_token(claims: Claims, *, issuer: str, client: str, nonce: str, now: datetime) -> OutsideSignIn:
    """The sign-in an outside ID token tells, or TokenRefused (OpenID Connect Core 3.1.3.7)."""
    if claims.get("iss") != issuer:
        raise TokenRefused("iss is not the provider asked")
    _audience(claims, client)
    if claims.get("nonce") != nonce:
        raise TokenRefused("nonce is of another request")
    at, issued = now.timestamp(), number(claims, "iat")
    if not -_AHEAD <= at - issued <= _BEHIND or number(claims, "exp") <= at:
        raise TokenRefused("not fresh")
    when = number(claims, "auth_time") if "auth_time" in claims else issued
    return OutsideSignIn(sub=subject(claims), sid=_text(claims, "sid"), auth_time=datetime.fromtimestamp(min(when, at), now.tzinfo))


def judge_logout(claims: Claims, *, issuer: str, client: str, now: datetime) -> None:
    """Raise TokenRefused unless the claims are a fresh logout token for this client (Back-Channel Logout 2.6)."""
    if claims.get("iss") != issuer:
        raise TokenRefused("iss is another one")
    _audience(claims, client)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise TokenRefused("not a logout token")
    if "nonce" in claims:
        raise TokenRefused("a logout token has no nonce")
    at = now.timestamp()
    if not -_AHEAD <= at - number(claims, "iat") <= _BEHIND or ("exp" in claims and number(claims, "exp") <= at):
        raise TokenRefused("not fresh")
    if not isinstance(claims.get("jti"), str) or not (_text(claims, "sid") or _text(claims, "sub")):
        raise TokenRefused("jti is missing, or both sid and sub")


def subject(claims: Claims) -> str:
    """The `sub`, a text of 1 to 255 characters. Raises TokenRefused."""
    found = _text(claims, "sub")
    if not found:
        raise TokenRefused("no subject")
    return found


def _audience(claims: Claims, client: str) -> None:
    aud = claims.get("aud")
    named = [aud] if isinstance(aud, str) else aud if isinstance(aud, list) else []
    if client not in named or ("azp" in claims and claims["azp"] != client) or (len(named) > 1 and "azp" not in claims):
        raise TokenRefused("aud is not this node")


def _text(claims: Claims, name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) and len(value) <= _LONGEST else ""
