"""Pages of identity 身份的页面: signing in and out, between nodes, raising the level, my devices, staff, demo doors."""

from __future__ import annotations

from typing import Any

from tongban import ui
from tongban.identity.pages import demo, disputes, login, me, roam, session, staff, step_up

ROUTES: tuple[ui.Route, ...] = (
    ui.Route("/login", "/login"),
    ui.Route("/login/code", fixture="a login transaction"),
    ui.Route("/login/name", fixture="a login transaction of somebody new"),
    ui.Route("/login/later", "/login/later"),
    ui.Route("/login/elsewhere", "/login/elsewhere"),
    ui.Route("/login/go", fixture="answers with a redirect"),
    ui.Route("/login/initiate", fixture="answers with a redirect"),
    ui.Route("/login/passkey/options", fixture="JSON"),
    ui.Route("/logout", "/logout"),
    ui.Route("/oidc/callback/{home:str}", fixture="answers with a redirect"),
    ui.Route("/discover", "/discover"),
    ui.Route("/step-up", "/step-up?level=3&next=/me", ("citizen",)),
    ui.Route("/step-up/go", fixture="answers with a redirect"),
    ui.Route("/me/devices", "/me/devices", ("citizen",)),
    ui.Route("/me/devices/passkey/options", fixture="JSON"),
    ui.Route("/me/access", "/me/access", ("citizen",)),
    ui.Route("/session/ending", "/session/ending?next=/me", ("citizen",)),
    ui.Route("/staff/login", "/staff/login"),
    ui.Route("/staff/passkey/options", fixture="JSON"),
    ui.Route("/staff/counter", "/staff/counter", ("staff",)),
    ui.Route("/demo/sms", fixture="JSON"),
    ui.Route("/me/disputes", "/me/disputes", ("citizen",)),
    ui.Route("/me/disputes/new", "/me/disputes/new", ("citizen",)),
    ui.Route("/me/disputes/{dispute:uuid}", fixture="a dispute", who=("citizen",)),
    ui.Route("/staff/disputes", "/staff/disputes", ("staff",)),
    ui.Route("/staff/disputes/{dispute:uuid}", fixture="a dispute", who=("staff",)),
    ui.Route("/staff/disputes/{dispute:uuid}/files/{material:uuid}", fixture="a file"),
)
routes: list[Any] = [*login.ROUTES, *roam.ROUTES, *step_up.ROUTES, *me.ROUTES, *session.ROUTES, *staff.ROUTES, *disputes.ROUTES, *demo.ROUTES]
