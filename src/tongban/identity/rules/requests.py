"""Judging authorization and token requests 授权请求的审查 (RFC 9126, 7636, 9207; FAPI 2.0). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from tongban.identity.errors import ProtocolError
from tongban.identity.model import ACR_PREFIX

MAX_FORM = 8192
NODE_SCOPES = frozenset({"openid", "node"})
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class Pushed(msgspec.Struct, frozen=True):
    """An authorization request as it was pushed and judged 审查过的授权请求."""

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


def single(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The parameters, each at most once. Raises ProtocolError invalid_request on a repeated one (T-24)."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise ProtocolError("invalid_request", "a parameter is given twice")
        found[name] = value
    return found


def pushed(form: dict[str, str], *, client: str, redirect_uri: str) -> Pushed:
    """The request of a node client, judged at PAR where the developer sees it. Raises ProtocolError.

    `redirect_uri` is the one address the directory gives this client for this issuer: compared exactly (T-08).
    """
    if "request" in form or "request_uri" in form:
        raise ProtocolError("invalid_request", "request objects are not taken")
    if form.get("client_id", client) != client:
        raise ProtocolError("invalid_request", "client_id is another client")
    if form.get("redirect_uri") != redirect_uri:
        raise ProtocolError("invalid_request", "redirect_uri is not registered")
    if form.get("response_type") != "code":
        raise ProtocolError("unsupported_response_type", "only code is offered")
    if form.get("response_mode", "query") != "query":
        raise ProtocolError("invalid_request", "only response_mode query is offered")
    if form.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(form.get("code_challenge", "")):
        raise ProtocolError("invalid_request", "PKCE with S256 is required")
    scopes = form.get("scope", "").split()
    if "openid" not in scopes or not NODE_SCOPES.issuperset(scopes):
        raise ProtocolError("invalid_scope", "a node asks openid node and nothing else")
    prompt = form.get("prompt", "").split()
    if "none" in prompt and len(prompt) > 1:
        raise ProtocolError("invalid_request", "prompt none stands alone")
    level, essential = _level(form)
    return Pushed(
        client=client,
        redirect_uri=redirect_uri,
        scope=" ".join(scopes),
        state=_bounded(form, "state", 512),
        nonce=_bounded(form, "nonce", 128),
        challenge=form["code_challenge"],
        silent="none" in prompt,
        level=level,
        essential=essential,
        max_age=_max_age(form),
        login_hint=_bounded(form, "login_hint", 128),
    )


def _level(form: dict[str, str]) -> tuple[int, bool]:
    """(level wanted, whether essential) from `claims` or `acr_values`."""
    if "claims" in form:
        try:
            claims = msgspec.json.decode(form["claims"], type=dict[str, dict[str, dict[str, object] | None]])
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise ProtocolError("invalid_request", "claims is not the expected JSON") from None
        acr = claims.get("id_token", {}).get("acr") or {}
        values = acr.get("values") or ([acr["value"]] if "value" in acr else [])
        if isinstance(values, list) and values:
            return min(_number(str(one)) for one in values), acr.get("essential") is True
    wanted = form.get("acr_values", "").split()
    return (min(_number(one) for one in wanted) if wanted else 0), False


def _number(acr: str) -> int:
    number = acr.removeprefix(ACR_PREFIX)
    if not acr.startswith(ACR_PREFIX) or number not in ("1", "2", "3", "4"):
        raise ProtocolError("invalid_request", "acr value unknown")
    return int(number)


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
