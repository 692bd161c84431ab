"""Judging authorization requests 授权请求的审查 (RFC 9126, 7636, 9207; OpenID Connect Core 3.1.2, 5.5; FAPI 2.0). Pure.

What a client may not ask is refused when the request is pushed, where the developer sees it and not the citizen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec

from tongban.identity.errors import ProtocolError
from tongban.identity.model import ACR_PREFIX
from tongban.identity.rules import clients
from tongban.identity.rules.clients import Client

MAX_FORM = 8192
UNKNOWN_LEVEL = 9
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_JKT = re.compile(r"[A-Za-z0-9_-]{43}")
_WITH_GRANT = {"address": "address_formatted"}


class Pushed(msgspec.Struct, frozen=True):
    """An authorization request as it was pushed and judged 审查过的授权请求.

    `claims` are the personal and free claims asked by scope and parameter, `id_claims` those wanted in the ID token.
    `level` is the lowest acr asked, 0 for none, 9 for an essential one nobody here can give.
    """

    client: str
    redirect_uri: str
    scope: str
    state: str
    nonce: str
    challenge: str
    silent: bool
    level: int
    essential: bool
    max_age: int | None
    login_hint: str
    fresh: bool = False
    ask_again: bool = False
    claims: tuple[str, ...] = ()
    id_claims: tuple[str, ...] = ()
    hint_sub: str = ""


def single(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The parameters, each at most once. Raises ProtocolError invalid_request on a repeated one (T-24)."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise ProtocolError("invalid_request", "a parameter is given twice")
        found[name] = value
    return found


def redirect_of(form: dict[str, str], client: Client) -> str:
    """The registered redirect URI of a request, compared exactly (T-08). Raises ProtocolError: nothing goes to any other."""
    uri = form.get("redirect_uri", "")
    if uri not in client.redirect_uris:
        raise ProtocolError("invalid_request", "redirect_uri is not registered")
    return uri


def pushed(form: dict[str, str], client: Client, *, today: date) -> Pushed:
    """The request of a client, judged whole. Raises ProtocolError; unknown parameters are ignored."""
    if "request" in form:
        raise ProtocolError("request_not_supported", "request objects are not taken")
    if "request_uri" in form:
        raise ProtocolError("request_uri_not_supported", "request_uri is not taken here")
    if form.get("client_id", client.id) != client.id:
        raise ProtocolError("invalid_request", "client_id is another client")
    uri = redirect_of(form, client)
    if not form.get("response_type"):
        raise ProtocolError("invalid_request", "response_type is missing")
    if form["response_type"] != "code":
        raise ProtocolError("unsupported_response_type", "only code is offered")
    if form.get("response_mode", "query") != "query":
        raise ProtocolError("invalid_request", "only response_mode query is offered")
    if form.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(form.get("code_challenge", "")):
        raise ProtocolError("invalid_request", "PKCE with S256 is required")
    scopes = _scopes(form, client)
    prompt = form.get("prompt", "").split()
    if "none" in prompt and len(prompt) > 1:
        raise ProtocolError("invalid_request", "prompt none stands alone")
    asked = _claims_parameter(form)
    claims, id_claims = _claims(asked, scopes, client, today)
    level, essential = _level(form, asked)
    if essential and client.max_acr < level < UNKNOWN_LEVEL:
        raise ProtocolError("invalid_request", "acr is above what this client may ask")
    return Pushed(
        client=client.id,
        redirect_uri=uri,
        scope=" ".join(scopes),
        state=_bounded(form, "state", 1024),
        nonce=_bounded(form, "nonce", 512),
        challenge=form["code_challenge"],
        silent="none" in prompt,
        level=level,
        essential=essential,
        max_age=_max_age(form),
        login_hint=form.get("login_hint", "")[:128] if client.kind == "node" else "",
        fresh="login" in prompt or "select_account" in prompt,
        ask_again="consent" in prompt,
        claims=claims,
        id_claims=id_claims,
    )


def wanted_jkt(form: dict[str, str], proven: str) -> str:
    """The key the code will be bound to: of the proof, or of `dpop_jkt` (RFC 9449 section 10). Raises ProtocolError."""
    named = form.get("dpop_jkt", proven)
    if named and not _JKT.fullmatch(named):
        raise ProtocolError("invalid_request", "dpop_jkt is no thumbprint")
    if proven and named != proven:
        raise ProtocolError("invalid_dpop_proof", "dpop_jkt is of another key")
    return named


def _scopes(form: dict[str, str], client: Client) -> list[str]:
    scopes = list(dict.fromkeys(form.get("scope", "").split()))
    if "openid" not in scopes or not set(scopes) <= set(client.scopes):
        raise ProtocolError("invalid_scope", "scope is more than this client may ask, or openid is missing")
    return scopes


def _claims(asked: dict[str, dict[str, Any]], scopes: list[str], client: Client, today: date) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(claims for userinfo, claims for the ID token): what the scopes and the parameter mean. Over-asking is invalid_scope."""
    may, known = set(clients.claims_of(client.scopes)), clients.claims()
    by_scope = list(clients.claims_of(scopes))
    info = [one for one in asked.get("userinfo", {}) if one in known]
    token = [one for one in asked.get("id_token", {}) if one in known]
    for one in (*info, *token):
        if one not in may:
            raise ProtocolError("invalid_scope", "a claim is more than this client may ask")
    found = list(dict.fromkeys((*by_scope, *info)))
    found += [extra for name, extra in _WITH_GRANT.items() if name in found and client.granted(extra, today)]
    for one in (*found, *token):
        if known[one].grant and not client.granted(one, today):
            raise ProtocolError("invalid_scope", "a claim needs a grant this client has not")
    return tuple(found), tuple(one for one in token if not known[one].userinfo and not known[one].free)


