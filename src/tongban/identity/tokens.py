"""Tokens 令牌: the only file that touches JOSE; signing, reading with a pinned list, DPoP proofs, client assertions.

`identity.md` 14 names this room beside those of house.md 4. Everything here is pure: keys and the time are arguments.
Algorithms are `Ed25519` and `ES256` and nothing else; the list is pinned by key id, never taken from the token (T-07).
Sources: RFC 7515, 7519, 9449 (DPoP), 7523 (assertions), 9864 (`Ed25519`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from tongban.identity.errors import NonceWanted, TokenRefused
from tongban.kernel.gm import hmac_sm3

Alg = Literal["Ed25519", "ES256"]
ALGORITHMS: tuple[Alg, ...] = ("Ed25519", "ES256")
Claims = dict[str, Any]
Jwk = Mapping[str, Any]

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_MAX_TOKEN = 8192
PROOF_BEHIND = 60
PROOF_AHEAD = 30
ASSERTION_LIFE = 300
ASSERTION_AHEAD = 60
NONCE_LIFE = 300


class TokenKey:
    """A private token key 令牌私钥 of this node: `kid`, `alg` and how to sign with it; `private` stays in this file."""

    def __init__(self, kid: str, alg: Alg, seed: bytes) -> None:
        self.kid = kid
        self.alg: Alg = alg
        self.private: OKPKey | ECKey
        if alg == "Ed25519":
            self.private = OKPKey.import_key(ed25519.Ed25519PrivateKey.from_private_bytes(seed))
        else:
            number = int.from_bytes(hashlib.sha512(b"tongban/es256" + seed).digest(), "big") % (_P256_ORDER - 1) + 1
            self.private = ECKey.import_key(ec.derive_private_key(number, ec.SECP256R1()))
        self._jwk = {**self.private.as_dict(private=False), "kid": kid, "alg": alg, "use": "sig"}

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half as a JWK with `kid`, `alg` and `use`."""
        return dict(self._jwk)

    @property
    def thumbprint(self) -> str:
        """The RFC 7638 thumbprint, base64url, as `jkt` carries it."""
        return thumbprint(self.jwk)

    def sign(self, claims: Claims, *, typ: str, header: Claims | None = None) -> str:
        """A compact JWS over `claims`."""
        protected = {"alg": self.alg, "typ": typ, "kid": self.kid, **(header or {})}
        return jws.serialize_compact(protected, msgspec.json.encode(claims), self.private, algorithms=[self.alg])


class Proof(msgspec.Struct, frozen=True):
    """A DPoP proof that held 验过的持钥证明; `jti` must still be stored as seen."""

    jkt: str
    jti: str


class Assertion(msgspec.Struct, frozen=True):
    """A client assertion that held 验过的客户端断言; `jti` must still be stored as seen until `until`."""

    client: str
    jti: str
    until: datetime


def b64u(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def challenge(verifier: str) -> str:
    """The S256 code challenge of a PKCE verifier (RFC 7636)."""
    return b64u(hashlib.sha256(verifier.encode("ascii")).digest())


def thumbprint(jwk: Jwk) -> str:
    """The RFC 7638 thumbprint of an Ed25519 or P-256 public key. Raises TokenRefused for any other key."""
    kind = (jwk.get("kty"), jwk.get("crv"))
    if kind == ("OKP", "Ed25519"):
        text = f'{{"crv":"Ed25519","kty":"OKP","x":"{jwk["x"]}"}}'
    elif kind == ("EC", "P-256"):
        text = f'{{"crv":"P-256","kty":"EC","x":"{jwk["x"]}","y":"{jwk["y"]}"}}'
    else:
        raise TokenRefused("key type not allowed")
    return b64u(hashlib.sha256(text.encode()).digest())


def header_of(token: str) -> Claims:
    """The unverified header, only to find a key. Raises TokenRefused when it is none."""
    if len(token) > _MAX_TOKEN or token.count(".") != 2:
        raise TokenRefused("not a compact JWS")
    head = token.split(".", 1)[0]
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, msgspec.DecodeError):
        raise TokenRefused("header is not JSON") from None
    if not isinstance(found, dict):
        raise TokenRefused("header is not an object")
    return found


def kid_of(token: str) -> str:
    """The key id a token names, or an empty string."""
    kid = header_of(token).get("kid", "")
    return kid if isinstance(kid, str) else ""


def read(token: str, keys: Sequence[Jwk], *, typ: str, or_none: bool = False) -> Claims:
    """The claims of a token signed by one of `keys` 验签取值; times and audience are the caller's judgement.

    The algorithm is that of the key with the token's `kid`; `typ` must be exactly the one given, or absent when `or_none`.
    Raises TokenRefused.
    """
    header = header_of(token)
    if header.get("typ", typ if or_none else None) != typ:
        raise TokenRefused("wrong typ")
    if "crit" in header or "jwk" in header or "jku" in header or "x5u" in header:
        raise TokenRefused("header member not allowed")
    found = [one for one in keys if one.get("kid") == header.get("kid")]
    if len(found) != 1:
        raise TokenRefused("unknown kid")
    return _verify(token, header, found[0], found[0].get("alg"))


