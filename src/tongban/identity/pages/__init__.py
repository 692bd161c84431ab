"""Pages of identity 身份的页面: signing in and out, between nodes, raising the level, my devices, staff, demo doors."""

from __future__ import annotations

from typing import Any

from tongban.identity.pages import demo, login, me, roam, staff, step_up

routes: list[Any] = [*login.ROUTES, *roam.ROUTES, *step_up.ROUTES, *me.ROUTES, *staff.ROUTES, *demo.ROUTES]