def _claims_parameter(form: dict[str, str]) -> dict[str, dict[str, Any]]:
    if "claims" not in form:
        return {}
    try:
        asked = msgspec.json.decode(form["claims"], type=dict[str, dict[str, dict[str, Any] | None] | None])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise ProtocolError("invalid_request", "claims is not the expected JSON") from None
    return {name: {claim: how or {} for claim, how in (inner or {}).items()} for name, inner in asked.items()}


def _level(form: dict[str, str], asked: dict[str, dict[str, Any]]) -> tuple[int, bool]:
    """(level wanted, whether essential) from `claims` or `acr_values`; values nobody here knows are left out of the latter."""
    acr = asked.get("id_token", {}).get("acr", {})
    values = acr.get("values") or ([acr["value"]] if "value" in acr else [])
    if isinstance(values, list) and values:
        levels = [level for one in values if (level := acr_level(str(one)))]
        essential = acr.get("essential") is True
        return (min(levels) if levels else UNKNOWN_LEVEL if essential else 0), essential
    levels = [level for one in form.get("acr_values", "").split() if (level := acr_level(one))]
    return (min(levels) if levels else 0), False


def acr_level(acr: str) -> int:
    """The number of an acr value, 0 for one of somebody else.

    >>> acr_level("urn:tongban:acr:3"), acr_level("urn:tongban:acr:9")
    (3, 0)
    """
    number = acr.removeprefix(ACR_PREFIX)
    return int(number) if acr.startswith(ACR_PREFIX) and number in ("1", "2", "3", "4") else 0


def _max_age(form: dict[str, str]) -> int | None:
    text = form.get("max_age")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 8:
        raise ProtocolError("invalid_request", "max_age is no number")
    return int(text)


def _bounded(form: dict[str, str], name: str, most: int) -> str:
    text = form.get(name, "")
    if len(text) > most or not text.isascii():
        raise ProtocolError("invalid_request", f"{name} is too long or not ASCII")
    return text


def verifier_form(text: str) -> bool:
    """Whether a text can be a PKCE verifier."""
    return bool(_VERIFIER.fullmatch(text))