def _verify(token: str, header: Claims, jwk: Jwk, alg: object) -> Claims:
    if alg not in ALGORITHMS or header.get("alg") != alg:
        raise TokenRefused("algorithm not the one of this key")
    try:
        found = jws.deserialize_compact(token.encode("ascii"), _public(alg, *(jwk.get(name) for name in _MEMBERS)), algorithms=[alg])
        claims = msgspec.json.decode(found.payload)
    except (JoseError, ValueError, KeyError, TypeError, msgspec.DecodeError):
        raise TokenRefused("bad signature") from None
    if not isinstance(claims, dict):
        raise TokenRefused("claims are not an object")
    return claims


_MEMBERS = ("kty", "crv", "x", "y")


@lru_cache(maxsize=1024)
def _public(alg: Alg, *members: object) -> OKPKey | ECKey:
    """The key of the four members that make it, read in once: the same phones and clients come again and again."""
    public: dict[str, Any] = {name: value for name, value in zip(_MEMBERS, members, strict=True) if isinstance(value, str)}
    return OKPKey.import_key(public) if alg == "Ed25519" else ECKey.import_key(public)


def make_proof(
    key: TokenKey, method: str, url: str, *, jti: str, now: datetime, access_token: str | None = None, nonce: str | None = None
) -> str:
    """A DPoP proof 持钥证明 for one request (RFC 9449 section 4.2)."""
    claims: Claims = {"htm": method, "htu": url, "iat": int(now.timestamp()), "jti": jti}
    if nonce is not None:
        claims["nonce"] = nonce
    if access_token is not None:
        claims["ath"] = b64u(hashlib.sha256(access_token.encode("ascii")).digest())
    public = {name: value for name, value in key.jwk.items() if name in ("kty", "crv", "x", "y")}
    protected = {"alg": key.alg, "typ": "dpop+jwt", "jwk": public}
    return jws.serialize_compact(protected, msgspec.json.encode(claims), key.private, algorithms=[key.alg])


def make_nonce(secret: bytes, now: datetime) -> str:
    """A DPoP nonce 随机数 of this node for the next five minutes; nothing is stored (RFC 9449 section 8)."""
    at = int(now.timestamp()).to_bytes(8, "big")
    return b64u(at + hmac_sm3(secret, b"dpop-nonce" + at)[:16])


def nonce_holds(secret: bytes, nonce: str, now: datetime) -> bool:
    """Whether a nonce is one of ours and not older than five minutes."""
    try:
        raw = base64.urlsafe_b64decode(nonce + "=" * (-len(nonce) % 4))
    except ValueError:
        return False
    if len(raw) != 24 or not hmac.compare_digest(raw[8:], hmac_sm3(secret, b"dpop-nonce" + raw[:8])[:16]):
        return False
    return -PROOF_AHEAD <= now.timestamp() - int.from_bytes(raw[:8], "big") <= NONCE_LIFE


def check_proof(
    proof: str, method: str, url: str, *, now: datetime, access_token: str | None = None, jkt: str | None = None,
    nonce_holds: Callable[[str], bool] | None = None,
) -> Proof:  # fmt: skip
    """Judge a DPoP proof against this very request (RFC 9449 section 4.3). Raises TokenRefused.

    `url` is the address without query; `jkt` the thumbprint the token or the request is bound to. A nonce of ours stands
    for the clock of a device whose own is wrong; without one such a proof raises NonceWanted.
    """
    header = header_of(proof)
    jwk = header.get("jwk")
    if header.get("typ") != "dpop+jwt" or not isinstance(jwk, dict):
        raise TokenRefused("not a DPoP proof")
    if "d" in jwk:
        raise TokenRefused("proof shows a private key")
    alg = {("OKP", "Ed25519"): "Ed25519", ("EC", "P-256"): "ES256"}.get((str(jwk.get("kty")), str(jwk.get("crv"))))
    claims = _verify(proof, header, jwk, alg)
    if claims.get("htm") != method:
        raise TokenRefused("htm is of another method")
    if not isinstance(claims.get("htu"), str) or claims["htu"].split("?", 1)[0].split("#", 1)[0] != url:
        raise TokenRefused("htu is of another address")
    _check_proof_time(claims, now, nonce_holds)
    if access_token is not None:
        expected = b64u(hashlib.sha256(access_token.encode("ascii")).digest())
        if not hmac.compare_digest(str(claims.get("ath", "")), expected):
            raise TokenRefused("ath is of another token")
    found = thumbprint(jwk)
    if jkt is not None and not hmac.compare_digest(found, jkt):
        raise TokenRefused("proof key is another one")
    return Proof(jkt=found, jti=_text(claims, "jti"))


