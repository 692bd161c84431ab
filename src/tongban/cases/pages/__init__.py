"""HTML doors of 办件: filling and submitting, a person's own cases, the desk."""

from __future__ import annotations

from typing import Any

from tongban import ui
from tongban.cases.pages import apply, desk, desk_acts, found, licences, mine, window

routes: list[Any] = [*apply.routes, *found.routes, *mine.routes, *window.routes, *desk.routes, *desk_acts.routes, *licences.routes]
ROUTES: list[ui.Route] = [*apply.ROUTES, *mine.ROUTES, *desk.ROUTES, *licences.ROUTES]
