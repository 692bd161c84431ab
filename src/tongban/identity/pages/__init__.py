"""Pages of identity 身份的页面: signing in and out, between nodes, raising the level, my devices, staff, demo doors."""

from __future__ import annotations

from typing import Any

from tongban import ui
from tongban.identity.pages import (
    agents,
    clients,
    consent,
    demo,
    discover,
    disputes,
    emergency,
    hall,
    homes,
    login,
    me,
    people,
    proposals,
    readings,
    roam,
    sign_out,
    staff,
    step_up,
    switch,
    ways,
)

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
    ui.Route("/consent", fixture="an authorization request under way"),
    ui.Route("/step-up", "/step-up?level=3&next=/me", ("citizen",)),
    ui.Route("/step-up/go", fixture="answers with a redirect"),
    ui.Route("/me/devices", "/me/devices", ("citizen",)),
    ui.Route("/me/devices/passkey/options", fixture="JSON"),
    ui.Route("/me/access", "/me/access", ("citizen",)),
    ui.Route("/me/agents", "/me/agents", ("citizen",)),
    ui.Route("/me/agents/new", "/me/agents/new", ("citizen",)),
    ui.Route("/me/agents/{mandate_id:uuid}", fixture="a mandate"),
    ui.Route("/me/agents/{mandate_id:uuid}/stop", fixture="a mandate"),
    ui.Route("/me/agents/confirm/{ask_id:uuid}", fixture="an ask to a guardian"),
    ui.Route("/me/switch", "/me/switch", ("citizen",)),
    ui.Route("/staff/mandates", "/staff/mandates", ("staff",)),
    ui.Route("/staff/mandates/alerts", "/staff/mandates/alerts", ("staff",)),
    ui.Route("/staff/login", "/staff/login"),
    ui.Route("/staff/passkey/options", fixture="JSON"),
    ui.Route("/staff/readings", "/staff/readings", ("staff",)),
    ui.Route("/staff/counter", "/staff/counter", ("staff",)),
    ui.Route("/staff/clients", "/staff/clients", ("staff",)),
    ui.Route("/staff/clients/new", "/staff/clients/new", ("staff",)),
    ui.Route("/staff/clients/{client_id:str}", fixture="a registered client", who=("staff",)),
    ui.Route("/staff/clients/{client_id:str}/edit", fixture="a registered client", who=("staff",)),
    ui.Route("/staff/clients/changes/{change_id:uuid}", fixture="a proposed change", who=("staff",)),
    ui.Route("/staff/join", "/staff/join"),
    ui.Route("/staff/key", "/staff/key", ("staff",)),
    ui.Route("/staff/people", "/staff/people", ("staff",)),
    ui.Route("/staff/people/{member:str}", fixture="a member of staff", who=("staff",)),
    ui.Route("/staff/proposals", "/staff/proposals", ("staff",)),
    ui.Route("/staff/proposals/{proposal_id:uuid}", fixture="a proposal", who=("staff",)),
    ui.Route("/staff/emergency", "/staff/emergency", ("staff",)),
    ui.Route("/staff/emergency/{glass_id:uuid}", fixture="an access", who=("staff",)),
    ui.Route("/demo/sms", fixture="JSON"),
    ui.Route("/me/home", "/me/home", ("citizen",)),
    ui.Route("/me/disputes", "/me/disputes", ("citizen",)),
    ui.Route("/me/disputes/new", "/me/disputes/new", ("citizen",)),
    ui.Route("/me/disputes/{dispute:uuid}", fixture="a dispute", who=("citizen",)),
    ui.Route("/staff/disputes", "/staff/disputes", ("staff",)),
    ui.Route("/staff/disputes/{dispute:uuid}", fixture="a dispute", who=("staff",)),
    ui.Route("/staff/disputes/{dispute:uuid}/files/{material:uuid}", fixture="a file"),
)
routes: list[Any] = [*login.ROUTES, *roam.ROUTES, *step_up.ROUTES, *me.ROUTES, *staff.ROUTES, *people.ROUTES, *proposals.ROUTES, *readings.ROUTES, *emergency.ROUTES, *discover.ROUTES, *disputes.ROUTES, *homes.ROUTES, *demo.ROUTES]
routes += [*clients.ROUTES, *consent.ROUTES, *sign_out.ROUTES]
ROUTES += ways.LISTED
routes += ways.ROUTES
routes += [*agents.ROUTES, *switch.ROUTES, *hall.ROUTES]