def _check_proof_time(claims: Claims, now: datetime, nonce_holds: Callable[[str], bool] | None) -> None:
    at, made = now.timestamp(), _number(claims, "iat")
    nonce = claims.get("nonce")
    if nonce_holds is not None and isinstance(nonce, str):
        if not nonce_holds(nonce):
            raise NonceWanted("nonce is not one of ours or too old")
        return
    if not -PROOF_AHEAD <= at - made <= PROOF_BEHIND:
        raise NonceWanted("iat outside the window")
    if ("exp" in claims and _number(claims, "exp") <= at - PROOF_BEHIND) or ("nbf" in claims and _number(claims, "nbf") > at + PROOF_AHEAD):
        raise TokenRefused("exp or nbf outside the window")


def make_assertion(key: TokenKey, client: str, audience: str, *, jti: str, now: datetime) -> str:
    """A private_key_jwt client assertion 客户端断言 (RFC 7523) of 60 s for one issuer."""
    at = int(now.timestamp())
    claims: Claims = {"iss": client, "sub": client, "aud": audience, "iat": at, "exp": at + 60, "jti": jti}
    return key.sign(claims, typ="JWT")


def check_assertion(
    token: str, keys: Sequence[Jwk], *, client: str, issuer: str, now: datetime, or_aud: str = ""
) -> Assertion:
    """Judge a client assertion: `aud` is exactly this issuer as a string, at most 5 minutes of life. Raises TokenRefused.

    `or_aud` is the token endpoint for the few plain clients registered so, whose software cannot name the issuer.
    """
    claims = read(token, keys, typ="JWT", or_none=True)
    if claims.get("iss") != client or claims.get("sub") != client:
        raise TokenRefused("iss and sub are not the client")
    aud = claims.get("aud")
    if not isinstance(aud, str) or aud not in (issuer, or_aud or issuer):
        raise TokenRefused("aud is not this issuer")
    at = now.timestamp()
    until = _number(claims, "exp")
    if until <= at - 10:
        raise TokenRefused("expired")
    if until > at + ASSERTION_LIFE + ASSERTION_AHEAD:
        raise TokenRefused("lives too long")
    for name in ("iat", "nbf"):
        if name in claims and _number(claims, name) > at + ASSERTION_AHEAD:
            raise TokenRefused(f"{name} in the future")
    return Assertion(client, _text(claims, "jti"), datetime.fromtimestamp(until, now.tzinfo))


def read_access(token: str, keys: Sequence[Jwk], *, audience: str, now: datetime, bound_only: bool = True) -> Claims:
    """The claims of an own access token (RFC 9068) for this resource, not run out, bound to a key. Raises TokenRefused."""
    claims = read(token, keys, typ="at+jwt")
    if claims.get("aud") != audience or _number(claims, "exp") <= now.timestamp():
        raise TokenRefused("token is not for here or has run out")
    bound = claims.get("cnf")
    if bound is None and not bound_only:
        return claims
    if not isinstance(bound, dict) or not isinstance(bound.get("jkt"), str):
        raise TokenRefused("token is bound to no key")
    return claims


def _number(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e11:
        raise TokenRefused(f"{name} is missing or no time")
    return float(value)


def _text(claims: Claims, name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 8 <= len(value) <= 256:
        raise TokenRefused(f"{name} is missing or no text")
    return value


def number(claims: Claims, name: str) -> float:
    """A NumericDate claim as seconds. Raises TokenRefused when it is missing or no time."""
    return _number(claims, name)


def issuer_named(token: str) -> str:
    """The issuer a token claims to be from, unverified, only to find whose keys judge it; empty when it names none."""
    header_of(token)
    part = token.split(".")[1]
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, msgspec.DecodeError):
        raise TokenRefused("claims are not JSON") from None
    named = found.get("iss") if isinstance(found, dict) else None
    return named if isinstance(named, str) else ""


def read_outside(token: str, keys: Sequence[Jwk], *, typs: Sequence[str | None] = (None, "JWT")) -> Claims:
    """The claims of a token of a provider that is no node 外部登录方的令牌, signed by one of its published `keys`.

    Such a provider may leave `typ` and, when it has one fitting key only, `kid` away (OpenID Connect Core 10.1). The
    algorithm is that of the key all the same. Raises TokenRefused.
    """
    header = header_of(token)
    if header.get("typ") not in typs:
        raise TokenRefused("wrong typ")
    if "crit" in header or "jwk" in header or "jku" in header or "x5u" in header:
        raise TokenRefused("header member not allowed")
    fitting = [one for one in keys if one.get("use", "sig") == "sig" and _alg_of(one) is not None]
    if "kid" in header:
        fitting = [one for one in fitting if one.get("kid") == header["kid"]]
    if len(fitting) != 1:
        raise TokenRefused("no single key fits")
    return _verify(token, header, fitting[0], _alg_of(fitting[0]))


def _alg_of(jwk: Jwk) -> Alg | None:
    """The one algorithm of a public key, None for a key of another kind or meant for another algorithm."""
    alg: Alg | None = {("OKP", "Ed25519"): "Ed25519", ("EC", "P-256"): "ES256"}.get((str(jwk.get("kty")), str(jwk.get("crv"))))  # type: ignore[assignment]
    return alg if jwk.get("alg", alg) == alg else None
