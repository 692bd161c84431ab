"""Security headers 安全响应头: on every response of the house, also on errors and machine answers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from litestar.types import Message, Scope

from tongban.ui.wiring import Wiring

FIXED = (
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(self), geolocation=(self), payment=(), usb=(), interest-cohort=()"),
)
_FIXED_NAMES = frozenset(name for name, _ in FIXED)


@lru_cache(maxsize=64)
def content_security_policy(form_action: tuple[str, ...]) -> str:
    """Nothing but our own files, no inline script or style, never framed (内容安全策略).

    `form_action` names the other origins a POST may lead to: Chromium applies the rule to redirects after the POST
    too, so sign-in across nodes needs them.
    """
    targets = " ".join(("'self'", *form_action))
    return (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action {targets}"
    )


async def before_send(message: Message, scope: Scope) -> None:
    """Litestar `before_send` hook: add what a response does not already say (发送前)."""
    if message["type"] != "http.response.start":
        return
    headers: list[Any] = list(message.get("headers", []))
    said = {name.lower() for name, _ in headers}
    headers.extend(FIXED if said.isdisjoint(_FIXED_NAMES) else (pair for pair in FIXED if pair[0] not in said))
    if b"content-security-policy" not in said:
        wired = scope["litestar_app"].state.get("ui")
        origins = wired.form_action() if isinstance(wired, Wiring) else ()
        headers.append((b"content-security-policy", content_security_policy(origins).encode()))
    if b"cache-control" not in said:
        headers.append((b"cache-control", b"no-store"))
    turned = scope.get("state", {}).get("turned_cookie")
    if turned is not None and not any(name.lower() == b"set-cookie" and value.startswith(turned[0].encode() + b"=") for name, value in headers):
        headers.append((b"set-cookie", _cookie(*turned)))
    message["headers"] = headers


def _cookie(name: str, value: str, seconds: int | None) -> bytes:
    kept = "" if seconds is None else f"Max-Age={seconds}; "
    return f"{name}={value}; {kept}Path=/; Secure; HttpOnly; SameSite=lax".encode()
