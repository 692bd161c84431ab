"""The doors of the ways to sign in, of recovery and of devices 登录方式的页面, put together for `pages/__init__`."""

from __future__ import annotations

from typing import Any

from tongban import ui
from tongban.identity.pages import locks, recovery, scan, session, theft, voice

LISTED: tuple[ui.Route, ...] = (
    ui.Route("/scan", "/scan"),
    ui.Route("/scan/state", fixture="JSON"),
    ui.Route("/scan/{ident:str}", fixture="a code drawn a moment ago"),
    ui.Route("/session/ending", "/session/ending?next=/me", ("citizen",)),
    ui.Route("/me/lock", "/me/lock", ("citizen",)),
    ui.Route("/unlock", fixture="a locked session"),
    ui.Route("/me/voice", "/me/voice", ("citizen",)),
    ui.Route("/login/voice", "/login/voice"),
    ui.Route("/login/certificate", "/login/certificate"),
    ui.Route("/me/phone", "/me/phone", ("citizen",)),
    ui.Route("/recover", "/recover"),
    ui.Route("/recover/wait", "/recover/wait"),
    ui.Route("/recover/confirm", fixture="a change of number under way"),
    ui.Route("/recover/stop/{word:str}", "/recover/stop/x"),
    ui.Route("/recover/hall", "/recover/hall"),
    ui.Route("/theft", "/theft"),
    ui.Route("/levels", "/levels"),
    ui.Route("/staff/recovery", "/staff/recovery", ("staff",)),
    ui.Route("/staff/login-plan", "/staff/login-plan", ("staff",)),
    ui.Route("/demo/providers", "/demo/providers"),
)
ROUTES: list[Any] = [*scan.ROUTES, *session.ROUTES, *locks.ROUTES, *voice.ROUTES, *recovery.ROUTES, *theft.ROUTES]
